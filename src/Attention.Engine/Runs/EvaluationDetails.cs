using System.Text.Json;
using System.Text.Json.Serialization;

namespace Attention.Engine.Runs;

/// <summary>What a measurement found beside its metrics, <c>evaluation.json</c>. The property names are the file's keys.</summary>
public sealed record EvaluationDetails
{
    public required IReadOnlyList<string> class_names { get; init; }

    // What may be missing is settable: the generated reader would replace the default of an init-only property by null.

    /// <summary>How many images of which class were taken for which; pairs that did not occur are left out.</summary>
    public IReadOnlyList<Confusion> confusion { get; set; } = [];

    /// <summary>Wrong answers, the most confident first.</summary>
    public IReadOnlyList<Mistake> mistakes { get; set; } = [];

    /// <summary>Some of the images with what the model found drawn into them.</summary>
    public IReadOnlyList<Picture> pictures { get; set; } = [];

    public void Write(string path) => AtomicFile.Write(path, stream => JsonSerializer.Serialize(stream, this, DetailsJson.Default.EvaluationDetails));

    /// <summary>The details in a file, or null where there is none.</summary>
    public static EvaluationDetails? Read(string path)
    {
        if (!File.Exists(path)) return null;
        using var stream = File.OpenRead(path);
        return JsonSerializer.Deserialize(stream, DetailsJson.Default.EvaluationDetails);
    }
}

/// <summary>Images of one class that were taken for one class, by index.</summary>
public sealed record Confusion(int actual, int predicted, int count);

/// <summary>An image to look at.</summary>
/// <param name="caption">What it is.</param>
/// <param name="jpeg">The image.</param>
public sealed record Picture(string caption, byte[] jpeg);

/// <summary>An image that was taken for another class.</summary>
/// <param name="image">Its name.</param>
/// <param name="actual">Its class, by index.</param>
/// <param name="predicted">What it was taken for.</param>
/// <param name="confidence">The probability of the latter.</param>
/// <param name="jpeg">A small picture of it; null where it cannot be read again.</param>
public sealed record Mistake(string image, int actual, int predicted, double confidence, byte[]? jpeg);

[JsonSourceGenerationOptions(WriteIndented = false)]
[JsonSerializable(typeof(EvaluationDetails))]
internal sealed partial class DetailsJson : JsonSerializerContext;
