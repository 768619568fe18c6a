using static TorchSharp.torch;

namespace Attention.Torch;

/// <summary>SGD with momentum, with the arithmetic of torch.optim.SGD, in one pass over all parameters.</summary>
/// <param name="groups">Parameters with their learning rates and weight decays.</param>
/// <param name="momentum">Factor of the buffer of past gradients; 0 keeps none.</param>
/// <param name="dampening">How much less than 1 a new gradient counts in the buffer, after the first step.</param>
/// <param name="nesterov">Looks one step of momentum ahead; needs momentum and no dampening.</param>
public sealed class FusedSGD(IEnumerable<FusedParameterGroup> groups, double momentum = 0, double dampening = 0, bool nesterov = false)
    : FusedOptimizer(groups, momentum == 0 ? [] : ["momentum_buffer"])
{
    private readonly bool nesterov = !nesterov || (momentum > 0 && dampening == 0)
        ? nesterov
        : throw new ArgumentException("Nesterov momentum needs a momentum and zero dampening");

    private protected override void Update(FusedParameterGroup group, Tensor[] parameters, Tensor[] gradients, Tensor[][] state, long step, double gradScale) =>
        FusedKernels.Sgd(parameters, gradients, momentum == 0 ? [] : state[0], group.LearningRate, momentum, dampening, group.WeightDecay, nesterov, step == 1, gradScale);
}
