using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Attention.Modules;

/// <summary>What a <see cref="ChannelGroupAttention"/> is made from; the keys of <c>attention:</c> in a config.</summary>
public sealed record ChannelGroupAttentionConfig : MultiHeadConfig
{
    public bool qkv_bias { get; init; } = true;
    /// <summary>
    /// The form of Florence-2: queries attend to keys, scaled by the number of tokens. Otherwise keys attend to values and
    /// weigh the queries, scaled by the channels of a group.
    /// </summary>
    public bool v2 { get; init; }

    public override AttentionLayout Layout => AttentionLayout.Sequence;
    public override ChannelGroupAttention Create(AttentionSite site) => new(site.Dim, this with { num_heads = num_heads ?? site.NumHeads });
}

/// <summary>
/// Channels attend to channels of their group (head), each of them a token as long as the map: linear in its positions.
/// (B, H, W, C) to the same, or (B, N, C) to the same; parameter names as in timm's davit.py. Ding et al., DaViT: Dual
/// Attention Vision Transformers, 2022 (arXiv:2204.03645).
/// </summary>
public sealed class ChannelGroupAttention : Block
{
    private readonly Linear qkv;
    private readonly Linear proj;

    private readonly int num_heads;
    private readonly ChannelGroupAttentionConfig config;

    public ChannelGroupAttention(long dim, ChannelGroupAttentionConfig config) : base(nameof(ChannelGroupAttention))
    {
        this.config = config;
        num_heads = config.HeadsFor(dim);
        qkv = nn.Linear(dim, dim * 3, hasBias: config.qkv_bias);
        proj = nn.Linear(dim, dim);
        RegisterComponents();
    }

    protected override Tensor Forward(Tensor x)
    {
        var (batch, dim) = (x.shape[0], x.shape[^1]);
        long tokens = x.numel() / batch / dim;
        // (B, groups, channels of a group, N)
        var parts = qkv.call(x).reshape(batch, tokens, 3, num_heads, dim / num_heads).permute(2, 0, 3, 4, 1).unbind(0);
        var (q, k, v) = (parts[0], parts[1], parts[2]);
        var attended = config.v2
            ? ScaledDotProduct.Attend(q, k, v, scale: 1 / Math.Sqrt(tokens))
            : ScaledDotProduct.Attend(k, v, q, scale: 1 / Math.Sqrt(dim / num_heads));
        return proj.call(attended.permute(0, 3, 1, 2).reshape(x.shape));
    }
}
