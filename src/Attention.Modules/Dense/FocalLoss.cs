using TorchSharp;
using static TorchSharp.torch;

namespace Attention.Modules.Dense;

/// <summary>
/// Cross-entropy of independent classes in which what is easy counts less: Lin et al., Focal Loss for Dense Object Detection, 2017
/// (arXiv:1708.02002).
/// </summary>
public static class FocalLoss
{
    /// <summary>The loss of each logit, of their shape.</summary>
    /// <param name="logits">Of any shape.</param>
    /// <param name="targets">0 or 1, of the same shape.</param>
    /// <param name="alpha">The weight of ones, 1 - alpha of zeros; negative for none.</param>
    /// <param name="gamma">How much less: the power of the probability of the other answer.</param>
    public static Tensor Sigmoid(Tensor logits, Tensor targets, double alpha = 0.25, double gamma = 2)
    {
        using var scope = NewDisposeScope();
        var probability = logits.sigmoid();
        var entropy = nn.functional.binary_cross_entropy_with_logits(logits, targets, reduction: nn.Reduction.None);
        var right = probability * targets + (1 - probability) * (1 - targets);
        var loss = entropy * (1 - right).pow(gamma);
        if (alpha >= 0)
            loss = (alpha * targets + (1 - alpha) * (1 - targets)) * loss;
        return scope.MoveToOuter(loss);
    }
}
