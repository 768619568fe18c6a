using System.CommandLine;
using System.Diagnostics;
using System.Globalization;
using Attention.Data.Text;
using Attention.Engine.Generation;
using TorchSharp;
using static TorchSharp.torch;

namespace Attention.Cli.Commands;

/// <summary>Goes on with texts by a language model.</summary>
internal sealed class GenerateCommand : CliCommand
{
    private readonly Argument<string> folder = new("FOLDER") { Description = "A Hugging Face folder (config.json, weights, tokenizer), or the folder of a run" };
    private readonly Argument<string[]> prompts = new("PROMPT") { Description = "Texts to go on with; - reads one from the standard input", Arity = ArgumentArity.ZeroOrMore };
    private readonly Option<int> tokens = new("--max-new-tokens") { Description = "Tokens at the most", DefaultValueFactory = _ => 128 };
    private readonly Option<double> temperature = new("--temperature") { Description = "Divides the logits; 0 takes the likeliest token always", DefaultValueFactory = _ => 0.8 };
    private readonly Option<int?> topK = new("--top-k") { Description = "Choose among so many of the likeliest tokens" };
    private readonly Option<double?> topP = new("--top-p") { Description = "Choose among the likeliest tokens that have this probability together" };
    private readonly Option<double?> minP = new("--min-p") { Description = "Choose among tokens at least so likely relative to the likeliest" };
    private readonly Option<double> penalty = new("--repetition-penalty") { Description = "Makes tokens that were there less likely; above 1", DefaultValueFactory = _ => 1 };
    private readonly Option<string[]> stop = new("--stop") { Description = "A text that ends the generation; may be given several times" };
    private readonly Option<long> seed = new("--seed") { Description = "The same seed chooses the same tokens" };
    private readonly DtypeOption dtype = new();
    private readonly ChatOptions chat = new();
    private readonly JsonOption json = new();

    public GenerateCommand() : base("generate", "Go on with texts by a language model")
    {
        Add(folder);
        Add(prompts);
        foreach (var option in new Option[] { tokens, temperature, topK, topP, minP, penalty, stop, seed, dtype, json })
            Add(option);
        chat.AddTo(this);
    }

    public override int Run(CommandContext context)
    {
        var sampling = new SamplingConfig
        {
            max_new_tokens = Within(context.Get(tokens), 1, int.MaxValue, "--max-new-tokens"),
            temperature = Within(context.Get(temperature), 0, double.MaxValue, "--temperature"),
            top_k = context.Get(topK) is { } k ? Within(k, 1, int.MaxValue, "--top-k") : null,
            top_p = context.Get(topP) is { } p ? Within(p, double.Epsilon, 1, "--top-p") : null,
            min_p = context.Get(minP) is { } least ? Within(least, 0, 1, "--min-p") : null,
            repetition_penalty = Within(context.Get(penalty), double.Epsilon, double.MaxValue, "--repetition-penalty"),
            stop = context.Get(stop) ?? [],
            seed = context.Get(seed),
        };
        var storage = WeightStorage.Of(context.Get(dtype)!);
        bool isChat = chat.IsAsked(context);
        if (!isChat && context.Get(prompts) is not { Length: > 0 })
            throw new UserError("there is no text to go on with", "give one or more, or - for the standard input, or --chat");
        var texts = (context.Get(prompts) ?? []).Select(prompt => prompt == "-" ? Console.In.ReadToEnd() : prompt).ToArray();
        using var model = TextModel.Load(context.Get(folder), cuda.is_available() ? CUDA : CPU, storage);
        if (isChat)
            return chat.Run(context, model, texts, sampling, context.Get(json));

        var watch = Stopwatch.StartNew();
        var results = texts.Select(_ => new System.Text.StringBuilder()).ToArray();
        // One text is shown as it comes, several one after the other.
        bool stream = texts.Length == 1 && !context.Get(json);
        foreach (var (prompt, text) in model.Continue(texts, sampling, context.Stop))
        {
            bool first = results[prompt].Length == 0;
            results[prompt].Append(text);
            if (!stream)
                continue;
            context.Terminal.Out.Write(first ? texts[0] + text : text);
            context.Terminal.Out.Flush();
        }
        Show(context, texts, results, stream);
        int count = results.Sum(result => model.Tokenizer.Encode(result.ToString()).Length);
        context.Terminal.Error.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{count / watch.Elapsed.TotalSeconds:F1} tokens/s"));
        return 0;
    }

    private void Show(CommandContext context, string[] texts, System.Text.StringBuilder[] results, bool streamed)
    {
        if (streamed)
        {
            context.Terminal.Out.WriteLine();
            return;
        }
        var table = new ResultTable(new("prompt"), new("text"));
        for (int i = 0; i < texts.Length; i++)
            table.Add(texts[i], results[i].ToString());
        table.Write(context.Terminal, context.Get(json));
    }

    private static T Within<T>(T value, T low, T high, string option) where T : IComparable<T> => value.CompareTo(low) >= 0 && value.CompareTo(high) <= 0 ? value
        : throw new UserError(string.Create(CultureInfo.InvariantCulture, $"{option} is {value}, which is out of range"), "see ./attention generate --help");
}
