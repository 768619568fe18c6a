using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Attention.Modules;

/// <summary>
/// The Haar wavelet of one level: a map as four of half the size, its means and its differences along rows, columns and both,
/// and back. The filters are constants, which the state dict of MobileMamba has as two tensors.
/// </summary>
public static class HaarTransform
{
    /// <summary>The four 2x2 filters of each channel, (4C, 1, 2, 2), as PyWavelets' single-precision numbers give them.</summary>
    public static Tensor Filters(long channels)
    {
        float half = 0.70710677f * 0.70710677f;
        using var signs = tensor(new float[] { 1, 1, 1, 1, 1, 1, -1, -1, 1, -1, 1, -1, 1, -1, -1, 1 }, [4, 1, 2, 2]);
        return (signs * half).repeat(channels, 1, 1, 1);
    }

    /// <summary>(B, C, H, W) to (B, 4C, H/2, W/2), the four maps of a channel side by side; H and W are even.</summary>
    public static Tensor Forward(Tensor x, Tensor filters) =>
        nn.functional.conv2d(x, filters.to(x.dtype), strides: [2, 2], groups: x.shape[1]);

    /// <summary>The inverse.</summary>
    public static Tensor Inverse(Tensor x, Tensor filters) =>
        nn.functional.conv_transpose2d(x, filters.to(x.dtype), strides: [2, 2], groups: x.shape[1] / 4);
}
