using Attention.Modules.Dense;
using TorchSharp;
using static TorchSharp.torch;

namespace Attention.Models.Dense;

/// <summary>Mask2Former's decoders and losses; names of the fields as the authors have them where these are short.</summary>
public sealed record MaskDecoderConfig
{
    public int hidden_dim { get; init; } = 256;
    /// <summary>Channels in which masks and pixels are compared.</summary>
    public int mask_dim { get; init; } = 256;
    public int nheads { get; init; } = 8;
    public int num_queries { get; init; } = 100;
    /// <summary>Layers of deformable attention over the backbone's maps.</summary>
    public int enc_layers { get; init; } = 6;
    public int enc_dim_feedforward { get; init; } = 1024;
    /// <summary>Layers of masked attention, each with a loss of its own.</summary>
    public int dec_layers { get; init; } = 9;
    public int dim_feedforward { get; init; } = 2048;
    /// <summary>In the layers of deformable attention.</summary>
    public double dropout { get; init; }
    /// <summary>Whether norms stand before attention rather than after it.</summary>
    public bool pre_norm { get; init; }

    public double class_weight { get; init; } = 2;
    public double mask_weight { get; init; } = 5;
    public double dice_weight { get; init; } = 5;
    /// <summary>What a query without an object counts in the loss of classes.</summary>
    public double no_object_weight { get; init; } = 0.1;
    /// <summary>Points at which masks are compared.</summary>
    public int num_points { get; init; } = 12544;
    /// <summary>How many times as many are tried.</summary>
    public double oversample_ratio { get; init; } = 3;
    /// <summary>The share of points that are chosen where the masks are unsure.</summary>
    public double importance_sample_ratio { get; init; } = 0.75;

    /// <summary>Instances that are found in an image at the most.</summary>
    public int num_select { get; init; } = 100;
    /// <summary>How sure a query must be for a panoptic segment.</summary>
    public double object_mask_threshold { get; init; } = 0.8;
    /// <summary>The share of its mask that a panoptic segment must keep beside others.</summary>
    public double overlap_threshold { get; init; } = 0.8;
}

/// <summary>A Mask2Former that tells the class of each pixel.</summary>
public sealed record Mask2FormerConfig : SegmentationModelConfig
{
    public Mask2FormerConfig() => num_classes = 150;

    /// <summary>The decoders and losses.</summary>
    public MaskDecoderConfig decoder { get; init; } = new();
}

/// <summary>A Mask2Former that finds objects.</summary>
public sealed record Mask2FormerInstancesConfig : DetectionModelConfig
{
    /// <summary>The decoders and losses.</summary>
    public MaskDecoderConfig decoder { get; init; } = new();
}

/// <summary>The decoders of pixels and of queries, in one module as the recording of the authors' code has them.</summary>
public sealed class MaskHead : nn.Module<Tensor[], MaskPrediction[]>
{
    private readonly MaskPixelDecoder pixel_decoder;
    private readonly MaskTransformerDecoder predictor;

    /// <param name="config">Widths and layers.</param>
    /// <param name="channels">Of the backbone's maps, from fine to coarse; three at least.</param>
    /// <param name="num_classes">Classes without that of no object.</param>
    public MaskHead(MaskDecoderConfig config, IReadOnlyList<int> channels, int num_classes) : base(nameof(MaskHead))
    {
        pixel_decoder = new MaskPixelDecoder(config, channels);
        predictor = new MaskTransformerDecoder(config, num_classes);
        RegisterComponents();
    }

    /// <summary>What the backbone's maps (B, C_i, H_i, W_i) become, from fine to coarse.</summary>
    public PixelFeatures Pixels(Tensor[] maps) => pixel_decoder.call(maps);

    /// <summary>The predictions of all layers.</summary>
    public MaskPrediction[] Predict(PixelFeatures features) => predictor.call(features);

    public override MaskPrediction[] forward(Tensor[] maps) => Predict(Pixels(maps));
}

