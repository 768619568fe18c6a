using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Attention.Modules;

/// <summary>What a <see cref="PartitionAttention"/> is made from; the keys of <c>attention:</c> in a config.</summary>
public sealed record PartitionAttentionConfig : MultiHeadConfig
{
    /// <summary>
    /// block: windows of neighbours; grid: windows of tokens at even distances over the whole map; null for both in turn over
    /// the blocks of a host.
    /// </summary>
    public string? partition { get; init; }
    /// <summary>Side of the windows, in tokens.</summary>
    public int window_size { get; init; } = 7;
    /// <summary>Bias of relative positions: bias, bias_tf, mlp, or "" for none; see <see cref="RelativePosition"/>.</summary>
    public string rel_pos_type { get; init; } = "bias";
    /// <summary>Width of the network of rel_pos_type mlp.</summary>
    public int rel_pos_dim { get; init; } = 512;
    /// <summary>Whether the layer of queries, keys and values gives all three of a head before the next head's.</summary>
    public bool head_first { get; init; } = true;
    public bool qkv_bias { get; init; } = true;
    public double attn_drop { get; init; }
    public double proj_drop { get; init; }

    public override AttentionLayout Layout => AttentionLayout.Map;

    public override PartitionAttention Create(AttentionSite site) => new(site.Dim, this with
    {
        partition = partition ?? (site.Index % 2 == 0 ? "block" : "grid"),
        num_heads = num_heads ?? site.NumHeads,
        window_size = Math.Min(window_size, Math.Min(site.Height, site.Width)),
    });
}

/// <summary>
/// Self-attention within windows of neighbours (block) or within windows that span the whole map sparsely (grid): one after
/// the other, they mix the whole map at linear cost. (B, H, W, C) to the same; parameter names as in timm's maxxvit.py.
/// Tu et al., MaxViT: Multi-Axis Vision Transformer, 2022 (arXiv:2204.01697).
/// </summary>
public sealed class PartitionAttention : WindowedAttention
{
    private readonly Linear qkv;
    private readonly RelativePosition? rel_pos;
    private readonly Linear proj;
    private readonly Dropout proj_drop;

    private readonly int num_heads;
    private readonly bool head_first;
    private readonly double attn_drop;

    /// <param name="dim">C.</param>
    /// <param name="config">See there.</param>
    /// <param name="dim_out">Channels of the output; null for C.</param>
    public PartitionAttention(long dim, PartitionAttentionConfig config, long? dim_out = null)
        : base(nameof(PartitionAttention), config.window_size, shift_size: 0, grid: config.partition == "grid")
    {
        num_heads = config.HeadsFor(dim);
        head_first = config.head_first;
        attn_drop = config.attn_drop;
        if (config.partition is not ("block" or "grid"))
            throw new UserError($"partition '{config.partition}' is not known", "choose block or grid");
        qkv = nn.Linear(dim, dim * 3, hasBias: config.qkv_bias);
        rel_pos = RelativePosition.Create(config.rel_pos_type, config.window_size, config.window_size, num_heads, config.rel_pos_dim);
        proj = nn.Linear(dim, dim_out ?? dim, hasBias: config.qkv_bias);
        proj_drop = nn.Dropout(config.proj_drop);
        RegisterComponents();
    }

    protected override Tensor AttendWithin(Tensor windows, long height, long width)
    {
        var (batch, count, tokens, dim) = (windows.shape[0], windows.shape[1], windows.shape[2], windows.shape[3]);
        long channels = dim / num_heads;
        var mixed = qkv.call(windows);
        var parts = head_first
            ? mixed.reshape(batch, count, tokens, num_heads, 3, channels).permute(4, 0, 1, 3, 2, 5).unbind(0)
            : mixed.reshape(batch, count, tokens, 3, num_heads, channels).permute(3, 0, 1, 4, 2, 5).unbind(0);
        var attended = ScaledDotProduct.Attend(parts[0], parts[1], parts[2], rel_pos?.Bias(), dropout: training ? attn_drop : 0);
        return proj_drop.call(proj.call(attended.transpose(2, 3).reshape(batch, count, tokens, dim)));
    }
}
