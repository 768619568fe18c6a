using static TorchSharp.torch;

namespace Attention.Torch;

/// <summary>
/// LAMB (You et al., Large Batch Optimization for Deep Learning, 2020, arXiv:1904.00962), with the arithmetic of timm: Adam's
/// step with the weight decay in it, scaled for each parameter to the parameter's norm. Parameters without weight decay are
/// not scaled.
/// </summary>
/// <param name="groups">Parameters with their learning rates and weight decays.</param>
/// <param name="beta1">Decay of the running mean of the gradient.</param>
/// <param name="beta2">Decay of the running mean of its square.</param>
/// <param name="eps">Added to the root of the latter.</param>
/// <param name="maxGradNorm">All gradients together are brought down to this norm first; null for no limit.</param>
/// <param name="trustClip">No parameter's step is scaled up (LAMBC).</param>
public sealed class FusedLamb(IEnumerable<FusedParameterGroup> groups, double beta1 = 0.9, double beta2 = 0.999, double eps = 1e-6, double? maxGradNorm = 1, bool trustClip = false)
    : FusedOptimizer(groups, "exp_avg", "exp_avg_sq")
{
    private protected override double Scale(double gradScale) =>
        maxGradNorm is { } limit ? gradScale / Math.Max(1, GradNorm.Total(Parameters) * gradScale / limit) : gradScale;

    private protected override void Update(FusedParameterGroup group, Tensor[] parameters, Tensor[] gradients, Tensor[][] state, long step, double gradScale) =>
        FusedKernels.Lamb(parameters, gradients, state[0], state[1], group.LearningRate, beta1, beta2, eps, group.WeightDecay,
            adapt: group.WeightDecay != 0, trustClip, step, gradScale);
}
