using TorchSharp;
using static TorchSharp.torch;

namespace Attention.Models.Dense;

/// <summary>A segmentation model that classifies each pixel for itself: a backbone, called so in the state dict, and heads over its maps.</summary>
public abstract class PixelwiseModel : SegmentationModel
{
    private protected readonly ImageModel backbone;

    private protected PixelwiseModel(string name, SegmentationModelConfig config) : base(name) =>
        (backbone, num_classes) = (config.backbone.Create(), config.num_classes);

    public sealed override int num_classes { get; }

    /// <summary>The image model, which has no classifier.</summary>
    public ImageModel Backbone => backbone;

    /// <summary>What logits of pixels cost.</summary>
    public PixelLoss Loss { get; set; } = new();
}
