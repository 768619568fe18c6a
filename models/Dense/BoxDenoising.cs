using Attention.Modules.Dense;
using TorchSharp;
using static TorchSharp.torch;

namespace Attention.Models.Dense;

/// <summary>
/// Known boxes with noise, as further queries of a decoder in training: with little noise they are to be moved back, with more to be
/// told that there is nothing. Groups of all boxes of an image stand side by side and do not see each other. Zhang et al., DINO,
/// 2022 (arXiv:2203.03605).
/// </summary>
/// <param name="Boxes">Where the queries start, (B, M, 4).</param>
/// <param name="Content">What they hold, (B, M, C).</param>
/// <param name="Bias">Added to the scores of N true queries and these among each other, (N + M, N + M).</param>
/// <param name="Matching">Which of the B * M queries stand for which objects.</param>
/// <param name="Copies">Queries that stand for each object.</param>
internal sealed record BoxDenoising(Tensor Boxes, Tensor Content, Tensor Bias, SetMatching Matching, int Copies)
{
    /// <summary>Noised queries of a batch; null where it has no objects.</summary>
    /// <param name="targets">The objects.</param>
    /// <param name="labels">What a query of each class holds, (classes, C).</param>
    /// <param name="queries">N, true queries.</param>
    /// <param name="config">How many, and how much noise.</param>
    public static BoxDenoising? Create(BoxTargets targets, Tensor labels, int queries, DeformableDetrConfig config)
    {
        int most = targets.Counts.Max();
        if (most == 0)
            return null;
        using var scope = NewDisposeScope();
        var device = targets.Boxes.device;
        // A group has each object twice: once to be found, once to be rejected.
        int batch = targets.Counts.Count, copies = Math.Max(1, config.num_denoising / most), all = 2 * most * copies;
        var (found, rejected, objects) = (new List<long>(), new List<long>(), new List<long>());
        for (int image = 0, first = 0; image < batch; first += targets.Counts[image++])
            for (int copy = 0; copy < copies; copy++)
                for (int i = 0; i < targets.Counts[image]; i++)
                {
                    found.Add((long)image * all + copy * 2 * most + i);
                    rejected.Add(found[^1] + most);
                    objects.Add(first + i);
                }
        var matching = new SetMatching(tensor(found.ToArray()).to(device), tensor(objects.ToArray()).to(device));
        var rows = cat([matching.Queries, tensor(rejected.ToArray()).to(device)]);
        var twice = matching.Objects.repeat(2);

        using (no_grad())
        {
            var truth = targets.Labels.index_select(0, twice);
            var wrong = rand(truth.shape, device: device).lt(config.label_noise_ratio * 0.5);
            var noisy = where(wrong, randint(labels.shape[0], truth.shape, dtype: ScalarType.Int64, device: device), truth);

            var known = targets.Boxes.index_select(0, twice);
            var corners = Modules.Dense.Boxes.FromCentres(known);
            var halves = known.narrow(1, 2, 2).repeat(1, 2) / 2;
            // A side moves by up to half of the box's length, of the rejected by half of it to the whole.
            var size = rand_like(corners) + cat([zeros(found.Count, 1, device: device), ones(rejected.Count, 1, device: device)]);
            var sign = rand_like(corners).lt(0.5).to(ScalarType.Float32) * 2 - 1;
            var moved = (corners + sign * size * halves * config.box_noise_scale).clamp(0, 1);
            var boxes = full([batch * all, 4], 0.5f, device: device);
            boxes.index_copy_(0, rows, Modules.Dense.Boxes.ToCentres(moved));

            var bias = full([queries + all, queries + all], float.NegativeInfinity, device: device);
            bias.narrow(0, 0, queries).narrow(1, 0, queries).zero_();
            // Copies see the true queries, as in the authors' code; those see none of them, so that they are in inference what they are here.
            bias.narrow(0, queries, all).narrow(1, 0, queries).zero_();
            for (int copy = 0; copy < copies; copy++)
                bias.narrow(0, queries + copy * 2 * most, 2 * most).narrow(1, queries + copy * 2 * most, 2 * most).zero_();

            using var grad = enable_grad();
            var content = zeros([batch * all, labels.shape[1]], device: device).index_add(0, rows, labels.index_select(0, noisy), 1).view(batch, all, -1);
            return new BoxDenoising(boxes.view(batch, all, 4), content, bias, matching, copies).MovedOut(scope);
        }
    }

    /// <summary>The same, moved out of a scope.</summary>
    public BoxDenoising MovedOut(DisposeScope scope)
    {
        foreach (var tensor in new[] { Boxes, Content, Bias, Matching.Queries, Matching.Objects })
            scope.MoveToOuter(tensor);
        return this;
    }
}
