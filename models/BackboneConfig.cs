namespace Attention.Models;

/// <summary>
/// An image model of the registry that gives feature maps to another: its name, and its record with the fields that were changed.
/// In YAML <c>backbone: {name: swin_tiny_patch4_window7_224, drop_path_rate: 0.2}</c>.
/// </summary>
/// <param name="name">The variant.</param>
/// <param name="config">Its record.</param>
public sealed record BackboneConfig(string name, ImageModelConfig config)
{
    /// <summary>A variant as it is in the registry.</summary>
    /// <exception cref="UserError">There is no such image model.</exception>
    public static BackboneConfig Of(string name) => new(name, ModelRegistry.Family(name).Config(name) as ImageModelConfig
        ?? throw new UserError($"model '{name}' takes no images", "choose an image model as backbone; ./attention models lists all"));

    /// <summary>The model without a classifier, freshly initialised.</summary>
    public ImageModel Create() => (ImageModel)ModelRegistry.Family(name).Create(config with { num_classes = 0 });
}
