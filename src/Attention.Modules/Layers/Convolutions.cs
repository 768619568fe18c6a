using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Attention.Modules;

/// <summary>How convolutions start.</summary>
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
