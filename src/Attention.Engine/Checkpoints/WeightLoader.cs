using System.Text.RegularExpressions;
using Attention.Models;
using TorchSharp;
using static TorchSharp.torch;

namespace Attention.Engine.Checkpoints;

/// <summary>
/// Weights of a checkpoint into a model, by name. What differs only because the model was made for other classes, another image,
/// window or patch size or other input channels is fitted; everything else that differs is an error, found before any weight
/// is touched.
/// </summary>
public static partial class WeightLoader
{
    /// <summary>Tables that models compute from their config, which older programs saved all the same.</summary>
    private static readonly string[] computed = ["relative_position_index", "relative_coords_table", "attn_mask", "position_ids", "rotary_emb.inv_freq"];

    /// <summary>Learned positions of tokens (1, N, C) or of a map (1, H, W, C).</summary>
    [GeneratedRegex(@"^(absolute_)?pos_embed(_\d+|\d+)?$|^(patch_pos|position_embeddings?)$")]
    private static partial Regex PositionNames();

    /// <summary>What a program that wraps the model may put before every name: the field that held it.</summary>
    private static readonly string[] hostPrefixes = ["model.", "backbone.", "encoder.", "net.", "network.", "base_encoder.", "visual.", "teacher.", "student."];

    /// <summary>What models call their classifier.</summary>
    private static readonly string[] classifierNames = ["head", "head_dist", "fc", "classifier"];

    /// <summary>A batch norm's count of steps, which PyTorch did not save before 0.4.1 and evaluation does not use.</summary>
    private const string BatchCount = "num_batches_tracked";

    /// <summary>Opens a checkpoint and loads it.</summary>
    /// <param name="model">The model.</param>
    /// <param name="path">A file or folder, see <see cref="CheckpointReader.Open"/>.</param>
    /// <param name="strict">Whether what is missing, unexpected or does not fit is an error.</param>
    /// <param name="part">Which part of a nested checkpoint.</param>
    /// <exception cref="LoadError"><paramref name="strict"/>, and the two do not fit.</exception>
    public static LoadReport Load(nn.Module model, string path, bool strict = true, string? part = null)
    {
        using var checkpoint = CheckpointReader.Open(path, part);
        return Load(model, checkpoint, strict);
    }

    /// <inheritdoc cref="Load(nn.Module, string, bool, string?)"/>
    public static LoadReport Load(nn.Module model, CheckpointReader checkpoint, bool strict = true)
    {
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        var plan = new Plan(Target(model, checkpoint), checkpoint);
        var report = plan.Report();
        if (strict && !report.Fits)
            throw new LoadError(report);
        plan.Run();
        return report;
    }

    /// <summary>What a checkpoint is of: the model, or the backbone that it stands on.</summary>
    public static nn.Module Target(nn.Module model, CheckpointReader checkpoint) =>
        model is IBackboneHost host && HostPrefix(model, checkpoint) is null && HostPrefix(host.Body, checkpoint) is not null ? host.Body : model;

    // The first that lets the model know a name, where it knows none as they are; null where none does.
    private static string? HostPrefix(nn.Module model, CheckpointReader checkpoint)
    {
        var state = model.state_dict();
        bool Knows(string prefix) => checkpoint.Entries.Any(entry => entry.Name.StartsWith(prefix, StringComparison.Ordinal)
            && (model is IPublishedNames names ? names.Rename(entry.Name[prefix.Length..]) : entry.Name[prefix.Length..]) is { } name && state.ContainsKey(name));
        return Knows("") ? "" : hostPrefixes.FirstOrDefault(Knows);
    }

    /// <summary>Where each tensor goes, decided from names and shapes alone.</summary>
    private sealed class Plan
    {
        private readonly nn.Module model;
        private readonly CheckpointReader checkpoint;
        private readonly Dictionary<string, Tensor> state;
        private readonly string hostPrefix = "";
        private readonly List<(string Name, string Published)> copies = [];
        private readonly List<(string Name, string Published, Func<Tensor, Tensor> Fit)> fits = [];
        private readonly List<AdaptedTensor> adapted = [];
        private readonly List<ShapeMismatch> mismatched = [], reinitialised = [];
        private readonly List<string> missing = [], unexpected = [], ignored = [];

        public Plan(nn.Module model, CheckpointReader checkpoint)
        {
            this.model = model;
            this.checkpoint = checkpoint;
            state = model.state_dict();
            hostPrefix = HostPrefix(model, checkpoint) ?? "";
            var found = new HashSet<string>();
            foreach (var entry in checkpoint.Entries)
                if (Renamed(entry.Name) is not { } name)
                    ignored.Add(entry.Name);
                else if (!state.TryGetValue(name, out var target))
                    (IsLeftOut(name) ? ignored : unexpected).Add(entry.Name);
                else if (!found.Add(name))
                    unexpected.Add(entry.Name);
                else
                    Place(name, entry, target);
            FindMissing(found);
        }

        private string? Renamed(string published)
        {
            if (published.StartsWith(hostPrefix, StringComparison.Ordinal))
                published = published[hostPrefix.Length..];
            return model is IPublishedNames names ? names.Rename(published) : published;
        }

        private static bool IsComputed(string name) => computed.Any(table => name == table || name.EndsWith("." + table, StringComparison.Ordinal));

        private bool IsLeftOut(string name) => IsComputed(name) || name.EndsWith("." + BatchCount, StringComparison.Ordinal)
            || model is ImageModel { num_classes: 0 } && classifierNames.Any(head => name == head + ".weight" || name == head + ".bias" || name == head + ".fc.weight" || name == head + ".fc.bias");

