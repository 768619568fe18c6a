using Attention.Modules.Dense;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Attention.Models.Dense;

/// <summary>A RetinaNet; fields as in torchvision.</summary>
public sealed record RetinaNetConfig : PyramidDetectorConfig
{
    public RetinaNetConfig() => maps = 3;

    /// <summary>What the two maps behind the backbone's are made from: the pyramid's last map (from_pyramid) or the backbone's (from_backbone).</summary>
    public CoarserMaps coarser_maps { get; init; } = CoarserMaps.FromPyramid;
    /// <summary>Sizes of anchors between one of <see cref="PyramidDetectorConfig.anchor_sizes"/> and its double.</summary>
    public int scales_per_octave { get; init; } = 3;
    /// <summary>Convolutions of each head before its last.</summary>
    public int head_depth { get; init; } = 4;
    /// <summary>A norm behind each of them: "", batchnorm or groupnorm.</summary>
    public string head_norm { get; init; } = "";
    /// <summary>The loss of boxes: l1 (of their differences), or giou (of the boxes).</summary>
    public string box_loss { get; init; } = "l1";
    /// <summary>An anchor that overlaps an object by this much belongs to it.</summary>
    public double fg_iou_thresh { get; init; } = 0.5;
    /// <summary>An anchor that overlaps every object by less is background.</summary>
    public double bg_iou_thresh { get; init; } = 0.4;
    /// <summary>Detections that are less sure are left out.</summary>
    public double score_thresh { get; init; } = 0.05;
    /// <summary>Detections of each map that compete.</summary>
    public int topk_candidates { get; init; } = 1000;
    /// <summary>Of two detections of a class that overlap by more than this, the surer stays.</summary>
    public double nms_thresh { get; init; } = 0.5;
    /// <summary>Detections of an image.</summary>
    public int detections_per_img { get; init; } = 300;
}

/// <summary>One of RetinaNet's two heads: maps (B, C, H, W) to numbers (B, N, M) of all anchors.</summary>
internal abstract class RetinaHead : nn.Module<Tensor[], Tensor>
{
    // Protected, so that it is found among the fields of both heads.
    protected readonly Sequential conv;
    private readonly long numbers;

    protected RetinaHead(RetinaNetConfig config, long numbers) : base(nameof(RetinaHead))
    {
        this.numbers = numbers;
        conv = nn.Sequential(Enumerable.Range(0, config.head_depth).Select(nn.Module<Tensor, Tensor> (_) =>
            DenseLayers.Convolution(config.out_channels, config.out_channels, 3, config.head_norm, relu: true, DenseLayers.Small)));
    }

    protected abstract Conv2d Last { get; }

    public override Tensor forward(Tensor[] maps)
    {
        using var scope = NewDisposeScope();
        return scope.MoveToOuter(cat([.. maps.Select(map => DenseLayers.PerAnchor(Last.call(conv.call(map)), numbers))], 1));
    }
}

/// <summary>A logit for each class.</summary>
internal sealed class RetinaClassHead : RetinaHead
{
    // How likely a class is at first: most anchors are background.
    private const double Prior = 0.01;

    private readonly Conv2d cls_logits;

    public RetinaClassHead(RetinaNetConfig config, int anchors) : base(config, config.num_classes)
    {
        cls_logits = DenseLayers.Start(nn.Conv2d(config.out_channels, anchors * config.num_classes, kernel_size: 3, padding: 1), DenseLayers.Small);
        nn.init.constant_(cls_logits.bias!, -Math.Log((1 - Prior) / Prior));
        RegisterComponents();
    }

    protected override Conv2d Last => cls_logits;
}

/// <summary>Four differences of a box.</summary>
internal sealed class RetinaBoxHead : RetinaHead
{
    private readonly Conv2d bbox_reg;

    public RetinaBoxHead(RetinaNetConfig config, int anchors) : base(config, 4)
    {
        bbox_reg = DenseLayers.Start(nn.Conv2d(config.out_channels, anchors * 4, kernel_size: 3, padding: 1), DenseLayers.Small);
        RegisterComponents();
    }

    protected override Conv2d Last => bbox_reg;
}

/// <summary>Both heads.</summary>
internal sealed class RetinaHeads : nn.Module<Tensor[], (Tensor, Tensor)>
{
    private readonly RetinaClassHead classification_head;
    private readonly RetinaBoxHead regression_head;

    public RetinaHeads(RetinaNetConfig config, int anchors) : base(nameof(RetinaHeads))
    {
        classification_head = new RetinaClassHead(config, anchors);
        regression_head = new RetinaBoxHead(config, anchors);
        RegisterComponents();
    }

