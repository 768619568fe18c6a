using Attention.Modules.Dense;
using TorchSharp;
using static TorchSharp.torch;

namespace Attention.Models.Dense;

/// <summary>
/// Which queries of a batch stand for which objects: pairs of an index into all queries (image by image) and one into all objects
/// (likewise). Carion et al., End-to-End Object Detection with Transformers, 2020 (arXiv:2005.12872).
/// </summary>
/// <param name="Queries">(P), int64, by ascending index.</param>
/// <param name="Objects">(P), int64.</param>
public sealed record SetMatching(Tensor Queries, Tensor Objects)
{
    /// <summary>The cheapest matching, each image for itself.</summary>
    /// <param name="costs">(B * N, T) of every query and every object of the batch.</param>
    /// <param name="counts">Objects of each of the B images.</param>
    public static SetMatching Find(Tensor costs, IReadOnlyList<int> counts)
    {
        using var scope = NewDisposeScope();
        int queries = (int)costs.shape[0] / counts.Count, all = (int)costs.shape[1];
        // A diverged model must come as far as its loss, which tells it.
        var table = costs.detach().nan_to_num(0, 1e9, -1e9).to(ScalarType.Float32).cpu().contiguous().data<float>().ToArray();
        var (chosen, objects) = (new List<long>(), new List<long>());
        int first = 0;
        for (int image = 0; image < counts.Count; image++)
        {
            int count = counts[image];
            var block = new float[queries * count];
            for (int query = 0; query < queries; query++)
                Array.Copy(table, (image * queries + query) * all + first, block, query * count, count);
            var (rows, columns) = Assignment.Solve(block, queries, count);
            chosen.AddRange(rows.Select(row => image * queries + row));
            objects.AddRange(columns.Select(column => first + column));
            first += count;
        }
        return new SetMatching(
            scope.MoveToOuter(tensor(chosen.ToArray(), dtype: ScalarType.Int64).to(costs.device)), scope.MoveToOuter(tensor(objects.ToArray(), dtype: ScalarType.Int64).to(costs.device)));
    }

    /// <summary>Pairs.</summary>
    public long Count => Queries.shape[0];

    /// <summary>The matched rows of predictions (B, N, ...): (P, ...).</summary>
    public Tensor OfQueries(Tensor predictions) => predictions.flatten(0, 1).index_select(0, Queries);

    /// <summary>The classes of queries as 0 and 1, (B, N, classes): all 0 for those that stand for none.</summary>
    /// <param name="logits">(B, N, classes).</param>
    /// <param name="labels">Of all objects, (T).</param>
    public Tensor OneHot(Tensor logits, Tensor labels)
    {
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        long classes = logits.shape[2];
        var target = zeros(logits.shape[0] * logits.shape[1] * classes, dtype: logits.dtype, device: logits.device);
        target.index_fill_(0, Queries * classes + labels.index_select(0, Objects), 1);
        return scope.MoveToOuter(target.view(logits.shape));
    }
}

/// <summary>Costs and losses of classes that DETR's followers share.</summary>
internal static class SetCosts
{
    // Added inside of the logarithms.
    private const double Epsilon = 1e-8;

    /// <summary>What each query costs as each object by its class: the focal loss of a yes less that of a no, (Q, T).</summary>
    /// <param name="logits">(Q, classes).</param>
    /// <param name="labels">(T).</param>
    /// <param name="alpha">The weight of a yes.</param>
    public static Tensor Focal(Tensor logits, Tensor labels, double alpha)
    {
        using var scope = NewDisposeScope();
        var p = logits.sigmoid();
        var no = (1 - alpha) * p.square() * -(1 - p + Epsilon).log();
        var yes = alpha * (1 - p).square() * -(p + Epsilon).log();
        return scope.MoveToOuter((yes - no).index_select(1, labels));
    }

    /// <summary>The focal loss of all queries over the number of objects.</summary>
    public static Tensor FocalLoss(Tensor logits, Tensor target, double alpha, double objects)
    {
        using var scope = NewDisposeScope();
        return scope.MoveToOuter(Modules.Dense.FocalLoss.Sigmoid(logits, target, alpha).sum() / objects);
    }
}
