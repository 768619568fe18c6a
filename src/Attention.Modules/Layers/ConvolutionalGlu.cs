using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Attention.Modules;

/// <summary>
/// An MLP whose hidden half is gated by the other, which a depthwise convolution has told about its neighbours.
/// (B, H, W, C) to the same; parameter names as in the authors' repository, DaiShiResearch/TransNeXt.
/// Shi, TransNeXt: Robust Foveal Visual Perception for Vision Transformers, 2024 (arXiv:2311.17132).
/// </summary>
public sealed class ConvolutionalGlu : Block
{
    private readonly Linear fc1;
    private readonly DepthwiseConvolution dwconv;
    private readonly GELU act;
    private readonly Linear fc2;
    private readonly Dropout drop;

    /// <param name="in_features">C.</param>
    /// <param name="hidden_features">Width of an MLP of the same size; the gate and what it gates have two thirds of it each.</param>
    /// <param name="drop_rate">Dropout rate after each half.</param>
    public ConvolutionalGlu(long in_features, long hidden_features, double drop_rate = 0) : base(nameof(ConvolutionalGlu))
    {
        long hidden = hidden_features * 2 / 3;
        fc1 = nn.Linear(in_features, hidden * 2);
        dwconv = new DepthwiseConvolution(hidden);
        act = nn.GELU();
        fc2 = nn.Linear(hidden, in_features);
        drop = nn.Dropout(drop_rate);
        RegisterComponents();
    }

    protected override Tensor Forward(Tensor x)
    {
        var halves = fc1.call(x).chunk(2, -1);
        return drop.call(fc2.call(drop.call(act.call(dwconv.call(halves[0])) * halves[1])));
    }
}

/// <summary>A 3x3 convolution of each channel alone. (B, H, W, C) to the same.</summary>
internal sealed class DepthwiseConvolution : Block
{
    private readonly Conv2d dwconv;

    public DepthwiseConvolution(long channels) : base(nameof(DepthwiseConvolution))
    {
        dwconv = nn.Conv2d(channels, channels, kernel_size: 3, padding: 1, groups: channels);
        RegisterComponents();
    }

    protected override Tensor Forward(Tensor x) => dwconv.call(x.permute(0, 3, 1, 2)).permute(0, 2, 3, 1);
}
