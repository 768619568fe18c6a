using Attention.Modules.Dense;
using TorchSharp;
using static TorchSharp.torch;

namespace Attention.Models.Dense;

/// <summary>Faster and Mask R-CNN; fields as in torchvision.</summary>
public sealed record RcnnConfig : PyramidDetectorConfig
{
    /// <summary>Whether there is a mask for each object: Mask R-CNN rather than Faster R-CNN.</summary>
    public bool masks { get; init; } = true;

    /// <summary>Convolutions before the proposals' head.</summary>
    public int rpn_conv_depth { get; init; } = 1;
    /// <summary>Proposals of each map of the pyramid that compete, in training.</summary>
    public int rpn_pre_nms_top_n_train { get; init; } = 2000;
    /// <summary>The same in evaluation.</summary>
    public int rpn_pre_nms_top_n_test { get; init; } = 1000;
    /// <summary>Proposals of an image that stay, in training.</summary>
    public int rpn_post_nms_top_n_train { get; init; } = 2000;
    /// <summary>The same in evaluation.</summary>
    public int rpn_post_nms_top_n_test { get; init; } = 1000;
    /// <summary>Of two proposals of a map that overlap by more than this, the surer stays.</summary>
    public double rpn_nms_thresh { get; init; } = 0.7;
    /// <summary>An anchor that overlaps an object by this much belongs to it.</summary>
    public double rpn_fg_iou_thresh { get; init; } = 0.7;
    /// <summary>An anchor that overlaps every object by less is background.</summary>
    public double rpn_bg_iou_thresh { get; init; } = 0.3;
    /// <summary>Anchors of an image that train.</summary>
    public int rpn_batch_size_per_image { get; init; } = 256;
    /// <summary>The largest share of objects among them.</summary>
    public double rpn_positive_fraction { get; init; } = 0.5;
    /// <summary>Proposals that are less sure are left out.</summary>
    public double rpn_score_thresh { get; init; }

    /// <summary>Channels of convolutions before the box head's linear map; none for two linear maps.</summary>
    public int[] box_conv_layers { get; init; } = [];
    /// <summary>Features of a proposal.</summary>
    public int representation_size { get; init; } = 1024;
    /// <summary>A norm behind each convolution of the box and mask heads: "", batchnorm or groupnorm.</summary>
    public string head_norm { get; init; } = "";
    /// <summary>Detections that are less sure are left out.</summary>
    public double box_score_thresh { get; init; } = 0.05;
    /// <summary>Of two detections of a class that overlap by more than this, the surer stays.</summary>
    public double box_nms_thresh { get; init; } = 0.5;
    /// <summary>Detections of an image.</summary>
    public int box_detections_per_img { get; init; } = 100;
    /// <summary>A proposal that overlaps an object by this much belongs to it.</summary>
    public double box_fg_iou_thresh { get; init; } = 0.5;
    /// <summary>A proposal that overlaps every object by less is background.</summary>
    public double box_bg_iou_thresh { get; init; } = 0.5;
    /// <summary>Proposals of an image that train.</summary>
    public int box_batch_size_per_image { get; init; } = 512;
    /// <summary>The largest share of objects among them.</summary>
    public double box_positive_fraction { get; init; } = 0.25;

    /// <summary>Channels of the mask head's convolutions.</summary>
    public int[] mask_layers { get; init; } = [256, 256, 256, 256];
    /// <summary>Channels of the map from which masks are told.</summary>
    public int mask_dim_reduced { get; init; } = 256;
}

/// <summary>
/// Faster R-CNN (Ren et al. 2015, arXiv:1506.01497) and Mask R-CNN (He et al. 2017, arXiv:1703.06870) on a feature pyramid of any
/// backbone. Parameter names, stages, losses and detections are torchvision's.
/// </summary>
public sealed class Rcnn : DetectionModel, IBackboneHost, IPublishedNames
{
    private readonly PyramidBackbone backbone;
    private readonly RegionProposals rpn;
    private readonly RoiHeads roi_heads;

    /// <exception cref="UserError">The backbone has too few maps, or the anchors' sizes are not one for each map.</exception>
    public Rcnn(RcnnConfig config) : base(nameof(Rcnn))
    {
        Config = config;
        backbone = new PyramidBackbone(config, CoarserMaps.Pool);
        if (config.anchor_sizes.Length != backbone.BodyMaps + 1)
            throw new UserError($"anchor_sizes has {config.anchor_sizes.Length} sizes for {backbone.BodyMaps + 1} maps", "give one for each map of the backbone and one more");
        rpn = new RegionProposals(config);
        roi_heads = new RoiHeads(config);
        RegisterComponents();
    }

    public RcnnConfig Config { get; }

    public override DetectionKinds Finds => Config.masks ? DetectionKinds.Boxes | DetectionKinds.Masks : DetectionKinds.Boxes;

    /// <summary>Images to maps.</summary>
    public PyramidBackbone Backbone => backbone;

    public ImageModel Body => backbone.Body;

    /// <summary>Maps to boxes that may hold an object.</summary>
    public RegionProposals Proposals => rpn;

