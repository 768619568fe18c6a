using Attention.Engine.Configuration;
using Attention.Models;
using Attention.Models.Language;
using Attention.Modules;
using TorchSharp;
using static TorchSharp.torch;

namespace Attention.Engine;

/// <summary>A model of the registry and its size.</summary>
/// <param name="Name">The variant.</param>
/// <param name="Family">Its family.</param>
/// <param name="ImageSize">Side of its input, in pixels; null for models of other things.</param>
/// <param name="Parameters">Parameters, shared ones once.</param>
/// <param name="MultiplyAdds">Of one forward pass of one sample.</param>
public sealed record ModelEntry(string Name, string Family, int? ImageSize, long Parameters, long? MultiplyAdds);

/// <summary>
/// The registry with sizes: those that are written down, or measured by building a model on the meta device, where tensors have
/// shapes and no memory.
/// </summary>
public static class ModelCatalogue
{
    /// <summary>The models whose name contains <paramref name="filter"/>; all for null.</summary>
    /// <param name="filter">Part of the name.</param>
    /// <param name="measure">Measure all, rather than those alone whose size is not written down.</param>
    public static IEnumerable<ModelEntry> List(string? filter = null, bool measure = false) => ModelRegistry.Names
        .Where(name => filter is null || name.Contains(filter, StringComparison.OrdinalIgnoreCase))
        .Select(name => !measure && ModelSizes.Find(name) is { } size ? Known(name, size) : Measure(name));

    private static ModelEntry Known(string name, ModelSize size)
    {
        var family = ModelRegistry.Family(name);
        return new ModelEntry(name, family.Name, (family.Config(name) as ImageModelConfig)?.img_size, size.parameters, size.multiply_adds);
    }

    /// <summary>Multiply-adds of one forward pass of one image; null for models of other things.</summary>
    public static long? MultiplyAdds(NamedPart part) => Measure(part.name, ModelBuilder.Config(part)).MultiplyAdds;

    /// <summary>Multiply-adds for each token of one forward pass over a context of a language model.</summary>
    public static double MultiplyAddsOfToken(NamedPart part, int context)
    {
        var before = get_default_device();
        set_default_device(META);
        try
        {
            using var scope = NewDisposeScope();
            using var _ = no_grad();
            using var model = (LanguageModel)ModelBuilder.Build(part);
            model.eval();
            using var counter = new FlopCounter(model);
            model.call(empty(1, context, dtype: ScalarType.Int64));
            return (double)counter.Total / context;
        }
        finally
        {
            set_default_device(before);
        }
    }

    private static ModelEntry Measure(string name) => Measure(name, ModelRegistry.Family(name).Config(name));

    private static ModelEntry Measure(string name, object config)
    {
        var family = ModelRegistry.Family(name);
        var before = get_default_device();
        set_default_device(META);
        try
        {
            using var scope = NewDisposeScope();
            using var _ = no_grad();
            using var model = family.Create(config);
            model.eval();
            long parameters = model.parameters().Sum(p => p.numel());
            if (config is not ImageModelConfig image || model is not nn.Module<Tensor, Tensor> callable)
                return new ModelEntry(name, family.Name, null, parameters, null);
            using var counter = new FlopCounter(model);
            callable.call(empty(1, image.in_chans, image.img_size, image.img_size));
            return new ModelEntry(name, family.Name, image.img_size, parameters, counter.Total);
        }
        finally
        {
            set_default_device(before);
        }
    }
}
