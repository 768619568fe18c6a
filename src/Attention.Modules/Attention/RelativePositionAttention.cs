using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Attention.Modules;

/// <summary>What a <see cref="RelativePositionAttention"/> is made from; the keys of <c>attention:</c> in a config.</summary>
public sealed record RelativePositionAttentionConfig : MultiHeadConfig
{
    public bool qkv_bias { get; init; }
    /// <summary>Layer norm on each head's queries and keys.</summary>
    public bool qk_norm { get; init; }
    /// <summary>Bias of relative positions: bias, bias_tf, mlp, mlp_swin, or "" for none; see <see cref="RelativePosition"/>.</summary>
    public string rel_pos_type { get; init; } = "mlp";
    /// <summary>Width of the network of rel_pos_type mlp and mlp_swin.</summary>
    public int rel_pos_dim { get; init; } = 128;
    public double attn_drop { get; init; }
    public double proj_drop { get; init; }
    /// <summary>Epsilon of the norms of queries and keys.</summary>
    public double norm_eps { get; init; } = 1e-6;

    public override AttentionLayout Layout => AttentionLayout.Sequence;
    public override RelativePositionAttention Create(AttentionSite site) => new(site.Dim, this with { num_heads = num_heads ?? site.NumHeads }, site);

    /// <summary>The biases of a place, for one module or for all of a model's.</summary>
    public RelativePosition? Positions(AttentionSite site) =>
        RelativePosition.Create(rel_pos_type, site.Height, site.Width, HeadsFor(site.Dim), rel_pos_dim, site.PrefixTokens);
}

/// <summary>
/// Multi-head self-attention over prefix tokens and a map, with a bias of relative positions. (B, prefix + H * W, C) to the
/// same; parameter names as in timm's vision_transformer_relpos.py.
/// </summary>
public sealed class RelativePositionAttention : Block
{
    private readonly Linear qkv;
    private readonly nn.Module<Tensor, Tensor> q_norm;
    private readonly nn.Module<Tensor, Tensor> k_norm;
    private readonly RelativePosition? rel_pos;
    private readonly Linear proj;
    private readonly Dropout proj_drop;

    private readonly long num_heads;
    private readonly double attn_drop;
    private readonly Func<Tensor>? bias;

    /// <param name="dim">C.</param>
    /// <param name="config">See there.</param>
    /// <param name="site">The map that the model is made for, and the tokens before it.</param>
    /// <param name="shared">Biases that another owns; null for the module's own.</param>
    public RelativePositionAttention(long dim, RelativePositionAttentionConfig config, AttentionSite site, RelativePosition? shared = null)
        : base(nameof(RelativePositionAttention))
    {
        num_heads = config.HeadsFor(dim);
        attn_drop = config.attn_drop;
        long head_dim = dim / num_heads;
        qkv = nn.Linear(dim, dim * 3, hasBias: config.qkv_bias);
        q_norm = config.qk_norm ? nn.LayerNorm(head_dim, config.norm_eps) : nn.Identity();
        k_norm = config.qk_norm ? nn.LayerNorm(head_dim, config.norm_eps) : nn.Identity();
        rel_pos = shared is null ? config.Positions(site) : null;
        bias = (shared ?? rel_pos) is { } positions ? positions.Bias : null;
        proj = nn.Linear(dim, dim);
        proj_drop = nn.Dropout(config.proj_drop);
        RegisterComponents();
    }

    protected override Tensor Forward(Tensor x)
    {
        var (batch, tokens, dim) = (x.shape[0], x.shape[1], x.shape[2]);
        var parts = qkv.call(x).reshape(batch, tokens, 3, num_heads, dim / num_heads).permute(2, 0, 3, 1, 4).unbind(0);
        var (q, k, v) = (q_norm.call(parts[0]), k_norm.call(parts[1]), parts[2]);
        var attended = ScaledDotProduct.Attend(q, k, v, bias?.Invoke(), dropout: training ? attn_drop : 0);
        return proj_drop.call(proj.call(attended.transpose(1, 2).reshape(batch, tokens, dim)));
    }
}
