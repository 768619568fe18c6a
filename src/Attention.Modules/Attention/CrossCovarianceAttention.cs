using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Attention.Modules;

/// <summary>What a <see cref="CrossCovarianceAttention"/> is made from; the keys of <c>attention:</c> in a config.</summary>
public sealed record CrossCovarianceAttentionConfig : MultiHeadConfig
{
    public bool qkv_bias { get; init; } = true;
    public double attn_drop { get; init; }
    public double proj_drop { get; init; }

    public override AttentionLayout Layout => AttentionLayout.Sequence;
    public override CrossCovarianceAttention Create(AttentionSite site) => new(site.Dim, this with { num_heads = num_heads ?? site.NumHeads });
}

/// <summary>
/// Channels attend to channels by their cosine over all positions, with a learned temperature: linear in the positions.
/// (B, H, W, C) to the same, or (B, N, C) to the same; parameter names as in timm's xcit.py. El-Nouby et al., XCiT:
/// Cross-Covariance Image Transformers, 2021 (arXiv:2106.09681).
/// </summary>
public sealed class CrossCovarianceAttention : Block
{
    private readonly Parameter temperature;
    private readonly Linear qkv;
    private readonly Linear proj;
    private readonly Dropout proj_drop;

    private readonly int num_heads;
    private readonly CrossCovarianceAttentionConfig config;

    public CrossCovarianceAttention(long dim, CrossCovarianceAttentionConfig config) : base(nameof(CrossCovarianceAttention))
    {
        this.config = config;
        num_heads = config.HeadsFor(dim);
        temperature = new Parameter(ones(num_heads, 1, 1));
        qkv = nn.Linear(dim, dim * 3, hasBias: config.qkv_bias);
        proj = nn.Linear(dim, dim);
        proj_drop = nn.Dropout(config.proj_drop);
        RegisterComponents();
    }

    protected override Tensor Forward(Tensor x)
    {
        var (batch, dim) = (x.shape[0], x.shape[^1]);
        long tokens = x.numel() / batch / dim;
        // (B, heads, channels of a head, N)
        var parts = qkv.call(x).reshape(batch, tokens, 3, num_heads, dim / num_heads).permute(2, 0, 3, 4, 1).unbind(0);
        var q = nn.functional.normalize(parts[0], dim: -1) * temperature;
        var k = nn.functional.normalize(parts[1], dim: -1);
        var attended = ScaledDotProduct.Attend(q, k, parts[2], scale: 1, dropout: training ? config.attn_drop : 0);
        return proj_drop.call(proj.call(attended.permute(0, 3, 1, 2).reshape(x.shape)));
    }
}
