using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Attention.Modules;

/// <summary>Two linear layers with an activation between them. (..., C) to the same; parameter names as in timm.</summary>
public sealed class Mlp : Block
{
    private readonly Linear fc1;
    private readonly nn.Module<Tensor, Tensor> act;
    private readonly Dropout drop1;
    private readonly Linear fc2;
    private readonly Dropout drop2;

    /// <param name="in_features">C.</param>
    /// <param name="hidden_features">Width between the two layers.</param>
    /// <param name="act_layer">Name of the activation: see <see cref="Activations"/>.</param>
    /// <param name="drop">Dropout rate after each layer.</param>
    public Mlp(long in_features, long hidden_features, string act_layer = "gelu", double drop = 0) : base(nameof(Mlp))
    {
        fc1 = nn.Linear(in_features, hidden_features);
        act = Activations.Create(act_layer);
        drop1 = nn.Dropout(drop);
        fc2 = nn.Linear(hidden_features, in_features);
        drop2 = nn.Dropout(drop);
        RegisterComponents();
    }

    protected override Tensor Forward(Tensor x) => drop2.call(fc2.call(drop1.call(act.call(fc1.call(x)))));
}
