using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Attention.Modules;

/// <summary>What a <see cref="SpatialReductionAttention"/> is made from; the keys of <c>attention:</c> in a config.</summary>
public sealed record SpatialReductionAttentionConfig : MultiHeadConfig
{
    /// <summary>Positions of a side that one key stands for; 1 for all keys.</summary>
    public int sr_ratio { get; init; } = 1;
    /// <summary>Keys from a 7x7 average of the map instead, so that the cost is linear.</summary>
    public bool linear { get; init; }
    public bool qkv_bias { get; init; } = true;
    public double attn_drop { get; init; }
    public double proj_drop { get; init; }

    public override AttentionLayout Layout => AttentionLayout.Map;

    public override SpatialReductionAttention Create(AttentionSite site) => new(site.Dim, this with
    {
        num_heads = num_heads ?? site.NumHeads,
        // One key at the least.
        sr_ratio = Math.Min(sr_ratio, Math.Min(site.Height, site.Width)),
    });
}

/// <summary>
/// Self-attention whose keys and values come from a coarser map. (B, H, W, C) to the same; parameter names as in timm.
/// Wang et al., Pyramid Vision Transformer, 2021 (arXiv:2102.12122), and version 2, 2022 (arXiv:2106.13797).
/// </summary>
public sealed class SpatialReductionAttention : Block
{
    private const int LinearSide = 7;

    private readonly Linear q;
    private readonly Linear kv;
    private readonly Linear proj;
    private readonly Dropout proj_drop;
    private readonly Conv2d? sr;
    private readonly LayerNorm? norm;

    private readonly int num_heads;
    private readonly SpatialReductionAttentionConfig config;

    public SpatialReductionAttention(long dim, SpatialReductionAttentionConfig config) : base(nameof(SpatialReductionAttention))
    {
        this.config = config;
        num_heads = config.HeadsFor(dim);
        q = nn.Linear(dim, dim, hasBias: config.qkv_bias);
        kv = nn.Linear(dim, dim * 2, hasBias: config.qkv_bias);
        proj = nn.Linear(dim, dim);
        proj_drop = nn.Dropout(config.proj_drop);
        if (config.linear || config.sr_ratio > 1)
        {
            int ratio = config.linear ? 1 : config.sr_ratio;
            sr = nn.Conv2d(dim, dim, kernel_size: ratio, stride: ratio);
            norm = nn.LayerNorm(dim);
        }
        RegisterComponents();
    }

    protected override Tensor Forward(Tensor x)
    {
        var (batch, height, width, dim) = (x.shape[0], x.shape[1], x.shape[2], x.shape[3]);
        long head_dim = dim / num_heads;
        var queries = q.call(x).reshape(batch, height * width, num_heads, head_dim).transpose(1, 2);
        var parts = kv.call(Reduce(x)).reshape(batch, -1, 2, num_heads, head_dim).permute(2, 0, 3, 1, 4).unbind(0);
        var attended = ScaledDotProduct.Attend(queries, parts[0], parts[1], dropout: training ? config.attn_drop : 0);
        return proj_drop.call(proj.call(attended.transpose(1, 2).reshape(batch, height, width, dim)));
    }

    // (B, H, W, C) to (B, M, C).
    private Tensor Reduce(Tensor x)
    {
        if (sr is null || norm is null)
            return x.flatten(1, 2);
        x = x.permute(0, 3, 1, 2);
        if (config.linear)
            x = nn.functional.adaptive_avg_pool2d(x, LinearSide);
        x = norm.call(sr.call(x).flatten(2).transpose(1, 2));
        return config.linear ? nn.functional.gelu(x) : x;
    }
}
