using TorchSharp;
using static TorchSharp.torch;

namespace Attention.Models.Dense;

/// <summary>How logits of pixels become a loss: cross entropy, Dice loss, or a weighted sum of both.</summary>
public sealed record PixelLoss
{
    /// <summary>What the cross entropy counts in the sum.</summary>
    public double cross_entropy { get; init; } = 1;

    /// <summary>What the Dice loss counts in the sum.</summary>
    public double dice { get; init; }

    /// <summary>The weight of each class, (num_classes); null for the same weight.</summary>
    public Tensor? class_weights { get; init; }

    /// <summary>The share of the target that is spread over all classes.</summary>
    public double label_smoothing { get; init; }

    /// <summary>
    /// Whether the cross entropy is averaged over all pixels, as in mmseg, rather than over those that count, as in PyTorch.
    /// </summary>
    public bool average_all { get; init; }

    /// <param name="logits">(B, num_classes, H, W).</param>
    /// <param name="labels">The class of each pixel or <see cref="SegmentationModel.Ignored"/>, (B, H, W), int64.</param>
    /// <returns>A scalar; 0 where no pixel counts.</returns>
    public Tensor Of(Tensor logits, Tensor labels)
    {
        using var scope = NewDisposeScope();
        var losses = new List<Tensor>();
        if (cross_entropy > 0)
            losses.Add(cross_entropy * CrossEntropy(logits, labels));
        if (dice > 0)
            losses.Add(dice * DiceLoss(logits, labels));
        return scope.MoveToOuter(losses.Aggregate((sum, each) => sum + each));
    }

    private Tensor CrossEntropy(Tensor logits, Tensor labels)
    {
        var sum = nn.functional.cross_entropy(logits, labels, class_weights, ignore_index: SegmentationModel.Ignored, nn.Reduction.Sum, label_smoothing);
        if (average_all)
            return sum / labels.numel();
        var counted = labels.ne(SegmentationModel.Ignored);
        // With weights, PyTorch's mean is the weighted one.
        var pixels = class_weights is null ? counted.sum() : class_weights.index_select(0, labels.masked_select(counted)).sum();
        return sum / pixels.to(sum.dtype).clamp_min(1e-6);
    }

    // 1 - 2 |A and B| / (|A| + |B|) with probabilities in place of sets, the mean over images and classes (Milletari et al.,
    // V-Net, arXiv:1606.04797); 1 in numerator and denominator lets an absent class that is not guessed cost nothing.
    private static Tensor DiceLoss(Tensor logits, Tensor labels)
    {
        var counted = labels.ne(SegmentationModel.Ignored);
        var truth = nn.functional.one_hot(where(counted, labels, zeros_like(labels)), logits.shape[1]).permute(0, 3, 1, 2).to(logits.dtype);
        var mask = counted.unsqueeze(1).to(logits.dtype);
        var (guess, target) = ((logits.softmax(1) * mask).flatten(2), (truth * mask).flatten(2));
        return (1 - (2 * (guess * target).sum(-1) + 1) / (guess.sum(-1) + target.sum(-1) + 1)).mean();
    }
}
