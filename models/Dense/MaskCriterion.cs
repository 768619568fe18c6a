using Attention.Modules.Dense;
using TorchSharp;
using static TorchSharp.torch;

namespace Attention.Models.Dense;

/// <summary>The regions of one image: objects, or all that is of one class.</summary>
/// <param name="Labels">(T), int64.</param>
/// <param name="Masks">(T, H, W), of 0 and 1, float32.</param>
public sealed record MaskTargets(Tensor Labels, Tensor Masks)
{
    /// <summary>One region for each class of a label map (H, W), int64, in which <see cref="SegmentationModel.Ignored"/> is none.</summary>
    public static MaskTargets OfClasses(Tensor map)
    {
        using var scope = NewDisposeScope();
        var present = map.masked_select(map.ne(SegmentationModel.Ignored)).unique().output;
        return new(scope.MoveToOuter(present), scope.MoveToOuter(map.unsqueeze(0).eq(present.view(-1, 1, 1)).to(ScalarType.Float32)));
    }
}

/// <summary>
/// What predicted regions cost: each image's are matched with the true ones, then classes, pixels and overlap are compared, the
/// latter two at random points, most of them where the masks are unsure. Cheng et al., Masked-attention Mask Transformer for
/// Universal Image Segmentation, 2022 (arXiv:2112.01527).
/// </summary>
/// <param name="config">Weights and points.</param>
/// <param name="random">Uniform numbers in [0, 1) of a shape; null for the default generator's.</param>
public sealed class MaskCriterion(MaskDecoderConfig config, Func<long[], Tensor>? random = null)
{
    private Tensor Random(long[] shape, Device device) => random is null ? rand(shape, device: device) : random(shape).to(device);

    /// <summary>The costs of one image's queries as each of its regions, (N, T).</summary>
    /// <param name="logits">(N, classes + 1).</param>
    /// <param name="masks">(N, H, W).</param>
    /// <param name="targets">The regions.</param>
    public Tensor Costs(Tensor logits, Tensor masks, MaskTargets targets)
    {
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        var points = Random([1, config.num_points, 2], masks.device);
        // All masks are read at the same points: they are the channels of one map.
        Tensor At(Tensor maps) => Read(maps.unsqueeze(0), points).squeeze(0);
        var (guess, truth) = (At(masks), At(targets.Masks));
        var byClass = -logits.softmax(-1).index_select(1, targets.Labels);
        // Cross entropy of a logit x with a target t: softplus(-x) t + softplus(x) (1 - t).
        var byPixel = (nn.functional.softplus(-guess).matmul(truth.t()) + nn.functional.softplus(guess).matmul((1 - truth).t())) / config.num_points;
        var p = guess.sigmoid();
        var byOverlap = 1 - (2 * p.matmul(truth.t()) + 1) / (p.sum(-1).unsqueeze(1) + truth.sum(-1).unsqueeze(0) + 1);
        return scope.MoveToOuter(config.mask_weight * byPixel + config.class_weight * byClass + config.dice_weight * byOverlap);
    }

    /// <summary>Which queries stand for which regions, image by image.</summary>
    public SetMatching[] Match(MaskPrediction prediction, IReadOnlyList<MaskTargets> targets) =>
        [.. targets.Select((target, i) => SetMatching.Find(Costs(prediction.Logits[i], prediction.Masks[i], target), [(int)target.Labels.shape[0]]))];

