using Attention.Modules;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Attention.Models.Dense;

/// <summary>Which of a backbone's maps a dense model takes.</summary>
public static class BackboneMaps
{
    private const int Levels = 4;

    /// <summary>The last four; where all have the same resolution, those after each quarter of the blocks.</summary>
    public static int[] Choose(IReadOnlyList<FeatureInfo> maps)
    {
        int count = Math.Min(Levels, maps.Count);
        bool isPlain = maps.All(map => map.Stride == maps[0].Stride);
        return [.. Enumerable.Range(1, count).Select(i => isPlain ? i * maps.Count / count - 1 : maps.Count - count + i - 1)];
    }
}

/// <summary>
/// Maps of one resolution to a pyramid: the first at four times that resolution, the second at twice, the third as it is, the fourth
/// at half. Li et al., Benchmarking Detection Transfer Learning with Vision Transformers, 2021 (arXiv:2111.11429); parameter names as
/// in mmseg's Feature2Pyramid.
/// </summary>
public sealed class TokenPyramid : MultiBlock
{
    private readonly Sequential upsample_4x;
    private readonly Sequential upsample_2x;
    private readonly MaxPool2d downsample_2x;

    /// <exception cref="UserError">There are not four maps.</exception>
    public TokenPyramid(long channels, int maps) : base(nameof(TokenPyramid))
    {
        if (maps != 4)
            throw new UserError($"out_indices chooses {maps} maps of one resolution", "choose four, to be made into a pyramid, or one");
        upsample_4x = nn.Sequential(
            nn.ConvTranspose2d(channels, channels, kernel_size: 2, stride: 2), nn.BatchNorm2d(channels), nn.GELU(),
            nn.ConvTranspose2d(channels, channels, kernel_size: 2, stride: 2));
        upsample_2x = nn.Sequential(nn.ConvTranspose2d(channels, channels, kernel_size: 2, stride: 2));
        downsample_2x = nn.MaxPool2d(2, stride: 2);
        RegisterComponents();
    }

    /// <summary>Input pixels per position of a map of the pyramid.</summary>
    public int Stride(int stride, int map) => map switch { 0 => stride / 4, 1 => stride / 2, 2 => stride, _ => stride * 2 };

    protected override Tensor[] Forward(Tensor[] x) => [upsample_4x.call(x[0]), upsample_2x.call(x[1]), x[2].alias(), downsample_2x.call(x[3])];
}
