using TorchSharp;
using static TorchSharp.torch;

namespace Attention.Models.Dense;

/// <summary>What every model has that tells the class of each pixel; families add their own fields.</summary>
public abstract record SegmentationModelConfig : DenseModelConfig;

/// <summary>The contract of every model that tells the class of each pixel: images (B, 3, H, W) to logits (B, num_classes, H, W).</summary>
public abstract class SegmentationModel(string name) : nn.Module<Tensor, Tensor>(name), ILayeredModel
{
    private BackboneLayers? layers;

    /// <summary>The label that counts for nothing.</summary>
    public const long Ignored = 255;

    /// <summary>Classes of pixels.</summary>
    public abstract int num_classes { get; }

    /// <summary>The losses of a batch by name, already weighted: their sum is what is minimised.</summary>
    /// <param name="images">Normalised images, (B, 3, H, W).</param>
    /// <param name="labels">The class of each pixel or <see cref="Ignored"/>, (B, H, W), int64.</param>
    public abstract IReadOnlyDictionary<string, Tensor> Losses(Tensor images, Tensor labels);

    public IReadOnlySet<string> no_weight_decay => Layers.NoWeightDecay;
    public int num_layers => Layers.Count;
    public int layer_of(string parameter) => Layers.Of(parameter);

    private BackboneLayers Layers => layers ??= new(this);
}
