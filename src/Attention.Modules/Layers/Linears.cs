using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Attention.Modules;

/// <summary>How transformers start their linear layers, and how a model gets another classifier.</summary>
public static class Linears
{
    /// <summary>A linear classifier with the usual start; the identity for 0 classes.</summary>
    public static nn.Module<Tensor, Tensor> Classifier(long in_features, int num_classes)
    {
        if (num_classes <= 0)
            return nn.Identity();
        var linear = nn.Linear(in_features, num_classes);
        Initialise(linear);
        return linear;
    }

    /// <summary>Truncated normal weights of deviation 0.02 and zero biases in every linear layer below <paramref name="root"/>.</summary>
    public static void Initialise(nn.Module root)
    {
        using var _ = no_grad();
        foreach (var linear in root.modules().Append(root).OfType<Linear>())
        {
            nn.init.trunc_normal_(linear.weight, std: 0.02);
            if (linear.bias is not null)
                nn.init.zeros_(linear.bias);
        }
    }

    /// <summary>Puts a module into the place of another, on its owner's device and in its mode, and disposes the old one.</summary>
    /// <param name="owner">The module whose field it is.</param>
    /// <param name="name">The field's name.</param>
    /// <param name="field">The field.</param>
    /// <param name="replacement">What comes there.</param>
    public static void Replace<T>(this nn.Module owner, string name, ref T field, T replacement) where T : nn.Module
    {
        if (owner.parameters().FirstOrDefault() is { } parameter)
            replacement.to(parameter.device).to(parameter.dtype);
        replacement.train(owner.training);
        owner.register_module(name, null!);
        field.Dispose();
        field = replacement;
        owner.register_module(name, replacement);
    }
}
