using System.CommandLine;
using Attention.Engine;

namespace Attention.Cli.Commands;

/// <summary>Lists the registry: every variant with its parameters and multiply-adds.</summary>
internal sealed class ModelsCommand : CliCommand
{
    private readonly Argument<string?> filter = new("FILTER") { Description = "Part of the name", DefaultValueFactory = _ => null };
    private readonly Option<bool> measure = new("--measure") { Description = "Build and measure each model, rather than look its size up" };
    private readonly JsonOption json = new();

    public ModelsCommand() : base("models", "List the models there are")
    {
        Add(filter);
        Add(measure);
        Add(json);
    }

    public override int Run(CommandContext context)
    {
        var table = new ResultTable(
            new("model"), new("family"), new("image_size"),
            new("parameters", value => $"{(long)value / 1e6:F2} M"),
            new("multiply_adds", value => $"{(long)value / 1e9:F2} G"));
        var wanted = context.Get(filter);
        foreach (var entry in ModelCatalogue.List(wanted, context.Get(measure)))
            table.Add(entry.Name, entry.Family, entry.ImageSize, entry.Parameters, entry.MultiplyAdds);
        table.Write(context.Terminal, context.Get(json));
        return 0;
    }
}