    public override (Tensor, Tensor) forward(Tensor[] maps) => (classification_head.call(maps), regression_head.call(maps));
}

/// <summary>
/// RetinaNet on a feature pyramid of any backbone: Lin et al., Focal Loss for Dense Object Detection, 2017 (arXiv:1708.02002).
/// Parameter names, stages, losses and detections are torchvision's.
/// </summary>
public sealed class RetinaNet : DetectionModel, IBackboneHost, IPublishedNames
{
    private readonly PyramidBackbone backbone;
    private readonly RetinaHeads head;

    private readonly RetinaNetConfig config;
    private readonly Anchors anchors;
    private readonly BoxMatcher matcher;

    /// <exception cref="UserError">The backbone has too few maps, or a field has no such value.</exception>
    public RetinaNet(RetinaNetConfig config) : base(nameof(RetinaNet))
    {
        this.config = config;
        if (config.box_loss is not ("l1" or "giou"))
            throw new UserError($"box_loss '{config.box_loss}' is not known", "choose l1 or giou");
        if (config.coarser_maps == CoarserMaps.Pool)
            throw new UserError("coarser_maps is pool, which RetinaNet does not have", "choose from_pyramid or from_backbone");
        backbone = new PyramidBackbone(config, config.coarser_maps);
        if (config.anchor_sizes.Length != backbone.BodyMaps + 2)
            throw new UserError($"anchor_sizes has {config.anchor_sizes.Length} sizes for {backbone.BodyMaps + 2} maps", "give one for each map of the backbone and two more");
        anchors = new Anchors([.. config.anchor_sizes.Select(size => Octave(size, config.scales_per_octave))], config.aspect_ratios);
        matcher = new BoxMatcher(config.fg_iou_thresh, config.bg_iou_thresh, keepBest: true);
        head = new RetinaHeads(config, anchors.PerPlace[0]);
        RegisterComponents();
    }

    // The first size as it is, the others in whole pixels.
    private static double[] Octave(double size, int scales) => [size, .. Enumerable.Range(1, scales - 1).Select(i => Math.Floor(size * Math.Pow(2, (double)i / scales)))];

    public override DetectionKinds Finds => DetectionKinds.Boxes;

    /// <summary>Images to maps.</summary>
    public PyramidBackbone Backbone => backbone;

    public ImageModel Body => backbone.Body;

    public override void train(bool train = true)
    {
        base.train(train);
        backbone.KeepFrozenNorms();
    }

    /// <summary>What is said of the anchors of all maps; scores are (B, N, num_classes).</summary>
    /// <param name="maps">(B, C, H, W) each.</param>
    /// <param name="image">H and W of the padded images.</param>
    public AnchorPredictions Predict(Tensor[] maps, (long Height, long Width) image)
    {
        var (scores, deltas) = head.call(maps);
        return new(scores, deltas, anchors.Of(image, [.. maps.Select(DenseLayers.Size)], maps[0].device), [.. maps.Select((map, i) => map.shape[2] * map.shape[3] * anchors.PerPlace[i])]);
    }

    public override IReadOnlyDictionary<string, Tensor> Losses(PaddedImages images, IReadOnlyList<ObjectTargets> targets)
    {
        using var scope = NewDisposeScope();
        var (classes, boxes) = Losses(Predict(backbone.call(images.pixels), DenseLayers.Size(images.pixels)), targets);
        return new Dictionary<string, Tensor> { ["classification"] = scope.MoveToOuter(classes), ["bbox_regression"] = scope.MoveToOuter(boxes) };
    }

    /// <summary>The losses of the classes and of the boxes.</summary>
    public (Tensor Classes, Tensor Boxes) Losses(AnchorPredictions found, IReadOnlyList<ObjectTargets> targets)
    {
        using var scope = NewDisposeScope();
        var (classes, boxes) = (zeros([], device: found.scores.device), found.deltas.sum() * 0);
        foreach (var (target, image) in targets.Select((target, image) => (target, image)))
        {
            var matches = Match(found.anchors, target);
            var objects = matches.ge(0).nonzero().squeeze(1);
            var own = matches.index_select(0, objects);
            double count = Math.Max(1, objects.shape[0]);
            var clear = matches.ne(BoxMatcher.Between).nonzero().squeeze(1);
            var answers = zeros_like(found.scores[image]);
            if (objects.shape[0] > 0)
                answers.view(-1).index_fill_(0, objects * config.num_classes + target.labels.index_select(0, own), 1);
            classes = classes + FocalLoss.Sigmoid(found.scores[image].index_select(0, clear), answers.index_select(0, clear)).sum() / count;
            if (objects.shape[0] > 0)
                boxes = boxes + BoxLoss(found.deltas[image].index_select(0, objects), found.anchors.index_select(0, objects), target.boxes.index_select(0, own)) / count;
        }
        return (scope.MoveToOuter(classes / targets.Count), scope.MoveToOuter(boxes / targets.Count));
    }

