using TorchSharp;
using static TorchSharp.torch;

namespace Attention.Models.Dense;

/// <summary>A segment of a panoptic result.</summary>
/// <param name="Id">The value of its pixels.</param>
/// <param name="Label">Its class.</param>
/// <param name="IsThing">Whether it is one object, rather than all that is of the class.</param>
public sealed record PanopticSegment(int Id, int Label, bool IsThing);

/// <summary>What predicted regions say of pixels, objects, and both. Rules as in facebookresearch/Mask2Former.</summary>
public static class MaskResults
{
    /// <summary>Scores of each class at each pixel, (B, classes, H, W).</summary>
    /// <param name="logits">Of queries, (B, N, classes + 1), the last for none.</param>
    /// <param name="masks">Logits of pixels, (B, N, H, W).</param>
    public static Tensor Semantic(Tensor logits, Tensor masks)
    {
        using var scope = NewDisposeScope();
        var classes = logits.softmax(-1).narrow(-1, 0, logits.shape[^1] - 1);
        return scope.MoveToOuter(einsum("bqc,bqhw->bchw", classes, masks.sigmoid()));
    }

    /// <summary>
    /// The surest pairs of a query and a class in one image; a score is the probability of the class times the mean probability of the
    /// mask's pixels. Masks are 0 and 1.
    /// </summary>
    /// <param name="logits">(N, classes + 1).</param>
    /// <param name="masks">(N, H, W).</param>
    /// <param name="most">Pairs at the most.</param>
    public static Detections Instances(Tensor logits, Tensor masks, int most)
    {
        using var scope = NewDisposeScope();
        long classes = logits.shape[1] - 1;
        var scores = logits.softmax(-1).narrow(-1, 0, classes).flatten();
        var (best, places) = scores.topk((int)Math.Min(most, scores.numel()));
        var chosen = masks.index_select(0, places.div(classes, RoundingMode.floor));
        var inside = chosen.gt(0).to(ScalarType.Float32);
        var sure = (chosen.sigmoid() * inside).sum([1, 2]) / (inside.sum([1, 2]) + 1e-6);
        var (sorted, order) = (best * sure).sort(0, descending: true);
        inside = inside.index_select(0, order);
        return new Detections(scope.MoveToOuter(Boxes(inside)), scope.MoveToOuter(sorted), scope.MoveToOuter(places.remainder(classes).index_select(0, order)))
        {
            masks = scope.MoveToOuter(inside),
        };
    }

    // The smallest boxes around masks (N, H, W); zeros for empty ones.
    private static Tensor Boxes(Tensor masks)
    {
        (Tensor First, Tensor End) Span(Tensor filled)
        {
            var (count, length) = (filled.shape[0], filled.shape[1]);
            var place = arange(length, dtype: ScalarType.Float32, device: filled.device).expand(count, length);
            var outside = filled.logical_not();
            var first = place.masked_fill(outside, length).amin([1]);
            var end = (place + 1).masked_fill(outside, 0).amax([1]);
            return (first.minimum(end), end);
        }
        var (left, right) = Span(masks.amax([1]).gt(0));
        var (top, bottom) = Span(masks.amax([2]).gt(0));
        return stack([left, top, right, bottom], 1);
    }

    /// <summary>One segment for each pixel of one image, or none.</summary>
    /// <param name="logits">(N, classes + 1).</param>
    /// <param name="masks">(N, H, W).</param>
    /// <param name="isThing">Whether a class is of objects that are told apart.</param>
    /// <param name="config">How sure a query must be, and how much of its mask a segment must keep.</param>
    /// <returns>The id of each pixel's segment, (H, W), 0 for none, and the segments.</returns>
    public static (Tensor Ids, IReadOnlyList<PanopticSegment> Segments) Panoptic(Tensor logits, Tensor masks, Func<int, bool> isThing, MaskDecoderConfig config)
    {
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        var (scores, labels) = logits.softmax(-1).max(-1);
        var kept = labels.ne(logits.shape[1] - 1).logical_and(scores.gt(config.object_mask_threshold)).nonzero().squeeze(1);
        var ids = zeros(masks.shape[1], masks.shape[2], dtype: ScalarType.Int32, device: masks.device);
        var segments = new List<PanopticSegment>();
        if (kept.shape[0] == 0)
            return (scope.MoveToOuter(ids), segments);
        var p = masks.index_select(0, kept).sigmoid();
        var owner = (scores.index_select(0, kept).view(-1, 1, 1) * p).argmax(0);
        var classes = labels.index_select(0, kept).cpu().data<long>().ToArray();
        for (int k = 0; k < classes.Length; k++)
        {
            int label = (int)classes[k];
            var (owned, whole) = (owner.eq(k), p[k].ge(0.5));
            var segment = owned.logical_and(whole);
            double area = owned.sum().item<long>(), all = whole.sum().item<long>();
            if (segment.sum().item<long>() == 0 || area / all < config.overlap_threshold)
                continue;
            // Regions of what is no object become one.
            var same = isThing(label) ? null : segments.FirstOrDefault(each => each.Label == label);
            int id = same?.Id ?? segments.Count + 1;
            ids.masked_fill_(segment, id);
            if (same is null)
                segments.Add(new PanopticSegment(id, label, isThing(label)));
        }
        return (scope.MoveToOuter(ids), segments);
    }
}
