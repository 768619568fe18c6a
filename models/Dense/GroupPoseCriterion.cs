using Attention.Modules.Dense;
using TorchSharp;
using static TorchSharp.torch;

namespace Attention.Models.Dense;

/// <summary>Poses that a layer predicts.</summary>
/// <param name="Logits">(B, N, classes).</param>
/// <param name="Keypoints">x and y from 0 to 1 over the image, (B, N, K, 2).</param>
public sealed record PosePrediction(Tensor Logits, Tensor Keypoints);

/// <summary>The poses of a batch, one image after the other; x and y are from 0 to 1 over an image, areas likewise.</summary>
/// <param name="Counts">Poses of each image.</param>
/// <param name="Labels">(T), int64.</param>
/// <param name="Keypoints">(T, K, 2).</param>
/// <param name="Labelled">Which keypoints are known, as 0 and 1, (T, K).</param>
/// <param name="Areas">(T).</param>
public sealed record PoseTargets(IReadOnlyList<int> Counts, Tensor Labels, Tensor Keypoints, Tensor Labelled, Tensor Areas)
{
    /// <summary>Objects in pixels, of which those count that have a known keypoint.</summary>
    /// <exception cref="UserError">An object has no keypoints, or others than <paramref name="count"/>.</exception>
    public static PoseTargets Of(PaddedImages images, IReadOnlyList<ObjectTargets> targets, int count)
    {
        using var scope = NewDisposeScope();
        var device = images.pixels.device;
        var (counts, labels, keypoints, labelled, areas) = (new int[targets.Count], new List<Tensor>(), new List<Tensor>(), new List<Tensor>(), new List<Tensor>());
        for (int i = 0; i < targets.Count; i++)
        {
            var target = targets[i];
            if (target.labels.shape[0] == 0)
                continue;
            if (target.keypoints is not { } points || points.shape[1] != count)
                throw new UserError(target.keypoints is null ? "the data have no keypoints" : $"the data have {target.keypoints.shape[1]} keypoints, the model {count}",
                    "train on annotations of keypoints, and set num_body_points to their number");
            var known = points.select(-1, 2).gt(0);
            var kept = known.any(1).nonzero().squeeze(1);
            counts[i] = (int)kept.shape[0];
            var size = tensor([(float)images.sizes[i].width, images.sizes[i].height]).to(device);
            var area = target.areas ?? (target.boxes[.., 2] - target.boxes[.., 0]) * (target.boxes[.., 3] - target.boxes[.., 1]);
            labels.Add(target.labels.index_select(0, kept));
            // Given as numbers of pixels, whose middles are at halves.
            keypoints.Add(((points.narrow(-1, 0, 2) + 0.5f) / size).index_select(0, kept));
            labelled.Add(known.to(ScalarType.Float32).index_select(0, kept));
            areas.Add((area / ((float)images.sizes[i].width * images.sizes[i].height)).index_select(0, kept));
        }
        Tensor Joined(List<Tensor> parts, ScalarType type, params long[] shape) =>
            scope.MoveToOuter(parts.Count > 0 ? cat([.. parts], 0) : zeros([0, .. shape], dtype: type, device: device));
        return new PoseTargets(counts, Joined(labels, ScalarType.Int64), Joined(keypoints, ScalarType.Float32, count, 2), Joined(labelled, ScalarType.Float32, count),
            Joined(areas, ScalarType.Float32));
    }

    /// <summary>Each pose that many times over, so that as many queries learn each.</summary>
    public PoseTargets Repeated(int times)
    {
        if (times == 1)
            return this;
        using var scope = NewDisposeScope();
        Tensor Over(Tensor parts) => scope.MoveToOuter(parts.repeat_interleave(times, 0));
        return new PoseTargets([.. Counts.Select(count => count * times)], Over(Labels), Over(Keypoints), Over(Labelled), Over(Areas));
    }
}

/// <summary>
/// What Group Pose minimises: queries are matched to poses one to one, the classes of all learn by the focal loss, keypoints of the
/// matched ones by their distance and by OKS.
/// </summary>
public sealed class GroupPoseCriterion(GroupPoseConfig config)
{
    private readonly KeypointSimilarity similarity = config.num_body_points switch
    {
        17 => KeypointSimilarity.Coco,
        14 => KeypointSimilarity.CrowdPose,
        _ => throw new UserError($"num_body_points {config.num_body_points} has no known spreads", "choose 17, as COCO has, or 14, as CrowdPose has"),
    };

    /// <summary>What each query (B * N) costs as each pose (T).</summary>
    public Tensor Costs(PosePrediction prediction, PoseTargets targets)
    {
        using var scope = NewDisposeScope();
        var (classes, distance, dissimilar) = CostParts(prediction, targets);
        return scope.MoveToOuter(config.set_cost_class * classes + config.set_cost_keypoints * distance + config.set_cost_oks * dissimilar);
    }

    /// <summary>The parts of it, before their weights: by class, by the distance of keypoints, by OKS; each (B * N, T).</summary>
    public (Tensor Classes, Tensor Distance, Tensor Dissimilar) CostParts(PosePrediction prediction, PoseTargets targets)
    {
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        var keypoints = prediction.Keypoints.flatten(0, 1).unsqueeze(1);
        var distance = ((keypoints - targets.Keypoints).abs().sum(-1) * targets.Labelled).sum(-1);
        var dissimilar = 1 - similarity.Of(keypoints, targets.Keypoints, targets.Labelled, targets.Areas).clamp(min: 1e-6);
        var classes = SetCosts.Focal(prediction.Logits.flatten(0, 1), targets.Labels, config.focal_alpha);
        return (scope.MoveToOuter(classes), scope.MoveToOuter(distance), scope.MoveToOuter(dissimilar));
    }

    /// <summary>The weighted losses of a layer, by their names with a suffix.</summary>
    public IEnumerable<(string Name, Tensor Loss)> Losses(PosePrediction prediction, PoseTargets targets, string suffix = "", double weight = 1)
    {
        using var costs = Costs(prediction, targets);
        return Losses(prediction, targets, SetMatching.Find(costs, targets.Counts), suffix, weight);
    }

    /// <summary>The same of a known matching.</summary>
    public IEnumerable<(string Name, Tensor Loss)> Losses(PosePrediction prediction, PoseTargets targets, SetMatching matching, string suffix, double weight)
    {
        double objects = Math.Max(1, targets.Labels.shape[0]);
        var classes = SetCosts.FocalLoss(prediction.Logits, matching.OneHot(prediction.Logits, targets.Labels), config.focal_alpha, objects);
        var found = matching.OfQueries(prediction.Keypoints);
        Tensor Matched(Tensor all) => all.index_select(0, matching.Objects);
        var (keypoints, labelled) = (Matched(targets.Keypoints), Matched(targets.Labelled));
        var distance = ((found - keypoints).abs().sum(-1) * labelled).sum() / objects;
        var similar = similarity.Of(found, keypoints, labelled, Matched(targets.Areas));
        return [
            ($"loss_ce{suffix}", classes * (config.cls_loss_coef * weight)),
            ($"loss_keypoints{suffix}", distance * (config.keypoints_loss_coef * weight)),
            ($"loss_oks{suffix}", (1 - similar.clamp(min: 1e-6)).sum() / objects * (config.oks_loss_coef * weight)),
        ];
    }
}
