using System.Security.Cryptography;
using System.Text.Json;
using System.Text.Json.Serialization;
using Attention.Engine.Runs;
using Attention.Engine.Training;
using Attention.Torch;
using TorchSharp;
using static TorchSharp.torch;

namespace Attention.Engine.Checkpoints;

/// <summary>What a checkpoint's folder holds: the files and their checksums, and where the run stood.</summary>
public sealed record CheckpointManifest
{
    /// <summary>Version of this layout.</summary>
    public int format { get; init; } = 1;
    public required string model { get; init; }
    public required TrainerState state { get; init; }
    public IReadOnlyDictionary<string, double> metrics { get; init; } = new Dictionary<string, double>();

    /// <summary>SHA-256 of each file, by name.</summary>
    public required IReadOnlyDictionary<string, string> sha256 { get; init; }
}

/// <summary>
/// A folder with everything that training goes on from: <c>model.safetensors</c>, <c>optimizer.safetensors</c>,
/// <c>random.json</c> and <c>manifest.json</c>. The model's file holds what was measured: the running average where there is
/// one, with low-rank changes merged; then the weights that training goes on with are in <c>training.safetensors</c> beside it.
/// The folder is written under a temporary name and renamed, so that it is there whole or not at all.
/// </summary>
public static class Checkpoint
{
    public const string ModelFile = "model.safetensors";
    public const string TrainingFile = "training.safetensors";
    public const string AverageFile = "average.safetensors";
    public const string OptimizerFile = "optimizer.safetensors";
    public const string RandomFile = "random.json";
    public const string ManifestFile = "manifest.json";

    private const string Unfinished = ".tmp", Aside = ".old";

