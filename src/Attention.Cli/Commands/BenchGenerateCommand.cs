using System.CommandLine;
using System.Globalization;
using Attention.Engine;
using Attention.Engine.Benchmarks;
using Attention.Engine.Configuration;
using Attention.Engine.Generation;
using Attention.Models.Language;
using Attention.Torch;
using static TorchSharp.torch;

namespace Attention.Cli.Commands;

/// <summary>Times decoding.</summary>
internal sealed class BenchGenerateCommand : CliCommand
{
    private readonly Argument<string> model = new("MODEL") { Description = "A language model of the registry; its weights are random" };
    private readonly DtypeOption dtype = new();
    private readonly Option<int> batch = new("--batch") { Description = "Sequences side by side", DefaultValueFactory = _ => 1 };
    private readonly Option<int> prompt = new("--prompt") { Description = "Tokens of the prompt", DefaultValueFactory = _ => 16 };
    private readonly Option<int> tokens = new("--tokens") { Description = "Tokens to generate", DefaultValueFactory = _ => 256 };
    private readonly Option<int?> threads = new("--threads") { Description = "Threads inside an operator; all cores by default" };
    private readonly JsonOption json = new();

    public BenchGenerateCommand() : base("bench generate", "Time the decoding of a language model")
    {
        Add(model);
        foreach (var option in new Option[] { dtype, batch, prompt, tokens, threads, json })
            Add(option);
    }

    public override int Run(CommandContext context)
    {
        if (context.Get(threads) is { } count)
            Threads.IntraOp = count;
        var (rows, before, after) = (Positive(context, batch), Positive(context, prompt), Positive(context, tokens));
        var storage = WeightStorage.Of(context.Get(dtype)!);
        manual_seed(0);
        var built = ModelBuilder.Build(new NamedPart(context.Get(model)));
        using var language = built as LanguageModel;
        if (language is null)
        {
            built.Dispose();
            throw new UserError($"'{context.Get(model)}' is no language model", "see ./attention models gpt");
        }
        storage.Apply(language);
        language.eval();
        if (before + after > language.max_position_embeddings)
            throw new UserError($"{before} + {after} tokens are more than the model's context of {language.max_position_embeddings}", "ask for fewer");
        var timing = GenerateBenchmark.Run(language, rows, before, after, context.Stop);
        if (context.Get(json))
            WriteJson(context, timing, rows, before, after);
        else
            WriteText(context.Terminal.Out, timing, after);
        return 0;
    }

    private static int Positive(CommandContext context, Option<int> option) => context.Get(option) is > 0 and var value ? value
        : throw new UserError($"{option.Name} is {context.Get(option)}, but must be at least 1", "give a number above 0");

    private static void WriteText(TextWriter output, GenerateTiming timing, int tokens)
    {
        var (median, low, high) = timing.Milliseconds;
        output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{timing.TokensPerSecond:F1} tokens/s ({median:F2} ms a token, 10 % below {low:F2}, 10 % above {high:F2}; {Threads.IntraOp} threads)"));
        output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"prompt {timing.PromptSeconds * 1000:F1} ms; first tokens {timing.FirstMilliseconds:F2} ms, last of {tokens} {timing.LastMilliseconds:F2} ms"));
        output.WriteLine(timing.WhyPlain is { } reason ? $"by the model's layers: {reason}"
            : string.Create(CultureInfo.InvariantCulture, $"{timing.WeightBytes / 1e6:F0} MB of weights a token: {timing.WeightBytes / median / 1e6:F1} GB/s; a plain sum reads {timing.MemoryBytesPerSecond / 1e9:F1} GB/s"));
        output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"a token makes {timing.TensorsPerToken:F1} tensors and {timing.ManagedBytesPerToken:F0} bytes of .NET memory; {timing.LiveTensorsGrowth:+0;-0;0} tensors since the first"));
    }

    private void WriteJson(CommandContext context, GenerateTiming timing, int rows, int before, int after) => JsonText.Write(context.Terminal.Out, writer =>
    {
        writer.WriteStartObject();
        writer.WriteString("model", context.Get(model));
        writer.WriteString("dtype", context.Get(dtype));
        writer.WriteNumber("batch", rows);
        writer.WriteNumber("prompt", before);
        writer.WriteNumber("tokens", after);
        writer.WriteNumber("threads", Threads.IntraOp);
        writer.WriteNumber("tokens_per_second", timing.TokensPerSecond);
        writer.WriteNumber("prompt_seconds", timing.PromptSeconds);
        writer.WriteNumber("median_ms", timing.Milliseconds.Median);
        writer.WriteNumber("p10_ms", timing.Milliseconds.Low);
        writer.WriteNumber("p90_ms", timing.Milliseconds.High);
        writer.WriteNumber("first_ms", timing.FirstMilliseconds);
        writer.WriteNumber("last_ms", timing.LastMilliseconds);
        writer.WriteNumber("weight_bytes", timing.WeightBytes);
        writer.WriteNumber("memory_bytes_per_second", timing.MemoryBytesPerSecond);
        writer.WriteNumber("live_tensors_growth", timing.LiveTensorsGrowth);
        writer.WriteNumber("tensors_per_token", timing.TensorsPerToken);
        writer.WriteNumber("managed_bytes_per_token", timing.ManagedBytesPerToken);
        writer.WriteString("why_plain", timing.WhyPlain);
        writer.WriteNumber("peak_bytes", MemoryInfo.PeakResident);
        writer.WriteEndObject();
    });
}
