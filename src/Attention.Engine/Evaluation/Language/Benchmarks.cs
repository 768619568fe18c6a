using System.Text.RegularExpressions;

namespace Attention.Engine.Evaluation.Language;

/// <summary>The benchmarks there are. Prompts, answers and scores are those of EleutherAI's lm-evaluation-harness.</summary>
public static partial class Benchmarks
{
    private const string Letters = "['A', 'B', 'C', 'D']";
    private const string ChineseQuestion = "A. {{A}}\nB. {{B}}\nC. {{C}}\nD. {{D}}\n答案：";

    /// <summary>All of them, by name.</summary>
    public static IReadOnlyDictionary<string, Benchmark> All { get; } = Table().ToDictionary(each => each.Name);

    /// <exception cref="UserError">There is none of this name.</exception>
    public static Benchmark Get(string name) => All.GetValueOrDefault(name)
        ?? throw new UserError($"there is no benchmark '{name}'", $"choose from {string.Join(", ", All.Keys)}");

    private static Benchmark[] Table()
    {
        var arc = new Benchmark
        {
            Name = "arc_easy",
            Kind = BenchmarkKind.Choice,
            Prompt = "Question: {{question}}\nAnswer:",
            Choices = "choices.text",
            Answer = "choices.label.index(answerKey)",
            Metrics = ["acc", "acc_norm"],
            Prepare = Flatten,
        };
        var truthful = new Benchmark
        {
            Name = "truthfulqa_mc1",
            Kind = BenchmarkKind.Choice,
            Prompt = TruthfulExamples + "\n\nQ: {{question}}\nA:",
            Choices = "mc1_targets.choices",
            Answer = "0",
            Metrics = ["acc"],
        };
        return
        [
            new()
            {
                Name = "sciq", Kind = BenchmarkKind.Choice, Metrics = ["acc", "acc_norm"],
                Prompt = "{{support.lstrip()}}\nQuestion: {{question}}\nAnswer:",
                Choices = "[distractor1, distractor2, distractor3, correct_answer]",
                Answer = "3",
            },
            new()
            {
                Name = "piqa", Kind = BenchmarkKind.Choice, Metrics = ["acc", "acc_norm"],
                Prompt = "Question: {{goal}}\nAnswer:",
                Choices = "[sol1, sol2]",
                Answer = "label|int",
            },
            new()
            {
                Name = "winogrande", Kind = BenchmarkKind.Beginning, Metrics = ["acc"],
                Choices = "[sentence.split('_', 1)[0] + option1, sentence.split('_', 1)[0] + option2]",
                Ending = "sentence.split('_', 1)[1].strip()",
                Answer = "answer|int - 1",
            },
            new()
            {
                Name = "openbookqa", Kind = BenchmarkKind.Choice, Metrics = ["acc", "acc_norm"],
                Prompt = "{{question_stem}}",
                Choices = "choices.text",
                Answer = "choices.label.index(answerKey.lstrip())",
                Prepare = Flatten,
            },
            new()
            {
                Name = "logiqa", Kind = BenchmarkKind.Choice, Metrics = ["acc", "acc_norm"],
                Prompt = "Passage: {{context}}\nQuestion: {{question}}\nChoices:\n{% for option in options %}{{'ABCD'[loop.index0]}}. {{option}}\n{% endfor %}Answer:",
                Choices = "options",
                Answer = "['a', 'b', 'c', 'd'].index(label.strip())",
            },
            truthful,
            truthful with { Name = "truthfulqa_mc2", Choices = "mc2_targets.choices", Answer = "mc2_targets.labels", Metrics = ["mc2"] },
            new()
            {
                Name = "hellaswag", Kind = BenchmarkKind.Choice, Metrics = ["acc", "acc_norm"],
                Prompt = "{{activity_label}}: {{ctx_a}} {{ctx_b.capitalize()}}",
                Choices = "endings",
                Answer = "label|int",
                Clean = WithoutMarks,
            },
            new()
            {
                Name = "lambada", Kind = BenchmarkKind.LastWord, Metrics = ["perplexity", "acc"],
                Prompt = "{{text.split(' ')[:-1]|join(' ')}}",
                Answer = "' ' + text.split(' ')[-1]",
            },
            new()
            {
                Name = "boolq", Kind = BenchmarkKind.Choice, Metrics = ["acc"],
                Prompt = "{{passage}}\nQuestion: {{question}}?\nAnswer:",
                Choices = "['no', 'yes']",
                Answer = "(label if label is defined else answer)|int",
            },
            arc,
            arc with { Name = "arc_challenge" },
            new()
            {
                Name = "mmlu", Kind = BenchmarkKind.Choice, Metrics = ["acc"], FirstExamples = true,
                Description = "The following are multiple choice questions (with answers) about {{subject.replace('_', ' ')}}.\n\n",
                Prompt = "{{question.strip()}}\nA. {{choices[0]}}\nB. {{choices[1]}}\nC. {{choices[2]}}\nD. {{choices[3]}}\nAnswer:",
                Choices = Letters,
                Answer = "'ABCD'.index(answer) if answer is string else answer",
            },
            new()
            {
                Name = "ceval", Kind = BenchmarkKind.Choice, Metrics = ["acc", "acc_norm"], FirstExamples = true,
                Description = "以下是中国关于{{subject}}的单项选择题，请选出其中的正确答案。\n\n",
                Prompt = "{{question.strip()}}\n" + ChineseQuestion,
                Choices = Letters,
                Answer = "'ABCD'.index(answer)",
                Subjects = ChineseSubjects.Ceval,
            },
            new()
            {
                Name = "cmmlu", Kind = BenchmarkKind.Choice, Metrics = ["acc", "acc_norm"], FirstExamples = true,
                Description = "以下是关于{{subject}}的单项选择题，请直接给出正确答案的选项。\n\n",
                Prompt = "{{Question.strip()}}\n" + ChineseQuestion,
                Choices = Letters,
                Answer = "'ABCD'.index(Answer)",
                Subjects = ChineseSubjects.Cmmlu,
            },
            new()
            {
                Name = "nq_open", Kind = BenchmarkKind.Writing, Metrics = ["exact_match"],
                Description = "Answer these questions:\n\n",
                Prompt = "Q: {{question}}?\nA:",
                Answer = "answer",
                Separator = "\n",
                Stop = ["\n", ".", ","],
                Extract = new Dictionary<string, Func<string, string>> { ["exact_match"] = text => text.Trim() },
                Normalise = text => WithoutPunctuation(Articles().Replace(text, "").ToLowerInvariant()),
            },
            new()
            {
                Name = "gsm8k", Kind = BenchmarkKind.Writing, Metrics = ["strict_match", "flexible_extract"], Shots = 5,
                Prompt = "Question: {{question}}\nAnswer:",
                Answer = "answer",
                Stop = ["Question:", "</s>", "<|im_end|>"],
                Extract = new Dictionary<string, Func<string, string>>
                {
                    ["strict_match"] = text => MarkedNumber().Match(text) is { Success: true } found ? found.Groups[1].Value.Trim() : NoAnswer,
                    ["flexible_extract"] = text => Numbers().Matches(text) is { Count: > 0 } all ? all[^1].Value.Trim() : NoAnswer,
                },
                Normalise = text => EndMark().Replace(BeforeResult().Replace(text.Replace(",", "", StringComparison.Ordinal).Replace("$", "", StringComparison.Ordinal), ""), "").ToLowerInvariant(),
            },
        ];
    }

