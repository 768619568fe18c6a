using Attention.Models;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Attention.Engine.Training.Tuning;

/// <summary>Parameters that are not trained.</summary>
public static class Freezing
{
    /// <summary>Freezes the parameters whose names fit.</summary>
    /// <param name="patterns">Names with wildcards, such as <c>patch_embed.*</c>.</param>
    /// <exception cref="UserError">A pattern fits no parameter, or nothing is left to train.</exception>
    public static void Freeze(nn.Module model, IReadOnlyCollection<string> patterns)
    {
        var frozen = NamePatterns.Choose([.. model.named_parameters().Select(p => p.name)], patterns, "freeze");
        foreach (var (name, parameter) in model.named_parameters())
            if (frozen.Contains(name))
                parameter.requires_grad_(false);
        if (model.parameters().All(p => !p.requires_grad))
            throw new UserError("freeze: nothing is left to train", "freeze less, such as [blocks.*, patch_embed.*]");
    }

    /// <summary>Freezes all but the classifier.</summary>
    public static void FreezeFeatures(ImageModel model)
    {
        var classifier = Classifier(model);
        foreach (var (name, parameter) in model.named_parameters())
            if (!classifier.Contains(name))
                parameter.requires_grad_(false);
    }

    /// <summary>
    /// The parameters of the layers that <see cref="ImageModel.reset_classifier"/> would replace: those of the last layer with an
    /// output for each class.
    /// </summary>
    public static IReadOnlySet<string> Classifier(ImageModel model)
    {
        var outputs = model.named_modules().Where(module => module.module is Linear linear && linear.out_features == model.num_classes)
            .Select(module => module.name).Where(name => model.layer_of($"{name}.weight") == model.num_layers - 1).ToArray();
        return model.named_parameters().Select(p => p.name).Where(name => outputs.Any(output => name.StartsWith($"{output}.", StringComparison.Ordinal))).ToHashSet();
    }

    /// <summary>
    /// Puts what is frozen into evaluation mode: its batch norms keep their statistics, its dropout and stochastic depth rest.
    /// To be called whenever the model was put into training mode.
    /// </summary>
    public static void RestFrozen(nn.Module model)
    {
        if (model.parameters().All(p => p.requires_grad))
            return;
        foreach (var (_, module) in model.named_modules())
        {
            bool any = false, trained = false;
            foreach (var parameter in module.parameters())
                (any, trained) = (true, trained || parameter.requires_grad);
            if (any && !trained)
                module.eval();
        }
    }
}
