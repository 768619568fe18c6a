using System.Numerics;
using Attention.Torch;
using TorchSharp;
using static TorchSharp.torch;

namespace Attention.Modules.Dense;

/// <summary>
/// Non-maximum suppression: of boxes that overlap, the surest stays. The choice is that of torchvision.ops to the last tie: overlaps
/// have the boxes' type, of equal scores the first comes first, and boxes of no area suppress nothing.
/// </summary>
public static class Suppression
{
    // Up to here torchvision moves the boxes of different labels apart; above, it goes label by label.
    private const int MostMovedApart = 1000;

    /// <summary>The indices (K) of the boxes that stay, from the surest on.</summary>
    /// <param name="boxes">(N, 4).</param>
    /// <param name="scores">(N).</param>
    /// <param name="threshold">A box is suppressed by a surer one that it overlaps by more than this.</param>
    public static Tensor Keep(Tensor boxes, Tensor scores, double threshold)
    {
        using var scope = NewDisposeScope();
        return scope.MoveToOuter(DenseKernels.Suppress(boxes, scores, threshold) ?? KeepPlainly(boxes, scores, threshold));
    }

    /// <summary>The same, where only boxes of one label suppress each other.</summary>
    /// <param name="boxes">(N, 4).</param>
    /// <param name="scores">(N).</param>
    /// <param name="labels">(N), whole numbers from 0.</param>
    /// <param name="threshold">As in <see cref="Keep(Tensor, Tensor, double)"/>.</param>
    public static Tensor KeepPerLabel(Tensor boxes, Tensor scores, Tensor labels, double threshold)
    {
        using var scope = NewDisposeScope();
        if (boxes.shape[0] == 0)
            return scope.MoveToOuter(zeros(0, dtype: ScalarType.Int64, device: boxes.device));
        if (DenseKernels.SuppressPerLabel(boxes, scores, labels, threshold) is { } kept)
            return scope.MoveToOuter(kept);
        if (boxes.shape[0] <= MostMovedApart)
        {
            var offsets = labels.to(boxes.dtype) * (boxes.max() + 1);
            return scope.MoveToOuter(KeepPlainly(boxes + offsets.unsqueeze(1), scores, threshold));
        }
        long[] label = Numbers<long>(labels, ScalarType.Int64);
        long[] places = boxes.dtype == ScalarType.Float64
            ? KeepByLabel(Numbers<double>(boxes, ScalarType.Float64), Numbers<double>(scores, ScalarType.Float64), label, threshold)
            : KeepByLabel(Numbers<float>(boxes, ScalarType.Float32), Numbers<float>(scores, ScalarType.Float32), label, threshold);
        return scope.MoveToOuter(tensor(places, dtype: ScalarType.Int64, device: boxes.device));
    }

    private static T[] Numbers<T>(Tensor values, ScalarType type) where T : unmanaged
    {
        using var scope = NewDisposeScope();
        return values.detach().to(type).cpu().contiguous().data<T>().ToArray();
    }

    private static Tensor KeepPlainly(Tensor boxes, Tensor scores, double threshold)
    {
        long[] kept = boxes.dtype == ScalarType.Float64
            ? Keep(Numbers<double>(boxes, ScalarType.Float64), Numbers<double>(scores, ScalarType.Float64), threshold)
            : Keep(Numbers<float>(boxes, ScalarType.Float32), Numbers<float>(scores, ScalarType.Float32), threshold);
        return tensor(kept, dtype: ScalarType.Int64, device: boxes.device);
    }

    private static long[] KeepByLabel<T>(T[] boxes, T[] scores, long[] labels, double threshold) where T : IBinaryFloatingPointIeee754<T>
    {
        var kept = Enumerable.Range(0, labels.Length).GroupBy(i => labels[i]).SelectMany(group =>
        {
            int[] places = [.. group];
            return Keep([.. places.SelectMany(i => boxes.AsSpan(4 * i, 4).ToArray())], [.. places.Select(i => scores[i])], threshold).Select(i => places[i]);
        });
        return [.. kept.Order().OrderByDescending(i => scores[i]).Select(i => (long)i)];
    }

    private static long[] Keep<T>(T[] boxes, T[] scores, double threshold) where T : IBinaryFloatingPointIeee754<T>
    {
        int[] order = [.. Enumerable.Range(0, scores.Length).OrderByDescending(i => scores[i])];
        var areas = order.Select(i => (boxes[4 * i + 2] - boxes[4 * i]) * (boxes[4 * i + 3] - boxes[4 * i + 1])).ToArray();
        var gone = new bool[order.Length];
        var kept = new List<long>();
        for (int i = 0; i < order.Length; i++)
        {
            if (gone[i])
                continue;
            kept.Add(order[i]);
            var box = boxes.AsSpan(4 * order[i], 4);
            for (int j = i + 1; j < order.Length; j++)
            {
                if (gone[j])
                    continue;
                var other = boxes.AsSpan(4 * order[j], 4);
                var width = T.Max(T.Zero, T.Min(box[2], other[2]) - T.Max(box[0], other[0]));
                var height = T.Max(T.Zero, T.Min(box[3], other[3]) - T.Max(box[1], other[1]));
                var inter = width * height;
                gone[j] = double.CreateChecked(inter / (areas[i] + areas[j] - inter)) > threshold;
            }
        }
        return [.. kept];
    }
}
