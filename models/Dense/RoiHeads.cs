using Attention.Modules;
using Attention.Modules.Dense;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Attention.Models.Dense;

/// <summary>The proposals of an image that train.</summary>
/// <param name="boxes">(N, 4).</param>
/// <param name="matches">The object of each, (N); 0 for background.</param>
/// <param name="labels">Its class, from 1, 0 for background, (N).</param>
/// <param name="goals">The differences to its box, (N, 4).</param>
public sealed record RoiSamples(Tensor boxes, Tensor matches, Tensor labels, Tensor goals);

/// <summary>
/// Cuts proposals out of a pyramid, and tells the class, the box and the mask of each: Ren et al., Faster R-CNN, 2015 (arXiv:1506.01497)
/// and He et al., Mask R-CNN, 2017 (arXiv:1703.06870). Names and details are torchvision's.
/// </summary>
public sealed class RoiHeads : nn.Module
{
    // Rows and columns of a box's and of a mask's part of a map, and samples along each side of a cell.
    private const int BoxSize = 7, MaskSize = 14, Samples = 2;

    // Sides shorter than this, in pixels, are none.
    private const double ShortestSide = 1e-2;

    private readonly nn.Module<Tensor, Tensor> box_head;
    private readonly BoxPredictor box_predictor;
    private readonly Sequential? mask_head;
    private readonly Sequential? mask_predictor;

    private readonly RcnnConfig config;
    private readonly MultiScaleRoiAlign boxParts = new(BoxSize, Samples), maskParts = new(MaskSize, Samples);
    private readonly BoxMatcher matcher;
    private readonly BalancedSampler sampler;

    public RoiHeads(RcnnConfig config) : base(nameof(RoiHeads))
    {
        this.config = config;
        matcher = new BoxMatcher(config.box_fg_iou_thresh, config.box_bg_iou_thresh, keepBest: false);
        sampler = new BalancedSampler(config.box_batch_size_per_image, config.box_positive_fraction);
        box_head = config.box_conv_layers.Length == 0 ? new BoxHead(config.out_channels * BoxSize * BoxSize, config.representation_size) : ConvolutionalBoxHead(config);
        box_predictor = new BoxPredictor(config.representation_size, config.num_classes + 1);
        if (config.masks)
        {
            mask_head = nn.Sequential(Convolutions(config.out_channels, config.mask_layers, config.head_norm));
            mask_predictor = MaskPredictor(config.mask_layers.Append(config.out_channels).First(), config.mask_dim_reduced, config.num_classes + 1);
        }
        RegisterComponents();
    }

    private static List<nn.Module<Tensor, Tensor>> Convolutions(long inputs, int[] layers, string norm)
    {
        var parts = new List<nn.Module<Tensor, Tensor>>();
        foreach (var outputs in layers)
        {
            parts.Add(DenseLayers.Convolution(inputs, outputs, 3, norm, relu: true, DenseLayers.Normal));
            inputs = outputs;
        }
        return parts;
    }

    private static Sequential ConvolutionalBoxHead(RcnnConfig config)
    {
        var parts = Convolutions(config.out_channels, config.box_conv_layers, config.head_norm);
        parts.AddRange([nn.Flatten(), nn.Linear(config.box_conv_layers[^1] * BoxSize * BoxSize, config.representation_size), nn.ReLU()]);
        return nn.Sequential(parts);
    }

    private static Sequential MaskPredictor(long inputs, long hidden, long classes)
    {
        var (up, last) = (nn.ConvTranspose2d(inputs, hidden, kernel_size: 2, stride: 2), nn.Conv2d(hidden, classes, kernel_size: 1));
        using (no_grad())
        {
            DenseLayers.Normal(up.weight!);
            DenseLayers.Normal(last.weight);
        }
        return nn.Sequential(("conv5_mask", up), ("relu", nn.ReLU()), ("mask_fcn_logits", last));
    }

    // --- boxes -----------------------------------------------------------------------------------

    /// <summary>The parts (K, C, 7, 7) of the maps that belong to boxes of all images.</summary>
    /// <param name="maps">(B, C, H, W), from fine to coarse.</param>
    /// <param name="boxes">For each image (K, 4).</param>
    /// <param name="sizes">The images' sizes without padding.</param>
    public Tensor BoxParts(IReadOnlyList<Tensor> maps, IReadOnlyList<Tensor> boxes, IReadOnlyList<ImageSize> sizes) =>
        boxParts.Cut(maps, boxes, sizes.Max(size => size.height));

    /// <summary>Features (K, D) of parts (K, C, 7, 7).</summary>
    public Tensor BoxFeatures(Tensor parts) => box_head.call(parts);

