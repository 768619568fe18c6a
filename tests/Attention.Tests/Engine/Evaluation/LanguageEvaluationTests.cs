using System.Text;
using System.Text.Json;
using Attention.Cli;
using Attention.Data.Text;
using Attention.Engine.Checkpoints;
using Attention.Engine.Evaluation.Language;
using Attention.Engine.Generation;
using Attention.Models.Language;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Attention.Tests.Engine.Evaluation;

public sealed class LanguageEvaluationTests : IDisposable
{
    // Every character that a question may have.
    private static readonly string Text = "the quick brown fox jumps over the lazy dog.\n" + string.Concat(Enumerable.Range(' ', 95).Select(c => (char)c));
    private readonly TemporaryFolder folder = new();

    public void Dispose() => folder.Dispose();

    // A folder as Hugging Face has them, with random weights and a tokenizer of characters.
    private string Folder()
    {
        var tokenizer = CharacterTokenizer.Train(Text);
        Directory.CreateDirectory(folder.File("model"));
        tokenizer.Save(folder.File("model/tokenizer.json"));
        File.WriteAllText(folder.File("model/config.json"), $$"""
            {"model_type": "gpt2", "vocab_size": {{tokenizer.VocabularySize}}, "n_positions": 64, "n_embd": 16, "n_layer": 2, "n_head": 2}
            """);
        manual_seed(5);
        using var model = new Gpt2(new Gpt2Config { vocab_size = tokenizer.VocabularySize, n_positions = 64, n_embd = 16, n_layer = 2, n_head = 2 });
        using var scope = NewDisposeScope();
        using var file = File.Create(folder.File("model/model.safetensors"));
        SafeTensors.Write(file, model.state_dict().ToDictionary(pair => pair.Key, pair => pair.Value * 3));
        return folder.File("model");
    }

    // Log-probabilities of each token after those before it, one sequence alone.
    private static double[] Alone(LanguageModel model, int[] tokens)
    {
        using var scope = NewDisposeScope();
        using var mode = inference_mode();
        var logs = model.call(tensor(tokens.Select(token => (long)token).ToArray(), [1, tokens.Length])).to(ScalarType.Float64).log_softmax(-1);
        return [.. Enumerable.Range(1, tokens.Length - 1).Select(i => logs[0, i - 1, tokens[i]].item<double>())];
    }

    [Fact]
    public void Scores_are_those_of_each_sequence_alone()
    {
        using var model = TextModel.Load(Folder(), CPU);
        var requests = new[] { "the quick brown", "the quick brows", "a dog", "lazy fox jumps over", "the quick brown" }
            .Select((text, i) => new ScoreRequest(model.Tokenizer.Encode(text), i == 3 ? 7 : 1)).ToArray();
        var scorer = new TokenScorer(model.Model);
        var scores = scorer.Score(requests);
        for (int i = 0; i < requests.Length; i++)
            Assert.Equal(Alone(model.Model, requests[i].Tokens)[^requests[i].Asked..].Sum(), scores[i].LogLikelihood, 1e-4);
        // The second and the last are read with the first.
        Assert.Equal(14 + 4 + 18, scorer.Tokens);
    }

    [Fact]
    public void A_score_is_greedy_where_the_likeliest_tokens_follow()
    {
        using var model = TextModel.Load(Folder(), CPU);
        var start = model.Tokenizer.Encode("the quick");
        var generator = new TokenGenerator(model.Model, new SamplingConfig { temperature = 0, max_new_tokens = 4 });
        int[] likeliest = [.. generator.Generate([start]).Select(each => each.Token)];
        var scores = new TokenScorer(model.Model).Score([new([.. start, .. likeliest], 4), new([.. start, .. likeliest[..3], (likeliest[3] + 1) % 20], 4)]);
        Assert.True(scores[0].IsGreedy);
        Assert.False(scores[1].IsGreedy);
    }

