using Attention.Modules;
using Attention.Modules.Dense;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Attention.Models.Dense;

/// <summary>What a network says of the anchors of a batch.</summary>
/// <param name="scores">Logits of being an object, (B, N).</param>
/// <param name="deltas">Differences of the object's box, (B, N, 4).</param>
/// <param name="anchors">(N, 4), map by map.</param>
/// <param name="perMap">How many anchors each map has.</param>
public sealed record AnchorPredictions(Tensor scores, Tensor deltas, Tensor anchors, IReadOnlyList<long> perMap);

/// <summary>For each place of a map and each of its anchors, a logit of being an object and four differences of a box.</summary>
internal sealed class ProposalHead : nn.Module<Tensor, (Tensor, Tensor)>
{
    private readonly Sequential conv;
    private readonly Conv2d cls_logits;
    private readonly Conv2d bbox_pred;

    public ProposalHead(long channels, int anchors, int depth) : base(nameof(ProposalHead))
    {
        conv = nn.Sequential(Enumerable.Range(0, depth).Select(nn.Module<Tensor, Tensor> (_) => DenseLayers.Convolution(channels, channels, 3, norm: "", relu: true, DenseLayers.Small)));
        cls_logits = DenseLayers.Start(nn.Conv2d(channels, anchors, kernel_size: 1), DenseLayers.Small);
        bbox_pred = DenseLayers.Start(nn.Conv2d(channels, anchors * 4, kernel_size: 1), DenseLayers.Small);
        RegisterComponents();
    }

    public override (Tensor, Tensor) forward(Tensor input)
    {
        using var scope = NewDisposeScope();
        var x = conv.call(input);
        return (scope.MoveToOuter(cls_logits.call(x)), scope.MoveToOuter(bbox_pred.call(x)));
    }
}

/// <summary>
/// Finds boxes that may hold an object: Ren et al., Faster R-CNN, 2015 (arXiv:1506.01497). Names and details are torchvision's.
/// </summary>
public sealed class RegionProposals : nn.Module
{
    // Sides shorter than this, in pixels, are none.
    private const double ShortestSide = 1e-3;

    // Of the smooth L1 loss: where its square part ends.
    internal const double SmoothUpTo = 1.0 / 9;

    private readonly ProposalHead head;

    private readonly RcnnConfig config;
    private readonly Anchors anchors;
    private readonly BoxMatcher matcher;
    private readonly BalancedSampler sampler;

    public RegionProposals(RcnnConfig config) : base(nameof(RegionProposals))
    {
        this.config = config;
        anchors = new Anchors([.. config.anchor_sizes.Select(size => new[] { size })], config.aspect_ratios);
        matcher = new BoxMatcher(config.rpn_fg_iou_thresh, config.rpn_bg_iou_thresh, keepBest: true);
        sampler = new BalancedSampler(config.rpn_batch_size_per_image, config.rpn_positive_fraction);
        head = new ProposalHead(config.out_channels, config.aspect_ratios.Length, config.rpn_conv_depth);
        RegisterComponents();
    }

    /// <summary>Logits (B, A, H, W) and differences (B, A * 4, H, W) for each map.</summary>
    public (Tensor[] Scores, Tensor[] Deltas) Head(IReadOnlyList<Tensor> maps)
    {
        var results = maps.Select(head.call).ToArray();
        return ([.. results.Select(result => result.Item1)], [.. results.Select(result => result.Item2)]);
    }

    /// <summary>The same for all anchors of the maps.</summary>
    /// <param name="maps">(B, C, H, W) each.</param>
    /// <param name="image">H and W of the padded images.</param>
    public AnchorPredictions Predict(IReadOnlyList<Tensor> maps, (long Height, long Width) image)
    {
        using var scope = NewDisposeScope();
        var (scores, deltas) = Head(maps);
        var all = Collect(scores, deltas, anchors.Of(image, [.. maps.Select(DenseLayers.Size)], maps[0].device));
        foreach (var tensor in new[] { all.scores, all.deltas, all.anchors })
            scope.MoveToOuter(tensor);
        return all;
    }

    /// <summary>Puts the maps of a head one behind the other.</summary>
    public static AnchorPredictions Collect(IReadOnlyList<Tensor> scores, IReadOnlyList<Tensor> deltas, Tensor anchors)
    {
        using var scope = NewDisposeScope();
        return new(
            scope.MoveToOuter(cat([.. scores.Select(map => DenseLayers.PerAnchor(map, 1))], 1).squeeze(2)),
            scope.MoveToOuter(cat([.. deltas.Select(map => DenseLayers.PerAnchor(map, 4))], 1)),
            anchors, [.. scores.Select(map => map.shape[1] * map.shape[2] * map.shape[3])]);
    }

