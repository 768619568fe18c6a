using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Attention.Modules;

/// <summary>Two 1x1 convolutions with an activation between them. (B, C, H, W) to the same; parameter names as in timm.</summary>
public sealed class ConvMlp : Block
{
    private readonly Conv2d fc1;
    private readonly nn.Module<Tensor, Tensor> act;
    private readonly Dropout drop;
    private readonly Conv2d fc2;

    /// <param name="in_features">C.</param>
    /// <param name="hidden_features">Channels between the two layers.</param>
    /// <param name="act_layer">Name of the activation: see <see cref="Activations"/>.</param>
    /// <param name="bias">Whether the layers have biases.</param>
    /// <param name="drop">Dropout rate after the activation.</param>
    public ConvMlp(long in_features, long hidden_features, string act_layer = "gelu", bool bias = true, double drop = 0) : base(nameof(ConvMlp))
    {
        fc1 = nn.Conv2d(in_features, hidden_features, kernel_size: 1, bias: bias);
        act = Activations.Create(act_layer);
        this.drop = nn.Dropout(drop);
        fc2 = nn.Conv2d(hidden_features, in_features, kernel_size: 1, bias: bias);
        RegisterComponents();
    }

    protected override Tensor Forward(Tensor x) => fc2.call(drop.call(act.call(fc1.call(x))));
}
