using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Attention.Modules;

/// <summary>What TransNeXt's two attentions are made from.</summary>
public abstract record CosineAttentionConfig : MultiHeadConfig
{
    public bool qkv_bias { get; init; } = true;
    /// <summary>Side of the map for which the position bias is made, to be interpolated to others; null to make it for each size.</summary>
    public int? trained_size { get; init; }
    /// <summary>Side of the map to whose coordinates positions are scaled; null for that of the map itself.</summary>
    public int? pretrain_size { get; init; }
    public double attn_drop { get; init; }
    public double proj_drop { get; init; }
    /// <summary>Heads that every token uses, where heads are a mixture; null for no mixture. See <see cref="HeadRouter"/>.</summary>
    public int? shared_head { get; init; }
    /// <summary>Heads that a token chooses among the others.</summary>
    public int routed_head { get; init; }
    /// <summary>Weight of the loss that balances the use of heads.</summary>
    public double balance_weight { get; init; } = HeadRouter.DefaultBalanceWeight;

    public sealed override AttentionLayout Layout => AttentionLayout.Map;
}

/// <summary>What a <see cref="LengthScaledAttention"/> is made from; the keys of <c>attention:</c> in a config.</summary>
public sealed record LengthScaledAttentionConfig : CosineAttentionConfig
{
    public override LengthScaledAttention Create(AttentionSite site) => new(site.Dim, this with { num_heads = num_heads ?? site.NumHeads });
}

/// <summary>
/// What TransNeXt's two attentions share: queries of length 1 with a learned vector added to each head's, scaled by a learned
/// temperature and by the logarithm of the number of keys, and a position bias from log-spaced coordinates.
/// </summary>
public abstract class CosineAttention : Block
{
    // softplus of the temperature starts at 1 / 0.24.
    private static readonly double FirstTemperature = Math.Log(Math.Exp(1 / 0.24) - 1);
    private const int HiddenOfBias = 512;

    protected readonly Parameter temperature;
    protected readonly Parameter query_embedding;
    protected readonly Linear cpb_fc1;
    protected readonly Linear cpb_fc2;
    protected readonly Linear proj;
    protected readonly Dropout proj_drop;

    /// <summary>Heads.</summary>
    protected readonly int num_heads;

    private readonly LogSpacedBias bias;
    private readonly HeadRouter? router;

    private protected CosineAttention(string name, long dim, CosineAttentionConfig config) : base(name)
    {
        num_heads = config.HeadsFor(dim);
        temperature = new Parameter(full([num_heads, 1, 1], FirstTemperature));
        query_embedding = new Parameter(Small(0.02, num_heads, 1, dim / num_heads));
        cpb_fc1 = nn.Linear(2, HiddenOfBias);
        cpb_fc2 = nn.Linear(HiddenOfBias, num_heads);
        proj = nn.Linear(dim, dim);
        proj_drop = nn.Dropout(config.proj_drop);
        bias = new LogSpacedBias(config.trained_size, config.pretrain_size);
        router = config.shared_head is { } shared
            ? new HeadRouter(this, dim, num_heads, shared, config.routed_head, config.balance_weight) : null;
    }

    /// <summary>Truncated normal numbers of a small deviation.</summary>
    protected static Tensor Small(double std, params long[] shape)
    {
        using var _ = no_grad();
        return nn.init.trunc_normal_(empty(shape), std: std);
    }

    /// <summary>(..., C) to (..., heads, d), of length 1 each.</summary>
    protected Tensor Normalized(Tensor x) => nn.functional.normalize(Heads(x), dim: -1);

    /// <summary>(..., C) to (..., heads, d).</summary>
    protected Tensor Heads(Tensor x) => x.unflatten(-1, num_heads, -1);

    /// <summary>Queries (..., heads, d) of length 1, scaled by what <paramref name="lengths"/> gives for each: the logarithm of its keys' number.</summary>
    protected Tensor Scaled(Tensor q, Tensor lengths) => (q + query_embedding.squeeze(1)) * (temperature.squeeze(-1).softplus() * lengths);

    /// <summary>(heads, H * W, keys): see <see cref="LogSpacedBias"/>.</summary>
    protected Tensor PositionBias(long height, long width, Func<long, long, (long, long)> keys) =>
        bias.Make(cpb_fc1, cpb_fc2, (height, width), keys);

    /// <summary>What the heads give, (B, H, W, heads, d), mixed where they are a mixture, and projected to (B, H, W, C).</summary>
    protected Tensor Project(Tensor heads, Tensor input)
    {
        if (router is not null)
            heads = heads * router.Gates(input).to_type(heads.dtype).unsqueeze(-1);
        return proj_drop.call(proj.call(heads.flatten(-2)));
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing)
            bias.Dispose();
        base.Dispose(disposing);
    }
}

/// <summary>
/// Cosine attention over a whole map, scaled by the logarithm of its length. (B, H, W, C) to the same; parameter names as in
/// the authors' repository, DaiShiResearch/TransNeXt.
/// Shi, TransNeXt: Robust Foveal Visual Perception for Vision Transformers, 2024 (arXiv:2311.17132).
/// </summary>
public sealed class LengthScaledAttention : CosineAttention
{
    private readonly Linear qkv;
    private readonly double attn_drop;

    public LengthScaledAttention(long dim, LengthScaledAttentionConfig config) : base(nameof(LengthScaledAttention), dim, config)
    {
        qkv = nn.Linear(dim, dim * 3, hasBias: config.qkv_bias);
        attn_drop = config.attn_drop;
        RegisterComponents();
    }

    protected override Tensor Forward(Tensor x)
    {
        var (batch, height, width, dim) = (x.shape[0], x.shape[1], x.shape[2], x.shape[3]);
        long tokens = height * width;
        var parts = qkv.call(x.reshape(batch, tokens, dim)).chunk(3, -1);
        using var length = full(1, Math.Log(tokens), dtype: temperature.dtype, device: temperature.device);
        var q = Scaled(Normalized(parts[0]), length).transpose(1, 2);
        var (k, v) = (Normalized(parts[1]).transpose(1, 2), Heads(parts[2]).transpose(1, 2));
        var attended = ScaledDotProduct.Attend(q, k, v, PositionBias(height, width, (h, w) => (h, w)), scale: 1, dropout: training ? attn_drop : 0);
        return Project(attended.transpose(1, 2).unflatten(1, height, width), x);
    }
}