    // The loop of Hugging Face's guide to perplexity, written out.
    [Theory]
    [InlineData(200, 64, 32)]
    [InlineData(200, 16, 16)]
    [InlineData(201, 20, 7)]
    [InlineData(33, 16, 16)]
    [InlineData(10, 64, 32)]
    public void Perplexity_is_that_of_overlapping_windows(int length, int context, int stride)
    {
        using var model = TextModel.Load(Folder(), CPU);
        var text = string.Concat(Enumerable.Repeat(Text, 5))[..length];
        var ids = model.Tokenizer.Encode(text);
        var (sum, count, before) = (0.0, 0, 0);
        for (int begin = 0; begin < ids.Length; begin += stride)
        {
            int end = Math.Min(begin + context, ids.Length), asked = end - before;
            var logs = Alone(model.Model, ids[begin..end]);
            var counted = logs[^Math.Min(asked, logs.Length)..];
            (sum, count, before) = (sum + counted.Sum(), count + counted.Length, end);
            if (end == ids.Length)
                break;
        }
        var result = new Perplexity(model.Model, model.Tokenizer).Measure([Encoding.UTF8.GetBytes(text)], context, stride);
        if (stride < context)
            Assert.Equal(length - 1, result.Tokens);
        Assert.Equal(count, result.Tokens);
        Assert.Equal(Math.Exp(-sum / count), result.Perplexity, 1e-3);
        // A byte for each character.
        Assert.Equal(result.BitsPerToken, result.BitsPerByte, 1e-9);
        Assert.Equal(-sum / count / Math.Log(2), result.BitsPerToken, 1e-4);
    }

    [Fact]
    public void Windows_that_do_not_fit_are_refused()
    {
        using var model = TextModel.Load(Folder(), CPU);
        var perplexity = new Perplexity(model.Model, model.Tokenizer);
        Assert.Contains("a context of 65 tokens", Assert.Throws<UserError>(() => perplexity.Measure([], 65)).Message);
        Assert.Contains("a stride of 9 tokens", Assert.Throws<UserError>(() => perplexity.Measure([], 8, 9)).Message);
        Assert.Contains("fewer than two tokens", Assert.Throws<UserError>(() => perplexity.Measure(["t"u8.ToArray()])).Message);
    }

    private static BenchmarkQuestion Question(string json, string subject = "")
    {
        using var document = JsonDocument.Parse(json);
        return new BenchmarkQuestion((OrderedDictionary<string, object?>)Template.FromJson(document.RootElement)!, subject, "'x.jsonl' line 1");
    }

    // What the harness makes of the same fields.
    [Theory]
    [InlineData("sciq", """{"support": " A b.", "question": "Q?", "distractor1": "x", "distractor2": "y", "distractor3": "z", "correct_answer": "w"}""", "A b.\nQuestion: Q?\nAnswer:", " x| y| z| w", 3)]
    [InlineData("piqa", """{"goal": "Cook", "sol1": "a", "sol2": "b", "label": 1}""", "Question: Cook\nAnswer:", " a| b", 1)]
    [InlineData("openbookqa", """{"question_stem": "Suns are", "choices": {"text": ["hot", "cold"], "label": ["A", "B"]}, "answerKey": "B"}""", "Suns are", " hot| cold", 1)]
    [InlineData("openbookqa", """{"question": {"stem": "Suns are", "choices": [{"text": "hot", "label": "A"}, {"text": "cold", "label": "B"}]}, "answerKey": "A"}""", "Suns are", " hot| cold", 0)]
    [InlineData("arc_easy", """{"question": "Why?", "choices": {"text": ["a", "b", "c"], "label": ["1", "2", "3"]}, "answerKey": "3"}""", "Question: Why?\nAnswer:", " a| b| c", 2)]
    [InlineData("arc_challenge", """{"question": {"stem": "Why?", "choices": [{"text": "a", "label": "A"}, {"text": "b", "label": "B"}]}, "answerKey": "B"}""", "Question: Why?\nAnswer:", " a| b", 1)]
    [InlineData("logiqa", """{"context": "C", "question": "Q", "options": ["p", "q", "r", "s"], "label": "c"}""", "Passage: C\nQuestion: Q\nChoices:\nA. p\nB. q\nC. r\nD. s\nAnswer:", " p| q| r| s", 2)]
    [InlineData("hellaswag", """{"activity_label": "Washing", "ctx_a": "A man [header] stands.", "ctx_b": "he Washes", "endings": ["up [step] now.", "off [title] So  it"], "label": "1"}""", "Washing: A man stands. He washes", " up now.| off. So it", 1)]
    [InlineData("boolq", """{"passage": "P.", "question": "is it", "answer": true}""", "P.\nQuestion: is it?\nAnswer:", " no| yes", 1)]
    [InlineData("boolq", """{"passage": "P.", "question": "is it", "label": 0}""", "P.\nQuestion: is it?\nAnswer:", " no| yes", 0)]
    [InlineData("mmlu", """{"question": " Q ", "choices": ["a", "b", "c", "d"], "answer": 2, "subject": "high_school_biology"}""", "The following are multiple choice questions (with answers) about high school biology.\n\nQ\nA. a\nB. b\nC. c\nD. d\nAnswer:", " A| B| C| D", 2)]
    [InlineData("ceval", """{"question": "Q", "A": "a", "B": "b", "C": "c", "D": "d", "answer": "B", "subject": "law"}""", "以下是中国关于法学的单项选择题，请选出其中的正确答案。\n\nQ\nA. a\nB. b\nC. c\nD. d\n答案：", " A| B| C| D", 1)]
    [InlineData("cmmlu", """{"Question": "Q", "A": "a", "B": "b", "C": "c", "D": "d", "Answer": "D", "subject": "anatomy"}""", "以下是关于解剖学的单项选择题，请直接给出正确答案的选项。\n\nQ\nA. a\nB. b\nC. c\nD. d\n答案：", " A| B| C| D", 3)]
    public void Questions_are_asked_as_the_harness_asks_them(string name, string fields, string context, string continuations, int right)
    {
        var question = Question(fields);
        var asked = new BenchmarkForm(Benchmarks.Get(name), [], 0, 0).Ask(question with { Subject = question.Fields.GetValueOrDefault("subject") as string ?? "" });
        Assert.Equal(context, asked.Context);
        Assert.Equal(continuations.Split('|'), asked.Pairs.Select(pair => pair.Continuation));
        Assert.All(asked.Pairs, pair => Assert.Equal(context, pair.Context));
        Assert.Equal([right], asked.Right);
    }

