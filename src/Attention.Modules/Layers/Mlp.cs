using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Attention.Modules;

/// <summary>
/// Two linear layers with an activation between them. (..., C) to the same, or (B, C, H, W) to the same; parameter names as
/// in timm.
/// </summary>
public sealed class Mlp : Block
{
    private readonly nn.Module<Tensor, Tensor> fc1;
    private readonly nn.Module<Tensor, Tensor> act;
    private readonly Dropout drop1;
    private readonly nn.Module<Tensor, Tensor> norm;
    private readonly nn.Module<Tensor, Tensor> fc2;
    private readonly Dropout drop2;

    /// <param name="in_features">C.</param>
    /// <param name="hidden_features">Width between the two layers.</param>
    /// <param name="act_layer">Name of the activation: see <see cref="Activations"/>.</param>
    /// <param name="drop">Dropout rate after each layer.</param>
    /// <param name="use_conv">1x1 convolutions, on maps (B, C, H, W): the same function with other weight shapes.</param>
    /// <param name="bias">Whether the layers have biases.</param>
    /// <param name="norm">A norm before the second layer; null for none.</param>
    public Mlp(long in_features, long hidden_features, string act_layer = "gelu", double drop = 0, bool use_conv = false, bool bias = true,
        nn.Module<Tensor, Tensor>? norm = null) : base(nameof(Mlp))
    {
        nn.Module<Tensor, Tensor> Layer(long inputs, long outputs) =>
            use_conv ? nn.Conv2d(inputs, outputs, kernel_size: 1, bias: bias) : nn.Linear(inputs, outputs, hasBias: bias);
        fc1 = Layer(in_features, hidden_features);
        act = Activations.Create(act_layer);
        drop1 = nn.Dropout(drop);
        this.norm = norm ?? nn.Identity();
        fc2 = Layer(hidden_features, in_features);
        drop2 = nn.Dropout(drop);
        RegisterComponents();
    }

    protected override Tensor Forward(Tensor x) => drop2.call(fc2.call(norm.call(drop1.call(act.call(fc1.call(x))))));
}
