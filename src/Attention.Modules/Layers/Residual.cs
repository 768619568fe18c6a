using TorchSharp;
using static TorchSharp.torch;

namespace Attention.Modules;

/// <summary>Adds a branch (m) to its input. (B, ...) to the same.</summary>
public sealed class Residual : Block
{
    private readonly nn.Module<Tensor, Tensor> m;

    public Residual(nn.Module<Tensor, Tensor> m) : base(nameof(Residual))
    {
        this.m = m;
        RegisterComponents();
    }

    protected override Tensor Forward(Tensor x) => x + m.call(x);
}
