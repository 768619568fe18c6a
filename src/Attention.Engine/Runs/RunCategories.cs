using System.Text.Json;
using System.Text.Json.Serialization;
using Attention.Data;

namespace Attention.Engine.Runs;

/// <summary>What the labels of a run's detector stand for, <c>categories.json</c>, so that it can be used where its data are gone.</summary>
public static class RunCategories
{
    /// <summary>Writes the categories of the training data, in the order of their labels.</summary>
    public static void Write(string path, IReadOnlyList<CocoCategory> categories) =>
        AtomicFile.Write(path, stream => JsonSerializer.Serialize(stream, [.. categories], CategoriesJson.Default.CocoCategoryArray));

    /// <summary>The categories in a file, or null where there is none.</summary>
    public static IReadOnlyList<CocoCategory>? Read(string path)
    {
        if (!File.Exists(path)) return null;
        using var stream = File.OpenRead(path);
        return JsonSerializer.Deserialize(stream, CategoriesJson.Default.CocoCategoryArray);
    }
}

[JsonSourceGenerationOptions(WriteIndented = true, PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower)]
[JsonSerializable(typeof(CocoCategory[]))]
internal sealed partial class CategoriesJson : JsonSerializerContext;