/// <summary>A backbone and its <see cref="MaskHead"/>, under the authors' names backbone and sem_seg_head.</summary>
internal sealed class MaskTransformer
{
    private readonly int[] indices;

    public MaskTransformer(DenseModelConfig config, MaskDecoderConfig decoder)
    {
        Backbone = config.backbone.Create();
        indices = BackboneMaps.Choose(Backbone.feature_info);
        FeatureInfo[] maps = [.. indices.Select(index => Backbone.feature_info[index])];
        if (maps.Length < MaskPixelDecoder.Levels || maps.All(map => map.Stride == maps[0].Stride))
            throw new UserError($"backbone '{config.backbone.name}' does not have maps of {MaskPixelDecoder.Levels} resolutions", "choose one of several stages, such as swin_tiny_patch4_window7_224");
        Divisor = maps[^1].Stride;
        Head = new MaskHead(decoder, [.. maps.Select(map => map.Channels)], config.num_classes);
    }

    public ImageModel Backbone { get; }
    public MaskHead Head { get; }

    /// <summary>Sides of images have to be multiples of it.</summary>
    public int Divisor { get; }

    /// <summary>Images (B, 3, H, W), whose sides the divisor divides, to the predictions of all layers.</summary>
    public MaskPrediction[] Predict(Tensor images) => Head.call(Backbone.forward_intermediates(images, indices));
}

/// <summary>
/// Mask2Former for semantic segmentation: Cheng et al., Masked-attention Mask Transformer for Universal Image Segmentation, 2022
/// (arXiv:2112.01527). Parameter names as in facebookresearch/Mask2Former.
/// </summary>
public sealed class Mask2Former : SegmentationModel
{
    private readonly ImageModel backbone;
    private readonly MaskHead sem_seg_head;

    private readonly MaskTransformer transformer;
    private readonly MaskCriterion criterion;

    public Mask2Former(Mask2FormerConfig config) : base(nameof(Mask2Former))
    {
        transformer = new MaskTransformer(config, config.decoder);
        (backbone, sem_seg_head, criterion, num_classes) = (transformer.Backbone, transformer.Head, new MaskCriterion(config.decoder), config.num_classes);
        RegisterComponents();
    }

    public override int num_classes { get; }

    private MaskPrediction[] Predict(Tensor images)
    {
        long Missing(int dimension) => (transformer.Divisor - images.shape[dimension] % transformer.Divisor) % transformer.Divisor;
        return transformer.Predict((Missing(2), Missing(3)) is (0, 0) ? images : nn.functional.pad(images, [0, Missing(3), 0, Missing(2)]));
    }

    /// <summary>Images (B, 3, H, W) to scores, (B, num_classes, H, W), which are no logits but have their maxima where the classes are.</summary>
    public override Tensor forward(Tensor input)
    {
        using var scope = NewDisposeScope();
        var last = Predict(input)[^1];
        return scope.MoveToOuter(MaskResults.Semantic(last.Logits, OfPixels(last.Masks, input, transformer.Divisor)));
    }

    public override IReadOnlyDictionary<string, Tensor> Losses(Tensor images, Tensor labels)
    {
        using var scope = NewDisposeScope();
        var predictions = Predict(images);
        var (height, width) = Padded(images, transformer.Divisor);
        var padded = nn.functional.pad(labels, [0, width - labels.shape[2], 0, height - labels.shape[1]], value: Ignored);
        var losses = criterion.Losses(predictions, [.. Enumerable.Range(0, (int)labels.shape[0]).Select(i => MaskTargets.OfClasses(padded[i]))]);
        foreach (var loss in losses.Values)
            scope.MoveToOuter(loss);
        return losses;
    }

    internal static (long Height, long Width) Padded(Tensor images, int divisor)
    {
        long Up(long side) => (side + divisor - 1) / divisor * divisor;
        return (Up(images.shape[2]), Up(images.shape[3]));
    }

    // Masks over padded images, as those of the images' pixels.
    private static Tensor OfPixels(Tensor masks, Tensor images, int divisor)
    {
        var (height, width) = Padded(images, divisor);
        return MapResize.To(masks, height, width).narrow(2, 0, images.shape[2]).narrow(3, 0, images.shape[3]);
    }

