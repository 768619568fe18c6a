using System.CommandLine;
using Attention.Engine.Benchmarks;

namespace Attention.Cli.Commands;

/// <summary>Times a tokenizer on one thread.</summary>
internal sealed class BenchTokenizerCommand : CliCommand
{
    private readonly Argument<string> tokenizer = new("FILE") { Description = "A tokenizer's file, or a folder that has one" };
    private readonly Argument<string> text = new("TEXT") { Description = "A file with text; it is repeated to at least 10 MB" };
    private readonly JsonOption json = new();

    public BenchTokenizerCommand() : base("bench tokenizer", "Time a tokenizer on one thread")
    {
        Add(tokenizer);
        Add(text);
        Add(json);
    }

    public override int Run(CommandContext context)
    {
        var timing = TokenizerBenchmark.Run(context.Get(tokenizer), context.Get(text));
        var table = new ResultTable(
            new("encode_mb_per_second", value => $"{(double)value:F1} MB/s"),
            new("decode_mb_per_second", value => $"{(double)value:F1} MB/s"),
            new("load_seconds", value => $"{(double)value * 1e3:F0} ms"),
            new("tokens"),
            new("bytes_per_token", value => $"{(double)value:F2}"),
            new("round_trip", value => (bool)value ? "same bytes" : "other bytes"));
        table.Add(timing.Bytes / timing.EncodeSeconds / 1e6, timing.Bytes / timing.DecodeSeconds / 1e6, timing.LoadSeconds, timing.Tokens,
            (double)timing.Bytes / timing.Tokens, timing.IsSame);
        table.Write(context.Terminal, context.Get(json));
        return 0;
    }
}
