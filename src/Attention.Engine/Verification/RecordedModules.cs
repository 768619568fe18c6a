using System.Text.Json;
using Attention.Models.Dense;
using Attention.Modules;
using TorchSharp;
using static TorchSharp.torch;

namespace Attention.Engine.Verification;

/// <summary>
/// What was recorded with more than a model gives: modules alone, whose factories are of <c>mods</c> and whose sizes the recorded
/// state tells, and torchvision's segmenters with both of their heads.
/// </summary>
internal static class RecordedModules
{
    private const string Modules = "mods:", Segmenters = "torchvision.models.segmentation:";

    /// <summary>A module, and how to get all that was recorded of it; null where that is what it gives.</summary>
    public sealed record Part(nn.Module Module, Func<Tensor[], IReadOnlyList<Tensor>>? Call = null);

    private static readonly Dictionary<string, Func<Recording, Part>> builders = new()
    {
        [Modules + "kdgqa"] = KeyDriven,
        [Modules + "dgqa"] = Dynamic,
        [Segmenters + "fcn_resnet50"] = Segmenter,
        [Segmenters + "fcn_resnet101"] = Segmenter,
        [Segmenters + "deeplabv3_resnet50"] = Segmenter,
        [Segmenters + "deeplabv3_resnet101"] = Segmenter,
    };

    /// <summary>The name of the recorded module; null where a whole model was recorded, or a module that is not known.</summary>
    public static string? Name(Recording recording) =>
        recording.factory is { } factory && builders.ContainsKey(factory) ? factory[(factory.IndexOf(':') + 1)..] : null;

    /// <summary>The recorded module, new.</summary>
    public static Part Build(Recording recording) => builders[recording.factory!](recording);

    // Recorded besides the logits: those of the second head.
    private static Part Segmenter(Recording recording)
    {
        bool auxiliary = recording.kwargs.TryGetValue("aux_loss", out var asked) && asked.ValueKind == JsonValueKind.True;
        var model = new TorchvisionSegmentation(TorchvisionSegmentation.Family.Table[Name(recording)!] with
        {
            num_classes = recording.kwargs.TryGetValue("num_classes", out var classes) ? classes.GetInt32() : 21,
            aux_loss = auxiliary,
        });
        return new(model, inputs => model.Logits(inputs[0]) is var (logits, second) && second is not null ? [logits, second] : [model.call(inputs[0])]);
    }

    // Recorded besides the output: the lengths of each head's keys, summed over the batch.
    private static Part KeyDriven(Recording recording)
    {
        var attention = Grouped(recording, new KeyDrivenGroupConfig());
        var keys = (nn.Module<Tensor, Tensor>)attention.named_children().First(child => child.name == "k").module;
        return new(attention, inputs =>
        {
            var output = attention.call(inputs[0]);
            using var _ = no_grad();
            return [output, linalg.vector_norm(keys.call(inputs[0]).unflatten(-1, attention.Groups, -1), dims: [1, 3]).sum(dim: 0)];
        });
    }

    // Recorded besides the output: the remembered lengths after the call, and the queries' heads of each head of keys.
    private static Part Dynamic(Recording recording)
    {
        var attention = Grouped(recording, new DynamicGroupConfig { kind = recording.kwargs.TryGetValue("kind", out var kind) ? kind.GetString()! : "diff" });
        return new(attention, inputs =>
            [attention.call(inputs[0]), attention.get_buffer("cache")!.clone(), tensor(attention.Served!.Select(count => (float)count).ToArray())]);
    }

    private static QueryGroupAttention Grouped(Recording recording, QueryGroupConfig config)
    {
        long[] Shape(string name) => recording.state.First(entry => entry.name == name).shape;
        var (dim, shared, groups) = (Shape("q.weight")[1], Shape("k.weight")[0], recording.outputs[1].shape[0]);
        return new(new AttentionSite(dim, (int)(dim / (shared / groups)), 1, 1), config with
        {
            num_key_value_heads = (int)groups,
            qkv_bias = recording.state.Any(entry => entry.name == "q.bias"),
        });
    }
}
