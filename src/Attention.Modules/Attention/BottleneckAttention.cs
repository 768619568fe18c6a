using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Attention.Modules;

/// <summary>What a <see cref="BottleneckAttention"/> is made from; the keys of <c>attention:</c> in a config.</summary>
public sealed record BottleneckAttentionConfig : MultiHeadConfig
{
    /// <summary>Channels of queries and keys in a head; null for qk_ratio of the values'.</summary>
    public int? dim_head { get; init; }
    public double qk_ratio { get; init; } = 1;
    public bool qkv_bias { get; init; }
    /// <summary>2 for an output of half the map's sides.</summary>
    public int stride { get; init; } = 1;

    public override AttentionLayout Layout => AttentionLayout.Map;
    public override BottleneckAttention Create(AttentionSite site) => new(site.Dim, this with { num_heads = num_heads ?? site.NumHeads }, site.Height, site.Width);
}

/// <summary>
/// Self-attention over a whole map with learned embeddings of relative rows and columns. (B, H, W, C) to
/// (B, H/stride, W/stride, C); for another map than it is made for, the embeddings are resized. Srinivas et al., Bottleneck
/// Transformers for Visual Recognition, 2021 (arXiv:2101.11605); parameter names as in timm.
/// </summary>
public sealed class BottleneckAttention : Block
{
    private readonly Conv2d qkv;
    private readonly RelativeLogits pos_embed;

    private readonly int num_heads;
    private readonly int dim_head;
    private readonly int stride;

    /// <param name="dim">C.</param>
    /// <param name="config">See there.</param>
    /// <param name="height">H of the map that it is made for.</param>
    /// <param name="width">W of it.</param>
    public BottleneckAttention(long dim, BottleneckAttentionConfig config, int height, int width) : base(nameof(BottleneckAttention))
    {
        num_heads = config.HeadsFor(dim);
        dim_head = config.dim_head ?? Convolutions.MakeDivisible(dim * config.qk_ratio) / num_heads;
        stride = config.stride;
        if (stride is not (1 or 2))
            throw new UserError($"bottleneck attention has no stride {stride}", "choose 1 or 2");
        qkv = nn.Conv2d(dim, 2 * num_heads * dim_head + dim, kernel_size: 1, bias: config.qkv_bias);
        pos_embed = new RelativeLogits(height, width, dim_head);
        using (no_grad())
            nn.init.trunc_normal_(qkv.weight, std: Math.Pow(dim, -0.5));
        RegisterComponents();
    }

    protected override Tensor Forward(Tensor x)
    {
        var (batch, height, width, dim) = (x.shape[0], x.shape[1], x.shape[2], x.shape[3]);
        int qk = num_heads * dim_head;
        var mixed = qkv.call(x.permute(0, 3, 1, 2)).permute(0, 2, 3, 1);
        // Each (B * heads, H, W, d).
        Tensor Heads(long start, long length) =>
            mixed.slice(-1, start, start + length, 1).reshape(batch, height, width, num_heads, -1).permute(0, 3, 1, 2, 4).flatten(0, 1);
        var (q, k, v) = (Heads(0, qk), Heads(qk, qk), Heads(2 * qk, dim));
        var attended = ScaledDotProduct.Attend(q.flatten(1, 2), k.flatten(1, 2), v.flatten(1, 2), pos_embed.Of(q, height, width));
        x = attended.reshape(batch, num_heads, height, width, -1).permute(0, 2, 3, 1, 4).reshape(batch, height, width, dim);
        return stride == 2 ? Windows.Halve(x) : x;
    }
}
