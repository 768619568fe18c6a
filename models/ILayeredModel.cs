namespace Attention.Models;

/// <summary>What an optimizer asks of a model: which parameters it should spare, and which layer each belongs to.</summary>
public interface ILayeredModel
{
    /// <summary>Parameters that take no weight decay besides norms and biases, by name.</summary>
    IReadOnlySet<string> no_weight_decay { get; }

    /// <summary>Layers, for layer-wise learning rates: the stem is 0, the head is <c>num_layers - 1</c>.</summary>
    int num_layers { get; }

    /// <summary>The layer that a parameter belongs to.</summary>
    int layer_of(string parameter);
}
