using Attention.Modules.Dense;
using TorchSharp;
using static TorchSharp.torch;

namespace Attention.Models.Dense;

/// <summary>Boxes that a layer predicts.</summary>
/// <param name="Logits">(B, N, classes).</param>
/// <param name="Boxes">Centre, width and height from 0 to 1 over the image, (B, N, 4).</param>
public sealed record BoxPrediction(Tensor Logits, Tensor Boxes)
{
    /// <summary>The same, moved out of a scope.</summary>
    internal BoxPrediction MovedOut(DisposeScope scope) => new(scope.MoveToOuter(Logits), scope.MoveToOuter(Boxes));
}

/// <summary>The objects of a batch, one image after the other.</summary>
/// <param name="Counts">Objects of each image.</param>
/// <param name="Labels">(T), int64.</param>
/// <param name="Boxes">Centre, width and height from 0 to 1 over the image, (T, 4).</param>
public sealed record BoxTargets(IReadOnlyList<int> Counts, Tensor Labels, Tensor Boxes)
{
    /// <summary>Objects in pixels.</summary>
    public static BoxTargets Of(PaddedImages images, IReadOnlyList<ObjectTargets> targets)
    {
        using var scope = NewDisposeScope();
        var boxes = targets.Select((target, i) =>
        {
            var (width, height) = ((float)images.sizes[i].width, (float)images.sizes[i].height);
            return Modules.Dense.Boxes.ToCentres(target.boxes) / tensor([width, height, width, height]).to(target.boxes.device);
        });
        return new BoxTargets([.. targets.Select(target => (int)target.labels.shape[0])],
            scope.MoveToOuter(cat([.. targets.Select(target => target.labels)], 0)), scope.MoveToOuter(cat([.. boxes], 0)));
    }
}

/// <summary>
/// What DETR and its followers minimise: queries are matched to objects one to one, classes of all queries learn, boxes of the matched
/// ones by their distance and by generalized overlap.
/// </summary>
public sealed class BoxCriterion
{
    /// <summary>Of the focal loss of independent classes; null for the cross-entropy of classes of which the last is no object.</summary>
    public double? FocalAlpha { get; init; }

    /// <summary>Weight of no object in the cross-entropy.</summary>
    public double NoObjectWeight { get; init; } = 0.1;

    /// <summary>Weights of class, distance and overlap in the costs.</summary>
    public required (double Class, double Distance, double Overlap) CostWeights { get; init; }

    /// <summary>The same in the losses.</summary>
    public required (double Class, double Distance, double Overlap) LossWeights { get; init; }

    /// <summary>What each query (B * N) costs as each object (T).</summary>
    public Tensor Costs(BoxPrediction prediction, BoxTargets targets)
    {
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        var (logits, boxes) = (prediction.Logits.flatten(0, 1), prediction.Boxes.flatten(0, 1));
        var classes = FocalAlpha is { } alpha ? SetCosts.Focal(logits, targets.Labels, alpha) : -logits.softmax(-1).index_select(1, targets.Labels);
        var distance = (boxes.unsqueeze(1) - targets.Boxes).abs().sum(-1);
        var overlap = Modules.Dense.Boxes.GeneralizedOverlap(Modules.Dense.Boxes.FromCentres(boxes), Modules.Dense.Boxes.FromCentres(targets.Boxes));
        return scope.MoveToOuter(CostWeights.Distance * distance + CostWeights.Class * classes - CostWeights.Overlap * overlap);
    }

    /// <summary>Which queries stand for which objects.</summary>
    public SetMatching Match(BoxPrediction prediction, BoxTargets targets)
    {
        using var costs = Costs(prediction, targets);
        return SetMatching.Find(costs, targets.Counts);
    }

    /// <summary>The weighted losses of a layer, by their names with a suffix.</summary>
    /// <param name="prediction">What the layer predicts.</param>
    /// <param name="targets">The objects.</param>
    /// <param name="matching">Which queries stand for which.</param>
    /// <param name="suffix">Of the names.</param>
    /// <param name="weight">Of all of them.</param>
    public IReadOnlyList<(string Name, Tensor Loss)> Losses(BoxPrediction prediction, BoxTargets targets, SetMatching matching, string suffix = "", double weight = 1)
    {
        double objects = Math.Max(1, targets.Labels.shape[0]);
        var found = matching.OfQueries(prediction.Boxes);
        var wanted = targets.Boxes.index_select(0, matching.Objects);
        var distance = (found - wanted).abs().sum() / objects;
        var overlap = Modules.Dense.Boxes.GeneralizedOverlap(Modules.Dense.Boxes.FromCentres(found), Modules.Dense.Boxes.FromCentres(wanted)).diagonal();
        return [
            ($"loss_ce{suffix}", ClassLoss(prediction.Logits, targets, matching, objects) * (LossWeights.Class * weight)),
            ($"loss_bbox{suffix}", distance * (LossWeights.Distance * weight)),
            ($"loss_giou{suffix}", (1 - overlap).sum() / objects * (LossWeights.Overlap * weight)),
        ];
    }

    private Tensor ClassLoss(Tensor logits, BoxTargets targets, SetMatching matching, double objects)
    {
        if (FocalAlpha is { } alpha)
            return SetCosts.FocalLoss(logits, matching.OneHot(logits, targets.Labels), alpha, objects);
        long none = logits.shape[2] - 1;
        var labels = full([logits.shape[0] * logits.shape[1]], none, dtype: ScalarType.Int64, device: logits.device);
        labels.index_copy_(0, matching.Queries, targets.Labels.index_select(0, matching.Objects));
        var weights = ones(none + 1, dtype: logits.dtype, device: logits.device);
        weights.narrow(0, none, 1).fill_(NoObjectWeight);
        return nn.functional.cross_entropy(logits.flatten(0, 1), labels, weights);
    }
}