    // --- variants --------------------------------------------------------------------------------

    /// <summary>The frame for classes of pixels; its backbone is a field.</summary>
    public static ModelFamily<Mask2FormerConfig> Family { get; } = new()
    {
        Name = "Mask2Former",
        Reference = "Cheng et al., Masked-attention Mask Transformer for Universal Image Segmentation, 2022 (arXiv:2112.01527)",
        Build = config => new Mask2Former(config),
        Table = new Dictionary<string, Mask2FormerConfig> { ["mask2former"] = new() },
    };
}

/// <summary>Mask2Former for instance segmentation: see <see cref="Mask2Former"/>. Boxes are those of its masks.</summary>
public sealed class Mask2FormerInstances : DetectionModel
{
    private readonly ImageModel backbone;
    private readonly MaskHead sem_seg_head;

    private readonly MaskTransformer transformer;
    private readonly MaskCriterion criterion;
    private readonly MaskDecoderConfig config;

    public Mask2FormerInstances(Mask2FormerInstancesConfig config) : base(nameof(Mask2FormerInstances))
    {
        transformer = new MaskTransformer(config, config.decoder);
        (backbone, sem_seg_head, criterion, this.config) = (transformer.Backbone, transformer.Head, new MaskCriterion(config.decoder), config.decoder);
        RegisterComponents();
    }

    public override DetectionKinds Finds => DetectionKinds.Boxes | DetectionKinds.Masks;

    private (MaskPrediction[] Predictions, long Height, long Width) Predict(PaddedImages images)
    {
        var (height, width) = Mask2Former.Padded(images.pixels, transformer.Divisor);
        var padded = nn.functional.pad(images.pixels, [0, width - images.pixels.shape[3], 0, height - images.pixels.shape[2]]);
        return (transformer.Predict(padded), height, width);
    }

    public override IReadOnlyDictionary<string, Tensor> Losses(PaddedImages images, IReadOnlyList<ObjectTargets> targets)
    {
        using var scope = NewDisposeScope();
        var (predictions, height, width) = Predict(images);
        var losses = criterion.Losses(predictions, [.. targets.Select(target => Targets(target, height, width))]);
        foreach (var loss in losses.Values)
            scope.MoveToOuter(loss);
        return losses;
    }

    private static MaskTargets Targets(ObjectTargets target, long height, long width)
    {
        var masks = target.masks ?? throw new UserError("the data have no masks", "train on annotations of masks, or choose a detector of boxes");
        return new(target.labels, nn.functional.pad(masks.to(ScalarType.Float32), [0, width - masks.shape[2], 0, height - masks.shape[1]]));
    }

    public override IReadOnlyList<Detections> Detect(PaddedImages images)
    {
        using var scope = NewDisposeScope();
        var (predictions, height, width) = Predict(images);
        var (logits, masks) = (predictions[^1].Logits, MapResize.To(predictions[^1].Masks, height, width));
        return [.. images.sizes.Select((size, i) =>
        {
            var original = images.originals[i];
            var own = MapResize.To(masks.narrow(0, i, 1).narrow(2, 0, size.height).narrow(3, 0, size.width), original.height, original.width)[0];
            var found = MaskResults.Instances(logits[i], own, config.num_select);
            return new Detections(scope.MoveToOuter(found.boxes), scope.MoveToOuter(found.scores), scope.MoveToOuter(found.labels)) { masks = scope.MoveToOuter(found.masks!) };
        })];
    }

    /// <summary>The frame for objects; its backbone is a field.</summary>
    public static ModelFamily<Mask2FormerInstancesConfig> Family { get; } = new()
    {
        Name = "Mask2Former for instances",
        Reference = Mask2Former.Family.Reference,
        Build = config => new Mask2FormerInstances(config),
        Table = new Dictionary<string, Mask2FormerInstancesConfig> { ["mask2former_instances"] = new() },
    };
}
