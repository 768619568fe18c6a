using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Attention.Modules.Dense;

/// <summary>
/// A map beside its means over grids of several sizes, each through a 1x1 convolution. (B, C, H, W) to (B, C + scales * C', H, W).
/// Zhao et al., Pyramid Scene Parsing Network, 2017 (arXiv:1612.01105); parameter names as in mmseg's PPM.
/// </summary>
public static class PyramidPooling
{
    /// <param name="inputs">C.</param>
    /// <param name="outputs">C'.</param>
    /// <param name="scales">Cells along a side of each grid; they are uneven where the map's size is no multiple.</param>
    public static ModuleList<Sequential> Create(long inputs, long outputs, IEnumerable<int> scales) =>
        nn.ModuleList(scales.Select(scale => nn.Sequential(nn.AdaptiveAvgPool2d(scale), new ConvModule(inputs, outputs, 1))).ToArray());

    /// <summary>Applies what <see cref="Create"/> made.</summary>
    public static Tensor Apply(ModuleList<Sequential> scales, Tensor x, bool align_corners) =>
        cat([x, .. scales.Select(scale => MapResize.Like(scale.call(x), x, align_corners))], 1);
}
