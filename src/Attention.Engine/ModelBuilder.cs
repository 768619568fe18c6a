using Attention.Engine.Configuration;
using Attention.Models;
using TorchSharp;
using static TorchSharp.torch;

namespace Attention.Engine;

/// <summary>Models from the <c>model:</c> section of a config.</summary>
public static class ModelBuilder
{
    /// <summary>The variant's config with the section's fields laid over it.</summary>
    /// <exception cref="ConfigError">There is no such model, or it has no such field.</exception>
    public static object Config(NamedPart part)
    {
        if (!ModelRegistry.Names.Contains(part.name))
            throw part.Unknown(ModelRegistry.Names);
        return part.Bind(ModelRegistry.Family(part.name).Config(part.name));
    }

    /// <summary>A new model, freshly initialised from the default generator.</summary>
    public static nn.Module Build(NamedPart part)
    {
        var config = Config(part);
        return ModelRegistry.Family(part.name).Create(config);
    }
}
