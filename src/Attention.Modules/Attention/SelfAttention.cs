using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Attention.Modules;

/// <summary>What a <see cref="SelfAttention"/> is made from; the keys of <c>attention:</c> in a config.</summary>
public sealed record SelfAttentionConfig : MultiHeadConfig
{
    public bool qkv_bias { get; init; } = true;
    /// <summary>A norm on each head's queries and keys.</summary>
    public bool qk_norm { get; init; }
    /// <summary>A norm before the projection.</summary>
    public bool scale_norm { get; init; }
    public bool proj_bias { get; init; } = true;
    public double attn_drop { get; init; }
    public double proj_drop { get; init; }
    /// <summary>layernorm or rmsnorm, for the optional norms.</summary>
    public string norm_layer { get; init; } = "layernorm";
    public double norm_eps { get; init; } = 1e-6;

    public override AttentionLayout Layout => AttentionLayout.Sequence;
    public override SelfAttention Create(AttentionSite site) => new(site.Dim, this with { num_heads = num_heads ?? site.NumHeads });
}

/// <summary>
/// Multi-head self-attention over a sequence. (B, N, C) to the same; parameter names as in timm's Attention.
/// Vaswani et al., Attention Is All You Need, 2017.
/// </summary>
public sealed class SelfAttention : Block
{
    private readonly Linear qkv;
    private readonly nn.Module<Tensor, Tensor> q_norm;
    private readonly nn.Module<Tensor, Tensor> k_norm;
    private readonly nn.Module<Tensor, Tensor> norm;
    private readonly Linear proj;
    private readonly Dropout proj_drop;
    private readonly long num_heads;
    private readonly long head_dim;
    private readonly double attn_drop;

    public SelfAttention(long dim, SelfAttentionConfig config) : base(nameof(SelfAttention))
    {
        num_heads = config.HeadsFor(dim);
        head_dim = dim / num_heads;
        attn_drop = config.attn_drop;
        qkv = nn.Linear(dim, dim * 3, hasBias: config.qkv_bias);
        q_norm = config.qk_norm ? Norms.Create(config.norm_layer, head_dim, config.norm_eps) : nn.Identity();
        k_norm = config.qk_norm ? Norms.Create(config.norm_layer, head_dim, config.norm_eps) : nn.Identity();
        norm = config.scale_norm ? Norms.Create(config.norm_layer, dim, config.norm_eps) : nn.Identity();
        proj = nn.Linear(dim, dim, hasBias: config.proj_bias);
        proj_drop = nn.Dropout(config.proj_drop);
        RegisterComponents();
    }

    /// <summary>Heads.</summary>
    public int Heads => (int)num_heads;

    protected override Tensor Forward(Tensor x)
    {
        var (batch, tokens, dim) = (x.shape[0], x.shape[1], x.shape[2]);
        var parts = qkv.call(x).reshape(batch, tokens, 3, num_heads, head_dim).permute(2, 0, 3, 1, 4).unbind(0);
        var (q, k, v) = (q_norm.call(parts[0]), k_norm.call(parts[1]), parts[2]);
        var attended = ScaledDotProduct.Attend(q, k, v, dropout: training ? attn_drop : 0);
        return proj_drop.call(proj.call(norm.call(attended.transpose(1, 2).reshape(batch, tokens, dim))));
    }
}
