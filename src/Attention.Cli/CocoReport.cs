using System.Globalization;
using System.Text.Json;
using Attention.Data;
using Attention.Engine.Evaluation.Dense;

namespace Attention.Cli;

/// <summary>COCO's figures of one or more sets of results as tables or JSON.</summary>
/// <param name="truth">What was judged against.</param>
internal sealed class CocoReport(CocoAnnotations truth)
{
    private static readonly string[] kinds = ["bbox", "segm", "keypoints"];
    private readonly List<Entry> entries = [];

    private sealed record Entry(string Source, int Detections, IReadOnlyList<string> Problems, CocoScores Scores);

    /// <summary>The names of what can be judged, as pycocotools has them.</summary>
    public static IReadOnlyList<string> Kinds => kinds;

    /// <param name="source">Where the results are from, such as their file.</param>
    /// <param name="detections">How many there are.</param>
    /// <param name="problems">What was left out of them.</param>
    /// <param name="scores">Their figures.</param>
    public void Add(string source, int detections, IReadOnlyList<string> problems, CocoScores scores) => entries.Add(new(source, detections, problems, scores));

    /// <param name="context">Where to write.</param>
    /// <param name="asJson">JSON rather than tables.</param>
    /// <param name="classes">Whether a table of the categories follows; JSON always has them.</param>
    public void Write(CommandContext context, bool asJson, bool classes)
    {
        if (asJson)
            JsonText.Write(context.Terminal.Out, WriteJson);
        else
            WriteTables(context, classes);
    }

    private void WriteTables(CommandContext context, bool classes)
    {
        var table = new ResultTable([new("figure"), .. entries.Select(each => new ResultTable.Column($"{Path.GetFileName(each.Source)} {kinds[(int)each.Scores.Kind]}", Share))]);
        foreach (string figure in entries.SelectMany(each => each.Scores.Figures).Select(each => each.Name).Distinct())
            table.Add([figure, .. entries.Select(each => (object?)each.Scores.Figures.FirstOrDefault(found => found.Name == figure)?.Value)]);
        table.Write(context.Terminal, asJson: false);
        if (!classes)
            return;
        foreach (var (source, _, _, score) in entries)
        {
            context.Terminal.Out.WriteLine();
            context.Terminal.Out.WriteLine($"{source} {kinds[(int)score.Kind]}");
            var perClass = new ResultTable([new("category"), new("objects"), new("detections"), .. score.Figures.Take(6).Select(figure => new ResultTable.Column(figure.Name, Share))]);
            foreach (var each in score.Categories)
                perClass.Add([each.Category.Name, each.Objects, each.Detections, .. each.Figures.Take(6).Select(figure => (object?)figure.Value)]);
            perClass.Write(context.Terminal, asJson: false);
        }
    }

    private static string Share(object value) => double.IsNaN((double)value) ? "-" : ((double)value).ToString("F4", CultureInfo.InvariantCulture);

    /// <summary>All figures as a JSON list.</summary>
    public void WriteJson(Utf8JsonWriter writer)
    {
        writer.WriteStartArray();
        foreach (var (source, detections, problems, score) in entries)
        {
            writer.WriteStartObject();
            writer.WriteString("results", source);
            writer.WriteString("kind", kinds[(int)score.Kind]);
            writer.WriteNumber("images", truth.Count);
            writer.WriteNumber("detections", detections);
            WriteFigures(writer, score.Figures);
            // As pycocotools has them: in its order, -1 for what cannot be judged.
            writer.WriteStartArray("stats");
            foreach (var figure in score.Figures)
                writer.WriteNumberValue(double.IsNaN(figure.Value) ? -1 : figure.Value);
            writer.WriteEndArray();
            writer.WriteStartArray("categories");
            foreach (var each in score.Categories)
            {
                writer.WriteStartObject();
                writer.WriteNumber("id", each.Category.Id);
                writer.WriteString("name", each.Category.Name);
                writer.WriteNumber("objects", each.Objects);
                writer.WriteNumber("detections", each.Detections);
                WriteFigures(writer, each.Figures);
                writer.WriteEndObject();
            }
            writer.WriteEndArray();
            writer.WriteStartArray("left_out");
            foreach (string problem in truth.Problems.Concat(problems))
                writer.WriteStringValue(problem);
            writer.WriteEndArray();
            writer.WriteEndObject();
        }
        writer.WriteEndArray();
    }

    private static void WriteFigures(Utf8JsonWriter writer, IReadOnlyList<CocoFigure> figures)
    {
        foreach (var figure in figures)
            if (double.IsNaN(figure.Value))
                writer.WriteNull(figure.Name);
            else
                writer.WriteNumber(figure.Name, figure.Value);
    }
}
