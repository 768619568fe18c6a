using Attention.Data;
using Attention.Modules;
using TorchSharp;
using static TorchSharp.torch;

namespace Attention.Engine.Evaluation;

/// <summary>Where a model looks in one image.</summary>
/// <param name="Class">The class that it sees.</param>
/// <param name="Confidence">The probability of that.</param>
/// <param name="Heads">For each layer, a map (heads, h, w) of the weights that the class token, or the mean token, gives to each patch.</param>
/// <param name="Rollout">Attention multiplied through all layers (h, w).</param>
/// <param name="Gradient">The same with each layer's weights times their gradient for the class, negative ones left out (h, w).</param>
public sealed record AttentionMaps(int Class, double Confidence, IReadOnlyList<Tensor> Heads, Tensor Rollout, Tensor Gradient)
{
    /// <summary>
    /// Runs one image. Rollout: Abnar and Zuidema, 2020 (arXiv:2005.00928); weighting by gradients: Chefer et al., 2021
    /// (arXiv:2103.15679).
    /// </summary>
    /// <param name="classifier">A model in which every token attends to all.</param>
    /// <param name="image">A batch of one image.</param>
    /// <param name="target">The class to explain; the likeliest for null.</param>
    /// <exception cref="UserError">The model's attention is of another kind, or there is no such class.</exception>
    public static AttentionMaps Of(ImageClassifier classifier, ImageBatch image, int? target = null)
    {
        using var scope = NewDisposeScope();
        using var watch = new AttentionWatch();
        var logits = classifier.Model.call(image.images.to(classifier.Device));
        var layers = Whole(watch.Weights, classifier);
        if (target is { } wanted && (wanted < 0 || wanted >= logits.shape[1]))
            throw new UserError($"there is no class {wanted}", $"the model has {logits.shape[1]}, counted from 0");
        int seen = target ?? (int)logits.argmax(1).item<long>();
        double confidence = logits.detach().softmax(1)[0, seen].item<float>();
        var gradients = autograd.grad([logits[0, seen]], [.. layers], allow_unused: true);

        using var _ = no_grad();
        int side = Side(layers[0], out int prefix);
        var heads = layers.Select(weights => scope.MoveToOuter(Map(Seen(weights[0], prefix), prefix, side).cpu())).ToArray();
        var rollout = Rolled(layers.Select(weights => weights[0].mean([0])));
        var weighted = Rolled(layers.Zip(gradients, (weights, gradient) => gradient is null ? zeros_like(weights[0, 0]) : (weights * gradient)[0].clamp_min(0).mean([0])));
        return new AttentionMaps(seen, confidence, heads,
            scope.MoveToOuter(Map(Seen(rollout.unsqueeze(0), prefix), prefix, side)[0].cpu()),
            scope.MoveToOuter(Map(Seen(weighted.unsqueeze(0), prefix), prefix, side)[0].cpu()));
    }

    private static List<Tensor> Whole(IReadOnlyList<Tensor> seen, ImageClassifier classifier)
    {
        var layers = seen.Where(weights => weights.requires_grad && weights.shape is [1, _, var queries, var keys] && queries == keys).ToList();
        if (layers.Count == 0 || layers.Any(weights => weights.shape[^1] != layers[0].shape[^1]))
            throw new UserError($"{classifier.Model.GetName()} has no attention of all tokens to all, of which maps could be drawn",
                "choose a plain vision transformer, such as vit_small_patch16_224");
        Side(layers[0], out _);
        return layers;
    }

    // Tokens before the patches, such as the class token: as few as leave a square.
    private static int Side(Tensor weights, out int prefix)
    {
        long tokens = weights.shape[^1];
        int side = (int)Math.Sqrt(tokens);
        prefix = (int)(tokens - (long)side * side);
        return side;
    }

    // What the first token looks at, or where none stands before the patches, all of them on average: (heads, tokens).
    private static Tensor Seen(Tensor weights, int prefix) => prefix > 0 ? weights.select(1, 0) : weights.mean([1]);

    private static Tensor Map(Tensor seen, int prefix, int side) => seen.narrow(1, prefix, (long)side * side).reshape(-1, side, side).to(ScalarType.Float32).contiguous();

    // Each layer keeps half of what it got by its residual connection.
    private static Tensor Rolled(IEnumerable<Tensor> layers)
    {
        Tensor? rolled = null;
        foreach (var layer in layers)
        {
            var mixed = layer + eye(layer.shape[0], device: layer.device);
            mixed = mixed / mixed.sum(-1, keepdim: true);
            rolled = rolled is null ? mixed : mixed.matmul(rolled);
        }
        return rolled!;
    }
}