    /// <summary>Logits (K, classes + 1), background first, and differences (K, 4 * (classes + 1)).</summary>
    public (Tensor Logits, Tensor Deltas) PredictBoxes(Tensor features) => box_predictor.call(features);

    /// <summary>Chooses proposals that train; the objects' own boxes are among them.</summary>
    public IReadOnlyList<RoiSamples> Choose(IReadOnlyList<Tensor> proposals, IReadOnlyList<ObjectTargets> targets)
    {
        using var _ = no_grad();
        return [.. proposals.Zip(targets, (boxes, target) =>
        {
            using var scope = NewDisposeScope();
            var all = cat([boxes, target.boxes]);
            bool empty = target.boxes.shape[0] == 0;
            var found = empty ? full(all.shape[0], BoxMatcher.Background, dtype: ScalarType.Int64, device: all.device)
                : matcher.Match(Boxes.IntersectionOverUnion(target.boxes, all));
            var matches = found.clamp(min: 0);
            var labels = empty ? zeros_like(found)
                : (target.labels.index_select(0, matches) + 1).masked_fill(found.eq(BoxMatcher.Background), 0).masked_fill(found.eq(BoxMatcher.Between), -1);
            var (objects, background) = sampler.Choose(labels);
            var chosen = cat([objects, background]).sort().Values;
            (all, matches, labels) = (all.index_select(0, chosen), matches.index_select(0, chosen), labels.index_select(0, chosen));
            var goals = empty ? zeros_like(all) : BoxCoder.Refining.Encode(target.boxes.index_select(0, matches), all);
            return new RoiSamples(scope.MoveToOuter(all), scope.MoveToOuter(matches), scope.MoveToOuter(labels), scope.MoveToOuter(goals));
        })];
    }

    /// <summary>The losses of the classes, and of the boxes of objects.</summary>
    public static (Tensor Classes, Tensor Boxes) Losses(Tensor logits, Tensor deltas, IReadOnlyList<RoiSamples> samples)
    {
        using var scope = NewDisposeScope();
        var labels = cat([.. samples.Select(each => each.labels)]);
        var goals = cat([.. samples.Select(each => each.goals)]);
        var classes = nn.functional.cross_entropy(logits, labels);
        var objects = labels.gt(0).nonzero().squeeze(1);
        var own = objects * logits.shape[1] + labels.index_select(0, objects);
        var boxes = nn.functional.smooth_l1_loss(deltas.reshape(-1, 4).index_select(0, own), goals.index_select(0, objects), nn.Reduction.Sum, beta: RegionProposals.SmoothUpTo);
        return (scope.MoveToOuter(classes), scope.MoveToOuter(boxes / labels.numel()));
    }

    /// <summary>The objects of each image, the surest first: boxes in the image as the model got it.</summary>
    /// <param name="logits">(K, classes + 1) of all images.</param>
    /// <param name="deltas">(K, 4 * (classes + 1)).</param>
    /// <param name="proposals">For each image (K, 4).</param>
    /// <param name="sizes">The images' sizes without padding.</param>
    public IReadOnlyList<Detections> Detect(Tensor logits, Tensor deltas, IReadOnlyList<Tensor> proposals, IReadOnlyList<ImageSize> sizes)
    {
        using var scope = NewDisposeScope();
        long classes = logits.shape[1];
        var allBoxes = BoxCoder.Refining.Decode(deltas, cat([.. proposals])).reshape(-1, classes, 4);
        var allScores = logits.softmax(-1);
        long start = 0;
        return [.. proposals.Zip(sizes, (own, size) =>
        {
            using var step = NewDisposeScope();
            // Background, the first class, is no detection.
            var boxes = allBoxes.narrow(0, start, own.shape[0]).narrow(1, 1, classes - 1).reshape(-1, 4);
            var scores = allScores.narrow(0, start, own.shape[0]).narrow(1, 1, classes - 1).reshape(-1);
            start += own.shape[0];
            var sure = scores.gt(config.box_score_thresh).nonzero().squeeze(1);
            boxes = Boxes.Clip(boxes.index_select(0, sure), size.height, size.width);
            var tall = Boxes.LargerThan(boxes, ShortestSide);
            (boxes, sure) = (boxes.index_select(0, tall), sure.index_select(0, tall));
            scores = scores.index_select(0, sure);
            var labels = sure.remainder(classes - 1);
            var kept = Suppression.KeepPerLabel(boxes, scores, labels + 1, config.box_nms_thresh);
            kept = kept.narrow(0, 0, Math.Min(kept.shape[0], config.box_detections_per_img));
            Tensor Kept(Tensor values) => scope.MoveToOuter(step.MoveToOuter(values.index_select(0, kept)));
            return new Detections(Kept(boxes), Kept(scores), Kept(labels));
        })];
    }

