using Attention.Models.Language;
using TorchSharp;
using static TorchSharp.torch;

namespace Attention.Engine.Generation;

/// <summary>How a language model's weights are held for inference.</summary>
public sealed record WeightStorage
{
    private WeightStorage(string name, ScalarType dtype) => (Name, Dtype) = (name, dtype);

    /// <summary>fp32, bf16, or int8: the large matrices of 8 bits with a scale for each output, all else fp32.</summary>
    public string Name { get; }

    /// <summary>The parameters' type.</summary>
    public ScalarType Dtype { get; }

    /// <summary>The names.</summary>
    public static IReadOnlyList<string> Names => ["fp32", "bf16", "int8"];

    /// <summary>The one of this name.</summary>
    /// <exception cref="UserError">There is none.</exception>
    public static WeightStorage Of(string name) => name switch
    {
        "fp32" or "int8" => new(name, ScalarType.Float32),
        "bf16" => new(name, ScalarType.BFloat16),
        _ => throw new UserError($"there is no weight type '{name}'", $"choose {string.Join(", ", Names)}"),
    };

    /// <summary>Converts a model's weights.</summary>
    public void Apply(LanguageModel model)
    {
        model.to(Dtype);
        if (Name == "int8")
            model.RoundToInt8();
    }
}
