using Attention.Modules;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Attention.Models.Vision;

/// <summary>A max pool of 3x3 and stride 2, padded as TensorFlow does. (B, C, H, W) to (B, C, ceil(H/2), ceil(W/2)).</summary>
internal sealed class MaxPoolSame() : Block(nameof(MaxPoolSame))
{
    protected override Tensor Forward(Tensor x) =>
        nn.functional.max_pool2d(Convolutions.PadSame(x, 3, 2, double.NegativeInfinity), kernel_size: 3, stride: 2);
}

/// <summary>1x1, 3x3 and 1x1 convolutions to four times the channels, each with a group norm after it. (B, C, H, W) to (B, C', H/stride, W/stride).</summary>
internal sealed class ResNetV2Block : Block
{
    private readonly Sequential? downsample;
    private readonly StdConv2d conv1;
    private readonly GroupNorm norm1;
    private readonly StdConv2d conv2;
    private readonly GroupNorm norm2;
    private readonly StdConv2d conv3;
    private readonly GroupNorm norm3;

    /// <param name="inputs">C.</param>
    /// <param name="outputs">C'.</param>
    /// <param name="stride">Step of the 3x3 convolution.</param>
    /// <param name="project">Whether the shortcut has a convolution of its own: in the first block of a stage.</param>
    public ResNetV2Block(int inputs, int outputs, int stride, bool project) : base(nameof(ResNetV2Block))
    {
        int width = Convolutions.MakeDivisible(outputs * 0.25);
        if (project)
            downsample = nn.Sequential(("conv", ResNetV2Backbone.Conv(inputs, outputs, stride: stride)), ("norm", ResNetV2Backbone.Norm(outputs)));
        conv1 = ResNetV2Backbone.Conv(inputs, width);
        norm1 = ResNetV2Backbone.Norm(width);
        conv2 = ResNetV2Backbone.Conv(width, width, kernel_size: 3, stride: stride);
        norm2 = ResNetV2Backbone.Norm(width);
        conv3 = ResNetV2Backbone.Conv(width, outputs);
        norm3 = ResNetV2Backbone.Norm(outputs);
        RegisterComponents();
    }

    protected override Tensor Forward(Tensor input)
    {
        var x = norm1.call(conv1.call(input)).relu_();
        x = norm2.call(conv2.call(x)).relu_();
        x = norm3.call(conv3.call(x));
        return (x + (downsample is null ? input : downsample.call(input))).relu_();
    }
}

/// <summary>Blocks at one resolution. (B, C, H, W) to (B, C', H/stride, W/stride).</summary>
internal sealed class ResNetV2Stage : Block
{
    private readonly Sequential blocks;

    public ResNetV2Stage(int inputs, int outputs, int stride, int depth) : base(nameof(ResNetV2Stage))
    {
        blocks = nn.Sequential(Enumerable.Range(0, depth).Select(i =>
            (nn.Module<Tensor, Tensor>)new ResNetV2Block(i == 0 ? inputs : outputs, outputs, i == 0 ? stride : 1, project: i == 0)));
        RegisterComponents();
    }

    protected override Tensor Forward(Tensor x) => blocks.call(x);
}

/// <summary>
/// The ResNet of BiT with its norms after the convolutions, as hybrid Vision Transformers have it under them: standardised
/// convolutions, group norms, TensorFlow's padding. (B, in_chans, H, W) to a map of a 4th, 8th, 16th or 32nd of the sides, by
/// the number of stages. Kolesnikov et al., Big Transfer, 2019 (arXiv:1912.11370); parameter names as in timm's resnetv2.py.
/// </summary>
internal sealed class ResNetV2Backbone : Block
{
    /// <summary>Channels after the stem.</summary>
    public const int StemChannels = 64;

    /// <summary>Input pixels per feature after the stem, and after the first stage.</summary>
    public const int FirstStride = 4;

    private readonly Sequential stem;
    private readonly Sequential stages;

    /// <param name="in_chans">Channels of the images.</param>
    /// <param name="layers">Blocks of each stage.</param>
    public ResNetV2Backbone(int in_chans, IReadOnlyList<int> layers) : base(nameof(ResNetV2Backbone))
    {
        stem = Stem(in_chans);
        stages = nn.Sequential(layers.Select((depth, i) =>
            (nn.Module<Tensor, Tensor>)new ResNetV2Stage(i == 0 ? StemChannels : Channels(i - 1), Channels(i), i == 0 ? 1 : 2, depth)));
        RegisterComponents();
    }

    /// <summary>Channels of a stage.</summary>
    public static int Channels(int stage) => 256 << stage;

    /// <summary>The part before the stages. (B, in_chans, H, W) to (B, 64, H/4, W/4).</summary>
    public static Sequential Stem(int in_chans) => nn.Sequential(
        ("conv", Conv(in_chans, StemChannels, kernel_size: 7, stride: 2)), ("norm", Norm(StemChannels)), ("act", nn.ReLU()), ("pool", new MaxPoolSame()));

    internal static StdConv2d Conv(int inputs, int outputs, int kernel_size = 1, int stride = 1) =>
        new(inputs, outputs, kernel_size, stride, same: true, eps: 1e-8);

    internal static GroupNorm Norm(int channels) => nn.GroupNorm(32, channels);

    protected override Tensor Forward(Tensor x) => stages.call(stem.call(x));
}
