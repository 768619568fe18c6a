using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Attention.Modules;

/// <summary>
/// Scores of queries against learned embeddings of relative rows and relative columns, which are added to those against keys.
/// Shaw et al., Self-Attention with Relative Position Representations, 2018 (arXiv:1803.02155); parameter names as in timm's
/// PosEmbedRel.
/// </summary>
public sealed class RelativeLogits : nn.Module
{
    private readonly Parameter height_rel;
    private readonly Parameter width_rel;

    /// <param name="height">Rows of the keys' window.</param>
    /// <param name="width">Columns of it.</param>
    /// <param name="dim_head">Channels of a query.</param>
    public RelativeLogits(int height, int width, int dim_head) : base(nameof(RelativeLogits))
    {
        double std = Math.Pow(dim_head, -0.5);
        height_rel = new Parameter(randn(2 * height - 1, dim_head) * std);
        width_rel = new Parameter(randn(2 * width - 1, dim_head) * std);
        RegisterComponents();
    }

    /// <summary>
    /// Queries (N, h, w, d), of which the first is at the first place of a window of keys, to scores (N, h * w, keys). For
    /// another window than the module is made for, embeddings are resized.
    /// </summary>
    public Tensor Of(Tensor queries, long keyRows, long keyColumns)
    {
        using var scope = NewDisposeScope();
        var (count, rows, columns) = (queries.shape[0], queries.shape[1], queries.shape[2]);
        FlopCounter.Add(queries.numel() * (keyRows + keyColumns));
        var down = einsum("nhwd,hkd->nhwk", queries, Embeddings(height_rel, rows, keyRows));
        var across = einsum("nhwd,wkd->nhwk", queries, Embeddings(width_rel, columns, keyColumns));
        return scope.MoveToOuter((down.unsqueeze(-1) + across.unsqueeze(-2)).reshape(count, rows * columns, keyRows * keyColumns));
    }

    // (queries, keys, d): the embedding of each key's offset from each query.
    private static Tensor Embeddings(Parameter table, long queries, long keys)
    {
        Tensor all = table;
        if (table.shape[0] != 2 * keys - 1)
            all = nn.functional.interpolate(table.t().unsqueeze(0), [2 * keys - 1], mode: InterpolationMode.Linear, align_corners: false).squeeze(0).t();
        var offsets = new long[queries * keys];
        for (int i = 0; i < offsets.Length; i++)
            offsets[i] = i % keys - i / keys + keys - 1;
        return all.index_select(0, tensor(offsets).to(table.device)).reshape(queries, keys, -1);
    }
}
