using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Attention.Modules;

/// <summary>What a <see cref="MixtureOfHeadAttention"/> is made from; the keys of <c>attention:</c> in a config.</summary>
public sealed record MixtureOfHeadAttentionConfig : MultiHeadConfig
{
    /// <summary>Heads that every token uses, the first ones; null for half of them.</summary>
    public int? shared_head { get; init; }
    /// <summary>Heads that a token chooses among the others; null for half of those, 0 where all are shared.</summary>
    public int? routed_head { get; init; }
    /// <summary>Channels of a head; null for dim / num_heads.</summary>
    public int? head_dim { get; init; }
    public bool qkv_bias { get; init; } = true;
    /// <summary>Layer norm on each head's queries and keys.</summary>
    public bool qk_norm { get; init; }
    public double attn_drop { get; init; }
    public double proj_drop { get; init; }
    /// <summary>Weight of the loss that balances the use of heads.</summary>
    public double balance_weight { get; init; } = HeadRouter.DefaultBalanceWeight;

    public override AttentionLayout Layout => AttentionLayout.Sequence;

    public override MixtureOfHeadAttention Create(AttentionSite site) => new(site.Dim, this with { num_heads = num_heads ?? site.NumHeads });
}

/// <summary>
/// Multi-head self-attention whose heads are a mixture: each token uses the shared heads and its best of the others, weighed
/// by a router (see <see cref="HeadRouter"/>). (B, N, C) to the same; parameter names as in the authors' repository,
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

    private readonly HeadRouter router;
    private readonly int num_heads;
    private readonly double attn_drop;

    public MixtureOfHeadAttention(long dim, MixtureOfHeadAttentionConfig config) : base(nameof(MixtureOfHeadAttention))
    {
        // Heads of a given width need not divide the channels.
        num_heads = config.HeadsFor(config.head_dim is { } width && config.num_heads is { } heads ? (long)width * heads : dim);
        long head_dim = config.head_dim ?? dim / num_heads;
        attn_drop = config.attn_drop;
        int shared = config.shared_head ?? (num_heads + 1) / 2;
        router = new HeadRouter(this, dim, num_heads, shared, config.routed_head ?? (num_heads - shared + 1) / 2, config.balance_weight);
        qkv = nn.Linear(dim, head_dim * num_heads * 3, hasBias: config.qkv_bias);
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
        var weighed = attended.transpose(1, 2) * router.Gates(x).to_type(attended.dtype).unsqueeze(-1);
        return proj_drop.call(proj.call(weighed.flatten(2)));
    }
}
