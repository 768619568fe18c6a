using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Attention.Modules;

/// <summary>What a <see cref="LinearAttention"/> is made from; the keys of <c>attention:</c> in a config.</summary>
public sealed record LinearAttentionConfig : MultiHeadConfig
{
    /// <summary>The least that the sum of a query's weights counts as, which keeps training stable.</summary>
    public double min_denominator { get; init; } = 100;
    public bool qkv_bias { get; init; } = true;
    public double proj_drop { get; init; }

    public override AttentionLayout Layout => AttentionLayout.Sequence;
    public override LinearAttention Create(AttentionSite site) => new(site.Dim, this with { num_heads = num_heads ?? site.NumHeads });
}

/// <summary>
/// Attention without softmax, at linear cost: relu(q) (relu(k)ᵀ v) · t / max(relu(q) · Σ relu(k), least), with a learned factor
/// t of each head. (B, N, C) to the same; parameter names as in the authors' repository, ChuanyangZheng/L2ViT.
/// Zheng, The Linear Attention Resurrection in Vision Transformer, 2025 (arXiv:2501.16182).
/// </summary>
public sealed class LinearAttention : Block
{
    private readonly Parameter temperature;
    private readonly Linear qkv;
    private readonly Linear proj;
    private readonly Dropout proj_drop;
    private readonly int num_heads;
    private readonly double least;

    public LinearAttention(long dim, LinearAttentionConfig config) : base(nameof(LinearAttention))
    {
        (num_heads, least) = (config.HeadsFor(dim), config.min_denominator);
        temperature = new Parameter(full([num_heads, 1, 1], Math.Pow(dim / num_heads, -0.5)));
        qkv = nn.Linear(dim, dim * 3, hasBias: config.qkv_bias);
        proj = nn.Linear(dim, dim);
        proj_drop = nn.Dropout(config.proj_drop);
        RegisterComponents();
    }

    protected override Tensor Forward(Tensor x)
    {
        var parts = qkv.call(x).unflatten(-1, 3, num_heads, -1).permute(2, 0, 3, 1, 4).unbind(0);
        var (q, k, v) = (parts[0].relu(), parts[1].relu(), parts[2]);
        // Keys with values, and queries with those: head_dim of each channel.
        FlopCounter.Add(2 * v.numel() * v.shape[^1]);
        var weights = matmul(q, k.sum(-2, keepdim: true).transpose(-2, -1)).clamp_min(least);
        var mixed = matmul(q, matmul(k.transpose(-2, -1), v) * temperature) / weights;
        return proj_drop.call(proj.call(mixed.transpose(1, 2).flatten(2)));
    }
}
