using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.RegularExpressions;
using Attention.Data.Text;
using Attention.Engine.Runs;

namespace Attention.Engine.Evaluation.Language;

/// <summary>A question as it was published.</summary>
/// <param name="Fields">Its fields.</param>
/// <param name="Subject">What it is about: its field <c>subject</c>, else the name of its file.</param>
/// <param name="Place">The file and the line.</param>
public sealed record BenchmarkQuestion(OrderedDictionary<string, object?> Fields, string Subject, string Place);

/// <summary>
/// Benchmarks in a folder: the questions of NAME in <c>NAME.jsonl</c>, or in a folder <c>NAME</c> as <c>test.jsonl</c>,
/// <c>validation.jsonl</c>, <c>valid.jsonl</c> or <c>val.jsonl</c>, or as files in a folder <c>test</c> and so on, one for each
/// subject. Examples are in <c>train.jsonl</c> or <c>dev.jsonl</c> (first of the two that is there), or in folders so named.
/// </summary>
public static partial class BenchmarkFiles
{
    private static readonly JsonWriterOptions options = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };
    private static readonly string[] questionParts = ["test", "validation", "valid", "val"], exampleParts = ["train", "dev"];

    /// <summary>Benchmarks that a folder has questions of.</summary>
    public static IReadOnlyList<string> Find(string folder) => [.. Benchmarks.All.Keys.Where(name => FilesOf(folder, name, questionParts).Count > 0)];

    /// <summary>The questions of a benchmark, and those to take examples from, which may be none.</summary>
    /// <exception cref="UserError">There are none, or a line is no JSON object.</exception>
    public static (List<BenchmarkQuestion> Questions, List<BenchmarkQuestion> Examples) Read(string folder, Benchmark benchmark)
    {
        var questions = FilesOf(folder, benchmark.Name, questionParts);
        if (questions.Count == 0)
            throw new UserError($"'{folder}' has no questions of {benchmark.Name}", $"put them there as {benchmark.Name}.jsonl or {benchmark.Name}/test.jsonl");
        // Chinese exams and MMLU name their few examples dev.
        var examples = FilesOf(folder, benchmark.Name, benchmark.FirstExamples ? [.. exampleParts.Reverse()] : exampleParts, besides: true);
        return (questions.SelectMany(Lines).ToList(), examples.SelectMany(Lines).ToList());
    }

    /// <summary>Scores as <c>metrics.json</c> and each question as <c>samples-NAME.jsonl</c> in a folder.</summary>
    public static void Write(string folder, string model, PerplexityResult? perplexity, IReadOnlyList<BenchmarkResult> results)
    {
        Directory.CreateDirectory(folder);
        AtomicFile.Write(Path.Combine(folder, "metrics.json"), stream =>
        {
            using var json = new Utf8JsonWriter(stream, options with { Indented = true });
            WriteMetrics(json, model, perplexity, results);
        });
        foreach (var result in results)
            AtomicFile.Write(Path.Combine(folder, $"samples-{result.Name}.jsonl"), stream =>
            {
                foreach (var sample in result.Samples)
                {
                    using (var json = new Utf8JsonWriter(stream, options))
                        WriteSample(json, sample);
                    stream.WriteByte((byte)'\n');
                }
            });
    }

    /// <summary>All scores as one JSON object.</summary>
    public static void WriteMetrics(Utf8JsonWriter json, string model, PerplexityResult? perplexity, IReadOnlyList<BenchmarkResult> results)
    {
        json.WriteStartObject();
        json.WriteString("model", model);
        if (perplexity is not null)
        {
            json.WriteStartObject("text");
            json.WriteNumber("perplexity", perplexity.Perplexity);
            json.WriteNumber("loss", perplexity.Loss);
            json.WriteNumber("bits_per_token", perplexity.BitsPerToken);
            json.WriteNumber("bits_per_byte", perplexity.BitsPerByte);
            json.WriteNumber("tokens", perplexity.Tokens);
            json.WriteNumber("bytes", perplexity.Bytes);
            json.WriteNumber("documents", perplexity.Documents);
            json.WriteEndObject();
        }
        json.WriteStartObject("benchmarks");
        foreach (var result in results)
            WriteResult(json, result);
        json.WriteEndObject();
        json.WriteEndObject();
    }

    private static void WriteSample(Utf8JsonWriter json, BenchmarkSample sample)
    {
        json.WriteStartObject();
        json.WriteString("prompt", sample.Prompt);
        json.WriteStartArray("choices");
        foreach (var choice in sample.Choices)
            json.WriteStringValue(choice);
        json.WriteEndArray();
        json.WriteStartArray("log_likelihoods");
        foreach (double log in sample.LogLikelihoods)
            json.WriteNumberValue(log);
        json.WriteEndArray();
        json.WriteString("answer", sample.Answer);
        json.WriteString("given", sample.Given);
        json.WriteStartObject("scores");
        foreach (var (metric, score) in sample.Scores)
            json.WriteNumber(metric, score);
        json.WriteEndObject();
        json.WriteEndObject();
    }

    private static void WriteResult(Utf8JsonWriter json, BenchmarkResult result)
    {
        json.WriteStartObject(result.Name);
        foreach (var (metric, score) in result.Scores)
        {
            json.WriteNumber(metric, score);
            if (double.IsFinite(result.Errors[metric]))
                json.WriteNumber($"{metric}_stderr", result.Errors[metric]);
        }
        json.WriteNumber("questions", result.Questions);
        json.WriteNumber("shots", result.Shots);
        if (result.Seconds > 0)
            json.WriteNumber("seconds", Math.Round(result.Seconds, 3));
        if (result.Subjects.Count > 0)
        {
            json.WriteStartObject("subjects");
            foreach (var subject in result.Subjects)
                WriteResult(json, subject);
            json.WriteEndObject();
        }
        json.WriteEndObject();
    }

    private static List<string> FilesOf(string folder, string name, string[] parts, bool besides = false)
    {
        var alone = Path.Combine(folder, $"{name}.jsonl");
        if (!besides && File.Exists(alone))
            return [alone];
        foreach (var part in parts)
        {
            var file = Path.Combine(folder, name, $"{part}.jsonl");
            if (File.Exists(file))
                return [file];
            var below = Path.Combine(folder, name, part);
            if (Directory.Exists(below) && Directory.EnumerateFiles(below, "*.jsonl").Order(StringComparer.Ordinal).ToList() is { Count: > 0 } files)
                return files;
        }
        return [];
    }

    private static IEnumerable<BenchmarkQuestion> Lines(string file)
    {
        var name = SplitName().Replace(Path.GetFileNameWithoutExtension(file), "");
        foreach (var (line, fields) in CorpusTexts.Objects(file))
            yield return new BenchmarkQuestion(fields, fields.GetValueOrDefault("subject") as string ?? name, $"'{file}' line {line}");
    }

    // anatomy_test.jsonl is about anatomy, as is test.jsonl about nothing else than all.
    [GeneratedRegex("_?(test|validation|valid|val|train|dev)$")]
    private static partial Regex SplitName();
}
