using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Attention.Modules;

/// <summary>What a <see cref="NeighborhoodAttention"/> is made from; the keys of <c>attention:</c> in a config.</summary>
public sealed record NeighborhoodAttentionConfig : MultiHeadConfig
{
    /// <summary>Side of a neighbourhood, odd; in a host no more than its map has.</summary>
    public int kernel_size { get; init; } = 7;
    /// <summary>Distance of neighbours; null for 1 in even blocks of a host and in odd ones as far as the map allows.</summary>
    public int? dilation { get; init; }
    public bool qkv_bias { get; init; } = true;
    public double attn_drop { get; init; }
    public double proj_drop { get; init; }

    public override AttentionLayout Layout => AttentionLayout.Map;

    public override NeighborhoodAttention Create(AttentionSite site)
    {
        int side = Math.Min(site.Height, site.Width), kernel = Math.Min(kernel_size, side % 2 == 0 ? side - 1 : side);
        return new(site.Dim, this with
        {
            num_heads = num_heads ?? site.NumHeads,
            kernel_size = kernel,
            dilation = dilation is { } given ? Math.Min(given, side / kernel) : site.Index % 2 == 0 ? 1 : side / kernel,
        });
    }
}

/// <summary>
/// Each position attends to its k x k nearest neighbours, at some dilation, with a bias for each relative position.
/// (B, H, W, C) to the same; maps smaller than kernel times dilation are padded with zeros, which are attended to. Parameter names as in
/// NATTEN. Hassani et al., Neighborhood Attention Transformer, 2023 (arXiv:2204.07143); Hassani and Shi, Dilated Neighborhood
/// Attention Transformer, 2022 (arXiv:2209.15001).
/// </summary>
public sealed class NeighborhoodAttention : Block
{
    private readonly Linear qkv;
    private readonly Parameter rpb;
    private readonly Linear proj;
    private readonly Dropout proj_drop;

    private readonly int num_heads;
    private readonly double attn_drop;
    private readonly Neighborhood neighbourhood;

    public NeighborhoodAttention(long dim, NeighborhoodAttentionConfig config) : base(nameof(NeighborhoodAttention))
    {
        (num_heads, attn_drop) = (config.HeadsFor(dim), config.attn_drop);
        int kernel = config.kernel_size, dilation = config.dilation ?? 1;
        if (kernel < 1 || kernel % 2 == 0 || dilation < 1)
            throw new UserError($"kernel_size {kernel} must be odd and dilation {dilation} at least 1", "choose others");
        neighbourhood = new Neighborhood(kernel, dilation);
        qkv = nn.Linear(dim, dim * 3, hasBias: config.qkv_bias);
        rpb = new Parameter(zeros(num_heads, 2 * kernel - 1, 2 * kernel - 1));
        using (no_grad())
            nn.init.trunc_normal_(rpb, std: 0.02);
        proj = nn.Linear(dim, dim);
        proj_drop = nn.Dropout(config.proj_drop);
        RegisterComponents();
    }

    protected override Tensor Forward(Tensor x)
    {
        var (batch, height, width, dim) = (x.shape[0], x.shape[1], x.shape[2], x.shape[3]);
        var (down, across) = (Math.Max(height, neighbourhood.LeastSide), Math.Max(width, neighbourhood.LeastSide));
        if (down > height || across > width)
            x = nn.functional.pad(x, [0, 0, 0, across - width, 0, down - height]);
        var parts = qkv.call(x).flatten(1, 2).unflatten(-1, 3, num_heads, -1).permute(2, 0, 3, 1, 4).unbind(0);
        var scores = neighbourhood.Scores(parts[0] * Math.Pow(dim / num_heads, -0.5), parts[1], down, across) + neighbourhood.Bias(rpb, down, across);
        var weights = scores.softmax(-1);
        if (training && attn_drop > 0)
            weights = nn.functional.dropout(weights, attn_drop, training: true);
        x = neighbourhood.Mix(weights, parts[2], down, across).transpose(1, 2).reshape(batch, down, across, dim);
        if (down > height || across > width)
            x = x.narrow(1, 0, height).narrow(2, 0, width);
        return proj_drop.call(proj.call(x));
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing)
            neighbourhood.Dispose();
        base.Dispose(disposing);
    }
}
