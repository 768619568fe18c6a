using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Attention.Modules;

/// <summary>What a <see cref="PositionedSelfAttention"/> is made from.</summary>
public sealed record PositionedSelfAttentionConfig
{
    /// <summary>Heads; each has dim / num_heads channels.</summary>
    public int num_heads { get; init; } = 12;
    /// <summary>One layer for queries, keys and values, or one for each.</summary>
    public bool qkv_fused { get; init; } = true;
    /// <summary>Whether queries and values have a bias.</summary>
    public bool qkv_bias { get; init; } = true;
    /// <summary>Whether keys have a bias where queries and values have.</summary>
    public bool key_bias { get; init; }
    /// <summary>Side of the grid whose relative positions have a learned bias; null for no such bias. One class token is before it.</summary>
    public int? relative_grid { get; init; }
    /// <summary>Layer norm on the heads' joined output.</summary>
    public bool scale_norm { get; init; }
    public double attn_drop { get; init; }
    public double proj_drop { get; init; }
    /// <summary>Epsilon of that norm.</summary>
    public double norm_eps { get; init; } = 1e-6;
}

/// <summary>
/// Self-attention in which positions take part: by a learned bias of relative positions (Bao et al., BEiT, 2021,
/// arXiv:2106.08254) or by rotary embedding (Fang et al., EVA-02, 2023, arXiv:2303.11331). Queries and values have a bias,
/// keys none unless asked for. (B, N, C) to the same; parameter names as in timm's beit.py and eva.py.
/// </summary>
public sealed class PositionedSelfAttention : Block
{
    private readonly Parameter? q_bias;
    private readonly Parameter? v_bias;
    private readonly Parameter? relative_position_bias_table;
    private readonly Tensor? relative_position_index;
    private readonly Linear? qkv;
    private readonly Linear? q_proj;
    private readonly Linear? k_proj;
    private readonly Linear? v_proj;
    private readonly nn.Module<Tensor, Tensor> norm;
    private readonly Linear proj;
    private readonly Dropout proj_drop;

    private readonly PositionedSelfAttentionConfig config;
    private readonly IRotary? rotary;

    /// <param name="dim">C.</param>
    /// <param name="config">The options.</param>
    /// <param name="rotary">Shared by a model's blocks, and disposed by it; null for none.</param>
    public PositionedSelfAttention(long dim, PositionedSelfAttentionConfig config, IRotary? rotary = null) : base(nameof(PositionedSelfAttention))
    {
        this.config = config;
        this.rotary = rotary;
        if (config.num_heads < 1 || dim % config.num_heads != 0)
            throw new UserError($"embed_dim {dim} does not divide into num_heads {config.num_heads}", "choose a number of heads that divides embed_dim");
        if (config.qkv_fused)
        {
            qkv = nn.Linear(dim, dim * 3, hasBias: config.qkv_bias && config.key_bias);
            if (config.qkv_bias && !config.key_bias)
                (q_bias, v_bias) = (new Parameter(zeros(dim)), new Parameter(zeros(dim)));
        }
        else
        {
            q_proj = nn.Linear(dim, dim, hasBias: config.qkv_bias);
            k_proj = nn.Linear(dim, dim, hasBias: config.qkv_bias && config.key_bias);
            v_proj = nn.Linear(dim, dim, hasBias: config.qkv_bias);
        }
        if (config.relative_grid is { } grid)
        {
            relative_position_bias_table = new Parameter(zeros((2 * grid - 1) * (2 * grid - 1) + 3, config.num_heads));
            relative_position_index = IndexWithClassToken(grid);
            register_buffer(nameof(relative_position_index), relative_position_index, persistent: false);
        }
        norm = config.scale_norm ? nn.LayerNorm(dim, config.norm_eps) : nn.Identity();
        proj = nn.Linear(dim, dim);
        proj_drop = nn.Dropout(config.proj_drop);
        RegisterComponents();
    }

    // The table's last three entries are for class to patch, patch to class, and class to class.
    private static Tensor IndexWithClassToken(int grid)
    {
        using var scope = NewDisposeScope();
        int relative = (2 * grid - 1) * (2 * grid - 1);
        var patches = Windows.RelativePositionIndex(grid, grid);
        var fromClass = full([1, grid * grid], relative, ScalarType.Int64);
        var toClass = cat([full([1, 1], relative + 2, ScalarType.Int64), full([grid * grid, 1], relative + 1, ScalarType.Int64)], 0);
        return scope.MoveToOuter(cat([toClass, cat([fromClass, patches], 0)], 1));
    }

    protected override Tensor Forward(Tensor x)
    {
        var (batch, tokens, dim) = (x.shape[0], x.shape[1], x.shape[2]);
        var (q, k, v) = Project(x, dim / config.num_heads);
        if (rotary is not null)
            (q, k) = rotary.Apply(q, k);
        var attended = ScaledDotProduct.Attend(q, k, v, Bias(), dropout: training ? config.attn_drop : 0);
        return proj_drop.call(proj.call(norm.call(attended.transpose(1, 2).reshape(batch, tokens, dim))));
    }

    private (Tensor q, Tensor k, Tensor v) Project(Tensor x, long head_dim)
    {
        var (batch, tokens) = (x.shape[0], x.shape[1]);
        if (qkv is null)
        {
            Tensor Heads(Linear linear) => linear.call(x).reshape(batch, tokens, config.num_heads, head_dim).transpose(1, 2);
            return (Heads(q_proj!), Heads(k_proj!), Heads(v_proj!));
        }
        var parts = Fused(x, qkv).reshape(batch, tokens, 3, config.num_heads, head_dim).permute(2, 0, 3, 1, 4).unbind(0);
        return (parts[0], parts[1], parts[2]);
    }

    // Where the layer has no bias, keys have none, and queries and values each their own.
    private Tensor Fused(Tensor x, Linear qkv)
    {
        if (q_bias is null || v_bias is null)
            return qkv.call(x);
        FlopCounter.Add(x.numel() * qkv.out_features);
        return nn.functional.linear(x, qkv.weight, cat([q_bias, zeros_like(q_bias), v_bias], 0));
    }

    private Tensor? Bias()
    {
        if (relative_position_bias_table is null || relative_position_index is null)
            return null;
        long tokens = relative_position_index.shape[0];
        return relative_position_bias_table.index_select(0, relative_position_index.view(-1)).reshape(tokens, tokens, config.num_heads).permute(2, 0, 1);
    }
}
