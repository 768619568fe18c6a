using Attention.Modules;
using Attention.Modules.Dense;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Attention.Models.Dense;

/// <summary>A backbone with UPerNet's head.</summary>
public sealed record UperNetConfig : EncoderDecoderConfig
{
    /// <summary>Channels of the head.</summary>
    public int channels { get; init; } = 512;
    /// <summary>Cells along a side of each grid over which the coarsest map is averaged.</summary>
    public int[] pool_scales { get; init; } = [1, 2, 3, 6];

    internal override DecodeHead Head(IReadOnlyList<FeatureInfo> maps) => new UperHead(HeadOptions(maps, channels), pool_scales);
}

/// <summary>
/// Pyramid pooling over the coarsest map, a top-down path of lateral connections, all levels side by side. Parameter names as in
/// mmseg's UPerHead.
/// </summary>
public sealed class UperHead : DecodeHead
{
    private readonly ModuleList<Sequential> psp_modules;
    private readonly ConvModule bottleneck;
    private readonly ModuleList<ConvModule> lateral_convs;
    private readonly ModuleList<ConvModule> fpn_convs;
    private readonly ConvModule fpn_bottleneck;

    public UperHead(DecodeHeadOptions options, IReadOnlyList<int> pool_scales) : base(nameof(UperHead), options)
    {
        var (channels, width) = (options.channels, options.width);
        psp_modules = PyramidPooling.Create(channels[^1], width, pool_scales);
        bottleneck = new ConvModule(channels[^1] + pool_scales.Count * width, width, 3);
        lateral_convs = nn.ModuleList(channels.SkipLast(1).Select(inputs => new ConvModule(inputs, width, 1)).ToArray());
        fpn_convs = nn.ModuleList(channels.SkipLast(1).Select(_ => new ConvModule(width, width, 3)).ToArray());
        fpn_bottleneck = new ConvModule(channels.Count * width, width, 3);
        RegisterComponents();
    }

    protected override Tensor Features(Tensor[] maps)
    {
        Tensor[] levels = [.. lateral_convs.Zip(maps, (lateral, map) => lateral.call(map)),
            bottleneck.call(PyramidPooling.Apply(psp_modules, maps[^1], Options.align_corners))];
        for (int i = levels.Length - 1; i > 0; i--)
            levels[i - 1] = levels[i - 1] + ResizeLike(levels[i], levels[i - 1]);
        Tensor[] outputs = [.. fpn_convs.Zip(levels, (conv, level) => conv.call(level)), levels[^1]];
        return fpn_bottleneck.call(cat([.. outputs.Select(output => ResizeLike(output, outputs[0]))], 1));
    }
}

/// <summary>
/// UPerNet: Xiao et al., Unified Perceptual Parsing for Scene Understanding, 2018 (arXiv:1807.10221), with the auxiliary FCN head
/// of mmseg: the frame in which Swin and its followers report ADE20K.
/// </summary>
public static class UperNet
{
    /// <summary>The frame; its backbone is a field.</summary>
    public static ModelFamily<UperNetConfig> Family { get; } = new()
    {
        Name = "UPerNet",
        Reference = "Xiao et al., Unified Perceptual Parsing for Scene Understanding, 2018 (arXiv:1807.10221)",
        Build = config => new EncoderDecoder(config),
        Table = new Dictionary<string, UperNetConfig> { ["upernet"] = new() },
    };
}
