using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Attention.Modules;

/// <summary>What a <see cref="MixtureOfHeadAttention"/> or, in decoders, a <see cref="MixtureOfHeadDecoding"/> is made from; the keys of <c>attention:</c> in a config.</summary>
public sealed record MixtureOfHeadAttentionConfig : MultiHeadConfig, ICausalAttentionConfig
{
    /// <summary>Heads that every token uses, the first ones; null for half of them.</summary>
    public int? shared_head { get; init; }
    /// <summary>Heads that a token chooses among the others, 0 where all are shared; null for a quarter of all.</summary>
    public int? routed_head { get; init; }
    /// <summary>What scores heads: layers of its own (learned), or the lengths of the heads' queries (query_norm).</summary>
    public string router { get; init; } = "learned";
    /// <summary>Channels of a head; null for dim / num_heads. Not in decoders.</summary>
    public int? head_dim { get; init; }
    /// <summary>Null for yes, in decoders for as the host has it.</summary>
    public bool? qkv_bias { get; init; }
    /// <summary>Layer norm on each head's queries and keys. Not in decoders.</summary>
    public bool qk_norm { get; init; }
    public double attn_drop { get; init; }
    /// <summary>Not in decoders.</summary>
    public double proj_drop { get; init; }
    /// <summary>Weight of the loss that balances the use of heads.</summary>
    public double balance_weight { get; init; } = HeadRouter.DefaultBalanceWeight;

    public override AttentionLayout Layout => AttentionLayout.Sequence;

    public override MixtureOfHeadAttention Create(AttentionSite site) => new(site.Dim, this with { num_heads = num_heads ?? site.NumHeads });

    public CausalAttention CreateCausal(CausalSite site)
    {
        foreach (var (key, given) in new[] { (nameof(head_dim), head_dim is not null), (nameof(qk_norm), qk_norm), (nameof(proj_drop), proj_drop > 0) })
            if (given)
                throw new UserError($"attention 'moh' takes no {key} in a decoder", "leave it out: the decoder's own settings hold");
        return new MixtureOfHeadDecoding(site, this);
    }

    /// <summary>The weights of an attention's heads, (..., heads), from its input (..., dim) and its queries (..., heads, d).</summary>
    /// <exception cref="UserError">The numbers of heads do not fit, or there is no such router.</exception>
    internal Func<Tensor, Tensor, Tensor> Router(nn.Module owner, long dim, int heads)
    {
        var (shared, routed) = HeadRouter.Split(heads, shared_head, routed_head);
        switch (router)
        {
            case "learned":
                var learned = new HeadRouter(owner, dim, heads, shared, routed, balance_weight);
                return (x, _) => learned.Gates(x);
            case "query_norm":
                var norms = new QueryNormRouter(owner, heads, shared, routed, balance_weight);
                return (_, queries) => norms.Gates(queries);
            default:
                throw new UserError($"router '{router}' is not known", "choose learned or query_norm");
        }
    }
}

/// <summary>
/// Multi-head self-attention whose heads are a mixture: each token uses the shared heads and its best of the others, weighed
/// by a router (see <see cref="HeadRouter"/>, <see cref="QueryNormRouter"/>). (B, N, C) to the same; parameter names as in the authors' repository,
/// SkyworkAI/MoH.
/// Jin et al., MoH: Multi-Head Attention as Mixture-of-Head Attention, 2024 (arXiv:2410.11842).
/// </summary>
public sealed class MixtureOfHeadAttention : Block
{
    private readonly Linear qkv;
    private readonly nn.Module<Tensor, Tensor> q_norm;
    private readonly nn.Module<Tensor, Tensor> k_norm;
    private readonly Linear proj;
    private readonly Dropout proj_drop;

    private readonly Func<Tensor, Tensor, Tensor> gates;
    private readonly int num_heads;
    private readonly double attn_drop;

    public MixtureOfHeadAttention(long dim, MixtureOfHeadAttentionConfig config) : base(nameof(MixtureOfHeadAttention))
    {
        // Heads of a given width need not divide the channels.
        num_heads = config.HeadsFor(config.head_dim is { } width && config.num_heads is { } heads ? (long)width * heads : dim);
        long head_dim = config.head_dim ?? dim / num_heads;
        attn_drop = config.attn_drop;
        gates = config.Router(this, dim, num_heads);
        qkv = nn.Linear(dim, head_dim * num_heads * 3, hasBias: config.qkv_bias ?? true);
        q_norm = config.qk_norm ? nn.LayerNorm(head_dim) : nn.Identity();
        k_norm = config.qk_norm ? nn.LayerNorm(head_dim) : nn.Identity();
        proj = nn.Linear(head_dim * num_heads, dim);
        proj_drop = nn.Dropout(config.proj_drop);
        RegisterComponents();
    }

    protected override Tensor Forward(Tensor x)
    {
        var parts = qkv.call(x).unflatten(-1, 3, num_heads, -1).permute(2, 0, 3, 1, 4).unbind(0);
        var attended = ScaledDotProduct.Attend(q_norm.call(parts[0]), k_norm.call(parts[1]), parts[2], dropout: training ? attn_drop : 0);
        var weighed = attended.transpose(1, 2) * gates(x, parts[0].transpose(1, 2)).to_type(attended.dtype).unsqueeze(-1);
        return proj_drop.call(proj.call(weighed.flatten(2)));
    }
}

/// <summary>
/// A decoder's attention whose heads are a mixture: that of its host, with each token's heads weighed before the output
/// projection. (B, T, C) to the same. What a token chooses depends on the token alone, so a cache changes nothing.
/// Jin et al., MoH: Multi-Head Attention as Mixture-of-Head Attention, 2024 (arXiv:2410.11842).
/// </summary>
public sealed class MixtureOfHeadDecoding : GroupedQueryAttention
{
    private readonly Func<Tensor, Tensor, Tensor> gates;

    public MixtureOfHeadDecoding(CausalSite site, MixtureOfHeadAttentionConfig config) : base(site, Dense(site, config)) =>
        gates = config.Router(this, site.Dim, heads);

    private static GroupedQueryConfig Dense(CausalSite site, MixtureOfHeadAttentionConfig config) => site.Own with
    {
        num_heads = config.num_heads ?? site.Own.num_heads,
        qkv_bias = config.qkv_bias ?? site.Own.qkv_bias,
        attn_drop = config.attn_drop > 0 ? config.attn_drop : site.Own.attn_drop,
    };

    protected override Tensor Weigh(Tensor heads, Tensor x, Tensor queries) => heads * gates(x, queries).to_type(heads.dtype).unsqueeze(-1);
}
