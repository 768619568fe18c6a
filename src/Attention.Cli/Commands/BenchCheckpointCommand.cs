using System.CommandLine;
using Attention.Engine.Benchmarks;
using Attention.Engine.Configuration;

namespace Attention.Cli.Commands;

/// <summary>Times loading a checkpoint beside reading its file.</summary>
internal sealed class BenchCheckpointCommand : CliCommand
{
    private readonly Argument<string> file = new("FILE") { Description = "A checkpoint in one file" };
    private readonly Option<string?> model = new("--model") { Description = "A model that the file fits: time making it as well" };
    private readonly JsonOption json = new();

    public BenchCheckpointCommand() : base("bench checkpoint", "Time loading a checkpoint beside reading its file")
    {
        Add(file);
        Add(model);
        Add(json);
    }

    public override int Run(CommandContext context)
    {
        var timing = CheckpointBenchmark.Run(context.Get(file), context.Get(model) is { } name ? new NamedPart(name) : null);
        var table = new ResultTable(
            new("into"),
            new("bytes", value => $"{(long)value / 1e6:F1} MB"),
            new("read_seconds", value => $"{(double)value * 1e3:F1} ms"),
            new("load_seconds", value => $"{(double)value * 1e3:F1} ms"),
            new("ratio", value => $"{(double)value:F2}"),
            new("extra_bytes", value => $"{(long)value / 1e6:F1} MB"));
        table.Add("tensors", timing.Bytes, timing.ReadSeconds, timing.LoadSeconds, timing.LoadSeconds / timing.ReadSeconds, timing.ExtraBytes);
        if (timing.Model is { } made)
            table.Add("a new model", timing.Bytes, timing.ReadSeconds, made.Seconds, made.Seconds / timing.ReadSeconds, made.ExtraBytes);
        table.Write(context.Terminal, context.Get(json));
        return 0;
    }
}
