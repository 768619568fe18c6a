using Attention.Engine.Configuration;
using Attention.Torch;
using TorchSharp;
using static TorchSharp.torch;

namespace Attention.Engine.Training;

/// <summary>What keeps gradients small.</summary>
public enum ClippingKind
{
    /// <summary>All gradients together have at most a given norm.</summary>
    Norm,

    /// <summary>No element of a gradient is larger than a given value.</summary>
    Value,

    /// <summary>
    /// No unit's gradient has a larger norm than a given share of the norm of its weights (Brock et al., High-Performance
    /// Large-Scale Image Recognition Without Normalization, 2021, arXiv:2102.06171). A unit is what leads to one output.
    /// </summary>
    Adaptive,
}

/// <summary>A limit on gradients.</summary>
/// <param name="Kind">What is limited.</param>
/// <param name="Limit">The limit.</param>
public sealed record GradientClipping(ClippingKind Kind, double Limit)
{
    /// <summary>A config's, or null for none.</summary>
    public static GradientClipping? Of(ExperimentConfig config) => config switch
    {
        { clip_grad_norm: { } limit } => new(ClippingKind.Norm, limit),
        { clip_grad_value: { } limit } => new(ClippingKind.Value, limit),
        { clip_grad_adaptive: { } limit } => new(ClippingKind.Adaptive, limit),
        _ => null,
    };

    // A weight that starts at zero must still be able to grow.
    private const double LeastWeight = 1e-3;

    /// <summary>Clips gradients in place, but for <see cref="ClippingKind.Norm"/>, which is a factor for the optimizer.</summary>
    /// <param name="parameters">Their gradients, where they have any.</param>
    /// <param name="norm">The norm of all gradients.</param>
    /// <returns>The factor that is left for the optimizer.</returns>
    public double Apply(IEnumerable<Tensor> parameters, double norm)
    {
        if (Kind == ClippingKind.Norm)
            return GradNorm.ClipScale(norm, Limit);
        using var scope = NewDisposeScope();
        using var mode = no_grad();
        foreach (var parameter in parameters)
            if (parameter.grad is { } gradient)
            {
                if (Kind == ClippingKind.Value)
                    gradient.clamp_(-Limit, Limit);
                else
                    ClipUnits(parameter, gradient);
            }
        return 1;
    }

    private void ClipUnits(Tensor parameter, Tensor gradient)
    {
        var largest = UnitNorms(parameter).clamp_(min: LeastWeight).mul_(Limit);
        gradient.mul_((largest / UnitNorms(gradient).clamp_(min: 1e-6)).clamp_(max: 1));
    }

    // One for each output, of a shape that broadcasts; one for a whole vector.
    private static Tensor UnitNorms(Tensor x) => x.ndim <= 1
        ? linalg.vector_norm(x)
        : linalg.vector_norm(x, dims: [.. Enumerable.Range(1, (int)x.ndim - 1).Select(d => (long)d)], keepdim: true);
}