    [Fact]
    public void Winogrande_judges_the_same_end_after_both_beginnings()
    {
        var asked = new BenchmarkForm(Benchmarks.Get("winogrande"), [], 0, 0)
            .Ask(Question("""{"sentence": "Ann beat Eve since _ was fast today.", "option1": "Ann", "option2": "Eve", "answer": "1"}"""));
        Assert.Equal([("Ann beat Eve since Ann", " was fast today."), ("Ann beat Eve since Eve", " was fast today.")], asked.Pairs);
        Assert.Equal([0], asked.Right);
    }

    [Fact]
    public void Lambada_judges_the_last_word()
    {
        var asked = new BenchmarkForm(Benchmarks.Get("lambada"), [], 0, 0).Ask(Question("""{"text": "he saw the  dog"}"""));
        Assert.Equal([("he saw the ", " dog")], asked.Pairs);
    }

    [Fact]
    public void TruthfulQA_begins_with_its_six_answers()
    {
        var question = Question("""{"question": "Is it?", "mc1_targets": {"choices": ["no", "yes"], "labels": [1, 0]}, "mc2_targets": {"choices": ["no", "never", "yes"], "labels": [1, 1, 0]}}""");
        var one = new BenchmarkForm(Benchmarks.Get("truthfulqa_mc1"), [], 0, 0).Ask(question);
        Assert.StartsWith("Q: What is human life expectancy in the United States?\nA: Human life", one.Context);
        Assert.EndsWith("A: The 1992 Olympics were held in Barcelona, Spain.\n\nQ: Is it?\nA:", one.Context);
        Assert.Equal((2, 0), (one.Pairs.Count, one.Right.Single()));
        Assert.Equal([0, 1], new BenchmarkForm(Benchmarks.Get("truthfulqa_mc2"), [], 0, 0).Ask(question).Right);
    }

