using Attention.Modules;
using Attention.Modules.Dense;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Attention.Models.Dense;

/// <summary>A backbone with dilated convolutions of several rates over its coarsest map.</summary>
public sealed record DeepLabConfig : EncoderDecoderConfig
{
    /// <summary>Channels of the head.</summary>
    public int channels { get; init; } = 512;
    /// <summary>Rates of the convolutions side by side; 1 stands for a 1x1 convolution.</summary>
    public int[] dilations { get; init; } = [1, 6, 12, 18];
    /// <summary>Whether convolutions are separable and the finest map joins in, as in DeepLabV3+.</summary>
    public bool separable { get; init; }
    /// <summary>Channels of the finest map beside the others, in DeepLabV3+; 0 for none.</summary>
    public int c1_channels { get; init; } = 48;

    internal override bool TakesAll => separable;

    internal override DecodeHead Head(IReadOnlyList<FeatureInfo> maps) =>
        separable ? new SeparableAsppHead(HeadOptions(maps, channels), dilations, c1_channels) : new AsppHead(HeadOptions(maps, channels), dilations);
}

/// <summary>
/// Atrous spatial pyramid pooling: dilated convolutions of several rates over the last map, and its mean, side by side. Parameter
/// names as in mmseg's ASPPHead.
/// </summary>
public class AsppHead : DecodeHead
{
    private protected readonly Sequential image_pool;
    private protected readonly ModuleList<nn.Module<Tensor, Tensor>> aspp_modules;
    private protected readonly ConvModule bottleneck;

    public AsppHead(DecodeHeadOptions options, IReadOnlyList<int> dilations) : this(nameof(AsppHead), options, dilations, separable: false)
    {
        RegisterComponents();
    }

    private protected AsppHead(string name, DecodeHeadOptions options, IReadOnlyList<int> dilations, bool separable) : base(name, options)
    {
        var (inputs, width) = (options.channels[^1], options.width);
        image_pool = nn.Sequential(nn.AdaptiveAvgPool2d(1), new ConvModule(inputs, width, 1));
        aspp_modules = nn.ModuleList(dilations.Select<int, nn.Module<Tensor, Tensor>>(dilation =>
            dilation == 1 ? new ConvModule(inputs, width, 1)
            : separable ? new SeparableConvModule(inputs, width, 3, dilation)
            : new ConvModule(inputs, width, 3, dilation)).ToArray());
        bottleneck = new ConvModule((dilations.Count + 1) * width, width, 3);
    }

    protected override Tensor Features(Tensor[] maps) =>
        bottleneck.call(cat([ResizeLike(image_pool.call(maps[^1]), maps[^1]), .. aspp_modules.Select(each => each.call(maps[^1]))], 1));
}

/// <summary>
/// The same with separable convolutions; then the finest map joins in at its resolution. Parameter names as in mmseg's
/// DepthwiseSeparableASPPHead.
/// </summary>
public sealed class SeparableAsppHead : AsppHead
{
    private readonly ConvModule? c1_bottleneck;
    private readonly Sequential sep_bottleneck;

    /// <param name="options">Maps, of which the first and the last are used, and classes.</param>
    /// <param name="dilations">Rates of the convolutions; 1 stands for a 1x1 convolution.</param>
    /// <param name="c1_channels">To which the first map's channels are brought; 0 to leave it out.</param>
    public SeparableAsppHead(DecodeHeadOptions options, IReadOnlyList<int> dilations, int c1_channels)
        : base(nameof(SeparableAsppHead), options, dilations, separable: true)
    {
        c1_bottleneck = c1_channels > 0 ? new ConvModule(options.channels[0], c1_channels, 1) : null;
        sep_bottleneck = nn.Sequential(
            new SeparableConvModule(options.width + c1_channels, options.width, 3), new SeparableConvModule(options.width, options.width, 3));
        RegisterComponents();
    }

    protected override Tensor Features(Tensor[] maps)
    {
        var x = base.Features(maps);
        if (c1_bottleneck is not null)
        {
            var fine = c1_bottleneck.call(maps[0]);
            x = cat([ResizeLike(x, fine), fine], 1);
        }
        return sep_bottleneck.call(x);
    }
}

/// <summary>
/// DeepLabV3: Chen et al., Rethinking Atrous Convolution, 2017 (arXiv:1706.05587); DeepLabV3+: Chen et al., Encoder-Decoder with
/// Atrous Separable Convolution, 2018 (arXiv:1802.02611).
/// </summary>
public static class DeepLab
{
    /// <summary>The frames; their backbone is a field.</summary>
    public static ModelFamily<DeepLabConfig> Family { get; } = new()
    {
        Name = "DeepLab",
        Reference = "Chen et al., Rethinking Atrous Convolution for Semantic Image Segmentation, 2017 (arXiv:1706.05587)",
        Build = config => new EncoderDecoder(config),
        Table = new Dictionary<string, DeepLabConfig>
        {
            ["deeplabv3"] = new(),
            ["deeplabv3plus"] = new() { separable = true },
        },
    };
}