    // --- masks -----------------------------------------------------------------------------------

    /// <summary>The parts (K, C, 14, 14) of the maps that belong to boxes of all images.</summary>
    public Tensor MaskParts(IReadOnlyList<Tensor> maps, IReadOnlyList<Tensor> boxes, IReadOnlyList<ImageSize> sizes) =>
        maskParts.Cut(maps, boxes, sizes.Max(size => size.height));

    /// <summary>Logits (K, classes + 1, 28, 28) of the masks of every class in parts (K, C, 14, 14).</summary>
    /// <exception cref="InvalidOperationException">The model has no masks.</exception>
    public Tensor PredictMasks(Tensor parts)
    {
        if (mask_head is null || mask_predictor is null)
            throw new InvalidOperationException("the model gives no masks");
        using var scope = NewDisposeScope();
        return scope.MoveToOuter(mask_predictor.call(mask_head.call(parts)));
    }

    /// <summary>The samples of an image that are objects: only they have masks.</summary>
    public static RoiSamples Objects(RoiSamples samples)
    {
        using var scope = NewDisposeScope();
        var objects = samples.labels.gt(0).nonzero().squeeze(1);
        Tensor Own(Tensor values) => scope.MoveToOuter(values.index_select(0, objects));
        return new(Own(samples.boxes), Own(samples.matches), Own(samples.labels), Own(samples.goals));
    }

    /// <summary>The loss of the masks of objects, each of its own class.</summary>
    /// <param name="logits">(K, classes + 1, M, M).</param>
    /// <param name="objects">Of each image, K in all.</param>
    /// <param name="targets">Of each image, with masks.</param>
    public static Tensor MaskLoss(Tensor logits, IReadOnlyList<RoiSamples> objects, IReadOnlyList<ObjectTargets> targets)
    {
        using var scope = NewDisposeScope();
        if (logits.shape[0] == 0)
            return scope.MoveToOuter(logits.sum() * 0);
        var goals = objects.Zip(targets).Where(each => each.First.boxes.shape[0] > 0)
            .Select(each => MaskPasting.Targets(each.Second.masks!, each.First.boxes, each.First.matches, (int)logits.shape[3]));
        return scope.MoveToOuter(nn.functional.binary_cross_entropy_with_logits(OfClass(logits, cat([.. objects.Select(each => each.labels)])), cat([.. goals])));
    }

    /// <summary>Probabilities (K, 1, M, M) of the masks of one class each.</summary>
    /// <param name="logits">(K, classes + 1, M, M).</param>
    /// <param name="labels">Classes from 0, (K).</param>
    public static Tensor MaskProbabilities(Tensor logits, Tensor labels)
    {
        using var scope = NewDisposeScope();
        return scope.MoveToOuter(OfClass(logits, labels + 1).sigmoid().unsqueeze(1));
    }

    private static Tensor OfClass(Tensor logits, Tensor labels)
    {
        var own = arange(labels.shape[0], dtype: ScalarType.Int64, device: labels.device) * logits.shape[1] + labels;
        return logits.flatten(0, 1).index_select(0, own);
    }
}

/// <summary>Parts of maps (K, C, S, S) to features (K, D), by two linear maps.</summary>
internal sealed class BoxHead : Block
{
    private readonly Linear fc6;
    private readonly Linear fc7;

    public BoxHead(long inputs, long outputs) : base(nameof(BoxHead))
    {
        fc6 = nn.Linear(inputs, outputs);
        fc7 = nn.Linear(outputs, outputs);
        RegisterComponents();
    }

    protected override Tensor Forward(Tensor x) => fc7.call(fc6.call(x.flatten(1)).relu()).relu();
}

/// <summary>Features (K, D) to logits (K, C) and differences of boxes (K, 4 C).</summary>
internal sealed class BoxPredictor : nn.Module<Tensor, (Tensor, Tensor)>
{
    private readonly Linear cls_score;
    private readonly Linear bbox_pred;

    public BoxPredictor(long inputs, long classes) : base(nameof(BoxPredictor))
    {
        cls_score = nn.Linear(inputs, classes);
        bbox_pred = nn.Linear(inputs, classes * 4);
        RegisterComponents();
    }

    public override (Tensor, Tensor) forward(Tensor input) => (cls_score.call(input), bbox_pred.call(input));
}
