using System.CommandLine;
using Attention.Engine.Benchmarks;
using Attention.Engine.Configuration;
using Attention.Torch;

namespace Attention.Cli.Commands;

/// <summary>Times an optimizer's step by itself.</summary>
internal sealed class BenchOptimizerCommand : CliCommand
{
    private readonly Argument<string> model = new("MODEL") { Description = "A model of the registry" };
    private readonly Option<string> optimizer = new("--optimizer") { Description = "adamw, adam, sgd, lamb, lion, adafactor or muon", DefaultValueFactory = _ => "adamw" };
    private readonly Option<double> seconds = new("--seconds") { Description = "How long to measure", DefaultValueFactory = _ => 5 };
    private readonly JsonOption json = new();

    public BenchOptimizerCommand() : base("bench optimizer", "Time a step of an optimizer over a model's parameters")
    {
        Add(model);
        Add(optimizer);
        Add(seconds);
        Add(json);
    }

    public override int Run(CommandContext context)
    {
        var family = PartFamily.Of(typeof(OptimizerConfig))!;
        var name = context.Get(optimizer)!;
        if (!family.Names.Contains(name))
            throw new UserError($"there is no optimizer named '{name}'", Spelling.Advice(name, family.Names));
        double median = OptimizerBenchmark.Run(context.Get(model), (OptimizerConfig)family.Defaults(name), context.Get(seconds), context.Stop);
        if (context.Get(json))
            JsonText.Write(context.Terminal.Out, writer =>
            {
                writer.WriteStartObject();
                writer.WriteNumber("seconds", median);
                writer.WriteNumber("peak_bytes", MemoryInfo.PeakResident);
                writer.WriteEndObject();
            });
        else
            context.Terminal.Out.WriteLine($"{median * 1e3:F3} ms");
        return 0;
    }
}