    /// <summary>The boxes (K, 4) of each image that look most like objects, with their probabilities (K), the surest first; no gradient reaches them.</summary>
    /// <param name="found">What was said of the anchors.</param>
    /// <param name="sizes">The images' sizes without padding.</param>
    /// <param name="before">How many of each map compete.</param>
    /// <param name="after">How many of an image stay.</param>
    public IReadOnlyList<(Tensor Boxes, Tensor Scores)> Propose(AnchorPredictions found, IReadOnlyList<ImageSize> sizes, int before, int after)
    {
        using var _ = no_grad();
        using var scope = NewDisposeScope();
        var (places, levels) = (new List<Tensor>(), new List<Tensor>());
        long offset = 0;
        foreach (var (count, level) in found.perMap.Select((count, level) => (count, level)))
        {
            int most = (int)Math.Min(count, before);
            places.Add(found.scores.narrow(1, offset, count).topk(most, dim: 1).indexes + offset);
            levels.Add(full(most, level, dtype: ScalarType.Int64, device: found.scores.device));
            offset += count;
        }
        var (chosen, level2) = (cat([.. places], 1), cat([.. levels]));
        return [.. sizes.Select((size, image) =>
        {
            using var step = NewDisposeScope();
            var here = chosen[image];
            var boxes = BoxCoder.Plain.Decode(found.deltas[image].index_select(0, here), found.anchors.index_select(0, here));
            boxes = Boxes.Clip(boxes, size.height, size.width);
            var scores = found.scores[image].index_select(0, here).sigmoid();
            var (tall, sure) = (Boxes.LargerThan(boxes, ShortestSide), scores.ge(config.rpn_score_thresh));
            var keep = tall.index_select(0, sure.index_select(0, tall).nonzero().squeeze(1));
            (boxes, scores, var level) = (boxes.index_select(0, keep), scores.index_select(0, keep), level2.index_select(0, keep));
            var kept = Suppression.KeepPerLabel(boxes, scores, level, config.rpn_nms_thresh);
            kept = kept.narrow(0, 0, Math.Min(kept.shape[0], after));
            return (scope.MoveToOuter(step.MoveToOuter(boxes.index_select(0, kept))), scope.MoveToOuter(step.MoveToOuter(scores.index_select(0, kept))));
        })];
    }

    /// <summary>The losses of being an object, and of the boxes.</summary>
    public (Tensor Objectness, Tensor Boxes) Losses(AnchorPredictions found, IReadOnlyList<ObjectTargets> targets)
    {
        using var scope = NewDisposeScope();
        var (scores, answers, deltas, goals) = (new List<Tensor>(), new List<Tensor>(), new List<Tensor>(), new List<Tensor>());
        long count = 0;
        foreach (var (target, image) in targets.Select((target, image) => (target, image)))
        {
            var matches = Match(found.anchors, target);
            var (objects, background) = sampler.Choose(Labels(matches));
            scores.Add(found.scores[image].index_select(0, cat([objects, background])));
            answers.Add(cat([ones(objects.shape[0], device: scores[^1].device), zeros(background.shape[0], device: scores[^1].device)]));
            count += objects.shape[0] + background.shape[0];
            if (objects.shape[0] == 0)
                continue;
            deltas.Add(found.deltas[image].index_select(0, objects));
            goals.Add(BoxCoder.Plain.Encode(target.boxes.index_select(0, matches.index_select(0, objects)), found.anchors.index_select(0, objects)));
        }
        var objectness = nn.functional.binary_cross_entropy_with_logits(cat([.. scores]), cat([.. answers]));
        var boxes = deltas.Count == 0 ? found.deltas.sum() * 0
            : nn.functional.smooth_l1_loss(cat([.. deltas]), cat([.. goals]), nn.Reduction.Sum, beta: SmoothUpTo) / count;
        return (scope.MoveToOuter(objectness), scope.MoveToOuter(boxes));
    }

    /// <summary>The object of each anchor (N), as <see cref="BoxMatcher"/> gives it.</summary>
    public Tensor Match(Tensor anchors, ObjectTargets target)
    {
        using var scope = NewDisposeScope();
        return scope.MoveToOuter(target.boxes.shape[0] == 0
            ? full(anchors.shape[0], BoxMatcher.Background, dtype: ScalarType.Int64, device: anchors.device)
            : matcher.Match(Boxes.IntersectionOverUnion(target.boxes, anchors)));
    }

    /// <summary>1 for anchors of an object, 0 for background, -1 for what is neither.</summary>
    public static Tensor Labels(Tensor matches)
    {
        using var scope = NewDisposeScope();
        return scope.MoveToOuter(matches.ge(0).to(ScalarType.Int64) - matches.eq(BoxMatcher.Between).to(ScalarType.Int64));
    }
}
