using Attention.Modules;
using Attention.Modules.Dense;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Attention.Models.Dense;

/// <summary>A backbone with pyramid pooling over its coarsest map.</summary>
public sealed record PspNetConfig : EncoderDecoderConfig
{
    /// <summary>Channels of the head.</summary>
    public int channels { get; init; } = 512;
    /// <summary>Cells along a side of each grid over which the map is averaged.</summary>
    public int[] pool_scales { get; init; } = [1, 2, 3, 6];

    internal override bool TakesAll => false;

    internal override DecodeHead Head(IReadOnlyList<FeatureInfo> maps) => new PspHead(HeadOptions(maps, channels), pool_scales);
}

/// <summary>Pyramid pooling over the last map. Parameter names as in mmseg's PSPHead.</summary>
public sealed class PspHead : DecodeHead
{
    private readonly ModuleList<Sequential> psp_modules;
    private readonly ConvModule bottleneck;

    public PspHead(DecodeHeadOptions options, IReadOnlyList<int> pool_scales) : base(nameof(PspHead), options)
    {
        psp_modules = PyramidPooling.Create(options.channels[^1], options.width, pool_scales);
        bottleneck = new ConvModule(options.channels[^1] + pool_scales.Count * options.width, options.width, 3);
        RegisterComponents();
    }

    protected override Tensor Features(Tensor[] maps) => bottleneck.call(PyramidPooling.Apply(psp_modules, maps[^1], Options.align_corners));
}

/// <summary>PSPNet: Zhao et al., Pyramid Scene Parsing Network, 2017 (arXiv:1612.01105).</summary>
public static class PspNet
{
    /// <summary>The frame; its backbone is a field.</summary>
    public static ModelFamily<PspNetConfig> Family { get; } = new()
    {
        Name = "PSPNet",
        Reference = "Zhao et al., Pyramid Scene Parsing Network, 2017 (arXiv:1612.01105)",
        Build = config => new EncoderDecoder(config),
        Table = new Dictionary<string, PspNetConfig> { ["pspnet"] = new() },
    };
}
