using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using Attention.Data;
using Attention.Engine.Configuration;
using Attention.Engine.Evaluation.Dense;

namespace Attention.Cli.Commands;

/// <summary>Scores boxes, masks or poses in COCO's form against annotations in COCO's form.</summary>
internal sealed class ScoreCocoCommand : CliCommand
{
    private const int MostNamed = 20;
    private static readonly string[] kinds = ["bbox", "segm", "keypoints"];

    private readonly Argument<string> annotations = new("ANNOTATIONS") { Description = "The annotations, such as instances_val2017.json" };
    private readonly Argument<string[]> results = new("RESULTS") { Description = "One or more JSON files of results, each scored by itself", Arity = ArgumentArity.OneOrMore };
    private readonly Option<string?> kind = new("--kind") { Description = "bbox, segm or keypoints; what the first result has by default", HelpName = "KIND" };
    private readonly Option<double[]> sigmas = new("--sigmas") { Description = "The spread of each keypoint; by default those of COCO's 17", AllowMultipleArgumentsPerToken = true };
    private readonly Option<bool> classes = new("--classes") { Description = "Print a table of the categories too" };
    private readonly Option<bool> all = new("--all") { Description = "Name every fault of the files, not just the first ones" };
    private readonly JsonOption json = new();

    public ScoreCocoCommand() : base("score coco", "Score boxes, masks or poses: COCO's average precision and recall")
    {
        Add(annotations);
        Add(results);
        foreach (var option in new Option[] { kind, sigmas, classes, all, json })
            Add(option);
    }

    public override int Run(CommandContext context)
    {
        var truth = CocoAnnotations.Load(context.Get(annotations));
        Warn(context, truth.Problems);
        var asked = context.Get(kind) is { } name ? KindOf(name) : (CocoKind?)null;
        var scores = new List<(string File, CocoResults Results, CocoScores Scores)>();
        foreach (string file in context.Get(results))
        {
            var read = CocoResults.Load(file, truth, asked);
            Warn(context, [.. read.Problems.Select(problem => $"{file}: {problem}")]);
            var protocol = CocoProtocol.For(read.Kind);
            if (context.Get(sigmas) is { Length: > 0 } spreads)
                protocol = protocol with { Sigmas = spreads };
            scores.Add((file, read, CocoEvaluator.Evaluate(truth, read, protocol)));
        }
        if (context.Get(json))
            JsonText.Write(context.Terminal.Out, writer => WriteJson(writer, truth, scores));
        else
            WriteTables(context, scores);
        return 0;
    }

    private static CocoKind KindOf(string name) => Array.IndexOf(kinds, name) is >= 0 and var place ? (CocoKind)place
        : throw new UserError($"there is no kind '{name}'", Spelling.Nearest(name, kinds) is { } near ? $"did you mean '{near}'?" : "it is bbox, segm or keypoints");

    private void Warn(CommandContext context, IReadOnlyList<string> problems)
    {
        int most = context.Get(all) ? problems.Count : MostNamed;
        foreach (string problem in problems.Take(most))
            context.Terminal.Error.WriteLine(problem);
        if (problems.Count > most)
            context.Terminal.Error.WriteLine($"... and {problems.Count - most} more; --all names them");
    }

    private void WriteTables(CommandContext context, List<(string File, CocoResults Results, CocoScores Scores)> scores)
    {
        var table = new ResultTable([new("figure"), .. scores.Select(each => new ResultTable.Column($"{Path.GetFileName(each.File)} {kinds[(int)each.Scores.Kind]}", Share))]);
        foreach (string figure in scores.SelectMany(each => each.Scores.Figures).Select(each => each.Name).Distinct())
            table.Add([figure, .. scores.Select(each => (object?)each.Scores.Figures.FirstOrDefault(found => found.Name == figure)?.Value)]);
        table.Write(context.Terminal, asJson: false);
        if (!context.Get(classes))
            return;
        foreach (var (file, _, score) in scores)
        {
            context.Terminal.Out.WriteLine();
            context.Terminal.Out.WriteLine(file);
            var perClass = new ResultTable([new("category"), new("objects"), new("detections"), .. score.Figures.Take(6).Select(figure => new ResultTable.Column(figure.Name, Share))]);
            foreach (var each in score.Categories)
                perClass.Add([each.Category.Name, each.Objects, each.Detections, .. each.Figures.Take(6).Select(figure => (object?)figure.Value)]);
            perClass.Write(context.Terminal, asJson: false);
        }
    }

    private static string Share(object value) => double.IsNaN((double)value) ? "-" : ((double)value).ToString("F4", CultureInfo.InvariantCulture);

    private static void WriteJson(Utf8JsonWriter writer, CocoAnnotations truth, List<(string File, CocoResults Results, CocoScores Scores)> scores)
    {
        writer.WriteStartArray();
        foreach (var (file, results, score) in scores)
        {
            writer.WriteStartObject();
            writer.WriteString("results", file);
            writer.WriteString("kind", kinds[(int)score.Kind]);
            writer.WriteNumber("images", truth.Count);
            writer.WriteNumber("detections", results.Detections.Count);
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
            foreach (string problem in truth.Problems.Concat(results.Problems))
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
