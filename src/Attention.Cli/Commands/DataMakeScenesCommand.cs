using System.CommandLine;
using Attention.Data.Samples;

namespace Attention.Cli.Commands;

/// <summary>Renders scenes of shapes and people with COCO annotations and segmentation maps.</summary>
internal sealed class DataMakeScenesCommand : CliCommand
{
    private readonly Argument<string> folder = new("FOLDER") { Description = "Where to, for example data/scenes" };
    private readonly Option<int> train = new("--train") { Description = "Training images", DefaultValueFactory = _ => new ScenesOptions().TrainImages };
    private readonly Option<int> held = new("--val") { Description = "Held-out images", DefaultValueFactory = _ => new ScenesOptions().ValImages };
    private readonly Option<long> seed = new("--seed") { Description = "The same seed gives the same bytes" };

    public DataMakeScenesCommand() : base("data make scenes", "Render scenes with COCO boxes, masks, keypoints and segmentation maps")
    {
        Add(folder);
        foreach (var option in new Option[] { train, held, seed })
            Add(option);
    }

    public override int Run(CommandContext context)
    {
        var options = new ScenesOptions { TrainImages = context.Get(train), ValImages = context.Get(held), Seed = context.Get(seed) };
        var made = ScenesDataset.Ensure(context.Get(folder), options, cancel: context.Stop);
        context.Terminal.Out.WriteLine($"{options.TrainImages + options.ValImages} scenes with {ScenesDataset.Categories.Count} categories in {made}");
        return 0;
    }
}
