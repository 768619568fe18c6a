using System.CommandLine;
using Attention.Engine.Benchmarks;
using Attention.Torch;

namespace Attention.Cli.Commands;

/// <summary>Times the operators of detectors.</summary>
internal sealed class BenchDenseCommand : CliCommand
{
    private readonly Option<string> only = new("--only") { Description = "Only the cases whose name has this part", DefaultValueFactory = _ => "" };
    private readonly Option<double> seconds = new("--seconds") { Description = "How long to measure each case", DefaultValueFactory = _ => 2 };
    private readonly Option<bool> plain = new("--plain") { Description = "Without our own kernels, by libtorch's operators" };
    private readonly JsonOption json = new();

    public BenchDenseCommand() : base("bench dense", "Time the operators of detectors")
    {
        foreach (var option in new Option[] { only, seconds, plain, json })
            Add(option);
    }

    public override int Run(CommandContext context)
    {
        using var off = context.Get(plain) ? Kernels.Off() : null;
        var table = new ResultTable(
            new("case"),
            new("forward_seconds", value => $"{(double)value * 1e3:F3} ms"),
            new("train_seconds", value => $"{(double)value * 1e3:F3} ms"));
        foreach (var timing in DenseBenchmark.Run(context.Get(only)!, context.Get(seconds), context.Stop))
            table.Add(timing.Name, timing.Forward, timing.Train);
        table.Write(context.Terminal, context.Get(json));
        return 0;
    }
}
