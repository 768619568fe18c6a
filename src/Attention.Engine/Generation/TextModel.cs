using System.Text.Json;
using Attention.Data.Text;
using Attention.Engine.Checkpoints;
using Attention.Engine.Configuration;
using Attention.Engine.Runs;
using Attention.Models.Language;
using Attention.Torch;
using TorchSharp;
using static TorchSharp.torch;

namespace Attention.Engine.Generation;

/// <summary>A language model and its tokenizer, from a local Hugging Face folder or from the folder of a run.</summary>
public sealed class TextModel : IDisposable
{
    private TextModel(LanguageModel model, Tokenizer tokenizer, IReadOnlySet<int> ends) => (Model, Tokenizer, Ends) = (model, tokenizer, ends);

    /// <summary>The model, in evaluation mode.</summary>
    public LanguageModel Model { get; }

    public Tokenizer Tokenizer { get; }

    /// <summary>Tokens after which a text is over: the tokenizer's end of text, and those of <c>generation_config.json</c> and <c>config.json</c>.</summary>
    public IReadOnlySet<int> Ends { get; }

    /// <summary>Loads a folder.</summary>
    /// <param name="folder">
    /// With config.json, model.safetensors (or shards, or pytorch_model.bin) and a tokenizer's files; or a run's, whose best
    /// checkpoint is taken.
    /// </param>
    /// <param name="device">Where the model goes.</param>
    /// <param name="storage">What its weights are converted to; null for fp32.</param>
    /// <exception cref="UserError">Something is missing, broken or not known.</exception>
    public static TextModel Load(string folder, Device device, WeightStorage? storage = null)
    {
        bool isRun = File.Exists(Path.Combine(folder, "config.yaml"));
        var (tokenizer, model) = isRun ? OfRun(folder) : OfHuggingFace(folder);
        try
        {
            model.to(device);
            (storage ?? WeightStorage.Of("fp32")).Apply(model);
            model.eval();
            if (tokenizer.VocabularySize > model.vocab_size)
                throw new UserError($"the tokenizer of '{folder}' has {tokenizer.VocabularySize} tokens, the model {model.vocab_size}", "put the tokenizer that belongs to the model into the folder");
            return new TextModel(model, tokenizer, EndsOf(folder, tokenizer));
        }
        catch
        {
            model.Dispose();
            throw;
        }
    }

    private static (Tokenizer, LanguageModel) OfHuggingFace(string folder)
    {
        // Both before the weights, which may take long.
        var config = LanguageModelConfigFile.Load(folder);
        var tokenizer = Tokenizers.Load(folder);
        LanguageModel model;
        using (RandomInit.Skip())
            model = HuggingFaceDecoders.Create(config);
        try
        {
            WeightLoader.Load(model, folder);
        }
        catch
        {
            model.Dispose();
            throw;
        }
        return (tokenizer, model);
    }

    private static (Tokenizer, LanguageModel) OfRun(string folder)
    {
        var run = RunFolder.Open(folder);
        var config = ExperimentConfig.Load(run.ConfigFile).Value;
        if (config.task != TaskKind.LanguageModeling || !Directory.Exists(run.Tokenizer))
            throw new UserError($"the run '{folder}' has no tokenizer, so that its model reads no text", "give a run of task language_modeling on text");
        var weights = Path.Combine(run.Checkpoints, "best", Checkpoint.ModelFile);
        if (!File.Exists(weights))
            throw new UserError($"run '{folder}' has no best checkpoint", "train it for an epoch at least");
        var tokenizer = Tokenizers.Load(run.Tokenizer);
        return (tokenizer, (LanguageModel)ModelBuilder.Build(config.model, new InitConfig { checkpoint = weights }).Model);
    }

    /// <summary>Goes on with texts; gives each text's number and what became whole of it, as it comes.</summary>
    /// <param name="prompts">The texts.</param>
    /// <param name="sampling">How tokens are chosen, and where to stop.</param>
    /// <param name="cancellation">Ends it.</param>
    public IEnumerable<(int Prompt, string Text)> Continue(IReadOnlyList<string> prompts, SamplingConfig sampling, CancellationToken cancellation = default) =>
        Continue([.. prompts.Select(prompt => Tokenizer.Encode(prompt, SpecialTokenUse.Add))], sampling, cancellation);

