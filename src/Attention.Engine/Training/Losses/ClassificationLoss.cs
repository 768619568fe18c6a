using Attention.Engine.Configuration;
using TorchSharp;
using static TorchSharp.torch;

namespace Attention.Engine.Training.Losses;

/// <summary>The loss of classifying images.</summary>
public abstract class ClassificationLoss : IDisposable
{
    /// <summary>The mean loss of a batch, a scalar.</summary>
    /// <param name="logits">(B, classes).</param>
    /// <param name="targets">Labels (B), int64, or the share of each class (B, classes).</param>
    public abstract Tensor Of(Tensor logits, Tensor targets);

    public virtual void Dispose() => GC.SuppressFinalize(this);

    /// <summary>The loss of a config.</summary>
    /// <param name="config">The config.</param>
    /// <param name="classes">Classes of the model.</param>
    /// <param name="imagesPerClass">Training images of each class of the data.</param>
    /// <param name="device">Where the model is.</param>
    /// <exception cref="UserError">The class weights are not as many as the classes.</exception>
    public static ClassificationLoss Create(LossConfig config, int classes, IReadOnlyList<int> imagesPerClass, Device device)
    {
        var weights = Weights(config, classes, imagesPerClass) is { } values ? tensor(values, device: device).DetachFromDisposeScope() : null;
        return config switch
        {
            CrossEntropyConfig => new CrossEntropyLoss(config.label_smoothing, weights),
            BinaryCrossEntropyConfig bce => new BinaryCrossEntropyLoss(config.label_smoothing, bce.target_threshold, bce.sum_classes, weights),
            FocalConfig focal => new FocalLoss(focal.gamma, config.label_smoothing, weights),
            _ => throw new ArgumentException($"no loss for {config.GetType().Name}"),
        };
    }

    internal static UserError WrongWeights(LossConfig config, int classes) =>
        new($"loss.class_weights has {config.class_weights.Length} weights, the model {classes} classes", "give one weight for each class");

    private static float[]? Weights(LossConfig config, int classes, IReadOnlyList<int> imagesPerClass)
    {
        if (config.class_weights.Length == 0 && !config.balance_classes)
            return null;
        if (config.class_weights.Length > 0 && config.class_weights.Length != classes)
            throw WrongWeights(config, classes);
        var weights = Enumerable.Range(0, classes).Select(i => config.class_weights.Length > 0 ? config.class_weights[i] : 1);
        double images = imagesPerClass.Sum(), present = imagesPerClass.Count(count => count > 0);
        if (config.balance_classes)
            weights = weights.Select((weight, i) => i < imagesPerClass.Count && imagesPerClass[i] > 0 ? weight * images / (present * imagesPerClass[i]) : weight);
        return [.. weights.Select(weight => (float)weight)];
    }

    /// <summary>Labels (B) or shares (B, classes) as shares of the type of the logits.</summary>
    protected static Tensor Shares(Tensor logits, Tensor targets, double smoothing)
    {
        if (targets.ndim == 2)
            return targets.to(logits.dtype);
        return nn.functional.one_hot(targets, logits.shape[1]).to(logits.dtype) * (1 - smoothing) + smoothing / logits.shape[1];
    }
}

/// <summary>Cross-entropy with label smoothing, class weights and soft targets.</summary>
/// <param name="smoothing">The share of a label that is spread over all classes.</param>
/// <param name="weights">The weight of each class, (classes), which the loss owns; null for the same.</param>
public sealed class CrossEntropyLoss(double smoothing = 0, Tensor? weights = null) : ClassificationLoss
{
    public override Tensor Of(Tensor logits, Tensor targets) => targets.ndim == 2
        ? nn.functional.cross_entropy(logits, targets.to(logits.dtype), weights)
        : nn.functional.cross_entropy(logits, targets, weights, label_smoothing: smoothing);

    public override void Dispose()
    {
        weights?.Dispose();
        base.Dispose();
    }
}

/// <summary>
/// Binary cross-entropy of every class (Beyer et al., Are we done with ImageNet?, 2020, arXiv:2006.07159), with timm's options.
/// </summary>
/// <param name="smoothing">The share of a label that is spread over all classes.</param>
/// <param name="targetThreshold">Shares above it become 1, others 0; null leaves them.</param>
/// <param name="sumClasses">Adds the losses of an image's classes rather than averaging them.</param>
/// <param name="weights">The weight of each class, (classes), which the loss owns; null for the same.</param>
public sealed class BinaryCrossEntropyLoss(double smoothing = 0, double? targetThreshold = null, bool sumClasses = false, Tensor? weights = null) : ClassificationLoss
{
    public override Tensor Of(Tensor logits, Tensor targets)
    {
        using var scope = NewDisposeScope();
        var shares = Shares(logits, targets, smoothing);
        if (targetThreshold is { } threshold)
            shares = shares.gt(threshold).to(logits.dtype);
        var loss = nn.functional.binary_cross_entropy_with_logits(logits, shares, weights, sumClasses ? nn.Reduction.Sum : nn.Reduction.Mean);
        return scope.MoveToOuter(sumClasses ? loss / logits.shape[0] : loss);
    }

    public override void Dispose()
    {
        weights?.Dispose();
        base.Dispose();
    }
}

/// <summary>
/// Focal loss over the softmax: cross-entropy times (1 - p)^gamma, so that what is predicted well counts less (Lin et al.,
/// Focal Loss for Dense Object Detection, 2017, arXiv:1708.02002).
/// </summary>
/// <param name="gamma">How much less; 0 is cross-entropy.</param>
/// <param name="smoothing">The share of a label that is spread over all classes.</param>
/// <param name="weights">The weight of each class, (classes), which the loss owns; null for the same.</param>
public sealed class FocalLoss(double gamma = 2, double smoothing = 0, Tensor? weights = null) : ClassificationLoss
{
    public override Tensor Of(Tensor logits, Tensor targets)
    {
        using var scope = NewDisposeScope();
        logits = logits.to(ScalarType.Float32);
        var logs = nn.functional.log_softmax(logits, 1);
        var shares = Shares(logits, targets, smoothing);
        if (weights is not null)
            shares = shares * weights;
        return scope.MoveToOuter(-(shares * (1 - logs.exp()).pow(gamma) * logs).sum() / logits.shape[0]);
    }

    public override void Dispose()
    {
        weights?.Dispose();
        base.Dispose();
    }
}
