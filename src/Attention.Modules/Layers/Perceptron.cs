using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Attention.Modules;

/// <summary>Linear layers with ReLU between them, as DETR's heads are: (..., C) to (..., out). Parameter names as DETR's MLP.</summary>
public sealed class Perceptron : Block
{
    private readonly ModuleList<Linear> layers;

    /// <param name="in_features">C.</param>
    /// <param name="hidden_features">Width between the layers.</param>
    /// <param name="out_features">Of the last.</param>
    /// <param name="count">Layers.</param>
    public Perceptron(long in_features, long hidden_features, long out_features, int count) : base(nameof(Perceptron))
    {
        layers = nn.ModuleList([.. Enumerable.Range(0, count).Select(i => nn.Linear(i == 0 ? in_features : hidden_features, i == count - 1 ? out_features : hidden_features))]);
        RegisterComponents();
    }

    /// <summary>The last layer.</summary>
    public Linear Last => layers[^1];

    /// <summary>Makes the last layer give zeros at the start, so that what it refines starts unchanged.</summary>
    public Perceptron StartAtZero()
    {
        using var _ = no_grad();
        nn.init.zeros_(Last.weight);
        nn.init.zeros_(Last.bias!);
        return this;
    }

    protected override Tensor Forward(Tensor x)
    {
        for (int i = 0; i < layers.Count; i++)
            x = i < layers.Count - 1 ? layers[i].call(x).relu() : layers[i].call(x);
        return x;
    }
}
