using System.CommandLine;
using System.Globalization;
using Attention.Data.Text;
using Attention.Engine.Evaluation.Language;
using Attention.Engine.Generation;
using TorchSharp;
using static TorchSharp.torch;

namespace Attention.Cli;

/// <summary>The part of <c>eval</c> that measures language models.</summary>
internal sealed class LanguageEvaluation
{
    private readonly Option<string[]> texts = new("--text") { Description = "Language models: measure perplexity on files with text, or folders of them; may be given again", HelpName = "FILE" };
    private readonly Option<string?> field = new("--field") { Description = "Where the text of a JSON line is; 'text' by default" };
    private readonly Option<int?> window = new("--context") { Description = "Tokens of a window; the model's context by default" };
    private readonly Option<int?> stride = new("--stride") { Description = "Tokens between windows; half of them by default" };
    private readonly Option<string[]> tasks = new("--task") { Description = "Language models: answer the questions of a benchmark, or of all there are; may be given again", HelpName = "NAME[:SHOTS]|all" };
    private readonly Option<string> folder = new("--data") { Description = "The folder with the benchmarks' files", DefaultValueFactory = _ => "data/benchmarks", HelpName = "DIR" };
    private readonly Option<int?> limit = new("--limit") { Description = "Only so many questions of each benchmark" };
    private readonly DtypeOption dtype = new();

    public void AddTo(Command command)
    {
        foreach (var option in new Option[] { texts, field, window, stride, tasks, folder, limit, dtype })
            command.Add(option);
    }

    /// <summary>Whether the command line asks for it.</summary>
    public bool IsAsked(CommandContext context) => context.Get(texts) is { Length: > 0 } || context.Get(tasks) is { Length: > 0 };

    public int Run(CommandContext context, string model, string? output, bool asJson)
    {
        if (context.Get(limit) is < 1)
            throw new UserError("--limit must be at least 1", "leave it away for all questions");
        var chosen = Chosen(context);
        using var subject = TextModel.Load(model, cuda.is_available() ? CUDA : CPU, WeightStorage.Of(context.Get(dtype)!));
        var perplexity = context.Get(texts) is { Length: > 0 } files ? Measure(context, subject, files) : null;
        var results = chosen.ConvertAll(each => Ask(context, subject, each.Benchmark, each.Shots));
        if (output is not null)
            BenchmarkFiles.Write(output, model, perplexity, results);
        if (asJson)
            JsonText.Write(context.Terminal.Out, writer => BenchmarkFiles.WriteMetrics(writer, model, perplexity, results));
        else
            Show(context, perplexity, results);
        return 0;
    }

    private List<(Benchmark Benchmark, int? Shots)> Chosen(CommandContext context)
    {
        var chosen = new List<(Benchmark, int?)>();
        foreach (var task in context.Get(tasks) ?? [])
        {
            var (name, count) = task.Split(':') is [var first, var second] ? (first, second) : (task, null);
            int? shots = count is null ? null : int.TryParse(count, NumberStyles.None, CultureInfo.InvariantCulture, out int number) && number <= 1000 ? number
                : throw new UserError($"'{count}' in --task {task} is no number of examples", "write for example --task mmlu:5");
            var names = name == "all" ? BenchmarkFiles.Find(context.Get(folder)!) : [Benchmarks.Get(name).Name];
            if (names.Count == 0)
                throw new UserError($"'{context.Get(folder)}' has no benchmark's files", $"put them there as NAME.jsonl, where NAME is one of {string.Join(", ", Benchmarks.All.Keys)}");
            chosen.AddRange(names.Select(each => (Benchmarks.Get(each), shots)));
        }
        return chosen;
    }

    private PerplexityResult Measure(CommandContext context, TextModel subject, string[] files)
    {
        CorpusFormat? format = context.Get(field) is { } place ? new CorpusFormat.JsonLines(place) : null;
        using var line = new ProgressLine(context.Terminal);
        var watch = System.Diagnostics.Stopwatch.StartNew();
        return new Perplexity(subject.Model, subject.Tokenizer).Measure(CorpusTexts.Read(files, format).Select(each => each.Utf8), context.Get(window), context.Get(stride),
            (done, all) => line.Show(() => Progress("text", "windows", done, all, watch.Elapsed)), context.Stop);
    }

    private BenchmarkResult Ask(CommandContext context, TextModel subject, Benchmark benchmark, int? shots)
    {
        var (questions, examples) = BenchmarkFiles.Read(context.Get(folder)!, benchmark);
        var options = new BenchmarkOptions { Shots = shots, Limit = context.Get(limit) };
        using var line = new ProgressLine(context.Terminal);
        var watch = System.Diagnostics.Stopwatch.StartNew();
        return new BenchmarkRunner(subject.Model, subject.Tokenizer, subject.Ends).Run(benchmark, questions, examples, options,
            (done, all) => line.Show(() => Progress(benchmark.Name, "requests", done, all, watch.Elapsed)), context.Stop);
    }

    private static string Progress(string name, string what, int done, int all, TimeSpan elapsed) =>
        string.Create(CultureInfo.InvariantCulture, $"{name}: {done} of {all} {what}, {done / elapsed.TotalSeconds:F1}/s");

    private static void Show(CommandContext context, PerplexityResult? perplexity, List<BenchmarkResult> results)
    {
        var output = context.Terminal.Out;
        if (perplexity is not null)
            output.WriteLine(string.Create(CultureInfo.InvariantCulture,
                $"perplexity {perplexity.Perplexity:F4}, loss {perplexity.Loss:F4}, {perplexity.BitsPerToken:F4} bits per token, {perplexity.BitsPerByte:F4} bits per byte ({perplexity.Tokens} tokens, {perplexity.Bytes} bytes, {perplexity.Documents} documents)"));
        if (results.Count == 0)
            return;
        var table = new ResultTable(new("benchmark"), new("questions"), new("shots"), new("score"), new("value", Score), new("error", Score), new("tokens_per_second", value => ((double)value).ToString("F0", CultureInfo.InvariantCulture)));
        foreach (var result in results)
            foreach (var each in result.Subjects.Append(result))
                foreach (var (metric, value) in each.Scores)
                    table.Add(ReferenceEquals(each, result) ? each.Name : $"  {each.Name}", each.Questions, each.Shots, metric, value,
                        double.IsNaN(each.Errors[metric]) ? null : each.Errors[metric], each.Seconds > 0 ? each.Tokens / each.Seconds : null);
        table.Write(context.Terminal, asJson: false);
    }

    private static string Score(object value) => ((double)value).ToString("F4", CultureInfo.InvariantCulture);
}
