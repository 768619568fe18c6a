using System.CommandLine;
using Attention.Engine.Benchmarks;

namespace Attention.Cli.Commands;

/// <summary>Times loading a checkpoint beside reading its file.</summary>
internal sealed class BenchCheckpointCommand : CliCommand
{
    private readonly Argument<string> file = new("FILE") { Description = "A checkpoint in one file" };
    private readonly JsonOption json = new();

    public BenchCheckpointCommand() : base("bench checkpoint", "Time loading a checkpoint beside reading its file")
    {
        Add(file);
        Add(json);
    }

    public override int Run(CommandContext context)
    {
        var timing = CheckpointBenchmark.Run(context.Get(file));
        var table = new ResultTable(
            new("bytes", value => $"{(long)value / 1e6:F1} MB"),
            new("read_seconds", value => $"{(double)value * 1e3:F1} ms"),
            new("load_seconds", value => $"{(double)value * 1e3:F1} ms"),
            new("ratio", value => $"{(double)value:F2}"),
            new("extra_bytes", value => $"{(long)value / 1e6:F1} MB"));
        table.Add(timing.Bytes, timing.ReadSeconds, timing.LoadSeconds, timing.LoadSeconds / timing.ReadSeconds, timing.ExtraBytes);
        table.Write(context.Terminal, context.Get(json));
        return 0;
    }
}
