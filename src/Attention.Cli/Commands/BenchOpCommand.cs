using Attention.Engine.Benchmarks;
using Attention.Torch;

namespace Attention.Cli.Commands;

/// <summary>Times one small operator: the price of a call.</summary>
internal sealed class BenchOpCommand : CliCommand
{
    private readonly JsonOption json = new();

    public BenchOpCommand() : base("bench op", "Time a small operator, the sum of two 2x2 tensors") => Add(json);

    public override int Run(CommandContext context)
    {
        double seconds = OperatorBenchmark.Run();
        if (context.Get(json))
            JsonText.Write(context.Terminal.Out, writer =>
            {
                writer.WriteStartObject();
                writer.WriteNumber("seconds", seconds);
                writer.WriteNumber("peak_bytes", MemoryInfo.PeakResident);
                writer.WriteEndObject();
            });
        else
            context.Terminal.Out.WriteLine($"{seconds * 1e6:F3} us");
        return 0;
    }
}
