using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Attention.Modules;

/// <summary>Layer norm over the channels of each position. (B, C, H, W) to the same.</summary>
public sealed class LayerNorm2d : Block
{
    private readonly Parameter weight;
    private readonly Parameter bias;
    private readonly double eps;

    public LayerNorm2d(long channels, double eps = 1e-6) : base(nameof(LayerNorm2d))
    {
        this.eps = eps;
        weight = new Parameter(ones(channels));
        bias = new Parameter(zeros(channels));
        RegisterComponents();
    }

    protected override Tensor Forward(Tensor x) =>
        nn.functional.layer_norm(x.permute(0, 2, 3, 1), [weight.shape[0]], weight, bias, eps).permute(0, 3, 1, 2);
}

/// <summary>The mean over a map. (B, C, H, W) to (B, C).</summary>
public sealed class GlobalPool() : Block(nameof(GlobalPool))
{
    protected override Tensor Forward(Tensor x) => x.mean([2, 3]);
}