    [Fact]
    public void Examples_stand_before_the_question_with_their_answers()
    {
        var examples = Enumerable.Range(0, 5).Select(i => Question($$"""{"question": "E{{i}}", "choices": ["a", "b", "c", "d"], "answer": {{i % 4}} }""", "law")).Append(Question("""{"question": "other", "choices": ["a", "b", "c", "d"], "answer": 0}""", "art")).ToList();
        var asked = new BenchmarkForm(Benchmarks.Get("mmlu"), examples, 2, 0).Ask(Question("""{"question": "Q", "choices": ["a", "b", "c", "d"], "answer": 2}""", "law"));
        const string options = "\nA. a\nB. b\nC. c\nD. d\nAnswer:";
        Assert.Equal($"The following are multiple choice questions (with answers) about law.\n\nE0{options} A\n\nE1{options} B\n\nQ{options}", asked.Context);

        var asking = new BenchmarkForm(Benchmarks.Get("gsm8k"), [Question("""{"question": "E", "answer": "It is 3.\n#### 3"}""")], 1, 0).Ask(Question("""{"question": "Q", "answer": "#### 4"}"""));
        Assert.Equal("Question: E\nAnswer: It is 3.\n#### 3\n\nQuestion: Q\nAnswer:", asking.Context);
        var naming = new BenchmarkForm(Benchmarks.Get("nq_open"), [Question("""{"question": "who e", "answer": ["Eve", "E"]}""")], 1, 0).Ask(Question("""{"question": "who q", "answer": ["Q"]}"""));
        Assert.Equal("Answer these questions:\n\nQ: who e?\nA: Eve\nQ: who q?\nA:", naming.Context);
    }

    [Fact]
    public void Drawn_examples_depend_on_the_seed_and_never_are_the_question()
    {
        var all = Enumerable.Range(0, 8).Select(i => Question($$"""{"goal": "G{{i}}", "sol1": "a", "sol2": "b", "label": 0}""")).ToList();
        string[] Contexts(long seed)
        {
            var form = new BenchmarkForm(Benchmarks.Get("piqa"), all, 3, seed);
            return [.. all.Select(question => form.Ask(question).Context)];
        }
        Assert.Equal(Contexts(1), Contexts(1));
        Assert.NotEqual(Contexts(1), Contexts(2));
        Assert.All(Contexts(1).Select((context, i) => context.Split($"G{i}\n").Length), parts => Assert.Equal(2, parts));
    }

    [Theory]
    [InlineData("strict_match", "so 1,200 + 34.\n#### 1,234.", "#### 1234", true)]
    [InlineData("strict_match", "the answer is 1234", "#### 1234", false)]
    [InlineData("flexible_extract", "the answer is $1,234.", "x\n#### 1,234", true)]
    [InlineData("flexible_extract", "12 or 13", "x\n#### 12", false)]
    [InlineData("flexible_extract", "I see -5 of them", "x\n#### -5", true)]
    [InlineData("flexible_extract", "none", "x\n#### 5", false)]
    public void Results_of_sums_are_found_in_what_is_written(string metric, string written, string right, bool same)
    {
        var benchmark = Benchmarks.Get("gsm8k");
        Assert.Equal(same, benchmark.Normalise(benchmark.Extract[metric](written)) == benchmark.Normalise(right));
    }

    [Theory]
    [InlineData(" The Beatles", "beatles", true)]
    [InlineData(" U.S.", "us", true)]
    [InlineData(" Anna", "Ann", false)]
    public void Names_are_the_same_without_articles_and_marks(string written, string right, bool same)
    {
        var benchmark = Benchmarks.Get("nq_open");
        Assert.Equal(same, benchmark.Normalise(benchmark.Extract["exact_match"](written)) == benchmark.Normalise(right));
    }

    [Fact]
    public void White_space_before_an_answer_belongs_to_it()
    {
        using var model = TextModel.Load(Folder(), CPU);
        var runner = new BenchmarkRunner(model.Model, model.Tokenizer, model.Ends);
        Assert.Equal(4, runner.Request("the  ", "do").Asked);
        Assert.Equal(2, runner.Request("the", "do").Asked);
        // Nothing comes before the first token, so it is not judged.
        Assert.Equal(1, runner.Request("", "do").Asked);
        // What is too long loses its beginning.
        Assert.Equal((65, 3), (runner.Request(new string('a', 200), " do").Tokens.Length, runner.Request(new string('a', 200), " do").Asked));
    }

