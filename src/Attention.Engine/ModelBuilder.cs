using Attention.Engine.Checkpoints;
using Attention.Engine.Configuration;
using Attention.Engine.Generation;
using Attention.Models;
using Attention.Models.Language;
using Attention.Torch;
using TorchSharp;
using static TorchSharp.torch;

namespace Attention.Engine;

/// <summary>Models from the <c>model:</c> section of a config.</summary>
public static class ModelBuilder
{
    /// <summary>
    /// The variant's config with the section's fields laid over it. A name that is a folder with Hugging Face's config.json stands
    /// for the language model which that describes.
    /// </summary>
    /// <exception cref="ConfigError">There is no such model, or it has no such field.</exception>
    /// <exception cref="UserError">The folder's model is not known.</exception>
    public static object Config(NamedPart part)
    {
        if (IsHuggingFace(part.name))
            return part.Bind((object)LanguageModelConfigFile.Load(part.name));
        if (!ModelRegistry.Names.Contains(part.name))
            throw part.Unknown(ModelRegistry.Names);
        return part.Bind(ModelRegistry.Family(part.name).Config(part.name));
    }

    /// <summary>A new model, freshly initialised from the default generator.</summary>
    public static nn.Module Build(NamedPart part)
    {
        var config = Config(part);
        return IsHuggingFace(part.name) ? HuggingFaceDecoders.Create((LanguageModelConfig)config) : ModelRegistry.Family(part.name).Create(config);
    }

    private static bool IsHuggingFace(string name) => File.Exists(Path.Combine(name, "config.json"));

    /// <summary>A model with a checkpoint's weights; what the checkpoint replaces is never given random first values.</summary>
    /// <param name="part">The model.</param>
    /// <param name="init">The checkpoint.</param>
    /// <exception cref="LoadError">The two do not fit, and <see cref="InitConfig.strict"/> is asked for.</exception>
    public static (nn.Module Model, LoadReport Report) Build(NamedPart part, InitConfig init)
    {
        using var checkpoint = CheckpointReader.Open(init.checkpoint, init.part);
        if (init.into is { } name)
            return Into(Build(part), name, checkpoint, init.strict);
        nn.Module model;
        using (RandomInit.Skip())
            model = Build(part);
        try
        {
            var report = WeightLoader.Load(model, checkpoint, init.strict);
            if (report.Missing.Count + report.Mismatched.Count > 0 || WeightLoader.Target(model, checkpoint) != model)
            {
                // What is not in the checkpoint keeps its first values, so that it needs some.
                model.Dispose();
                model = Build(part);
                report = WeightLoader.Load(model, checkpoint, init.strict);
            }
            return (model, report);
        }
        catch
        {
            model.Dispose();
            throw;
        }
    }

    private static (nn.Module Model, LoadReport Report) Into(nn.Module model, string name, CheckpointReader checkpoint, bool strict)
    {
        try
        {
            var known = model.named_modules().FirstOrDefault(each => each.name == name).module
                ?? throw new UserError($"'init.into' is '{name}', but the model has no such part", $"choose one of {string.Join(", ", model.named_children().Select(each => each.name))}");
            return (model, WeightLoader.Load(known, checkpoint, strict));
        }
        catch
        {
            model.Dispose();
            throw;
        }
    }
}
