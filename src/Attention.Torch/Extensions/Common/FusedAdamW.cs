using static TorchSharp.torch;

namespace Attention.Torch;

/// <summary>
/// AdamW (Loshchilov and Hutter 2019), with the arithmetic of torch.optim.AdamW, in one pass over all parameters.
/// </summary>
/// <param name="groups">Parameters with their learning rates and weight decays.</param>
/// <param name="beta1">Decay of the running mean of the gradient.</param>
/// <param name="beta2">Decay of the running mean of its square.</param>
/// <param name="eps">Added to the root of the latter.</param>
public sealed class FusedAdamW(IEnumerable<FusedParameterGroup> groups, double beta1 = 0.9, double beta2 = 0.999, double eps = 1e-8)
    : FusedOptimizer(groups, "exp_avg", "exp_avg_sq")
{
    private protected override void Update(FusedParameterGroup group, Tensor[] parameters, Tensor[] gradients, Tensor[][] state, long step, double gradScale) =>
        FusedKernels.Adam(parameters, gradients, state[0], state[1], group.LearningRate, beta1, beta2, eps, group.WeightDecay, decoupled: true, step, gradScale);
}
