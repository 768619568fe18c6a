using System.Text.Json;
using Attention.Engine.Runs;

namespace Attention.Engine.Evaluation;

/// <summary>Scores as files: <c>metrics.json</c>, <c>classes.csv</c>, <c>confusion.csv</c>, <c>guesses.csv</c>.</summary>
public static class EvaluationFiles
{
    /// <param name="folder">Made where it is not there.</param>
    /// <param name="scores">What is written.</param>
    /// <param name="names">The classes' names.</param>
    public static void Write(string folder, ClassificationScores scores, IReadOnlyList<string> names)
    {
        Directory.CreateDirectory(folder);
        AtomicFile.Write(Path.Combine(folder, "metrics.json"), stream =>
        {
            using var json = new Utf8JsonWriter(stream, new JsonWriterOptions { Indented = true });
            WriteMetrics(json, scores);
        });
        string NameOf(int label) => label < names.Count ? names[label] : $"class {label}";
        Csv("classes.csv", scores.Classes().Select(each => (object?[])[each.Name, each.Images, each.Correct, each.Guessed, each.Recall, each.Precision]).Prepend(["class", "images", "correct", "guessed", "recall", "precision"]));
        var confusion = scores.Confusion();
        Csv("confusion.csv", names.Select((name, row) => Enumerable.Range(0, names.Count + 1).Select(column => (object?)confusion[row, column]).Prepend(name))
            .Prepend([.. names.Cast<object?>().Prepend("label"), "other"]));
        Csv("guesses.csv", scores.Guesses.Select(each => (object?[])[each.File, NameOf(each.Label), NameOf(each.Class), each.Confidence]).Prepend(["file", "label", "guess", "confidence"]));

        void Csv(string name, IEnumerable<IEnumerable<object?>> rows) => AtomicFile.Write(Path.Combine(folder, name), stream =>
        {
            using var writer = new StreamWriter(stream, leaveOpen: true);
            CsvFile.Write(writer, rows);
        });
    }

    /// <summary>The numbers as one JSON object.</summary>
    public static void WriteMetrics(Utf8JsonWriter json, ClassificationScores scores)
    {
        json.WriteStartObject();
        json.WriteNumber("images", scores.Images);
        json.WriteNumber("top1", scores.Top1);
        json.WriteNumber("top5", scores.Top5);
        if (scores.Real is { } real)
            json.WriteNumber("real", real);
        json.WriteNumber("mean_per_class", scores.MeanPerClass);
        json.WriteNumber("loss", scores.Loss);
        json.WriteNumber("calibration_error", scores.CalibrationError);
        json.WriteEndObject();
    }
}
