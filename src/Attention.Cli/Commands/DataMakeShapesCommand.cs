using System.CommandLine;
using Attention.Data.Samples;

namespace Attention.Cli.Commands;

/// <summary>Renders images of shapes in class folders.</summary>
internal sealed class DataMakeShapesCommand : CliCommand
{
    private readonly Argument<string> folder = new("FOLDER") { Description = "Where to, for example data/shapes" };
    private readonly Option<int> size = new("--size") { Description = "Width and height in pixels", DefaultValueFactory = _ => 64 };
    private readonly Option<int> train = new("--train") { Description = "Training images of each class", DefaultValueFactory = _ => 500 };
    private readonly Option<int> held = new("--val") { Description = "Held-out images of each class", DefaultValueFactory = _ => 100 };
    private readonly Option<long> seed = new("--seed") { Description = "The same seed gives the same bytes" };

    public DataMakeShapesCommand() : base("data make shapes", "Render images of ten kinds of shapes, in class folders")
    {
        Add(folder);
        foreach (var option in new Option[] { size, train, held, seed })
            Add(option);
    }

    public override int Run(CommandContext context)
    {
        var options = new ShapesOptions
        {
            Size = context.Get(size),
            TrainPerClass = context.Get(train),
            ValPerClass = context.Get(held),
            Seed = context.Get(seed),
        };
        var made = ShapesDataset.Ensure(context.Get(folder), options, cancel: context.Stop);
        context.Terminal.Out.WriteLine($"{(options.TrainPerClass + options.ValPerClass) * ShapesDataset.Classes.Count} images of {ShapesDataset.Classes.Count} classes in {made}");
        return 0;
    }
}
