using Attention.Modules;
using Attention.Modules.Dense;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Attention.Models.Dense;

/// <summary>A backbone with a feature pyramid and Semantic FPN's head.</summary>
public sealed record SemanticFpnConfig : EncoderDecoderConfig
{
    /// <summary>Channels of the pyramid.</summary>
    public int fpn_channels { get; init; } = 256;
    /// <summary>Channels of the head.</summary>
    public int channels { get; init; } = 128;
    /// <summary>batchnorm, as mmseg's FPNHead has it, or groupnorm, as detectron2's SemSegFPNHead.</summary>
    public string norm_layer { get; init; } = "batchnorm";

    internal override nn.Module<Tensor[], Tensor[]> Neck(IReadOnlyList<FeatureInfo> maps) => new SegmentationPyramid([.. maps.Select(map => map.Channels)], fpn_channels);

    internal override nn.Module<Tensor[], Tensor> Head(IReadOnlyList<FeatureInfo> maps)
    {
        var options = HeadOptions([.. maps.Select(map => map with { Channels = fpn_channels })], channels);
        int[] strides = [.. maps.Select(map => map.Stride)];
        return norm_layer switch
        {
            "batchnorm" => new SemanticFpnHead(options, strides),
            "groupnorm" => new SemSegFpnHead(options, strides, strides[0]),
            _ => throw new UserError($"norm_layer '{norm_layer}' is not known", "choose batchnorm or groupnorm"),
        };
    }
}

/// <summary>
/// Lateral 1x1 convolutions, a top-down path by nearest neighbours, 3x3 convolutions. Maps (B, C_i, H_i, W_i) to as many of
/// (B, channels, H_i, W_i); parameter names as in mmseg's FPN.
/// </summary>
public sealed class SegmentationPyramid : MultiBlock
{
    private readonly ModuleList<ConvModule> lateral_convs;
    private readonly ModuleList<ConvModule> fpn_convs;

    /// <param name="inputs">Channels of the maps, from fine to coarse.</param>
    /// <param name="channels">Channels of the results.</param>
    public SegmentationPyramid(IReadOnlyList<int> inputs, int channels) : base(nameof(SegmentationPyramid))
    {
        lateral_convs = nn.ModuleList(inputs.Select(each => new ConvModule(each, channels, 1, norm: false, activated: false)).ToArray());
        fpn_convs = nn.ModuleList(inputs.Select(_ => new ConvModule(channels, channels, 3, norm: false, activated: false)).ToArray());
        foreach (var conv in this.modules().OfType<Conv2d>())
            nn.init.xavier_uniform_(conv.weight);
        RegisterComponents();
    }

    protected override Tensor[] Forward(Tensor[] x)
    {
        Tensor[] levels = [.. lateral_convs.Zip(x, (lateral, map) => lateral.call(map))];
        for (int i = levels.Length - 1; i > 0; i--)
            levels[i - 1] = levels[i - 1] + nn.functional.interpolate(levels[i], levels[i - 1].shape[2..]);
        return [.. fpn_convs.Zip(levels, (conv, level) => conv.call(level))];
    }
}

/// <summary>
/// Each level by steps of convolution and doubling to the finest one's resolution; their sum. Parameter names as in mmseg's FPNHead.
/// </summary>
public sealed class SemanticFpnHead : DecodeHead
{
    private readonly ModuleList<Sequential> scale_heads;

    /// <param name="options">Maps and classes.</param>
    /// <param name="strides">Input pixels per position of each map, powers of two.</param>
    public SemanticFpnHead(DecodeHeadOptions options, IReadOnlyList<int> strides) : base(nameof(SemanticFpnHead), options)
    {
        scale_heads = nn.ModuleList(strides.Select((stride, i) => Scale(options, i, int.Log2(stride) - int.Log2(strides[0]))).ToArray());
        RegisterComponents();
    }

    private static Sequential Scale(DecodeHeadOptions options, int map, int doublings)
    {
        var steps = new List<nn.Module<Tensor, Tensor>>();
        for (int i = 0; i < Math.Max(1, doublings); i++)
        {
            steps.Add(new ConvModule(i == 0 ? options.channels[map] : options.width, options.width, 3));
            if (doublings > 0)
                steps.Add(new Upsample2x(options.align_corners));
        }
        return nn.Sequential(steps);
    }

    protected override Tensor Features(Tensor[] maps)
    {
        var sum = scale_heads[0].call(maps[0]);
        for (int i = 1; i < maps.Length; i++)
            sum = sum + ResizeLike(scale_heads[i].call(maps[i]), sum);
        return sum;
    }
}

/// <summary>
/// The same with group norms. Feature maps to logits (B, num_classes, H, W) at the common stride; parameter names (p2 .. p5, predictor)
/// as in detectron2's SemSegFPNHead.
/// </summary>
public sealed class SemSegFpnHead : nn.Module<Tensor[], Tensor>
{
    private readonly Sequential[] scales;
    private readonly Conv2d predictor;

    /// <param name="options">Maps and classes.</param>
    /// <param name="strides">Input pixels per position of each map, powers of two.</param>
    /// <param name="common_stride">Of the result.</param>
    public SemSegFpnHead(DecodeHeadOptions options, IReadOnlyList<int> strides, int common_stride) : base(nameof(SemSegFpnHead))
    {
        scales = [.. strides.Select((stride, i) => Scale(options, i, int.Log2(stride) - int.Log2(common_stride)))];
        for (int i = 0; i < scales.Length; i++)
            register_module($"p{int.Log2(strides[0]) + i}", scales[i]);
        predictor = nn.Conv2d(options.width, options.num_classes, kernel_size: 1);
        nn.init.kaiming_normal_(predictor.weight, mode: nn.init.FanInOut.FanOut, nonlinearity: nn.init.NonlinearityType.ReLU);
        nn.init.zeros_(predictor.bias!);
        register_module(nameof(predictor), predictor);
    }

    private static Sequential Scale(DecodeHeadOptions options, int map, int doublings)
    {
        var steps = new List<nn.Module<Tensor, Tensor>>();
        for (int i = 0; i < Math.Max(1, doublings); i++)
        {
            steps.Add(new GroupNormConv(i == 0 ? options.channels[map] : options.width, options.width, 3, activated: true));
            if (doublings > 0)
                steps.Add(new Upsample2x());
        }
        return nn.Sequential(steps);
    }

    public override Tensor forward(Tensor[] maps)
    {
        using var scope = NewDisposeScope();
        return scope.MoveToOuter(predictor.call(scales.Zip(maps, (scale, map) => scale.call(map)).Aggregate((sum, each) => sum + each)));
    }
}

/// <summary>
/// Semantic FPN: Kirillov et al., Panoptic Feature Pyramid Networks, 2019 (arXiv:1901.02446): the light frame in which PVT, BiFormer
/// and others report ADE20K.
/// </summary>
public static class SemanticFpn
{
    /// <summary>The frame; its backbone is a field.</summary>
    public static ModelFamily<SemanticFpnConfig> Family { get; } = new()
    {
        Name = "Semantic FPN",
        Reference = "Kirillov et al., Panoptic Feature Pyramid Networks, 2019 (arXiv:1901.02446)",
        Build = config => new EncoderDecoder(config),
        Table = new Dictionary<string, SemanticFpnConfig> { ["semantic_fpn"] = new() { aux_weight = 0 } },
    };
}
