using TorchSharp;
using static TorchSharp.torch;

namespace Attention.Engine.Training;

/// <summary>Finds where a number that is none came from: a weight, or the first module that gives one for finite inputs.</summary>
internal static class NonFiniteSearch
{
    /// <summary>Says where it first appears, such as "the output of blocks.3.mlp.fc2", or null where it does not appear again.</summary>
    /// <param name="model">The model.</param>
    /// <param name="again">Computes the loss once more.</param>
    public static string? First(nn.Module model, Action again)
    {
        using var scope = NewDisposeScope();
        using var mode = no_grad();
        foreach (var (name, parameter) in model.named_parameters())
            if (!IsFinite(parameter))
                return $"the weight {name}";

        string? first = null;
        var remove = new List<Action>();
        foreach (var (name, module) in model.named_modules())
            if (module is nn.Module<Tensor, Tensor> watched)
                remove.Add(watched.register_forward_hook((_, input, output) =>
                {
                    // Inner modules report before the ones around them.
                    if (first is null && !IsFinite(output))
                        first = IsFinite(input) ? $"the output of {Title(name, watched)}, whose input reaches {Largest(input):G3}" : "the input of the model";
                    return output;
                }).remove);
        try
        {
            again();
        }
        finally
        {
            foreach (var action in remove)
                action();
        }
        return first;
    }

    private static string Title(string name, nn.Module module) => name == "" ? "the model" : $"{name} ({module.GetName()})";

    private static bool IsFinite(Tensor x)
    {
        using var scope = NewDisposeScope();
        return !x.is_floating_point() || x.detach().isfinite().all().item<bool>();
    }

    private static double Largest(Tensor x)
    {
        using var scope = NewDisposeScope();
        return x.numel() == 0 ? 0 : x.detach().abs().max().to(ScalarType.Float64).item<double>();
    }
}
