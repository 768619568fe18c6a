using System.Text.Json;
using System.Text.Json.Serialization;

namespace Attention.Models;

/// <summary>What a variant weighs, as its own measurement found.</summary>
/// <param name="parameters">Parameters, shared ones once.</param>
/// <param name="multiply_adds">Of one forward pass of one image; null for models of other things.</param>
public sealed record ModelSize(string model, long parameters, long? multiply_adds);

/// <summary>
/// The sizes of all registered variants, kept in a file so that a listing need not build them: model_sizes.json, which is the
/// output of <c>./attention models --measure --json</c>. A test holds it to the models.
/// </summary>
public static class ModelSizes
{
    private static readonly Lazy<Dictionary<string, ModelSize>> all = new(Read);

    /// <summary>The size of a variant; null where it was never measured, such as a user's own.</summary>
    public static ModelSize? Find(string variant) => all.Value.GetValueOrDefault(variant);

    private static Dictionary<string, ModelSize> Read()
    {
        using var stream = typeof(ModelSizes).Assembly.GetManifestResourceStream("model_sizes.json")!;
        return JsonSerializer.Deserialize(stream, ModelSizesJson.Default.ModelSizeArray)!.ToDictionary(size => size.model);
    }
}

[JsonSerializable(typeof(ModelSize[]))]
internal sealed partial class ModelSizesJson : JsonSerializerContext;
