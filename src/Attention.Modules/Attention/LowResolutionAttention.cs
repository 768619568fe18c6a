using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Attention.Modules;

/// <summary>What a <see cref="LowResolutionAttention"/> is made from; the keys of <c>attention:</c> in a config.</summary>
public sealed record LowResolutionAttentionConfig : AttentionConfig
{
    /// <summary>Positions of a side that one token of the attention stands for.</summary>
    public int att_stride { get; init; } = 2;
    /// <summary>Channels of the attention in units of the map's; a head has about 30 of the map's.</summary>
    public double head_dim_mul { get; init; } = 0.5;

    public override AttentionLayout Layout => AttentionLayout.Map;
    public override LowResolutionAttention Create(AttentionSite site) => new(site.Dim, this);
}

/// <summary>
/// Attention on a coarser map of fewer channels: a depthwise convolution down, attention, a transposed convolution up, which is
/// also the output's projection. (B, H, W, C) to the same; parameter names as in the authors' repository,
/// altair199797/LowFormer. Nottebaum et al., LowFormer: Hardware Efficient Design for Convolutional Transformer Backbones, 2024
/// (arXiv:2409.03460).
/// </summary>
public sealed class LowResolutionAttention : Block
{
    /// <summary>The map's channels for one head.</summary>
    private const int ChannelsPerHead = 30;

    private readonly Sequential conv_proj;
    private readonly Sequential pwise;
    private readonly ConvTranspose2d upsampling;
    private readonly int num_heads;

    public LowResolutionAttention(long dim, LowResolutionAttentionConfig config) : base(nameof(LowResolutionAttention))
    {
        int stride = config.att_stride;
        if (stride < 1 || stride > 1 && stride % 2 == 1)
            throw new UserError($"att_stride {stride} is neither 1 nor even", "choose 1, 2 or 4");
        int kernel = stride > 1 ? 5 : 3;
        num_heads = Math.Max(1, (int)(dim * config.head_dim_mul / ChannelsPerHead));
        long inner = (long)(dim / num_heads * config.head_dim_mul) * num_heads;
        conv_proj = nn.Sequential(
            nn.Conv2d(dim, dim, kernel_size: kernel, stride: stride, padding: kernel / 2, groups: dim, bias: false), nn.BatchNorm2d(dim));
        pwise = nn.Sequential(nn.Conv2d(dim, 3 * inner, kernel_size: 1, bias: false));
        upsampling = stride == 1
            ? nn.ConvTranspose2d(inner, dim, kernel_size: 3, stride: 1, padding: 1)
            : nn.ConvTranspose2d(inner, dim, kernel_size: 2 * stride, stride: stride, padding: stride / 2);
        RegisterComponents();
    }

    protected override Tensor Forward(Tensor x)
    {
        var (height, width) = (x.shape[1], x.shape[2]);
        var tokens = pwise.call(conv_proj.call(x.permute(0, 3, 1, 2)));
        // Channels are those of a head's queries, keys and values, head by head.
        var parts = tokens.flatten(2).unflatten(1, num_heads, -1).transpose(2, 3).chunk(3, -1);
        var attended = ScaledDotProduct.Attend(parts[0], parts[1], parts[2]).transpose(2, 3).flatten(1, 2).unflatten(-1, tokens.shape[2], tokens.shape[3]);
        FlopCounter.Add(attended.numel() * upsampling.weight.numel() / upsampling.weight.shape[0]);
        return upsampling.call(attended).narrow(2, 0, height).narrow(3, 0, width).permute(0, 2, 3, 1);
    }
}
