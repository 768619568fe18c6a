using Attention.Data;
using Attention.Data.Text;

namespace Attention.Engine.Evaluation.Language;

/// <summary>A question as it is asked.</summary>
/// <param name="Context">Description, examples and prompt.</param>
/// <param name="Prompt">The prompt alone.</param>
/// <param name="Choices">Possible answers.</param>
/// <param name="Pairs">What is read and judged for each of them.</param>
/// <param name="Right">Numbers of the right ones.</param>
/// <param name="Texts">Right answers that are written.</param>
/// <param name="Subject">What it is about.</param>
internal sealed record AskedQuestion(string Context, string Prompt, IReadOnlyList<string> Choices, IReadOnlyList<(string Context, string Continuation)> Pairs,
    IReadOnlyList<int> Right, IReadOnlyList<string> Texts, string Subject);

/// <summary>Turns questions of a benchmark into what a model reads.</summary>
internal sealed class BenchmarkForm
{
    // Between a prompt and its answer.
    private const string Space = " ";
    private readonly Benchmark benchmark;
    private readonly Template prompt, description;
    private readonly Template? choices, ending;
    private readonly Template answer;
    private readonly IReadOnlyList<BenchmarkQuestion> examples;
    private readonly int shots;
    private readonly long seed;
    private int number;

    /// <exception cref="UserError">There are fewer examples than shots.</exception>
    public BenchmarkForm(Benchmark benchmark, IReadOnlyList<BenchmarkQuestion> examples, int shots, long seed)
    {
        (this.benchmark, this.examples, this.shots, this.seed) = (benchmark, examples, shots, seed);
        (prompt, description) = (Template.Parse(benchmark.Prompt, TemplateOptions.Task), Template.Parse(benchmark.Description, TemplateOptions.Task));
        answer = Template.Expression(benchmark.Answer);
        choices = benchmark.Choices == "" ? null : Template.Expression(benchmark.Choices);
        ending = benchmark.Ending == "" ? null : Template.Expression(benchmark.Ending);
        if (shots > examples.Count)
            throw new UserError($"{benchmark.Name} is asked with {shots} examples, but there are {examples.Count}", "put them beside the questions as train.jsonl or dev.jsonl, or ask without: --shots 0");
    }

    public AskedQuestion Ask(BenchmarkQuestion question)
    {
        try
        {
            var values = Values(question);
            var before = description.Render(values) + string.Concat(Examples(question).Select(example => Solved(example) + benchmark.Separator));
            var plain = benchmark.Clean(prompt.Render(values));
            var given = Choices(values);
            var (right, texts) = Right(values, given);
            IReadOnlyList<(string, string)> pairs = benchmark.Kind switch
            {
                BenchmarkKind.Choice => [.. given.Select(choice => (before + plain, Space + choice))],
                BenchmarkKind.Beginning => [.. given.Select(choice => (before + choice, Space + End(values)))],
                BenchmarkKind.LastWord => [(before + plain, texts[0])],
                _ => [],
            };
            return new AskedQuestion(before + plain, benchmark.Kind == BenchmarkKind.Beginning ? End(values) : plain, given, pairs, right, texts, question.Subject);
        }
        catch (UserError e)
        {
            throw new UserError($"{question.Place} is no question of {benchmark.Name}: {e.Message}", "give the benchmark's file as it was published", e);
        }
        finally
        {
            number++;
        }
    }

    private Dictionary<string, object?> Values(BenchmarkQuestion question)
    {
        var fields = new OrderedDictionary<string, object?>(question.Fields);
        benchmark.Prepare(fields);
        var values = fields.ToDictionary();
        values["subject"] = benchmark.Subjects?.GetValueOrDefault(question.Subject) ?? question.Subject;
        return values;
    }

    private List<string> Choices(Dictionary<string, object?> values) =>
        choices is null ? [] : choices.Evaluate(values) is List<object?> { Count: > 0 } list && list.TrueForAll(choice => choice is string { Length: > 0 })
            ? list.ConvertAll(choice => benchmark.Clean((string)choice!)) : throw new UserError("its choices are no list of texts", "");

    private string End(Dictionary<string, object?> values) => ending!.Evaluate(values) as string ?? throw new UserError("its end is no text", "");

    private (IReadOnlyList<int> Right, IReadOnlyList<string> Texts) Right(Dictionary<string, object?> values, List<string> given) => (answer.Evaluate(values), benchmark.Kind) switch
    {
        (string text, BenchmarkKind.Writing or BenchmarkKind.LastWord) => ([], [text]),
        (List<object?> { Count: > 0 } texts, BenchmarkKind.Writing) => ([], texts.ConvertAll(text => text as string ?? throw new UserError("an answer of it is no text", ""))),
        (long at, BenchmarkKind.Choice or BenchmarkKind.Beginning) when at >= 0 && at < given.Count => ([(int)at], []),
        // A mark for each choice.
        (List<object?> marks, BenchmarkKind.Choice) when marks.Count == given.Count => ([.. Enumerable.Range(0, marks.Count).Where(i => marks[i] is 1L)], []),
        _ => throw new UserError("its answer is none of its choices", ""),
    };

    private IEnumerable<BenchmarkQuestion> Examples(BenchmarkQuestion question)
    {
        if (shots == 0)
            return [];
        var others = examples.Where(example => example.Subject == question.Subject && !ReferenceEquals(example.Fields, question.Fields)).ToArray();
        if (others.Length < shots)
            others = [.. examples.Where(example => !ReferenceEquals(example.Fields, question.Fields))];
        if (others.Length < shots)
            throw new UserError($"there are {others.Length} examples for it, fewer than {shots}", "");
        if (!benchmark.FirstExamples)
        {
            var random = new SeededRandom(seed, number);
            random.Shuffle(others.AsSpan());
        }
        return others.Take(shots);
    }

    private string Solved(BenchmarkQuestion example)
    {
        var values = Values(example);
        var plain = benchmark.Clean(prompt.Render(values));
        var given = Choices(values);
        var (right, texts) = Right(values, given);
        return benchmark.Kind switch
        {
            BenchmarkKind.Choice => plain + Space + given[right[0]],
            BenchmarkKind.Beginning => given[right[0]] + Space + End(values),
            BenchmarkKind.LastWord => plain + texts[0],
            _ => plain + Space + texts[0],
        };
    }
}
