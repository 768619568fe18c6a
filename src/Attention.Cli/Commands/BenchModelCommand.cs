using System.CommandLine;
using Attention.Engine.Benchmarks;
using Attention.Engine.Configuration;
using Attention.Torch;

namespace Attention.Cli.Commands;

/// <summary>Times a model: inference, or a training step with AdamW.</summary>
internal sealed class BenchModelCommand : CliCommand
{
    private readonly Argument<string> model = new("MODEL") { Description = "A model of the registry" };
    private readonly Option<BenchmarkMode> mode = new("--mode") { Description = "forward, or train: forward, backward and optimizer", DefaultValueFactory = _ => BenchmarkMode.Forward };
    private readonly Option<int> batch = new("--batch") { Description = "Images of a step", DefaultValueFactory = _ => 8 };
    private readonly Option<double> seconds = new("--seconds") { Description = "How long to measure", DefaultValueFactory = _ => 10 };
    private readonly Option<int?> steps = new("--steps") { Description = "How many steps to measure, in place of --seconds" };
    private readonly Option<int?> threads = new("--threads") { Description = "Threads inside an operator; all cores by default" };
    private readonly JsonOption json = new();

    public BenchModelCommand() : base("bench model", "Time a model's inference or training step, and its memory")
    {
        foreach (var option in new Option[] { mode, batch, seconds, steps, threads, json })
            Add(option);
        Add(model);
    }

    public override int Run(CommandContext context)
    {
        if (context.Get(threads) is { } count)
            Threads.IntraOp = count;
        var timing = ModelBenchmark.Run(new NamedPart(context.Get(model)), context.Get(mode), context.Get(batch), context.Get(seconds), context.Get(steps), context.Stop);
        if (context.Get(json))
        {
            JsonText.Write(context.Terminal.Out, writer =>
            {
                writer.WriteStartObject();
                writer.WriteString("model", context.Get(model));
                writer.WriteString("mode", context.Get(mode).ToString().ToLowerInvariant());
                writer.WriteNumber("batch", context.Get(batch));
                writer.WriteNumber("threads", Threads.IntraOp);
                writer.WriteNumber("images_per_second", timing.ImagesPerSecond);
                writer.WriteNumber("median_seconds", timing.MedianSeconds);
                writer.WriteNumber("steps", timing.Steps);
                writer.WriteNumber("peak_bytes", timing.PeakBytes);
                writer.WriteNumber("live_tensors_growth", timing.LiveTensorsGrowth);
                writer.WriteNumber("resident_growth_bytes", timing.ResidentGrowthBytes);
                writer.WriteEndObject();
            });
            return 0;
        }
        var output = context.Terminal.Out;
        output.WriteLine($"{timing.ImagesPerSecond:F2} images/s ({timing.MedianSeconds * 1000:F1} ms a step, median of {timing.Steps}, {Threads.IntraOp} threads)");
        output.WriteLine($"peak memory {timing.PeakBytes >> 20} MiB; since the first steps: {timing.LiveTensorsGrowth:+0;-0;0} tensors, {timing.ResidentGrowthBytes >> 20:+0;-0;0} MiB resident");
        return 0;
    }
}