    private Tensor BoxLoss(Tensor deltas, Tensor anchors, Tensor goals) => config.box_loss == "giou"
        ? Boxes.GeneralizedLoss(BoxCoder.Plain.Decode(deltas, anchors), goals).sum()
        : nn.functional.l1_loss(deltas, BoxCoder.Plain.Encode(goals, anchors), nn.Reduction.Sum);

    /// <summary>The object of each anchor (N), as <see cref="BoxMatcher"/> gives it.</summary>
    public Tensor Match(Tensor anchors, ObjectTargets target)
    {
        using var scope = NewDisposeScope();
        return scope.MoveToOuter(target.boxes.shape[0] == 0
            ? full(anchors.shape[0], BoxMatcher.Background, dtype: ScalarType.Int64, device: anchors.device)
            : matcher.Match(Boxes.IntersectionOverUnion(target.boxes, anchors)));
    }

    public override IReadOnlyList<Detections> Detect(PaddedImages images)
    {
        using var _ = no_grad();
        using var scope = NewDisposeScope();
        var found = Detect(Predict(backbone.call(images.pixels), DenseLayers.Size(images.pixels)), images.sizes);
        return [.. found.Select((each, i) => new Detections(
            scope.MoveToOuter(DenseLayers.Resize(each.boxes, images.sizes[i], images.originals[i])), scope.MoveToOuter(each.scores), scope.MoveToOuter(each.labels)))];
    }

    /// <summary>The objects of each image, the surest first: boxes in the image as the model got it.</summary>
    public IReadOnlyList<Detections> Detect(AnchorPredictions found, IReadOnlyList<ImageSize> sizes)
    {
        using var scope = NewDisposeScope();
        return [.. sizes.Select((size, image) =>
        {
            using var step = NewDisposeScope();
            var (boxes, scores, labels) = (new List<Tensor>(), new List<Tensor>(), new List<Tensor>());
            long start = 0;
            foreach (var count in found.perMap)
            {
                var probabilities = found.scores[image].narrow(0, start, count).flatten().sigmoid();
                var sure = probabilities.gt(config.score_thresh).nonzero().squeeze(1);
                var (best, order) = probabilities.index_select(0, sure).topk((int)Math.Min(sure.shape[0], config.topk_candidates));
                sure = sure.index_select(0, order);
                var places = sure.div(config.num_classes, RoundingMode.floor) + start;
                var decoded = BoxCoder.Plain.Decode(found.deltas[image].index_select(0, places), found.anchors.index_select(0, places));
                boxes.Add(Boxes.Clip(decoded, size.height, size.width));
                scores.Add(best);
                labels.Add(sure.remainder(config.num_classes));
                start += count;
            }
            var (allBoxes, allScores, allLabels) = (cat([.. boxes]), cat([.. scores]), cat([.. labels]));
            var kept = Suppression.KeepPerLabel(allBoxes, allScores, allLabels, config.nms_thresh);
            kept = kept.narrow(0, 0, Math.Min(kept.shape[0], config.detections_per_img));
            Tensor Kept(Tensor values) => scope.MoveToOuter(step.MoveToOuter(values.index_select(0, kept)));
            return new Detections(Kept(allBoxes), Kept(allScores), Kept(allLabels));
        })];
    }

    /// <summary>The names that torchvision's older checkpoints have, before its convolutions became sequences.</summary>
    public string? Rename(string published) => PyramidNames.Rename(published);

    // --- variants --------------------------------------------------------------------------------

    // COCO's category ids go to 90; torchvision's classes are these ids, and the first is never found.
    private static readonly RetinaNetConfig First = new() { num_classes = 91, first_category = 0 };

    public static readonly ModelFamily Family = new ModelFamily<RetinaNetConfig>
    {
        Name = "RetinaNet",
        Reference = "Lin et al., Focal Loss for Dense Object Detection, 2017 (arXiv:1708.02002)",
        Build = config => new RetinaNet(config),
        Table = new Dictionary<string, RetinaNetConfig>
        {
            ["retinanet"] = new(),
            ["retinanet_resnet50_fpn"] = First,
            ["retinanet_resnet50_fpn_v2"] = First with { coarser_maps = CoarserMaps.FromBackbone, head_norm = "groupnorm", box_loss = "giou" },
        },
    };
}
