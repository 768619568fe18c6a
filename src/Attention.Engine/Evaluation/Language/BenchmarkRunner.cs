using System.Diagnostics;
using Attention.Data.Text;
using Attention.Engine.Generation;
using Attention.Models.Language;

namespace Attention.Engine.Evaluation.Language;

/// <summary>How benchmarks are run.</summary>
public sealed record BenchmarkOptions
{
    /// <summary>Solved examples before each question; null for each benchmark's own number.</summary>
    public int? Shots { get; init; }

    /// <summary>Only so many questions from the start; null for all.</summary>
    public int? Limit { get; init; }

    /// <summary>Draws the examples.</summary>
    public long Seed { get; init; } = 1234;

    /// <summary>Tokens that the model writes at the most.</summary>
    public int MaxNewTokens { get; init; } = 256;
}

/// <summary>Asks a language model the questions of benchmarks.</summary>
/// <param name="model">The model, in evaluation mode.</param>
/// <param name="tokenizer">Its tokenizer.</param>
/// <param name="ends">Tokens after which what it writes is over.</param>
public sealed class BenchmarkRunner(LanguageModel model, ITokenizer tokenizer, IReadOnlySet<int> ends)
{
    private const int WrittenTogether = 16;

    /// <param name="benchmark">The benchmark.</param>
    /// <param name="questions">Its questions.</param>
    /// <param name="examples">Questions to take examples from, where it has any.</param>
    /// <param name="options">How.</param>
    /// <param name="progress">Is told requests done, and of how many.</param>
    /// <param name="cancellation">Ends it.</param>
    /// <exception cref="UserError">A question lacks a field, or there are too few examples.</exception>
    public BenchmarkResult Run(Benchmark benchmark, IReadOnlyList<BenchmarkQuestion> questions, IReadOnlyList<BenchmarkQuestion> examples,
        BenchmarkOptions options, Action<int, int>? progress = null, CancellationToken cancellation = default)
    {
        var watch = Stopwatch.StartNew();
        int shots = options.Shots ?? benchmark.Shots;
        var form = new BenchmarkForm(benchmark, examples, shots, options.Seed);
        var asked = questions.Take(options.Limit ?? int.MaxValue).Select(form.Ask).ToList();
        if (asked.Count == 0)
            throw new UserError($"there are no questions of {benchmark.Name}", "give a file with some");
        var (samples, tokens) = benchmark.Kind == BenchmarkKind.Writing ? Write(benchmark, asked, options, progress, cancellation) : Choose(benchmark, asked, progress, cancellation);
        var all = Summarise(benchmark.Name, benchmark, shots, samples, [], tokens, watch.Elapsed.TotalSeconds);
        var subjects = samples.Zip(asked).GroupBy(each => each.Second.Subject).OrderBy(group => group.Key, StringComparer.Ordinal).ToList();
        return subjects.Count == 1 ? all
            : all with { Subjects = [.. subjects.Select(group => Summarise(group.Key, benchmark, shots, [.. group.Select(each => each.First)], [], 0, 0))] };
    }

    // By log-likelihoods.
    private (List<BenchmarkSample> Samples, long Tokens) Choose(Benchmark benchmark, List<AskedQuestion> asked, Action<int, int>? progress, CancellationToken cancellation)
    {
        var requests = asked.SelectMany(question => question.Pairs.Select(pair => Request(pair.Context, pair.Continuation))).ToList();
        var scorer = new TokenScorer(model, tokenizer.VocabularySize);
        var scores = scorer.Score(requests, done => progress?.Invoke(done, requests.Count), cancellation);
        var samples = new List<BenchmarkSample>();
        int next = 0;
        foreach (var question in asked)
        {
            var own = scores.AsSpan(next, question.Pairs.Count);
            next += question.Pairs.Count;
            var logs = own.ToArray().Select(score => score.LogLikelihood).ToArray();
            if (benchmark.Kind == BenchmarkKind.LastWord)
            {
                var found = new Dictionary<string, double> { ["perplexity"] = logs[0], ["acc"] = own[0].IsGreedy ? 1 : 0 };
                samples.Add(new BenchmarkSample(question.Prompt, [], logs, question.Pairs[0].Continuation, "", found));
                continue;
            }
            int given = Largest(logs);
            var values = new Dictionary<string, double>();
            foreach (var metric in benchmark.Metrics)
                values[metric] = metric switch
                {
                    "acc" => question.Right.Contains(given) ? 1 : 0,
                    "acc_norm" => question.Right.Contains(Largest([.. logs.Select((log, i) => log / question.Choices[i].EnumerateRunes().Count())])) ? 1 : 0,
                    _ => Mass(logs, question.Right),
                };
            samples.Add(new BenchmarkSample(question.Prompt, question.Choices, logs, string.Join(' ', question.Right), $"{given}", values));
        }
        return (samples, scorer.Tokens);
    }

