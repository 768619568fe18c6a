using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Attention.Modules;

/// <summary>
/// Divides by the root mean square, or the deviation, over the channels of each position, and multiplies by a weight; there is
/// no bias. Computed in float32. (B, C) or (B, C, H, W) to the same. As RmsNorm2d and SimpleNorm2d of timm.
/// </summary>
public sealed class RmsNorm2d : Block
{
    private readonly Parameter weight;
    private readonly double eps;
    private readonly bool deviation;

    /// <param name="channels">C.</param>
    /// <param name="eps">Added to the mean square or the variance.</param>
    /// <param name="deviation">Divide by the unbiased standard deviation; the mean is not subtracted either way.</param>
    public RmsNorm2d(long channels, double eps = 1e-6, bool deviation = false) : base(nameof(RmsNorm2d))
    {
        this.eps = eps;
        this.deviation = deviation;
        weight = new Parameter(ones(channels));
        RegisterComponents();
    }

    protected override Tensor Forward(Tensor x)
    {
        var wide = x.dtype == ScalarType.Float64 ? x : x.to(ScalarType.Float32);
        var spread = deviation ? Variance(wide) : wide.square().mean([1], keepdim: true);
        var normal = (wide * (spread + eps).rsqrt()).to(x.dtype);
        return normal * (x.ndim == 2 ? weight : weight.view(-1, 1, 1));
    }

    private static Tensor Variance(Tensor x) =>
        (x - x.mean([1], keepdim: true)).square().sum(1, keepdim: true) / (x.shape[1] - 1);
}
