using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Attention.Modules;

/// <summary>What a <see cref="LargeKernelAttention"/> is made from; the keys of <c>attention:</c> in a config.</summary>
public sealed record LargeKernelAttentionConfig : AttentionConfig
{
    public override AttentionLayout Layout => AttentionLayout.Map;
    public override LargeKernelAttention Create(AttentionSite site) => new(site.Dim);
}

/// <summary>
/// Weighs each position and channel by a large convolution of its surroundings, made of a depthwise one, a dilated one and a
/// 1x1: 21x21 positions at the cost of a few. (B, H, W, C) to the same; the input is added within. Guo et al., Visual
/// Attention Network, 2022 (arXiv:2202.09741); parameter names as in Visual-Attention-Network/VAN-Classification.
/// </summary>
public sealed class LargeKernelAttention : Block
{
    private readonly Conv2d proj_1;
    private readonly GELU activation;
    private readonly LargeKernelGate spatial_gating_unit;
    private readonly Conv2d proj_2;

    public LargeKernelAttention(long dim) : base(nameof(LargeKernelAttention))
    {
        proj_1 = nn.Conv2d(dim, dim, kernel_size: 1);
        activation = nn.GELU();
        spatial_gating_unit = new LargeKernelGate(dim);
        proj_2 = nn.Conv2d(dim, dim, kernel_size: 1);
        RegisterComponents();
    }

    protected override Tensor Forward(Tensor x)
    {
        x = x.permute(0, 3, 1, 2);
        return (x + proj_2.call(spatial_gating_unit.call(activation.call(proj_1.call(x))))).permute(0, 2, 3, 1);
    }
}

/// <summary>Multiplies a map by the large convolution of itself. (B, C, H, W) to the same.</summary>
internal sealed class LargeKernelGate : Block
{
    private readonly Conv2d conv0;
    private readonly Conv2d conv_spatial;
    private readonly Conv2d conv1;

    public LargeKernelGate(long dim) : base(nameof(LargeKernelGate))
    {
        conv0 = nn.Conv2d(dim, dim, kernel_size: 5, padding: 2, groups: dim);
        conv_spatial = nn.Conv2d(dim, dim, kernel_size: 7, padding: 9, dilation: 3, groups: dim);
        conv1 = nn.Conv2d(dim, dim, kernel_size: 1);
        RegisterComponents();
    }

    protected override Tensor Forward(Tensor x) => x * conv1.call(conv_spatial.call(conv0.call(x)));
}
