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
    /// Which of the backbone's maps are used, from fine to coarse; null for the last four, or where all have the same resolution for
    /// four at equal distances.
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

    /// <summary>Whether the head takes all maps, rather than the last alone.</summary>
    internal virtual bool TakesAll => true;

    /// <summary>What stands between the backbone and the head; null for nothing.</summary>
    internal virtual nn.Module<Tensor[], Tensor[]>? Neck(IReadOnlyList<FeatureInfo> maps) => null;

    /// <summary>The head over maps of such channels and strides.</summary>
    internal abstract nn.Module<Tensor[], Tensor> Head(IReadOnlyList<FeatureInfo> maps);

    private protected DecodeHeadOptions HeadOptions(IReadOnlyList<FeatureInfo> maps, int width) =>
        new([.. maps.Select(map => map.Channels)], width, num_classes, align_corners, dropout_ratio);
}

/// <summary>
/// A backbone, a neck where the frame has one, a head, and in training a second head. Images of any size are taken where the backbone
/// does: they get zeros to the right and below up to a multiple of the coarsest map's stride. Parameter names as in mmseg's
/// EncoderDecoder: backbone, neck, decode_head, auxiliary_head.
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
    private readonly int divisor;

    /// <exception cref="UserError">The backbone has too few maps for the frame, or lacks one that was asked for.</exception>
    public EncoderDecoder(EncoderDecoderConfig config) : base(nameof(EncoderDecoder), config)
    {
        this.config = config;
        indices = config.out_indices ?? BackboneMaps.Choose(backbone.feature_info);
        if (!config.TakesAll)
            indices = [.. indices.TakeLast(config.aux_weight > 0 ? 2 : 1)];
        if (indices.Any(index => index < 0 || index >= backbone.feature_info.Count))
            throw new UserError($"out_indices is [{string.Join(", ", indices)}], but {config.backbone.name} has {backbone.feature_info.Count} maps", "give numbers from 0 to one less");
        FeatureInfo[] maps = [.. indices.Select(index => backbone.feature_info[index])];
        norms = config.norm_maps ? nn.ModuleList(maps.Select(map => new LayerNorm2d(map.Channels)).ToArray()) : null;
        if (config.TakesAll && maps.All(map => map.Stride == maps[0].Stride))
        {
            pyramid = new TokenPyramid(maps[0].Channels, maps.Length);
            maps = [.. maps.Select((map, i) => map with { Stride = pyramid.Stride(map.Stride, i) })];
        }
        divisor = maps.Max(map => map.Stride);
        auxiliary_head = config.aux_weight > 0
            ? new FcnHead(new([maps[^Math.Min(2, maps.Length)].Channels], config.aux_channels, config.num_classes, config.align_corners, config.dropout_ratio), num_convs: 1, concat_input: false)
            : null;
        neck = config.Neck(maps);
        decode_head = config.Head(maps);
        RegisterComponents();
    }

    private Tensor Padded(Tensor images)
    {
        long Missing(int dimension) => (divisor - images.shape[dimension] % divisor) % divisor;
        return (Missing(2), Missing(3)) is (0, 0) ? images : nn.functional.pad(images, [0, Missing(3), 0, Missing(2)]);
    }

    private Tensor[] Maps(Tensor padded)
    {
        var maps = backbone.forward_intermediates(padded, indices);
        if (norms is not null)
            maps = [.. norms.Zip(maps, (norm, map) => norm.call(map))];
        return pyramid is null ? maps : pyramid.call(maps);
    }

    private Tensor Decode(Tensor[] maps) => decode_head.call(neck is null ? maps : neck.call(maps));

    // Logits of each pixel of the images, from those of a map over what they were padded to.
    private Tensor OfPixels(Tensor logits, Tensor padded, Tensor images) =>
        MapResize.Like(logits, padded, config.align_corners).narrow(2, 0, images.shape[2]).narrow(3, 0, images.shape[3]);

    /// <summary>Images (B, 3, H, W) to logits (B, num_classes, H, W).</summary>
    public override Tensor forward(Tensor input)
    {
        using var scope = NewDisposeScope();
        var padded = Padded(input);
        return scope.MoveToOuter(OfPixels(Decode(Maps(padded)), padded, input));
    }

    public override IReadOnlyDictionary<string, Tensor> Losses(Tensor images, Tensor labels)
    {
        using var scope = NewDisposeScope();
        var padded = Padded(images);
        var maps = Maps(padded);
        Tensor Of(Tensor logits) => Loss.Of(OfPixels(logits, padded, images), labels);
        var losses = new Dictionary<string, Tensor> { ["decode"] = scope.MoveToOuter(Of(Decode(maps))) };
        if (auxiliary_head is not null)
            losses["aux"] = scope.MoveToOuter(config.aux_weight * Of(auxiliary_head.call([maps[^Math.Min(2, maps.Length)]])));
        return losses;
    }
}
