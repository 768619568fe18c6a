using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Attention.Modules;

/// <summary>
/// An MLP whose hidden half is gated by the other: fc1 makes both. (..., C) to the same; parameter names as in timm's
/// SwiGLUPacked. Shazeer, GLU Variants Improve Transformer, 2020 (arXiv:2002.05202).
/// </summary>
public sealed class GluMlp : Block
{
    private readonly Linear fc1;
    private readonly nn.Module<Tensor, Tensor> act;
    private readonly Dropout drop1;
    private readonly nn.Module<Tensor, Tensor> norm;
    private readonly Linear fc2;
    private readonly Dropout drop2;

    /// <param name="in_features">C.</param>
    /// <param name="hidden_features">Width of gate and gated together.</param>
    /// <param name="act_layer">Activation of the gate, the first half.</param>
    /// <param name="drop">Dropout rate after each layer.</param>
    /// <param name="norm">A norm before the second layer; null for none.</param>
    /// <param name="bias">Whether the layers have biases.</param>
    public GluMlp(long in_features, long hidden_features, string act_layer = "silu", double drop = 0, nn.Module<Tensor, Tensor>? norm = null, bool bias = true) : base(nameof(GluMlp))
    {
        fc1 = nn.Linear(in_features, hidden_features, hasBias: bias);
        act = Activations.Create(act_layer);
        drop1 = nn.Dropout(drop);
        this.norm = norm ?? nn.Identity();
        fc2 = nn.Linear(hidden_features / 2, in_features, hasBias: bias);
        drop2 = nn.Dropout(drop);
        RegisterComponents();
    }

    protected override Tensor Forward(Tensor x)
    {
        var halves = fc1.call(x).chunk(2, -1);
        return drop2.call(fc2.call(norm.call(drop1.call(act.call(halves[0]) * halves[1]))));
    }
}

/// <summary>
/// The same with separate layers for gate (fc1_g) and gated (fc1_x), as timm's SwiGLU has them. (..., C) to the same.
/// </summary>
public sealed class SwiGlu : Block
{
    private readonly Linear fc1_g;
    private readonly Linear fc1_x;
    private readonly SiLU act;
    private readonly Dropout drop1;
    private readonly nn.Module<Tensor, Tensor> norm;
    private readonly Linear fc2;
    private readonly Dropout drop2;

    /// <param name="in_features">C.</param>
    /// <param name="hidden_features">Width of the gate, and of what it gates.</param>
    /// <param name="drop">Dropout rate after each layer.</param>
    /// <param name="norm">A norm before the last layer; null for none.</param>
    /// <param name="bias">Whether the layers have biases.</param>
    public SwiGlu(long in_features, long hidden_features, double drop = 0, nn.Module<Tensor, Tensor>? norm = null, bool bias = true) : base(nameof(SwiGlu))
    {
        fc1_g = nn.Linear(in_features, hidden_features, hasBias: bias);
        fc1_x = nn.Linear(in_features, hidden_features, hasBias: bias);
        act = nn.SiLU();
        drop1 = nn.Dropout(drop);
        this.norm = norm ?? nn.Identity();
        fc2 = nn.Linear(hidden_features, in_features, hasBias: bias);
        drop2 = nn.Dropout(drop);
        RegisterComponents();
    }

    protected override Tensor Forward(Tensor x) =>
        drop2.call(fc2.call(norm.call(drop1.call(act.call(fc1_g.call(x)) * fc1_x.call(x)))));
}
