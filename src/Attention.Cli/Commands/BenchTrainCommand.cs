using System.CommandLine;
using Attention.Engine.Benchmarks;
using Attention.Engine.Reporting;
using Attention.Torch;

namespace Attention.Cli.Commands;

/// <summary>Times the training steps of a config.</summary>
internal sealed class BenchTrainCommand : CliCommand
{
    private readonly ConfigSource source = new();
    private readonly Option<double> seconds = new("--seconds") { Description = "How long to measure", DefaultValueFactory = _ => 10 };
    private readonly Option<int?> threads = new("--threads") { Description = "Threads inside an operator; all cores by default" };
    private readonly JsonOption json = new();

    public BenchTrainCommand() : base("bench train", "Time the whole training steps of a config, without a run")
    {
        source.AddTo(this);
        foreach (var option in new Option[] { seconds, threads, json })
            Add(option);
    }

    public override int Run(CommandContext context)
    {
        if (context.Get(threads) is { } count)
            Threads.IntraOp = count;
        using var reporter = new TextReporter(context.Terminal.Error);
        var timing = TrainingBenchmark.Run(source.Load(context).Value, context.Get(seconds), reporter, context.Stop);
        if (context.Get(json))
        {
            JsonText.Write(context.Terminal.Out, writer =>
            {
                writer.WriteStartObject();
                writer.WriteNumber("seconds", timing.MedianSeconds);
                writer.WriteNumber("wait_seconds", timing.WaitSeconds);
                writer.WriteNumber($"{timing.Unit}_per_second", timing.SamplesPerSecond);
                writer.WriteNumber("steps", timing.Steps);
                writer.WriteNumber("threads", Threads.IntraOp);
                writer.WriteNumber("peak_bytes", timing.PeakBytes);
                writer.WriteEndObject();
            });
            return 0;
        }
        var output = context.Terminal.Out;
        output.WriteLine($"{timing.MedianSeconds * 1000:F2} ms a step (median of {timing.Steps}, {Threads.IntraOp} threads), {timing.SamplesPerSecond:F0} {timing.Unit}/s, "
            + $"{timing.WaitSeconds * 1000:F2} ms of it waiting for data; peak memory {timing.PeakBytes >> 20} MiB");
        return 0;
    }
}
