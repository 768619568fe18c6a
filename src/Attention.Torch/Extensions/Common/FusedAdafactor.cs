using static TorchSharp.torch;

namespace Attention.Torch;

/// <summary>
/// Adafactor (Shazeer and Stern 2018, arXiv:1804.04235), with the arithmetic of timm at a given learning rate: of a matrix's
/// squared gradients it keeps the means of rows and columns alone, so that its state is next to nothing beside the weights.
/// </summary>
/// <param name="groups">Parameters with their learning rates and weight decays.</param>
/// <param name="decayRate">The power of the step that the running means forget by; below 0.</param>
/// <param name="eps">Added to the squared gradients.</param>
/// <param name="clipThreshold">The largest root mean square that a parameter's step may have, in units of the learning rate.</param>
public sealed class FusedAdafactor(IEnumerable<FusedParameterGroup> groups, double decayRate = -0.8, double eps = 1e-30, double clipThreshold = 1)
    : FusedOptimizer(groups)
{
    // Smaller matrices save nothing by being factored.
    private const int MinSide = 16;

    private protected override IReadOnlyList<(string Name, long[] Shape)> StateOf(string name, Tensor parameter) => Factored(parameter.shape) is var (first, second)
        ? [("exp_avg_sq_row", Without(parameter.shape, second)), ("exp_avg_sq_col", Without(parameter.shape, first))]
        : [("exp_avg_sq", parameter.shape)];

    private protected override void Update(FusedParameterGroup group, Tensor[] parameters, Tensor[] gradients, Tensor[][] state, long step, double gradScale)
    {
        bool factored = state.Length == 2;
        var dimensions = factored ? Array.ConvertAll(parameters, p => Factored(p.shape)!.Value) : [];
        FusedKernels.Adafactor(parameters, gradients, state[0], factored ? state[1] : [],
            Array.ConvertAll(dimensions, d => (long)d.First), Array.ConvertAll(dimensions, d => (long)d.Second),
            group.LearningRate, decayRate, eps, clipThreshold, group.WeightDecay, step, gradScale);
    }

    // A convolution's channels, else the last two dimensions.
    private static (int First, int Second)? Factored(long[] shape) => shape switch
    {
        { Length: > 2 } when shape[0] > MinSide && shape[1] > MinSide => (0, 1),
        { Length: >= 2 } when shape[^2] > MinSide && shape[^1] > MinSide => (shape.Length - 2, shape.Length - 1),
        _ => null,
    };

    private static long[] Without(long[] shape, int dimension) => [.. shape[..dimension], .. shape[(dimension + 1)..]];
}
