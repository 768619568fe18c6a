using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Attention.Modules;

/// <summary>What a <see cref="SingleHeadAttention"/> is made from; the keys of <c>attention:</c> in a config.</summary>
public sealed record SingleHeadAttentionConfig : AttentionConfig
{
    /// <summary>Channels that attend; the others pass by. The paper's share, 1 / 4.67 of all, where null.</summary>
    public int? partial_dim { get; init; }
    /// <summary>Channels of queries and keys.</summary>
    public int qk_dim { get; init; } = 16;

    public override AttentionLayout Layout => AttentionLayout.Map;
    public override SingleHeadAttention Create(AttentionSite site) => new(site.Dim, this);
}

/// <summary>
/// Self-attention with one head over a part of the channels; all are mixed after it. (B, H, W, C) to the same.
/// Yun and Ro, SHViT: Single-Head Vision Transformer with Memory Efficient Macro Design, 2024 (arXiv:2401.16456); parameter
/// names as in timm's shvit.py.
/// </summary>
public sealed class SingleHeadAttention : Block
{
    private readonly GroupNorm pre_norm;
    private readonly ConvNorm qkv;
    private readonly Sequential proj;
    private readonly long attending;
    private readonly long qk_dim;

    public SingleHeadAttention(long dim, SingleHeadAttentionConfig config) : base(nameof(SingleHeadAttention))
    {
        attending = config.partial_dim ?? Math.Max(1, (long)(dim / 4.67));
        qk_dim = config.qk_dim;
        if (attending < 1 || attending > dim)
            throw new UserError($"partial_dim {attending} is not between 1 and the {dim} channels", "lower partial_dim");
        pre_norm = nn.GroupNorm(1, attending);
        qkv = new ConvNorm(attending, 2 * qk_dim + attending);
        proj = nn.Sequential(nn.ReLU(), new ConvNorm(dim, dim, zero: true));
        RegisterComponents();
    }

    protected override Tensor Forward(Tensor x)
    {
        x = x.permute(0, 3, 1, 2);
        var (batch, dim, height, width) = (x.shape[0], x.shape[1], x.shape[2], x.shape[3]);
        var parts = qkv.call(pre_norm.call(x.narrow(1, 0, attending))).flatten(2).split([qk_dim, qk_dim, attending], 1);
        Tensor Head(Tensor part) => part.transpose(1, 2).unsqueeze(1);
        var attended = ScaledDotProduct.Attend(Head(parts[0]), Head(parts[1]), Head(parts[2]));
        var map = attended.squeeze(1).transpose(1, 2).reshape(batch, attending, height, width);
        return proj.call(cat([map, x.narrow(1, attending, dim - attending)], 1)).permute(0, 2, 3, 1);
    }
}
