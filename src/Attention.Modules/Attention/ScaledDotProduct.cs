using TorchSharp;
using static TorchSharp.torch;

namespace Attention.Modules;

/// <summary>Attention as a function: softmax(q kᵀ · scale + bias) v.</summary>
public static class ScaledDotProduct
{
    /// <summary>The plain form, on which every other is tested: it makes the (B, H, N, M) matrix of weights.</summary>
    /// <param name="q">Queries (B, H, N, d).</param>
    /// <param name="k">Keys (B, H, M, d).</param>
    /// <param name="v">Values (B, H, M, e).</param>
    /// <param name="bias">Added to the scores: anything that broadcasts to (B, H, N, M); null for none.</param>
    /// <param name="scale">Factor of the scores; 1/sqrt(d) where null.</param>
    /// <param name="dropout">Rate at which weights are dropped; 0 outside training.</param>
    /// <returns>(B, H, N, e)</returns>
    public static Tensor Attend(Tensor q, Tensor k, Tensor v, Tensor? bias = null, double? scale = null, double dropout = 0)
    {
        using var scope = NewDisposeScope();
        FlopCounter.Attention(q, k, v);
        double factor = scale ?? 1 / Math.Sqrt(q.shape[^1]);
        // Scaling the queries costs d of a row, scaling the scores M.
        var scores = matmul(q * factor, k.transpose(-2, -1));
        if (bias is not null)
            scores = scores + bias;
        var weights = AttentionWatch.Seen(scores.softmax(-1));
        if (dropout > 0)
            weights = nn.functional.dropout(weights, dropout, training: true);
        return scope.MoveToOuter(matmul(weights, v));
    }

    /// <summary>Groups of query heads share keys and values, which are not repeated for it.</summary>
    /// <param name="q">Queries (B, H, N, d).</param>
    /// <param name="k">Keys (B, G, M, d), where G divides H.</param>
    /// <param name="v">Values (B, G, M, e).</param>
    /// <param name="mask">Added to the scores: (N, M); null for none.</param>
    /// <param name="scale">Factor of the scores; 1/sqrt(d) where null.</param>
    /// <param name="softcap">Scores become softcap · tanh(score / softcap) before the mask; null for no such limit.</param>
    /// <param name="dropout">Rate at which weights are dropped; 0 outside training.</param>
    /// <returns>(B, H, N, e)</returns>
    public static Tensor AttendGrouped(Tensor q, Tensor k, Tensor v, Tensor? mask, double? scale = null, double? softcap = null, double dropout = 0)
    {
        if (q.shape[1] == k.shape[1] && softcap is null)
            return Attend(q, k, v, mask, scale, dropout);
        using var scope = NewDisposeScope();
        FlopCounter.Attention(q, k, v);
        var (batch, heads, queries, dim) = (q.shape[0], q.shape[1], q.shape[2], q.shape[3]);
        var (groups, keys) = (k.shape[1], k.shape[2]);
        var scores = matmul((q * (scale ?? 1 / Math.Sqrt(dim))).reshape(batch, groups, heads / groups * queries, dim), k.transpose(-2, -1));
        if (softcap is { } cap)
            scores = (scores / cap).tanh() * cap;
        if (mask is not null)
            scores = (scores.view(batch, groups, heads / groups, queries, keys) + mask).view(batch, groups, -1, keys);
        var weights = scores.softmax(-1);
        if (dropout > 0)
            weights = nn.functional.dropout(weights, dropout, training: true);
        return scope.MoveToOuter(matmul(weights, v).reshape(batch, heads, queries, -1));
    }
}
