using System.CommandLine;
using Attention.Data;
using Attention.Engine.Evaluation.Dense;

namespace Attention.Cli.Commands;

/// <summary>Scores maps of classes against annotated ones.</summary>
internal sealed class ScoreSegmentationCommand : CliCommand
{
    private readonly Argument<string> truth = new("MAPS") { Description = "The folder of the annotated maps, PNG files of one channel" };
    private readonly Argument<string> results = new("RESULTS") { Description = "The folder of the resulting maps, of the same names" };
    private readonly Option<string> names = new("--class-names") { Description = "A file with the classes' names, one a line", HelpName = "FILE", Required = true };
    private readonly Option<bool> zeroIsNone = new("--zero-is-none") { Description = "0 stands for no class and 1 for the first one, in both folders" };
    private readonly JsonOption json = new();

    public ScoreSegmentationCommand() : base("score segmentation", "Score maps of classes: mean IoU, pixel accuracy, Dice, per class")
    {
        Add(truth);
        Add(results);
        foreach (var option in new Option[] { names, zeroIsNone, json })
            Add(option);
    }

    public override int Run(CommandContext context)
    {
        string[] classes = [.. ImageFiles.Lines(context.Get(names)!).Select(line => line.Trim()).Where(line => line.Length > 0)];
        if (classes.Length is 0 or > LabelMapFolder.None)
            throw new UserError($"{context.Get(names)} has {classes.Length} names", $"write 1 to {LabelMapFolder.None}, one a line");
        var scores = SegmentationScores.OfFolders(context.Get(truth), context.Get(results), classes, context.Get(zeroIsNone), context.Stop);
        SegmentationReport.Write(context, scores, context.Get(json));
        return 0;
    }
}
