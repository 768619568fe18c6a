using TorchSharp;
using static TorchSharp.torch;

namespace Attention.Engine.Evaluation;

/// <summary>Accuracy of a classifier that asks the nearest training images.</summary>
/// <param name="Top1">Share of images whose first guess is right.</param>
/// <param name="Top5">Share of images that have the right class among five.</param>
public sealed record NeighbourScore(double Top1, double Top5);

/// <summary>
/// Features judged without training: each image takes the class for which its k nearest training images vote, nearness by
/// cosine, votes weighted by exp(cosine / temperature). Wu et al., 2018 (arXiv:1805.01978), with DINO's temperature of 0.07.
/// </summary>
public static class NearestNeighbours
{
    public const double Temperature = 0.07;

    private const int QueriesAtOnce = 256;

    /// <param name="train">Features (N, C) with labels.</param>
    /// <param name="held">Features (M, C) with labels of the same classes.</param>
    /// <param name="neighbours">How many vote; all, where there are fewer.</param>
    public static NeighbourScore Score(ImageFeatures train, ImageFeatures held, int neighbours = 20)
    {
        using var scope = NewDisposeScope();
        long classes = Math.Max(train.Labels.Max(), held.Labels.Max()) + 1;
        var (keys, labels) = (nn.functional.normalize(train.Values, dim: 1), tensor(train.Labels));
        var queries = nn.functional.normalize(held.Values, dim: 1);
        long top1 = 0, top5 = 0;
        for (long start = 0; start < queries.shape[0]; start += QueriesAtOnce)
        {
            using var inner = NewDisposeScope();
            var part = queries.narrow(0, start, Math.Min(QueriesAtOnce, queries.shape[0] - start));
            var (nearness, nearest) = part.matmul(keys.t()).topk((int)Math.Min(neighbours, keys.shape[0]), 1);
            var votes = zeros(part.shape[0], classes).scatter_add_(1, labels.index_select(0, nearest.reshape(-1)).reshape(nearest.shape), (nearness / Temperature).exp());
            var guesses = votes.topk((int)Math.Min(5, classes), 1).indexes;
            var hits = guesses.eq(tensor(held.Labels.AsSpan((int)start, (int)part.shape[0]).ToArray()).unsqueeze(1));
            top1 += hits.narrow(1, 0, 1).sum().item<long>();
            top5 += hits.sum().item<long>();
        }
        return new NeighbourScore((double)top1 / held.Labels.Length, (double)top5 / held.Labels.Length);
    }
}