    [Fact]
    public void A_benchmark_is_measured_by_the_likelihoods_of_its_choices()
    {
        using var model = TextModel.Load(Folder(), CPU);
        var questions = Enumerable.Range(0, 12).Select(i => Question($$"""{"goal": "{{"the quick brown fox".Substring(i, 5)}}", "sol1": "fox", "sol2": "lazy dog {{i}}", "label": {{i % 2}} }""")).ToList();
        var result = new BenchmarkRunner(model.Model, model.Tokenizer, model.Ends).Run(Benchmarks.Get("piqa"), questions, [], new());
        var (plain, normalised) = (0, 0);
        for (int i = 0; i < 12; i++)
        {
            string prompt = $"Question: {"the quick brown fox".Substring(i, 5)}\nAnswer:";
            double[] logs = [.. new[] { " fox", $" lazy dog {i}" }.Select(choice => Alone(model.Model, model.Tokenizer.Encode(prompt + choice))[^choice.Length..].Sum())];
            Assert.Equal(logs[0], result.Samples[i].LogLikelihoods[0], 1e-3);
            Assert.Equal(logs[1], result.Samples[i].LogLikelihoods[1], 1e-3);
            plain += (logs[1] > logs[0] ? 1 : 0) == i % 2 ? 1 : 0;
            normalised += (logs[1] / (9 + $"{i}".Length) > logs[0] / 3 ? 1 : 0) == i % 2 ? 1 : 0;
        }
        Assert.Equal(plain / 12.0, result.Scores["acc"], 1e-9);
        Assert.Equal(normalised / 12.0, result.Scores["acc_norm"], 1e-9);
        double p = plain / 12.0;
        Assert.Equal(Math.Sqrt(p * (1 - p) / 11), result.Errors["acc"], 1e-9);
    }

    [Fact]
    public void The_command_measures_text_and_benchmarks()
    {
        var model = Folder();
        folder.Write("data/piqa.jsonl", """{"goal": "the fox", "sol1": "fox", "sol2": "dog", "label": 1}""" + "\n");
        folder.Write("data/mmlu/test/high_test.jsonl", """{"question": "Q", "choices": ["a", "b", "c", "d"], "answer": 2}""" + "\n");
        folder.Write("data/mmlu/test/law_test.jsonl", """{"question": "Q", "choices": ["a", "b", "c", "d"], "answer": 1}""" + "\n");
        folder.Write("data/gsm8k/test.jsonl", """{"question": "Q", "answer": "#### 1"}""" + "\n");
        folder.Write("data/gsm8k/train.jsonl", """{"question": "Q", "answer": "#### 2"}""" + "\n");
        folder.Write("text.txt", Text);
        var (code, output, error) = Run("eval", model, "--text", folder.File("text.txt"), "--stride", "16", "--task", "piqa", "--task", "gsm8k:1", "--data", folder.File("data"), "--json", "--out", folder.File("out"));
        Assert.Equal((0, ""), (code, error));
        using var json = JsonDocument.Parse(output);
        Assert.Equal(Text.Length - 1, json.RootElement.GetProperty("text").GetProperty("tokens").GetInt32());
        var benchmarks = json.RootElement.GetProperty("benchmarks");
        Assert.Equal(1, benchmarks.GetProperty("piqa").GetProperty("questions").GetInt32());
        Assert.Equal(1, benchmarks.GetProperty("gsm8k").GetProperty("shots").GetInt32());
        Assert.Equal(output.Trim(), File.ReadAllText(folder.File("out/metrics.json")).Trim());
        Assert.Single(File.ReadLines(folder.File("out/samples-piqa.jsonl")));

        (code, output, _) = Run("eval", model, "--task", "mmlu", "--data", folder.File("data"), "--json");
        Assert.Equal(0, code);
        using var mmlu = JsonDocument.Parse(output);
        Assert.Equal(["high", "law"], mmlu.RootElement.GetProperty("benchmarks").GetProperty("mmlu").GetProperty("subjects").EnumerateObject().Select(each => each.Name));
        Assert.Contains("benchmark", Run("eval", model, "--task", "all:0", "--data", folder.File("data")).Output);
        (code, _, error) = Run("eval", model, "--task", "gsm8k", "--data", folder.File("data"));
        Assert.Equal(2, code);
        Assert.Contains("gsm8k is asked with 5 examples, but there are 1", error);
        folder.Write("data/piqa.jsonl", "{\"goal\": \"the fox\"}\n");
        (code, _, error) = Run("eval", model, "--task", "piqa", "--data", folder.File("data"));
        Assert.Equal(2, code);
        Assert.Contains($"'{folder.File("data/piqa.jsonl")}' line 1 is no question of piqa: the template, line 1: there is no 'sol1'", error);
    }

    private static (int Code, string Output, string Error) Run(params string[] args)
    {
        var (output, error) = (new StringWriter(), new StringWriter());
        int code = CommandLine.Run(args, output, error);
        return (code, output.ToString(), error.ToString());
    }
}
