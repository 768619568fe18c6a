using System.Globalization;
using System.Text.Json;
using Attention.Engine.Evaluation.Dense;

namespace Attention.Cli;

/// <summary>How well the pixels of images are classified, as a table of the classes or as JSON.</summary>
internal static class SegmentationReport
{
    public static void Write(CommandContext context, SegmentationScores scores, bool asJson)
    {
        if (asJson)
        {
            JsonText.Write(context.Terminal.Out, writer => WriteJson(writer, scores));
            return;
        }
        var table = new ResultTable(new("class"), new("pixels"), new("iou", Share), new("dice", Share), new("accuracy", Share));
        foreach (var each in scores.Classes())
            table.Add(each.Name, each.Pixels, each.IntersectionOverUnion, each.Dice, each.Accuracy);
        table.Write(context.Terminal, asJson: false);
        context.Terminal.Out.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"mIoU {scores.MeanIntersectionOverUnion:F4}, pixel accuracy {scores.PixelAccuracy:F4}, mean accuracy {scores.MeanAccuracy:F4}, mean Dice {scores.MeanDice:F4}, frequency-weighted IoU {scores.FrequencyWeightedIntersectionOverUnion:F4}"));
    }

    private static string Share(object value) => double.IsNaN((double)value) ? "-" : ((double)value).ToString("F4", CultureInfo.InvariantCulture);

    /// <summary>The figures and those of each class; null for what cannot be judged.</summary>
    public static void WriteJson(Utf8JsonWriter writer, SegmentationScores scores)
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