    /// <summary>The weighted losses of all layers by the authors' names: the last layer's, then the others' with their number.</summary>
    /// <param name="predictions">Of each layer.</param>
    /// <param name="targets">Of each image.</param>
    public IReadOnlyDictionary<string, Tensor> Losses(IReadOnlyList<MaskPrediction> predictions, IReadOnlyList<MaskTargets> targets)
    {
        var losses = new Dictionary<string, Tensor>();
        double regions = Math.Max(1, targets.Sum(target => target.Labels.shape[0]));
        for (int i = 0; i < predictions.Count; i++)
        {
            var layer = i == 0 ? predictions[^1] : predictions[i - 1];
            var suffix = i == 0 ? "" : $"_{i - 1}";
            var matches = Match(layer, targets);
            losses["loss_ce" + suffix] = config.class_weight * ClassLoss(layer.Logits, targets, matches);
            var (mask, dice) = MaskLosses(layer.Masks, targets, matches, regions);
            losses["loss_mask" + suffix] = config.mask_weight * mask;
            losses["loss_dice" + suffix] = config.dice_weight * dice;
        }
        return losses;
    }

    private Tensor ClassLoss(Tensor logits, IReadOnlyList<MaskTargets> targets, SetMatching[] matches)
    {
        using var scope = NewDisposeScope();
        long none = logits.shape[2] - 1;
        var labels = full([logits.shape[0], logits.shape[1]], none, dtype: ScalarType.Int64, device: logits.device);
        for (int i = 0; i < matches.Length; i++)
            labels[i].index_copy_(0, matches[i].Queries, targets[i].Labels.index_select(0, matches[i].Objects));
        var weights = ones(none + 1, device: logits.device);
        weights[none] = (float)config.no_object_weight;
        return scope.MoveToOuter(nn.functional.cross_entropy(logits.transpose(1, 2), labels, weights));
    }

    private (Tensor Mask, Tensor Dice) MaskLosses(Tensor masks, IReadOnlyList<MaskTargets> targets, SetMatching[] matches, double regions)
    {
        using var scope = NewDisposeScope();
        var guess = cat([.. matches.Select((match, i) => masks[i].index_select(0, match.Queries))], 0).unsqueeze(1);
        var truth = cat([.. matches.Select((match, i) => targets[i].Masks.index_select(0, match.Objects))], 0).unsqueeze(1);
        // Without a region the masks stay in the graph, or a replica would wait for their gradient.
        if (guess.shape[0] == 0)
            return (scope.MoveToOuter(0 * masks.sum()), scope.MoveToOuter(0 * masks.sum()));
        var points = UnsurePoints(guess.detach());
        Tensor labels;
        using (no_grad())
            labels = Read(truth, points).squeeze(1);
        var logits = Read(guess, points).squeeze(1);
        var mask = nn.functional.binary_cross_entropy_with_logits(logits, labels, reduction: nn.Reduction.None).mean([1]).sum() / regions;
        var p = logits.sigmoid();
        var dice = (1 - (2 * (p * labels).sum(-1) + 1) / (p.sum(-1) + labels.sum(-1) + 1)).sum() / regions;
        return (scope.MoveToOuter(mask), scope.MoveToOuter(dice));
    }

    /// <summary>
    /// Points (R, num_points, 2) as x and y from 0 to 1: of more random ones those whose logits are nearest to 0, and some that are
    /// random. Kirillov et al., PointRend, 2020 (arXiv:1912.08193).
    /// </summary>
    /// <param name="masks">Logits, (R, 1, H, W).</param>
    private Tensor UnsurePoints(Tensor masks)
    {
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        long count = masks.shape[0], unsure = (long)(config.importance_sample_ratio * config.num_points), rest = config.num_points - unsure;
        var points = Random([count, (long)(config.num_points * config.oversample_ratio), 2], masks.device);
        var nearest = Read(masks, points).squeeze(1).abs().neg().topk((int)unsure, 1).indexes;
        var chosen = points.gather(1, nearest.unsqueeze(-1).expand(-1, -1, 2));
        return scope.MoveToOuter(rest > 0 ? cat([chosen, Random([count, rest, 2], masks.device)], 1) : chosen.alias());
    }

    // Maps (R, C, H, W) at points (R, P, 2) as x and y from 0 to 1, bilinearly: (R, C, P).
    private static Tensor Read(Tensor maps, Tensor points) =>
        nn.functional.grid_sample(maps, (2 * points - 1).unsqueeze(2), align_corners: false).squeeze(3);
}
