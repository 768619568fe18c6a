using Attention.Data.Text;

namespace Attention.Engine.Evaluation.Language;

/// <summary>How a benchmark's questions are answered.</summary>
public enum BenchmarkKind
{
    /// <summary>By the likeliest of several continuations of the prompt.</summary>
    Choice,

    /// <summary>By the likeliest of several beginnings of the same text, of which the end alone is judged (WinoGrande).</summary>
    Beginning,

    /// <summary>By whether the likeliest tokens after the prompt are those of the answer (LAMBADA).</summary>
    LastWord,

    /// <summary>By the text that the model writes.</summary>
    Writing,
}

/// <summary>
/// A benchmark as data: templates over the fields of a question, as lm-evaluation-harness defines them. Expressions and templates
/// are Jinja (<see cref="Template"/>).
/// </summary>
public sealed record Benchmark
{
    public required string Name { get; init; }
    public required BenchmarkKind Kind { get; init; }

    /// <summary>The template of what the model reads.</summary>
    public string Prompt { get; init; } = "";

    /// <summary>The expression of the possible answers, or beginnings.</summary>
    public string Choices { get; init; } = "";

    /// <summary>The expression of what is right: a choice's number, or the text, or several texts.</summary>
    public required string Answer { get; init; }

    /// <summary>The expression of the end that follows each beginning.</summary>
    public string Ending { get; init; } = "";

    /// <summary>The template of what stands before everything else; knows the <c>subject</c>.</summary>
    public string Description { get; init; } = "";

    /// <summary>What stands between examples.</summary>
    public string Separator { get; init; } = "\n\n";

    /// <summary>Texts that end what the model writes.</summary>
    public IReadOnlyList<string> Stop { get; init; } = [];

    /// <summary>Solved examples before each question, unless said otherwise.</summary>
    public int Shots { get; init; }

    /// <summary>Whether examples are always the first ones, rather than drawn for each question.</summary>
    public bool FirstExamples { get; init; }

    /// <summary>Names in place of the subjects', in the description.</summary>
    public IReadOnlyDictionary<string, string>? Subjects { get; init; }

    /// <summary>Scores that are told, in this order.</summary>
    public required IReadOnlyList<string> Metrics { get; init; }

    /// <summary>How the answer is found in what the model writes, for each score.</summary>
    public IReadOnlyDictionary<string, Func<string, string>> Extract { get; init; } = new Dictionary<string, Func<string, string>>();

    /// <summary>What is done to a written answer and the right one before they are compared.</summary>
    public Func<string, string> Normalise { get; init; } = text => text;

    /// <summary>What is done to the prompt and the choices.</summary>
    public Func<string, string> Clean { get; init; } = text => text;

    /// <summary>Changes to a question's fields where it was published in another form.</summary>
    public Action<OrderedDictionary<string, object?>> Prepare { get; init; } = _ => { };
}

/// <summary>What a benchmark came to.</summary>
/// <param name="Name">The benchmark.</param>
/// <param name="Questions">How many there were.</param>
/// <param name="Shots">Examples before each.</param>
/// <param name="Scores">Scores by name, each a mean over the questions but <c>perplexity</c>.</param>
/// <param name="Errors">The standard error of each mean.</param>
/// <param name="Subjects">The same for each subject, where there are several.</param>
/// <param name="Samples">Each question.</param>
/// <param name="Tokens">Tokens that the model read and wrote.</param>
/// <param name="Seconds">How long it took.</param>
public sealed record BenchmarkResult(string Name, int Questions, int Shots, IReadOnlyDictionary<string, double> Scores, IReadOnlyDictionary<string, double> Errors,
    IReadOnlyList<BenchmarkResult> Subjects, IReadOnlyList<BenchmarkSample> Samples, long Tokens, double Seconds);

/// <summary>A question and what the model made of it.</summary>
/// <param name="Prompt">What it read, without examples.</param>
/// <param name="Choices">Possible answers; empty where it wrote one.</param>
/// <param name="LogLikelihoods">Of the choices.</param>
/// <param name="Answer">What is right, as text or as a choice's number.</param>
/// <param name="Given">What the model answered.</param>
/// <param name="Scores">Scores by name.</param>
public sealed record BenchmarkSample(string Prompt, IReadOnlyList<string> Choices, IReadOnlyList<double> LogLikelihoods, string Answer, string Given, IReadOnlyDictionary<string, double> Scores);
