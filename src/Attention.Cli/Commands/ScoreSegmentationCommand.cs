using System.CommandLine;
using System.Globalization;
using System.Text.Json;
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
        if (context.Get(json))
        {
            JsonText.Write(context.Terminal.Out, writer => WriteJson(writer, scores));
            return 0;
        }
        var table = new ResultTable(new("class"), new("pixels"), new("iou", Share), new("dice", Share), new("accuracy", Share));
        foreach (var each in scores.Classes())
            table.Add(each.Name, each.Pixels, each.IntersectionOverUnion, each.Dice, each.Accuracy);
        table.Write(context.Terminal, asJson: false);
        context.Terminal.Out.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"mIoU {scores.MeanIntersectionOverUnion:F4}, pixel accuracy {scores.PixelAccuracy:F4}, mean accuracy {scores.MeanAccuracy:F4}, mean Dice {scores.MeanDice:F4}, frequency-weighted IoU {scores.FrequencyWeightedIntersectionOverUnion:F4}"));
        return 0;
    }

    private static string Share(object value) => double.IsNaN((double)value) ? "-" : ((double)value).ToString("F4", CultureInfo.InvariantCulture);

    private static void WriteJson(Utf8JsonWriter writer, SegmentationScores scores)
    {
        writer.WriteStartObject();
        writer.WriteNumber("miou", scores.MeanIntersectionOverUnion);
        writer.WriteNumber("pixel_accuracy", scores.PixelAccuracy);
        writer.WriteNumber("mean_accuracy", scores.MeanAccuracy);
        writer.WriteNumber("mean_dice", scores.MeanDice);
        writer.WriteNumber("frequency_weighted_iou", scores.FrequencyWeightedIntersectionOverUnion);
        writer.WriteStartArray("classes");
        foreach (var each in scores.Classes())
        {
            writer.WriteStartObject();
            writer.WriteString("name", each.Name);
            writer.WriteNumber("pixels", each.Pixels);
            foreach (var (key, value) in new[] { ("iou", each.IntersectionOverUnion), ("dice", each.Dice), ("accuracy", each.Accuracy) })
                if (double.IsNaN(value))
                    writer.WriteNull(key);
                else
                    writer.WriteNumber(key, value);
            writer.WriteEndObject();
        }
        writer.WriteEndArray();
        writer.WriteEndObject();
    }
}