    // By greedy decoding.
    private (List<BenchmarkSample> Samples, long Tokens) Write(Benchmark benchmark, List<AskedQuestion> asked, BenchmarkOptions options, Action<int, int>? progress, CancellationToken cancellation)
    {
        int most = Math.Clamp(model.max_position_embeddings / 2, 1, options.MaxNewTokens);
        var sampling = new SamplingConfig { temperature = 0, max_new_tokens = most, stop = benchmark.Stop };
        var prompts = asked.ConvertAll(question => (IReadOnlyList<int>)Last(tokenizer.Encode(question.Context, SpecialTokenUse.Add), model.max_position_embeddings - most));
        var texts = new string[asked.Count];
        long tokens = prompts.Sum(prompt => (long)prompt.Count);
        int done = 0;
        // Those of the same length are written side by side.
        foreach (var group in Enumerable.Range(0, asked.Count).GroupBy(i => prompts[i].Count).SelectMany(group => group.Chunk(WrittenTogether)))
        {
            var written = group.Select(_ => new System.Text.StringBuilder()).ToArray();
            var streams = group.Select(_ => new StoppingText(tokenizer.Stream(), sampling.stop)).ToArray();
            var generator = new TokenGenerator(model, sampling, ends, tokenizer.VocabularySize);
            foreach (var (place, token) in generator.Generate([.. group.Select(i => prompts[i])], place => streams[place].IsOver, cancellation))
            {
                written[place].Append(streams[place].Push(token));
                tokens++;
            }
            for (int i = 0; i < group.Length; i++)
                texts[group[i]] = written[i].Append(streams[i].Finish()).ToString();
            done += group.Length;
            progress?.Invoke(done, asked.Count);
        }
        var samples = new List<BenchmarkSample>();
        foreach (var (question, text) in asked.Zip(texts))
        {
            var values = benchmark.Metrics.ToDictionary(metric => metric, metric =>
            {
                var given = benchmark.Normalise(benchmark.Extract[metric](text));
                return question.Texts.Any(right => benchmark.Normalise(right) == given) ? 1.0 : 0.0;
            });
            samples.Add(new BenchmarkSample(question.Prompt, [], [], string.Join(" | ", question.Texts), text, values));
        }
        return (samples, tokens);
    }

    /// <summary>
    /// What is read and judged: white space at the end of the context belongs to the continuation, whose tokens are those of both
    /// together after those of the context. An empty context is the beginning token, or the end-of-text token.
    /// </summary>
    internal ScoreRequest Request(string context, string continuation)
    {
        int[] whole, before;
        if (context == "")
        {
            var ids = tokenizer.Encode(continuation);
            int first = tokenizer.SpecialToken("bos_token") ?? tokenizer.SpecialToken("eos_token") ?? tokenizer.SpecialToken("<|endoftext|>") ?? -1;
            whole = first >= 0 && (ids.Length == 0 || ids[0] != first) ? [first, .. ids] : ids;
            before = [.. whole.Take(1)];
        }
        else
        {
            var trimmed = context.TrimEnd();
            whole = tokenizer.Encode(context + continuation, SpecialTokenUse.Add);
            before = tokenizer.Encode(trimmed, SpecialTokenUse.Add);
        }
        int asked = whole.Length - before.Length;
        if (asked < 1 || before.Length == 0)
            throw new UserError($"the answer '{continuation}' has no tokens of its own after its question", "give another tokenizer, or leave the question out");
        var read = Last(whole, model.max_position_embeddings + 1);
        return new ScoreRequest(read, Math.Min(asked, read.Length - 1));
    }

    private static int[] Last(int[] tokens, int most) => tokens.Length > most ? tokens[^most..] : tokens;

    private static int Largest(double[] values) => Array.IndexOf(values, values.Max());

    // The share of probability that the right ones have (TruthfulQA's MC2).
    private static double Mass(double[] logs, IReadOnlyList<int> right)
    {
        double highest = logs.Max();
        return right.Sum(i => Math.Exp(logs[i] - highest)) / logs.Sum(log => Math.Exp(log - highest));
    }

    private static BenchmarkResult Summarise(string name, Benchmark benchmark, int shots, IReadOnlyList<BenchmarkSample> samples, IReadOnlyList<BenchmarkResult> subjects, long tokens, double seconds)
    {
        var (scores, errors) = (new Dictionary<string, double>(), new Dictionary<string, double>());
        foreach (var metric in benchmark.Metrics)
        {
            var values = samples.Select(sample => sample.Scores[metric]).ToArray();
            double mean = values.Average();
            double error = values.Length > 1 ? Math.Sqrt(values.Sum(value => (value - mean) * (value - mean)) / (values.Length - 1) / values.Length) : double.NaN;
            bool isPerplexity = metric == "perplexity";
            scores[metric] = isPerplexity ? Math.Exp(-mean) : mean;
            errors[metric] = isPerplexity ? double.NaN : error;
        }
        return new BenchmarkResult(name, samples.Count, shots, scores, errors, subjects, samples, tokens, seconds);
    }
}
