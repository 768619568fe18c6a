using TorchSharp;
using static TorchSharp.torch;

namespace Attention.Modules.Dense;

/// <summary>Feature maps at other resolutions.</summary>
public static class MapResize
{
    /// <summary>A map (B, C, H, W) bilinearly at another size; itself where it has that size.</summary>
    /// <param name="x">The map.</param>
    /// <param name="height">H of the result.</param>
    /// <param name="width">W of the result.</param>
    /// <param name="align_corners">Whether the corners' centres stay in place, rather than the map's borders.</param>
    public static Tensor To(Tensor x, long height, long width, bool align_corners = false) => (x.shape[2], x.shape[3]) == (height, width) ? x
        : nn.functional.interpolate(x, [height, width], mode: InterpolationMode.Bilinear, align_corners: align_corners);

    /// <summary>A map at the size of another.</summary>
    public static Tensor Like(Tensor x, Tensor other, bool align_corners = false) => To(x, other.shape[2], other.shape[3], align_corners);
}

/// <summary>A map at twice its resolution, bilinearly. (B, C, H, W) to (B, C, 2 H, 2 W).</summary>
/// <param name="align_corners">As of <see cref="MapResize"/>.</param>
public sealed class Upsample2x(bool align_corners = false) : Block(nameof(Upsample2x))
{
    protected override Tensor Forward(Tensor x) => MapResize.To(x, 2 * x.shape[2], 2 * x.shape[3], align_corners);
}