    /// <summary>Boxes to classes, better boxes and masks.</summary>
    public RoiHeads Heads => roi_heads;

    public override void train(bool train = true)
    {
        base.train(train);
        backbone.KeepFrozenNorms();
    }

    public override IReadOnlyDictionary<string, Tensor> Losses(PaddedImages images, IReadOnlyList<ObjectTargets> targets)
    {
        using var scope = NewDisposeScope();
        var maps = backbone.call(images.pixels);
        var anchors = rpn.Predict(maps, DenseLayers.Size(images.pixels));
        var (objectness, rpnBoxes) = rpn.Losses(anchors, targets);
        var proposals = rpn.Propose(anchors, images.sizes, Config.rpn_pre_nms_top_n_train, Config.rpn_post_nms_top_n_train);
        var samples = roi_heads.Choose([.. proposals.Select(each => each.Boxes)], targets);
        var own = maps[..backbone.BodyMaps];
        var (logits, deltas) = roi_heads.PredictBoxes(roi_heads.BoxFeatures(roi_heads.BoxParts(own, [.. samples.Select(each => each.boxes)], images.sizes)));
        var (classes, boxes) = RoiHeads.Losses(logits, deltas, samples);
        var losses = new Dictionary<string, Tensor>
        {
            ["loss_classifier"] = classes,
            ["loss_box_reg"] = boxes,
            ["loss_objectness"] = objectness,
            ["loss_rpn_box_reg"] = rpnBoxes,
        };
        if (Config.masks)
        {
            if (targets.Any(target => target.masks is null))
                throw new ArgumentException("the model learns masks, and a target has none: set masks to false");
            var objects = samples.Select(RoiHeads.Objects).ToArray();
            var parts = roi_heads.MaskParts(own, [.. objects.Select(each => each.boxes)], images.sizes);
            losses["loss_mask"] = RoiHeads.MaskLoss(roi_heads.PredictMasks(parts), objects, targets);
        }
        foreach (var loss in losses.Values)
            scope.MoveToOuter(loss);
        return losses;
    }

    public override IReadOnlyList<Detections> Detect(PaddedImages images)
    {
        using var _ = no_grad();
        using var scope = NewDisposeScope();
        var maps = backbone.call(images.pixels);
        var anchors = rpn.Predict(maps, DenseLayers.Size(images.pixels));
        Tensor[] proposals = [.. rpn.Propose(anchors, images.sizes, Config.rpn_pre_nms_top_n_test, Config.rpn_post_nms_top_n_test).Select(each => each.Boxes)];
        var own = maps[..backbone.BodyMaps];
        var (logits, deltas) = roi_heads.PredictBoxes(roi_heads.BoxFeatures(roi_heads.BoxParts(own, proposals, images.sizes)));
        var found = roi_heads.Detect(logits, deltas, proposals, images.sizes);
        Tensor[]? masks = null;
        if (Config.masks)
        {
            var parts = roi_heads.MaskParts(own, [.. found.Select(each => each.boxes)], images.sizes);
            var all = RoiHeads.MaskProbabilities(roi_heads.PredictMasks(parts), cat([.. found.Select(each => each.labels)]));
            masks = all.split([.. found.Select(each => each.boxes.shape[0])]);
        }
        return [.. found.Select((each, i) =>
        {
            var boxes = DenseLayers.Resize(each.boxes, images.sizes[i], images.originals[i]);
            var (height, width) = (images.originals[i].height, images.originals[i].width);
            return new Detections(scope.MoveToOuter(boxes), scope.MoveToOuter(each.scores), scope.MoveToOuter(each.labels))
            {
                masks = masks is null ? null : scope.MoveToOuter(MaskPasting.Paste(masks[i], boxes, height, width).squeeze(1)),
            };
        })];
    }

    /// <summary>The names that torchvision's older checkpoints have, before its convolutions became sequences.</summary>
    public string? Rename(string published) => PyramidNames.Rename(published);

    // --- variants --------------------------------------------------------------------------------

    // COCO's category ids go to 90; torchvision's classes are these ids, 0 is background.
    private static readonly RcnnConfig Mask = new() { num_classes = 90, first_category = 1 };
    private static readonly RcnnConfig Second = Mask with { fpn_norm = "batchnorm", rpn_conv_depth = 2, box_conv_layers = [256, 256, 256, 256], head_norm = "batchnorm" };

    public static readonly ModelFamily Family = new ModelFamily<RcnnConfig>
    {
        Name = "R-CNN",
        Reference = "He et al., Mask R-CNN, 2017 (arXiv:1703.06870); Ren et al., Faster R-CNN, 2015 (arXiv:1506.01497)",
        Build = config => new Rcnn(config),
        Table = new Dictionary<string, RcnnConfig>
        {
            ["faster_rcnn"] = new() { masks = false },
            ["mask_rcnn"] = new(),
            ["fasterrcnn_resnet50_fpn"] = Mask with { masks = false },
            ["fasterrcnn_resnet50_fpn_v2"] = Second with { masks = false },
            ["maskrcnn_resnet50_fpn"] = Mask,
            ["maskrcnn_resnet50_fpn_v2"] = Second,
        },
    };
}
