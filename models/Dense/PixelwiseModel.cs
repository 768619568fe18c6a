using TorchSharp;
using static TorchSharp.torch;

namespace Attention.Models.Dense;

/// <summary>A segmentation model that classifies each pixel for itself: a backbone, called so in the state dict, and heads over its maps.</summary>
public abstract class PixelwiseModel : SegmentationModel, ILayeredModel
{
    private const string Below = nameof(backbone) + ".";

    private protected readonly ImageModel backbone;

    private protected PixelwiseModel(string name, SegmentationModelConfig config) : base(name) =>
        (backbone, num_classes) = (config.backbone.Create(), config.num_classes);

    public sealed override int num_classes { get; }

    /// <summary>The image model, which has no classifier.</summary>
    public ImageModel Backbone => backbone;

    /// <summary>What logits of pixels cost.</summary>
    public PixelLoss Loss { get; set; } = new();

    public override IReadOnlySet<string> no_weight_decay => backbone.no_weight_decay.Select(name => Below + name).ToHashSet();

    /// <summary>The backbone's layers; the heads are the last.</summary>
    public int num_layers => backbone.num_layers;

    public int layer_of(string parameter) =>
        parameter.StartsWith(Below, StringComparison.Ordinal) ? backbone.layer_of(parameter[Below.Length..]) : num_layers - 1;
}
