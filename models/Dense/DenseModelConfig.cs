namespace Attention.Models.Dense;

/// <summary>What every model has that finds objects in images or tells the class of each pixel; families add their own fields.</summary>
public abstract record DenseModelConfig
{
    /// <summary>The image model whose feature maps are used. Its mean and std normalise the images.</summary>
    public BackboneConfig backbone { get; init; } = new("resnet50", Vision.ResNet.Family.Table["resnet50"]);

    /// <summary>Classes that are told apart, without background.</summary>
    public int num_classes { get; init; } = 80;
}
