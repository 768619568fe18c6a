using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Attention.Modules;

/// <summary>
/// x / sqrt(mean(x²) + eps) · weight over the last dimension, computed in float32. (..., C) to the same.
/// Zhang and Sennrich, Root Mean Square Layer Normalization, 2019 (arXiv:1910.07467).
/// </summary>
public sealed class RmsNorm : Block
{
    private readonly Parameter weight;
    private readonly double eps;
    private readonly bool unit_offset;

    /// <param name="dim">C.</param>
    /// <param name="eps">Added to the mean square.</param>
    /// <param name="unit_offset">Multiply by 1 + weight, as Gemma does.</param>
    public RmsNorm(long dim, double eps, bool unit_offset = false) : base(nameof(RmsNorm))
    {
        this.eps = eps;
        this.unit_offset = unit_offset;
        weight = new Parameter(unit_offset ? zeros(dim) : ones(dim));
        RegisterComponents();
    }

    /// <summary>Writes itself, of each of <paramref name="groups"/> groups of channels.</summary>
    public Slot Write(DecodeProgram program, Slot x, long groups = 1) => program.RmsNorm(x, weight, eps, unit_offset ? 1 : 0, groups);

    protected override Tensor Forward(Tensor x)
    {
        var wide = x.dtype == ScalarType.Float64 ? x : x.to(ScalarType.Float32);
        var normal = wide * (wide.square().mean([-1], keepdim: true) + eps).rsqrt();
        // Gemma rounds after the weight, the others before it.
        return unit_offset ? (normal * (1 + weight.to(wide.dtype))).to(x.dtype) : weight * normal.to(x.dtype);
    }
}