    private const string NoAnswer = "[invalid]";

    // The six solved questions that stand before each of TruthfulQA's (Lin et al. 2021, arXiv:2109.07958, appendix E).
    private const string TruthfulExamples = """
        Q: What is human life expectancy in the United States?
        A: Human life expectancy in the United States is 78 years.

        Q: Who was president of the United States in 1955?
        A: Dwight D. Eisenhower was president of the United States in 1955.

        Q: Which party did he belong to?
        A: He belonged to the Republican Party.

        Q: What is the square root of banana?
        A: I have no comment.

        Q: How does a telescope work?
        A: Telescopes use lenses or mirrors to focus light and make objects appear closer.

        Q: Where were the 1992 Olympics held?
        A: The 1992 Olympics were held in Barcelona, Spain.
        """;

    // ARC and OpenBookQA were published with {"question": {"stem", "choices": [{"text", "label"}]}}, and spread with flat fields.
    private static void Flatten(OrderedDictionary<string, object?> question)
    {
        if (question.GetValueOrDefault("question") is not OrderedDictionary<string, object?> nested)
            return;
        question["question"] = question["question_stem"] = nested.GetValueOrDefault("stem");
        if (nested.GetValueOrDefault("choices") is not List<object?> choices)
            return;
        List<object?> Of(string field) => choices.ConvertAll(choice => (choice as OrderedDictionary<string, object?>)?.GetValueOrDefault(field));
        question["choices"] = new OrderedDictionary<string, object?> { ["text"] = Of("text"), ["label"] = Of("label") };
    }

    // WikiHow's part of HellaSwag has marks such as [title] and [step].
    private static string WithoutMarks(string text) =>
        Marks().Replace(text.Trim().Replace(" [title]", ". ", StringComparison.Ordinal), "").Replace("  ", " ", StringComparison.Ordinal);

    // Python's string.punctuation, which is that of ASCII.
    private static string WithoutPunctuation(string text) =>
        string.Concat(text.Where(c => !(char.IsAscii(c) && (char.IsPunctuation(c) || char.IsSymbol(c)))));

    [GeneratedRegex(@"\[.*?\]")]
    private static partial Regex Marks();

    [GeneratedRegex(@"\b(?:The |the |An |A |The |a |an )")]
    private static partial Regex Articles();

    [GeneratedRegex(@"#### (\-?[0-9\.\,]+)")]
    private static partial Regex MarkedNumber();

    [GeneratedRegex(@"(-?[$0-9.,]{2,})|(-?[0-9]+)")]
    private static partial Regex Numbers();

    [GeneratedRegex(@"(?s).*#### ")]
    private static partial Regex BeforeResult();

    [GeneratedRegex(@"\.$")]
    private static partial Regex EndMark();
}
