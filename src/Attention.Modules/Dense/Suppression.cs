using TorchSharp;
using static TorchSharp.torch;

namespace Attention.Modules.Dense;

/// <summary>
/// Non-maximum suppression: of boxes that overlap, the surest stays. The choice is that of torchvision.ops to the last tie: overlaps
/// are float32, of equal scores the first comes first, and boxes of no area suppress nothing.
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
        var kept = Keep(Numbers(boxes), Numbers(scores), threshold);
        return tensor(kept, dtype: ScalarType.Int64, device: boxes.device);
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
        if (boxes.shape[0] <= MostMovedApart)
        {
            var offsets = labels.to(boxes.dtype) * (boxes.max() + 1);
            return scope.MoveToOuter(Keep(boxes + offsets.unsqueeze(1), scores, threshold));
        }
        var (all, sure) = (Numbers(boxes), Numbers(scores));
        long[] label = labels.to(ScalarType.Int64).cpu().contiguous().data<long>().ToArray();
        var kept = Enumerable.Range(0, label.Length).GroupBy(i => label[i]).SelectMany(group =>
        {
            int[] places = [.. group];
            return Keep([.. places.SelectMany(i => all.AsSpan(4 * i, 4).ToArray())], [.. places.Select(i => sure[i])], threshold).Select(i => places[i]);
        });
        long[] ordered = [.. kept.Order().OrderByDescending(i => sure[i]).Select(i => (long)i)];
        return scope.MoveToOuter(tensor(ordered, dtype: ScalarType.Int64, device: boxes.device));
    }

    private static float[] Numbers(Tensor values)
    {
        using var scope = NewDisposeScope();
        return values.detach().to(ScalarType.Float32).cpu().contiguous().data<float>().ToArray();
    }

    private static long[] Keep(float[] boxes, float[] scores, double threshold)
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
                float width = MathF.Max(0, MathF.Min(box[2], other[2]) - MathF.Max(box[0], other[0]));
                float height = MathF.Max(0, MathF.Min(box[3], other[3]) - MathF.Max(box[1], other[1]));
                float inter = width * height;
                gone[j] = inter / (areas[i] + areas[j] - inter) > threshold;
            }
        }
        return [.. kept];
    }
}