    /// <summary>Writes the checkpoint <paramref name="folder"/>; one that stood there before stays until the new one is whole.</summary>
    public static void Save(string folder, Trainer trainer, string model, IReadOnlyDictionary<string, double> metrics)
    {
        var temporary = folder + Unfinished;
        if (Directory.Exists(temporary))
            Directory.Delete(temporary, recursive: true);
        Directory.CreateDirectory(temporary);
        try
        {
            using var scope = NewDisposeScope();
            var (average, adapters) = (trainer.Options.Average, trainer.Options.Adapters);
            var weights = trainer.Task.Model.state_dict();
            var used = average?.Tensors ?? weights;
            var sums = new Dictionary<string, string>
            {
                [ModelFile] = WriteTensors(temporary, ModelFile, adapters?.Merged(used) ?? used),
                [OptimizerFile] = Write(temporary, OptimizerFile, stream => SafeTensors.Write(stream, trainer.Optimizer.StateTensors().Select(state => KeyValuePair.Create(state.Name, state.Tensor)))),
                [RandomFile] = Write(temporary, RandomFile, stream => JsonSerializer.Serialize(stream, GeneratorState.Save().ToDictionary(), CheckpointJson.Default.DictionaryStringByteArray)),
            };
            if (average is not null || adapters is not null)
                sums[TrainingFile] = WriteTensors(temporary, TrainingFile, weights);
            if (average is not null && adapters is not null)
                sums[AverageFile] = WriteTensors(temporary, AverageFile, average.Tensors);
            var manifest = new CheckpointManifest { model = model, state = trainer.State, metrics = metrics, sha256 = sums };
            Write(temporary, ManifestFile, stream => JsonSerializer.Serialize(stream, manifest, CheckpointJson.Default.CheckpointManifest));
            Replace(temporary, folder);
        }
        catch (Exception e) when (AtomicFile.IsDiskFailure(e))
        {
            Discard(temporary);
            throw new UserError($"checkpoint '{folder}' could not be written: {e.Message.Split(" (Parameter")[0]}", "make room on the disk; the checkpoint before it is as it was", e);
        }
    }

    /// <summary>Puts a checkpoint's weights, optimizer state, random generators and position back into a trainer.</summary>
    /// <exception cref="UserError">A file is missing, or differs from what was written.</exception>
    public static CheckpointManifest Load(string folder, Trainer trainer)
    {
        var manifest = ReadManifest(folder);
        var (average, adapters) = (trainer.Options.Average, trainer.Options.Adapters);
        CopyTo(folder, manifest, average is null && adapters is null ? ModelFile : TrainingFile, trainer.Task.Model.state_dict());
        if (average is not null)
            CopyTo(folder, manifest, adapters is null ? ModelFile : AverageFile, average.Tensors);
        using (var file = SafeTensors.Open(Checked(folder, manifest, OptimizerFile)))
        using (NewDisposeScope())
            trainer.Optimizer.LoadState(file.Entries.ToDictionary(entry => entry.Name, entry => file.Read(entry.Name)));
        GeneratorState.Restore(JsonSerializer.Deserialize(File.ReadAllText(Checked(folder, manifest, RandomFile)), CheckpointJson.Default.DictionaryStringByteArray)!);
        trainer.Restore(manifest.state);
        return manifest;
    }

    /// <summary>Puts a checkpoint's weights into a model.</summary>
    public static void LoadModel(string folder, nn.Module model) => CopyTo(folder, ReadManifest(folder), ModelFile, model.state_dict());

    /// <summary>
    /// Cleans up after a process that was killed while it wrote: an unfinished folder is removed, and an old one that had
    /// stepped aside comes back where the new one had not taken its place.
    /// </summary>
    /// <param name="folder">Any folder beside checkpoints; others are left alone.</param>
    public static void Recover(string folder)
    {
        if (folder.EndsWith(Unfinished, StringComparison.Ordinal))
            Discard(folder);
        else if (folder.EndsWith(Aside, StringComparison.Ordinal))
        {
            var place = folder[..^Aside.Length];
            if (Directory.Exists(place))
                Discard(folder);
            else
                Directory.Move(folder, place);
        }
    }

    private static void CopyTo(string folder, CheckpointManifest manifest, string part, IEnumerable<KeyValuePair<string, Tensor>> tensors)
    {
        using var file = SafeTensors.Open(Checked(folder, manifest, part));
        foreach (var (name, tensor) in tensors)
        {
            if (!file.Contains(name))
                throw new UserError($"checkpoint '{folder}' has no tensor '{name}'", $"it was made for {manifest.model}: use the config of its run");
            file.CopyTo(name, tensor);
        }
    }

    /// <summary>The manifest of a checkpoint.</summary>
    public static CheckpointManifest ReadManifest(string folder)
    {
        var path = Path.Combine(folder, ManifestFile);
        if (!File.Exists(path))
            throw new UserError($"'{folder}' is not a checkpoint: it has no {ManifestFile}", "give a folder such as runs/NAME/TIME/checkpoints/last");
        try
        {
            return JsonSerializer.Deserialize(File.ReadAllText(path), CheckpointJson.Default.CheckpointManifest)!;
        }
        catch (JsonException e)
        {
            throw new UserError($"'{path}' cannot be read: {e.Message}", "use another checkpoint of the run", e);
        }
    }

    private static string Checked(string folder, CheckpointManifest manifest, string file)
    {
        var path = Path.Combine(folder, file);
        if (!File.Exists(path))
            throw new UserError($"checkpoint '{folder}' has no {file}", "use another checkpoint of the run");
        using var stream = File.OpenRead(path);
        if (manifest.sha256.GetValueOrDefault(file) != Convert.ToHexStringLower(SHA256.HashData(stream)))
            throw new UserError($"'{path}' is not what was saved: its checksum differs", "use another checkpoint of the run");
        return path;
    }

    private static string WriteTensors(string folder, string file, IEnumerable<KeyValuePair<string, Tensor>> tensors) =>
        Write(folder, file, stream => SafeTensors.Write(stream, tensors, new Dictionary<string, string> { ["format"] = "pt" }));

    private static string Write(string folder, string file, Action<Stream> write)
    {
        using var stream = new FileStream(Path.Combine(folder, file), FileMode.CreateNew, FileAccess.ReadWrite, FileShare.None, 1 << 16);
        write(stream);
        stream.Flush(flushToDisk: true);
        stream.Position = 0;
        return Convert.ToHexStringLower(SHA256.HashData(stream));
    }

    // A folder cannot be renamed over another: the old one steps aside first, and is found again if the new one is not.
    private static void Replace(string temporary, string folder)
    {
        var old = folder + Aside;
        if (Directory.Exists(old))
            Directory.Delete(old, recursive: true);
        if (Directory.Exists(folder))
            Directory.Move(folder, old);
        Directory.Move(temporary, folder);
        Discard(old);
    }

    private static void Discard(string folder)
    {
        if (Directory.Exists(folder))
            Directory.Delete(folder, recursive: true);
    }
}

[JsonSourceGenerationOptions(WriteIndented = true, NumberHandling = JsonNumberHandling.AllowNamedFloatingPointLiterals)]
[JsonSerializable(typeof(CheckpointManifest))]
[JsonSerializable(typeof(Dictionary<string, byte[]>))]
internal sealed partial class CheckpointJson : JsonSerializerContext;