        private void Place(string name, CheckpointEntry entry, Tensor target)
        {
            if (target.is_floating_point() != IsFloatingPoint(entry.Type))
                mismatched.Add(new ShapeMismatch(name, target.shape, entry.Shape));
            else if (target.shape.AsSpan().SequenceEqual(entry.Shape))
                copies.Add((name, entry.Name));
            else if (IsComputed(name))
                ignored.Add(entry.Name);
            else if (IsOtherClassifier(name, entry, target))
                reinitialised.Add(new ShapeMismatch(name, target.shape, entry.Shape));
            else if (Fitting(name, entry.Shape, target.shape) is { } fitting)
            {
                fits.Add((name, entry.Name, fitting.Fit));
                adapted.Add(new AdaptedTensor(name, target.shape, entry.Shape, fitting.How));
            }
            else
                mismatched.Add(new ShapeMismatch(name, target.shape, entry.Shape));
        }

        private static bool IsFloatingPoint(ScalarType type) => type is ScalarType.Float16 or ScalarType.BFloat16 or ScalarType.Float32 or ScalarType.Float64;

        private bool IsOtherClassifier(string name, CheckpointEntry entry, Tensor target) =>
            model is ImageModel image && target.dim() >= 1 && entry.Shape.Length == target.dim()
            && target.shape[0] == image.num_classes && entry.Shape[0] != image.num_classes
            && entry.Shape.AsSpan(1).SequenceEqual(target.shape.AsSpan(1)) && image.layer_of(name) == image.num_layers - 1;

        private static (Func<Tensor, Tensor> Fit, string How)? Fitting(string name, long[] there, long[] here)
        {
            var leaf = name[(name.LastIndexOf('.') + 1)..];
            return leaf switch
            {
                "weight" when there.Length != here.Length => IsPointwise(there, here) ? (each => each.reshape(here), "reshaped") : null,
                "weight" when here.Length == 4 && there[0] == here[0] => FittingConvolution(name, there, here),
                "relative_position_bias_table" => Resampling(each => WeightResampling.BiasTable(each, here)),
                "attention_biases" when here.Length == 2 && there[0] == here[0] => Resampling(each => WeightResampling.AttentionBiases(each, here[1])),
                _ when !PositionNames().IsMatch(leaf) || there[0] != here[0] || there[^1] != here[^1] => null,
                _ when here.Length == 3 => Resampling(each => WeightResampling.Positions(each, here[1])),
                _ when here.Length == 4 => Resampling(each => WeightResampling.PositionMap(each, here[1], here[2])),
                _ => null,
            };

            // Tried on zeros first: the shapes alone decide whether there is a way.
            (Func<Tensor, Tensor>, string)? Resampling(Func<Tensor, Tensor?> way) => HasWay(there, way) ? (each => way(each)!, "resampled") : null;
        }

        // A linear layer and a 1x1 convolution are the same.
        private static bool IsPointwise(long[] there, long[] here)
        {
            var (small, large) = there.Length < here.Length ? (there, here) : (here, there);
            return small.Length == 2 && large.Length == 4 && large.AsSpan().SequenceEqual([small[0], small[1], 1, 1]);
        }

        private static bool HasWay(long[] shape, Func<Tensor, Tensor?> way)
        {
            using var scope = NewDisposeScope();
            using var result = way(zeros(shape));
            return result is not null;
        }

        private static (Func<Tensor, Tensor> Fit, string How)? FittingConvolution(string name, long[] there, long[] here)
        {
            bool otherChannels = there[1] != here[1], otherSize = there[2] != here[2] || there[3] != here[3];
            if (otherChannels && !WeightResampling.HasWay(there[1], here[1]))
                return null;
            if (otherSize && !name.Contains("patch_embed", StringComparison.Ordinal))
                return null;
            return (each =>
            {
                var weight = otherChannels ? WeightResampling.InputChannels(each, here[1]) : each;
                return otherSize ? WeightResampling.PatchEmbedding(weight, here[2], here[3]) : weight;
            }, otherChannels && otherSize ? "resampled and fitted to the input's channels" : otherSize ? "resampled" : "fitted to the input's channels");
        }

        private void FindMissing(HashSet<string> found)
        {
            // A tensor with two names is loaded under either.
            var loaded = found.Select(name => state[name]).ToHashSet<object>(ReferenceEqualityComparer.Instance);
            foreach (var (name, tensor) in state)
                if (!loaded.Contains(tensor) && !IsComputed(name) && !name.EndsWith(BatchCount, StringComparison.Ordinal))
                    missing.Add(name);
        }

        public LoadReport Report() => new()
        {
            Checkpoint = checkpoint.Path,
            Loaded = [.. copies.Select(copy => copy.Name), .. fits.Select(fit => fit.Name)],
            Missing = missing,
            Unexpected = unexpected,
            Mismatched = mismatched,
            Adapted = adapted,
            Reinitialised = reinitialised,
            Ignored = ignored,
        };

        public void Run()
        {
            var targets = state;
            if (reinitialised.Count > 0 && model is ImageModel image)
            {
                // Makes new parameters: those that were looked at are gone.
                image.reset_classifier(image.num_classes);
                targets = model.state_dict();
            }
            foreach (var (name, published) in copies)
                checkpoint.CopyTo(published, targets[name]);
            foreach (var (name, published, fit) in fits)
            {
                using var scope = NewDisposeScope();
                targets[name].copy_(fit(checkpoint.Read(published)));
            }
        }
    }
}
