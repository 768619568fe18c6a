using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Attention.Modules;

/// <summary>A depthwise convolution added to the map, whose parameters have no further name. (B, C, H, W) to the same.</summary>
public sealed class DepthwiseShortcut : Block
{
    private readonly Parameter weight;
    private readonly Parameter bias;

    public DepthwiseShortcut(long dim, int kernel_size = 3) : base(nameof(DepthwiseShortcut))
    {
        using var start = nn.Conv2d(dim, dim, kernel_size: kernel_size, groups: dim);
        (weight, bias) = (new Parameter(start.weight.detach().clone()), new Parameter(start.bias!.detach().clone()));
        RegisterComponents();
    }

    protected override Tensor Forward(Tensor x)
    {
        long reach = weight.shape[2] / 2;
        FlopCounter.Add(x.numel() * weight.shape[2] * weight.shape[3]);
        return x + nn.functional.conv2d(x, weight, bias, padding: [reach, reach], groups: weight.shape[0]);
    }
}
