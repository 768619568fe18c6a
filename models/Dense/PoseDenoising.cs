using Attention.Modules.Dense;
using TorchSharp;
using static TorchSharp.torch;

namespace Attention.Models.Dense;

/// <summary>
/// Known poses with noise, as further queries of a decoder in training, which learns to move each back: it need not wait until its
/// own queries come near. Li et al., DN-DETR, 2022 (arXiv:2203.01305), on poses. Each sees itself alone, and no true query sees it.
/// </summary>
/// <param name="References">Where the queries start: the middle and the keypoints, (B, M, K + 1, 2).</param>
/// <param name="Places">The place of the maps under each one's middle, which the query starts as, (B, M).</param>
/// <param name="Bias">Added to the scores of N true queries and these among each other, (N + M, N + M).</param>
/// <param name="Matching">Which of the B * M queries stand for which poses: none in images without any.</param>
internal sealed record PoseDenoising(Tensor References, Tensor Places, Tensor Bias, SetMatching Matching)
{
    /// <summary>Noised queries of a batch; null where it has no poses.</summary>
    /// <param name="targets">The poses.</param>
    /// <param name="maps">The maps that the decoder reads.</param>
    /// <param name="queries">N, true queries.</param>
    /// <param name="count">M, queries of each image, which stand for its poses in turn.</param>
    /// <param name="noise">The largest move of a keypoint, as a share of the root of the pose's area.</param>
    public static PoseDenoising? Create(PoseTargets targets, FlatMaps maps, int queries, int count, double noise)
    {
        if (targets.Counts.Max() == 0)
            return null;
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        var device = targets.Keypoints.device;
        int batch = targets.Counts.Count, first = 0;
        var (rows, poses) = (new List<long>(), new List<long>());
        for (int image = 0; image < batch; first += targets.Counts[image++])
            for (int i = 0; i < count && targets.Counts[image] > 0; i++)
            {
                rows.Add((long)image * count + i);
                poses.Add(first + i % targets.Counts[image]);
            }
        var matching = new SetMatching(scope.MoveToOuter(tensor(rows.ToArray()).to(device)), scope.MoveToOuter(tensor(poses.ToArray()).to(device)));

        var labelled = targets.Labelled.unsqueeze(-1);
        var middle = (targets.Keypoints * labelled).sum(1, keepdim: true) / labelled.sum(1, keepdim: true);
        // What is not known starts in the middle of the rest.
        var known = (targets.Keypoints * labelled + middle * (1 - labelled)).index_select(0, matching.Objects);
        var reach = targets.Areas.sqrt().index_select(0, matching.Objects).view(-1, 1, 1) * noise;
        var moved = (known + (2 * rand_like(known) - 1) * reach).clamp(0, 1);
        var references = full([batch * count, known.shape[1], 2], 0.5f, device: device);
        references.index_copy_(0, matching.Queries, moved);
        references = GroupPoseDecoder.WithMiddle(references.view(batch, count, known.shape[1], 2));

        var bias = full([queries + count, queries + count], float.NegativeInfinity, device: device);
        bias.narrow(0, 0, queries).narrow(1, 0, queries).zero_();
        bias.diagonal().zero_();
        return new PoseDenoising(scope.MoveToOuter(references), scope.MoveToOuter(PlacesUnder(references.select(2, 0), maps)), scope.MoveToOuter(bias), matching);
    }

    // The place of a map, any of them for each, that holds a point (B, M, 2).
    private static Tensor PlacesUnder(Tensor points, FlatMaps maps)
    {
        var level = randint(maps.Sizes.Count, points.shape[..2], dtype: ScalarType.Int64, device: points.device);
        Tensor OfLevel(Func<(long Height, long Width), int, long> number) => tensor(maps.Sizes.Select(number).ToArray()).to(points.device).index_select(0, level.flatten()).view(level.shape);
        var starts = new long[maps.Sizes.Count];
        for (int i = 1; i < starts.Length; i++)
            starts[i] = starts[i - 1] + maps.Sizes[i - 1].Height * maps.Sizes[i - 1].Width;
        var (height, width, start) = (OfLevel((size, _) => size.Height), OfLevel((size, _) => size.Width), OfLevel((_, i) => starts[i]));
        Tensor Cell(Tensor share, Tensor count) => minimum((share * count).floor().to(ScalarType.Int64), count - 1);
        if (maps.ValidRatios is { } ratios)
        {
            var own = ratios.gather(1, level.unsqueeze(-1).expand(-1, -1, 2));
            points = points * own;
        }
        return start + Cell(points.select(-1, 1), height) * width + Cell(points.select(-1, 0), width);
    }
}

/// <summary>
/// Maps of where each keypoint is, which the encoder's finest map is trained to tell: every place learns, not only those of queries.
/// Shi et al., PETR, 2022, has such a loss beside its own.
/// </summary>
internal static class PoseHeatmaps
{
    /// <summary>Bells one place wide at the keypoints of a batch, (B, H * W, K).</summary>
    public static Tensor Targets(PoseTargets targets, (long Height, long Width) size)
    {
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        var device = targets.Keypoints.device;
        Tensor Bell(int axis, long count)
        {
            var centres = arange(count, dtype: ScalarType.Float32, device: device) + 0.5f;
            return (-0.5 * (centres - targets.Keypoints.select(-1, axis).unsqueeze(-1) * count).square()).exp();
        }
        // (T, K, H, W)
        var bells = Bell(1, size.Height).unsqueeze(-1) * Bell(0, size.Width).unsqueeze(-2) * targets.Labelled.unsqueeze(-1).unsqueeze(-1);
        var parts = new List<Tensor>();
        int first = 0;
        foreach (int count in targets.Counts)
        {
            parts.Add(count > 0 ? bells.narrow(0, first, count).amax([0]) : zeros(bells.shape[1..], device: device));
            first += count;
        }
        return scope.MoveToOuter(stack([.. parts], 0).flatten(2).transpose(1, 2));
    }

    /// <summary>The quality focal loss of Li et al., 2020 (arXiv:2006.04388), over the number of labelled keypoints.</summary>
    public static Tensor Loss(Tensor logits, Tensor target, Tensor labelled)
    {
        using var scope = NewDisposeScope();
        var entropy = nn.functional.binary_cross_entropy_with_logits(logits, target, reduction: nn.Reduction.None);
        return scope.MoveToOuter((entropy * (target - logits.sigmoid()).square()).sum() / labelled.sum().clamp(min: 1));
    }
}
