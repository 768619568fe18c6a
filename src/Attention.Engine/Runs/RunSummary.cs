using System.Text.Json;
using System.Text.Json.Serialization;

namespace Attention.Engine.Runs;

/// <summary>The outcome of a run, <c>summary.json</c>. The property names are the file's keys.</summary>
public sealed record RunSummary
{
    public required string name { get; init; }
    public required string task { get; init; }
    public required string model { get; init; }

    /// <summary><c>running</c>, <c>finished</c>, <c>stopped</c> (by a signal) or <c>failed</c>.</summary>
    public required string status { get; init; }

    /// <summary>What ended a run that failed.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? error { get; init; }

    public required string device { get; init; }
    public required DateTimeOffset started { get; init; }

    /// <summary>Wall time of the run.</summary>
    public required double seconds { get; init; }

    /// <summary>Epochs done.</summary>
    public required int epochs { get; init; }

    /// <summary>Optimizer steps done.</summary>
    public required long steps { get; init; }

    /// <summary>Parameters of the model that are trained or frozen.</summary>
    public required long parameters { get; init; }

    /// <summary>Images trained on per second of training, without measuring and saving.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public double? images_per_second { get; init; }

    /// <summary>The same in tokens, of a language model.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public double? tokens_per_second { get; init; }

    /// <summary>What was trained on per second, and how much of it; null where nothing was.</summary>
    [JsonIgnore]
    public (string Unit, double Rate)? Throughput => images_per_second is { } images ? ("images", images) : tokens_per_second is { } tokens ? ("tokens", tokens) : null;

    /// <summary>The metric that decides which measurement is the best, such as <c>top1</c>.</summary>
    public string metric { get; init; } = "top1";

    /// <summary>Metrics of the last measurement, such as <c>top1</c> as a fraction and <c>loss</c>.</summary>
    public required IReadOnlyDictionary<string, double> final { get; init; }

    /// <summary>Metrics of the best measurement by <see cref="metric"/>.</summary>
    public required IReadOnlyDictionary<string, double> best { get; init; }

    /// <summary>The loss on the held-out data in that measurement; null where none was measured.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public double? val_loss { get; init; }

    /// <summary>The epoch, from 1, after which the best was measured; 0 where nothing was measured.</summary>
    public required int best_epoch { get; init; }

    public void Write(string path) => AtomicFile.Write(path, stream => JsonSerializer.Serialize(stream, this, SummaryJson.Default.RunSummary));

    /// <summary>The summary in a file, or null where there is none.</summary>
    public static RunSummary? Read(string path)
    {
        if (!File.Exists(path)) return null;
        using var stream = File.OpenRead(path);
        return JsonSerializer.Deserialize(stream, SummaryJson.Default.RunSummary);
    }
}

[JsonSourceGenerationOptions(WriteIndented = true, NumberHandling = JsonNumberHandling.AllowNamedFloatingPointLiterals)]
[JsonSerializable(typeof(RunSummary))]
internal sealed partial class SummaryJson : JsonSerializerContext;
