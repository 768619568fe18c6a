using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Attention.Modules;

/// <summary>What a <see cref="SlidingWindowAttention"/> is made from; the keys of <c>attention:</c> in a config.</summary>
public sealed record SlidingWindowConfig : MultiHeadConfig, ICausalAttentionConfig
{
    /// <summary>How far a token sees along the sequence: so many tokens, itself included; in image models as many on either side.</summary>
    public int window { get; init; } = 256;
    /// <summary>Null for yes, in decoders for as the host has it.</summary>
    public bool? qkv_bias { get; init; }
    public double attn_drop { get; init; }

    public override AttentionLayout Layout => AttentionLayout.Sequence;

    public override SlidingWindowAttention Create(AttentionSite site) => new(site.Dim, Checked() with { num_heads = num_heads ?? site.NumHeads }, site.PrefixTokens);

    /// <summary>The host's own attention with a window; its cache keeps the window's tokens in a ring.</summary>
    public CausalAttention CreateCausal(CausalSite site) => new GroupedQueryAttention(site, site.Own with
    {
        num_heads = num_heads ?? site.Own.num_heads,
        sliding_window = Checked().window,
        qkv_bias = qkv_bias ?? site.Own.qkv_bias,
        attn_drop = attn_drop > 0 ? attn_drop : site.Own.attn_drop,
    });

    private SlidingWindowConfig Checked() => window >= 1 ? this : throw new UserError($"window {window} is below 1", "give the tokens that a token sees, itself included");
}

/// <summary>
/// Attention along a sequence to the tokens at most <c>window - 1</c> places away; class tokens and their like see all and are
/// seen by all. (B, N, C) to the same. Beltagy et al., Longformer, 2020 (arXiv:2004.05150).
/// </summary>
public sealed class SlidingWindowAttention : Block
{
    private readonly Linear qkv;
    private readonly Linear proj;
    private readonly long num_heads;
    private readonly int window, prefix;
    private readonly double attn_drop;

    /// <param name="dim">Channels.</param>
    /// <param name="config">The rest, its number of heads included.</param>
    /// <param name="prefix_tokens">Tokens at the start that see all.</param>
    public SlidingWindowAttention(long dim, SlidingWindowConfig config, int prefix_tokens = 0) : base(nameof(SlidingWindowAttention))
    {
        num_heads = config.HeadsFor(dim);
        (window, prefix, attn_drop) = (config.window, prefix_tokens, config.attn_drop);
        qkv = nn.Linear(dim, dim * 3, hasBias: config.qkv_bias ?? true);
        proj = nn.Linear(dim, dim);
        RegisterComponents();
    }

    protected override Tensor Forward(Tensor x)
    {
        var (batch, tokens, dim) = (x.shape[0], x.shape[1], x.shape[2]);
        var parts = qkv.call(x).reshape(batch, tokens, 3, num_heads, dim / num_heads).permute(2, 0, 3, 1, 4).unbind(0);
        var attended = ScaledDotProduct.Attend(parts[0], parts[1], parts[2], Mask(tokens, x), dropout: training ? attn_drop : 0);
        return proj.call(attended.transpose(1, 2).reshape(batch, tokens, dim));
    }

    // Minus infinity where a token does not look, else 0; null where all see all.
    private Tensor? Mask(long tokens, Tensor like)
    {
        if (tokens - prefix <= window)
            return null;
        var place = arange(tokens, ScalarType.Int64, like.device);
        var (query, key) = (place.unsqueeze(1), place.unsqueeze(0));
        var hidden = (query - key).abs().ge(window).bitwise_and(query.ge(prefix)).bitwise_and(key.ge(prefix));
        return zeros(tokens, tokens, like.dtype, like.device).masked_fill(hidden, double.NegativeInfinity);
    }
}
