using Attention.Modules;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Attention.Models.Dense;

/// <summary>
/// A few 3x3 convolutions over one map, beside which the map itself may stand. Long et al., Fully Convolutional Networks, 2015
/// (arXiv:1411.4038); parameter names as in mmseg's FCNHead.
/// </summary>
public sealed class FcnHead : DecodeHead
{
    private readonly nn.Module<Tensor, Tensor> convs;
    private readonly ConvModule? conv_cat;

    /// <param name="options">The map, which is the last of those given, and classes.</param>
    /// <param name="num_convs">Convolutions; 0 for none, where the map has the head's channels already.</param>
    /// <param name="concat_input">Whether the map stands beside what the convolutions give.</param>
    /// <param name="kernel_size">Side of their kernels.</param>
    public FcnHead(DecodeHeadOptions options, int num_convs = 2, bool concat_input = true, int kernel_size = 3) : base(nameof(FcnHead), options)
    {
        var (inputs, width) = (options.channels[^1], options.width);
        if (num_convs == 0 && inputs != width)
            throw new UserError($"a head without convolutions has the map's {inputs} channels, not {width}", $"set its channels to {inputs}, or num_convs");
        convs = num_convs == 0 ? nn.Identity()
            : nn.Sequential(Enumerable.Range(0, num_convs).Select(i => new ConvModule(i == 0 ? inputs : width, width, kernel_size)));
        conv_cat = concat_input ? new ConvModule(inputs + width, width, kernel_size) : null;
        RegisterComponents();
    }

    protected override Tensor Features(Tensor[] maps)
    {
        var x = convs.call(maps[^1]);
        return conv_cat is null ? x : conv_cat.call(cat([maps[^1], x], 1));
    }
}

/// <summary>A backbone with a head of convolutions over its coarsest map.</summary>
public sealed record FcnConfig : EncoderDecoderConfig
{
    /// <summary>Channels of the head.</summary>
    public int channels { get; init; } = 512;
    public int num_convs { get; init; } = 2;
    /// <summary>Whether the map stands beside what the convolutions give.</summary>
    public bool concat_input { get; init; } = true;

    internal override bool TakesAll => false;

    internal override DecodeHead Head(IReadOnlyList<FeatureInfo> maps) => new FcnHead(HeadOptions(maps, channels), num_convs, concat_input);
}

/// <summary>FCN: Long et al., Fully Convolutional Networks for Semantic Segmentation, 2015 (arXiv:1411.4038).</summary>
public static class Fcn
{
    /// <summary>The frame; its backbone is a field.</summary>
    public static ModelFamily<FcnConfig> Family { get; } = new()
    {
        Name = "FCN",
        Reference = "Long et al., Fully Convolutional Networks for Semantic Segmentation, 2015 (arXiv:1411.4038)",
        Build = config => new EncoderDecoder(config),
        Table = new Dictionary<string, FcnConfig> { ["fcn"] = new() },
    };
}
