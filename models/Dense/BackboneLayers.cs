using TorchSharp;
using static TorchSharp.torch;

namespace Attention.Models.Dense;

/// <summary>What an optimizer asks of a model on a backbone: it is answered as the backbone does; everything beside it is the last layer.</summary>
internal sealed class BackboneLayers
{
    private readonly string prefix;
    private readonly ImageModel backbone;

    /// <param name="model">A model with an image model of the zoo somewhere in it.</param>
    public BackboneLayers(nn.Module model)
    {
        (prefix, backbone) = model.named_modules().Where(each => each.module is ImageModel).Select(each => (each.name + ".", (ImageModel)each.module)).First();
        NoWeightDecay = backbone.no_weight_decay.Select(name => prefix + name).ToHashSet();
    }

    /// <summary>Parameters that take no weight decay besides norms and biases, by name.</summary>
    public IReadOnlySet<string> NoWeightDecay { get; }

    /// <summary>Layers; the last is all but the backbone.</summary>
    public int Count => backbone.num_layers;

    /// <summary>The layer that a parameter belongs to.</summary>
    public int Of(string parameter) => parameter.StartsWith(prefix, StringComparison.Ordinal) ? backbone.layer_of(parameter[prefix.Length..]) : Count - 1;
}
