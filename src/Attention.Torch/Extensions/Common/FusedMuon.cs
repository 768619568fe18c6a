using static TorchSharp.torch;

namespace Attention.Torch;

/// <summary>
/// Muon (Jordan et al. 2024), with the arithmetic of timm: the momentum of every weight matrix, convolutions flattened, is
/// orthogonalised by Newton-Schulz iterations and scaled to the size of AdamW's step (Liu et al. 2025, arXiv:2502.16982).
/// Vectors and matrices too narrow for it are left to AdamW.
/// </summary>
/// <param name="groups">Parameters with their learning rates and weight decays.</param>
/// <param name="momentum">Decay of the running mean of a matrix's gradient.</param>
/// <param name="nesterov">Looks one step of momentum ahead.</param>
/// <param name="beta1">AdamW's, for the rest.</param>
/// <param name="beta2">AdamW's, for the rest.</param>
/// <param name="eps">Least norm of a matrix, and AdamW's.</param>
/// <param name="adamw">Names of matrices that are left to AdamW, such as embeddings; null for none.</param>
public sealed class FusedMuon(IEnumerable<FusedParameterGroup> groups, double momentum = 0.95, bool nesterov = false, double beta1 = 0.9, double beta2 = 0.95, double eps = 1e-7,
    IReadOnlySet<string>? adamw = null)
    : FusedOptimizer(groups)
{
    private const int MinSide = 4;
    private const double MaxAspect = 128;

    private protected override IReadOnlyList<(string Name, long[] Shape)> StateOf(string name, Tensor parameter) => IsMatrix(parameter.shape) && adamw?.Contains(name) != true
        ? [("momentum_buffer", parameter.shape)]
        : [("exp_avg", parameter.shape), ("exp_avg_sq", parameter.shape)];

    private protected override void Update(FusedParameterGroup group, Tensor[] parameters, Tensor[] gradients, Tensor[][] state, long step, double gradScale)
    {
        if (state.Length == 1)
            FusedKernels.Muon(parameters, gradients, state[0], group.LearningRate, momentum, nesterov, eps, group.WeightDecay, gradScale);
        else
            FusedKernels.Adam(parameters, gradients, state[0], state[1], group.LearningRate, beta1, beta2, eps, group.WeightDecay, decoupled: true, step, gradScale);
    }

    // Neither tokens and position embeddings (1, N, C), nor matrices with nearly nothing to orthogonalise.
    private static bool IsMatrix(long[] shape)
    {
        if (shape.Length < 2 || shape[0] == 1 || shape[1] == 1)
            return false;
        long width = shape.Skip(1).Aggregate(1L, (product, side) => product * side);
        var (small, large) = (Math.Min(shape[0], width), Math.Max(shape[0], width));
        return small >= MinSide && (double)large / small <= MaxAspect;
    }
}