    /// <summary>Answers a dialogue; gives what became whole of the answer, as it comes.</summary>
    /// <param name="template">How the model writes dialogues.</param>
    /// <param name="messages">The dialogue; the last message is the one to answer.</param>
    /// <param name="sampling">How tokens are chosen, and where to stop.</param>
    /// <param name="cancellation">Ends it.</param>
    /// <exception cref="UserError">The template refuses the dialogue, or it is longer than the model's context.</exception>
    public IEnumerable<string> Answer(ChatTemplate template, IReadOnlyList<ChatMessage> messages, SamplingConfig sampling, CancellationToken cancellation = default) =>
        Continue([Tokenizer.Encode(template.Render(messages, ask: true), SpecialTokenUse.Parse)], sampling, cancellation).Select(each => each.Text);

    private IEnumerable<(int Prompt, string Text)> Continue(IReadOnlyList<int>[] prompts, SamplingConfig sampling, CancellationToken cancellation)
    {
        var texts = prompts.Select(_ => new StoppingText(Tokenizer.Stream(), sampling.stop)).ToArray();
        var generator = new TokenGenerator(Model, sampling, Ends, Tokenizer.VocabularySize);
        foreach (var (prompt, token) in generator.Generate(prompts, prompt => texts[prompt].IsOver, cancellation))
            if (texts[prompt].Push(token) is { Length: > 0 } text)
                yield return (prompt, text);
        for (int i = 0; i < texts.Length; i++)
            if (texts[i].Finish() is { Length: > 0 } text)
                yield return (i, text);
    }

    private static HashSet<int> EndsOf(string folder, Tokenizer tokenizer)
    {
        HashSet<int> ends = tokenizer.SpecialToken("eos_token") is { } end ? [end] : [];
        foreach (var file in new[] { "generation_config.json", "config.json" }.Select(name => Path.Combine(folder, name)).Where(File.Exists))
            if (HuggingFaceConfig.Load(file).Values.TryGetProperty("eos_token_id", out var said))
                foreach (var id in said.ValueKind == JsonValueKind.Array ? [.. said.EnumerateArray()] : new[] { said })
                    if (id.ValueKind == JsonValueKind.Number && id.TryGetInt32(out int number))
                        ends.Add(number);
        return ends;
    }

    public void Dispose() => Model.Dispose();
}

/// <summary>Text from tokens up to a stop string, whose beginning is held back until it is clear that it is none.</summary>
internal sealed class StoppingText(TokenStream stream, IReadOnlyList<string> stop)
{
    private string held = "";

    public bool IsOver { get; private set; }

    /// <summary>What a further token makes certain.</summary>
    public string Push(int token) => Take(stream.Append(token));

    /// <summary>What was held back.</summary>
    public string Finish()
    {
        var text = Take(stream.Finish()) + held;
        held = "";
        return IsOver ? "" : text;
    }

    private string Take(string added)
    {
        if (IsOver)
            return "";
        var text = held + added;
        int first = stop.Select(each => text.IndexOf(each, StringComparison.Ordinal)).Where(at => at >= 0).DefaultIfEmpty(-1).Min();
        if (first >= 0)
        {
            IsOver = true;
            held = "";
            return text[..first];
        }
        int keep = stop.Select(each => Overlap(text, each)).DefaultIfEmpty(0).Max();
        held = text[(text.Length - keep)..];
        return text[..(text.Length - keep)];
    }

    // The longest end of the text that a stop string begins with.
    private static int Overlap(string text, string stop)
    {
        for (int length = Math.Min(text.Length, stop.Length - 1); length > 0; length--)
            if (text.AsSpan(text.Length - length).SequenceEqual(stop.AsSpan(0, length)))
                return length;
        return 0;
    }
}
