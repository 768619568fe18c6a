using Attention.Modules;
using Attention.Modules.Dense;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Attention.Models.Dense;

/// <summary>A backbone with a segmentation head; frames add the fields of theirs.</summary>
public abstract record EncoderDecoderConfig : SegmentationModelConfig
{
    protected EncoderDecoderConfig() => num_classes = 150;

    /// <summary>
    /// Which of the backbone's maps are used, from fine to coarse; null for the last four of different resolution, or four at equal
    /// distances where all have the same.
    /// </summary>
    public int[]? out_indices { get; init; }
    /// <summary>A layer norm over the channels of each map, as mmseg adds it to backbones whose maps come straight from residual branches.</summary>
    public bool norm_maps { get; init; }
    /// <summary>Whether resizing keeps the centres of a map's corners in place, rather than its borders.</summary>
    public bool align_corners { get; init; }
    /// <summary>Share of the channels that are dropped before a classifier.</summary>
    public double dropout_ratio { get; init; } = 0.1;
    /// <summary>What a second head counts in the loss, an FCN head over the last map but one; 0 for none.</summary>
    public double aux_weight { get; init; } = 0.4;
    /// <summary>Channels of the second head.</summary>
    public int aux_channels { get; init; } = 256;

    /// <summary>What stands between the backbone and the head; null for nothing.</summary>
    internal virtual nn.Module<Tensor[], Tensor[]>? Neck(IReadOnlyList<FeatureInfo> maps) => null;

    /// <summary>The head over maps of such channels and strides.</summary>
    internal abstract nn.Module<Tensor[], Tensor> Head(IReadOnlyList<FeatureInfo> maps);

    private protected DecodeHeadOptions HeadOptions(IReadOnlyList<FeatureInfo> maps, int width) =>
        new([.. maps.Select(map => map.Channels)], width, num_classes, align_corners, dropout_ratio);
}

/// <summary>
/// A backbone, a neck where the frame has one, a head, and in training a second head. Parameter names as in mmseg's EncoderDecoder:
/// backbone, neck, decode_head, auxiliary_head.
/// </summary>
public sealed class EncoderDecoder : PixelwiseModel
{
    private readonly ModuleList<LayerNorm2d>? norms;
    private readonly TokenPyramid? pyramid;
    private readonly nn.Module<Tensor[], Tensor[]>? neck;
    private readonly nn.Module<Tensor[], Tensor> decode_head;
    private readonly FcnHead? auxiliary_head;

    private readonly EncoderDecoderConfig config;
    private readonly int[] indices;

    /// <exception cref="UserError">The backbone has too few maps for the frame, or lacks one that was asked for.</exception>
    public EncoderDecoder(EncoderDecoderConfig config) : base(nameof(EncoderDecoder), config)
    {
        this.config = config;
        indices = config.out_indices ?? BackboneMaps.Choose(backbone.feature_info);
        if (indices.Any(index => index < 0 || index >= backbone.feature_info.Count))
            throw new UserError($"out_indices is [{string.Join(", ", indices)}], but {config.backbone.name} has {backbone.feature_info.Count} maps", "give numbers from 0 to one less");
        FeatureInfo[] maps = [.. indices.Select(index => backbone.feature_info[index])];
        norms = config.norm_maps ? nn.ModuleList(maps.Select(map => new LayerNorm2d(map.Channels)).ToArray()) : null;
        if (maps.Length > 1 && maps.All(map => map.Stride == maps[0].Stride))
        {
            pyramid = new TokenPyramid(maps[0].Channels, maps.Length);
            maps = [.. maps.Select((map, i) => map with { Stride = pyramid.Stride(map.Stride, i) })];
        }
        auxiliary_head = config.aux_weight > 0
            ? new FcnHead(new([maps[^Math.Min(2, maps.Length)].Channels], config.aux_channels, config.num_classes, config.align_corners, config.dropout_ratio), num_convs: 1, concat_input: false)
            : null;
        neck = config.Neck(maps);
        decode_head = config.Head(maps);
        RegisterComponents();
    }

    private Tensor[] Maps(Tensor images)
    {
        var maps = backbone.forward_intermediates(images, indices);
        if (norms is not null)
            maps = [.. norms.Zip(maps, (norm, map) => norm.call(map))];
        return pyramid is null ? maps : pyramid.call(maps);
    }

    private Tensor Decode(Tensor[] maps) => decode_head.call(neck is null ? maps : neck.call(maps));

    private Tensor Resized(Tensor logits, Tensor images) => MapResize.Like(logits, images, config.align_corners);

    /// <summary>Images (B, 3, H, W) to logits (B, num_classes, H, W).</summary>
    public override Tensor forward(Tensor input)
    {
        using var scope = NewDisposeScope();
        return scope.MoveToOuter(Resized(Decode(Maps(input)), input));
    }

    public override IReadOnlyDictionary<string, Tensor> Losses(Tensor images, Tensor labels)
    {
        using var scope = NewDisposeScope();
        var maps = Maps(images);
        var losses = new Dictionary<string, Tensor> { ["decode"] = scope.MoveToOuter(Loss.Of(Resized(Decode(maps), images), labels)) };
        if (auxiliary_head is not null)
            losses["aux"] = scope.MoveToOuter(config.aux_weight * Loss.Of(Resized(auxiliary_head.call([maps[^Math.Min(2, maps.Length)]]), images), labels));
        return losses;
    }
}
