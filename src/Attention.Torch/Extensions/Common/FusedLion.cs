using static TorchSharp.torch;

namespace Attention.Torch;

/// <summary>
/// Lion (Chen et al., Symbolic Discovery of Optimization Algorithms, 2023, arXiv:2302.06675) in one pass over all
/// parameters: steps of one length in every direction, so it wants a tenth of AdamW's learning rate and ten times its
/// weight decay.
/// </summary>
/// <param name="groups">Parameters with their learning rates and weight decays.</param>
/// <param name="beta1">Weight of the running mean against the gradient in the direction of the step.</param>
/// <param name="beta2">Decay of the running mean.</param>
public sealed class FusedLion(IEnumerable<FusedParameterGroup> groups, double beta1 = 0.9, double beta2 = 0.99)
    : FusedOptimizer(groups, "exp_avg")
{
    private protected override void Update(FusedParameterGroup group, Tensor[] parameters, Tensor[] gradients, Tensor[][] state, long step, double gradScale) =>
        FusedKernels.Lion(parameters, gradients, state[0], group.LearningRate, beta1, beta2, group.WeightDecay, gradScale);
}
