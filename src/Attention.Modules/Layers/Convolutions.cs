using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Attention.Modules;

/// <summary>How convolutions start, and what their sizes become.</summary>
public static class Convolutions
{
    /// <summary>Normal weights of variance 2 over a position's outputs, and zero biases, in every convolution below <paramref name="root"/>.</summary>
    public static void Initialise(nn.Module root)
    {
        using var _ = no_grad();
        foreach (var conv in root.modules().OfType<Conv2d>())
        {
            var shape = conv.weight.shape;
            long outputs = shape[0] * shape[2] * shape[3] / conv.groups;
            nn.init.normal_(conv.weight, std: Math.Sqrt(2.0 / outputs));
            if (conv.bias is not null)
                nn.init.zeros_(conv.bias);
        }
    }

    /// <summary>
    /// A number of channels as a multiple of <paramref name="divisor"/>: the nearest, or the next above where that would lose
    /// more than a share of 1 - <paramref name="round_limit"/>. Follows timm's make_divisible.
    /// </summary>
    public static int MakeDivisible(double channels, int divisor = 8, double round_limit = 0.9)
    {
        int rounded = Math.Max(divisor, (int)(channels + divisor / 2.0) / divisor * divisor);
        return rounded < round_limit * channels ? rounded + divisor : rounded;
    }

    /// <summary>
    /// Pads a map (B, C, H, W) as TensorFlow's SAME does, so that a window of side <paramref name="kernel"/> and step
    /// <paramref name="stride"/> gives ceil(H / stride) rows: where the padding is odd, there is more at the bottom and right.
    /// </summary>
    public static Tensor PadSame(Tensor x, long kernel, long stride, double value = 0)
    {
        long Missing(long size) => Math.Max(((size + stride - 1) / stride - 1) * stride + kernel - size, 0);
        var (down, across) = (Missing(x.shape[2]), Missing(x.shape[3]));
        return down == 0 && across == 0 ? x
            : nn.functional.pad(x, [across / 2, across - across / 2, down / 2, down - down / 2], value: value);
    }

    /// <summary>Truncated normal weights of deviation 0.02 and zero biases in every convolution below <paramref name="root"/>.</summary>
    public static void InitialiseTruncated(nn.Module root)
    {
        using var _ = no_grad();
        foreach (var conv in root.modules().OfType<Conv2d>())
        {
            nn.init.trunc_normal_(conv.weight, std: 0.02);
            if (conv.bias is not null)
                nn.init.zeros_(conv.bias);
        }
    }
}
