using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Attention.Modules;

/// <summary>What a <see cref="HaloAttention"/> is made from; the keys of <c>attention:</c> in a config.</summary>
public sealed record HaloAttentionConfig : MultiHeadConfig
{
    /// <summary>Side of the blocks whose queries share their keys, in tokens.</summary>
    public int block_size { get; init; } = 8;
    /// <summary>Tokens around a block that its queries see too.</summary>
    public int halo_size { get; init; } = 3;
    /// <summary>Channels of queries and keys in a head; null for qk_ratio of the values'.</summary>
    public int? dim_head { get; init; }
    public double qk_ratio { get; init; } = 1;
    public bool qkv_bias { get; init; }
    /// <summary>2 for an output of half the map's sides.</summary>
    public int stride { get; init; } = 1;

    public override AttentionLayout Layout => AttentionLayout.Map;

    public override HaloAttention Create(AttentionSite site) =>
        new(site.Dim, this with { num_heads = num_heads ?? site.NumHeads, block_size = Math.Min(block_size, Math.Min(site.Height, site.Width)) });
}

/// <summary>
/// Local attention by blocks: the queries of a block see its tokens and a halo around them; beyond the map there are zeros.
/// (B, H, W, C) to (B, H/stride, W/stride, C); a map that does not divide into blocks is padded. Vaswani et al., Scaling Local
/// Self-Attention for Parameter Efficient Visual Backbones, 2021 (arXiv:2103.12731); parameter names as in timm.
/// </summary>
public sealed class HaloAttention : Block
{
    private readonly Conv2d q;
    private readonly Conv2d kv;
    private readonly RelativeLogits pos_embed;

    private readonly HaloAttentionConfig config;
    private readonly int num_heads;
    private readonly int dim_head;
    private readonly int query_stride;

    public HaloAttention(long dim, HaloAttentionConfig config) : base(nameof(HaloAttention))
    {
        this.config = config;
        num_heads = config.HeadsFor(dim);
        dim_head = config.dim_head ?? Convolutions.MakeDivisible(dim * config.qk_ratio) / num_heads;
        if (config.block_size < 1 || config.halo_size < 0 || config.stride is not (1 or 2))
            throw new UserError($"halo attention with block_size {config.block_size}, halo_size {config.halo_size}, stride {config.stride} cannot be made",
                "choose blocks of at least 1, a halo of at least 0 and a stride of 1 or 2");
        // Blocks that the stride does not divide attend in full and are pooled after it.
        query_stride = config.block_size % config.stride == 0 ? config.stride : 1;
        int window = config.block_size + 2 * config.halo_size;
        q = nn.Conv2d(dim, num_heads * dim_head, kernel_size: 1, stride: query_stride, bias: config.qkv_bias);
        kv = nn.Conv2d(dim, num_heads * dim_head + dim, kernel_size: 1, bias: config.qkv_bias);
        pos_embed = new RelativeLogits(window, window, dim_head);
        using (no_grad())
            foreach (var conv in (Conv2d[])[q, kv])
                nn.init.trunc_normal_(conv.weight, std: Math.Pow(dim, -0.5));
        RegisterComponents();
    }

    protected override Tensor Forward(Tensor x)
    {
        var (height, width) = (x.shape[1], x.shape[2]);
        int block = config.block_size, blockOut = block / query_stride, window = block + 2 * config.halo_size;
        x = Windows.Pad(x, block, block);
        var (batch, down, across) = (x.shape[0], x.shape[1] / block, x.shape[2] / block);
        var map = x.permute(0, 3, 1, 2);

        // (B * heads * blocks, N, d): the heads' channels come first in q and in kv, each head's keys before its values.
        var queries = q.call(map).reshape(batch, num_heads, dim_head, down, blockOut, across, blockOut)
            .permute(0, 1, 3, 5, 4, 6, 2).reshape(-1, blockOut, blockOut, dim_head);
        int halo = config.halo_size;
        var around = nn.functional.pad(kv.call(map), [halo, halo, halo, halo]).unfold(2, window, block).unfold(3, window, block)
            .reshape(batch, num_heads, -1, down, across, window, window).permute(0, 1, 3, 4, 5, 6, 2).reshape(batch * num_heads * down * across, window * window, -1);
        var (k, v) = (around.slice(-1, 0, dim_head, 1), around.slice(-1, dim_head, around.shape[^1], 1));

        var attended = ScaledDotProduct.Attend(queries.flatten(1, 2), k, v, pos_embed.Of(queries, window, window));
        x = attended.reshape(batch, num_heads, down, across, blockOut, blockOut, -1).permute(0, 2, 4, 3, 5, 1, 6)
            .reshape(batch, down * blockOut, across * blockOut, -1);
        var (rows, columns) = ((height + query_stride - 1) / query_stride, (width + query_stride - 1) / query_stride);
        if (rows != x.shape[1] || columns != x.shape[2])
            x = x.slice(1, 0, rows, 1).slice(2, 0, columns, 1);
        return query_stride == config.stride ? x : Windows.Halve(x);
    }
}
