using System.CommandLine;
using System.Globalization;
using Attention.Data;
using Attention.Engine.Evaluation.Dense;

namespace Attention.Cli.Commands;

/// <summary>Scores panoptic segmentation in COCO's form.</summary>
internal sealed class ScorePanopticCommand : CliCommand
{
    private readonly Argument<string> annotations = new("ANNOTATIONS") { Description = "The annotations, such as panoptic_val2017.json" };
    private readonly Argument<string> results = new("RESULTS") { Description = "The JSON file of the results" };
    private readonly Option<string?> annotatedMaps = new("--maps") { Description = "The folder of the annotated maps; by default that of the annotations without .json", HelpName = "FOLDER" };
    private readonly Option<string?> resultMaps = new("--result-maps") { Description = "The folder of the resulting maps; by default that of the results without .json", HelpName = "FOLDER" };
    private readonly JsonOption json = new();

    public ScorePanopticCommand() : base("score panoptic", "Score panoptic segmentation: panoptic quality, of things and stuff, per category")
    {
        Add(annotations);
        Add(results);
        foreach (var option in new Option[] { annotatedMaps, resultMaps, json })
            Add(option);
    }

    public override int Run(CommandContext context)
    {
        var truth = CocoAnnotations.Load(context.Get(annotations));
        foreach (string problem in truth.Problems)
            context.Terminal.Error.WriteLine(problem);
        var found = PanopticResults.Load(context.Get(results), truth);
        var scores = PanopticScores.Evaluate(truth, context.Get(annotatedMaps) ?? Beside(context.Get(annotations)), found, context.Get(resultMaps) ?? Beside(context.Get(results)), context.Stop);
        var table = new ResultTable(new("category"), new("pq", Share), new("sq", Share), new("rq", Share), new("categories"), new("found"), new("false_alarms"), new("missed"));
        foreach (var (name, mean) in new[] { ("All", scores.All), ("Things", scores.Things), ("Stuff", scores.Stuff) })
            table.Add(name, mean.Quality, mean.Segmentation, mean.Recognition, mean.Categories, null, null, null);
        foreach (var (category, tally) in scores.Categories.Zip(scores.Tallies).Where(pair => pair.Second.Total > 0))
            table.Add(category.Name, tally.Quality, tally.Segmentation, tally.Recognition, null, tally.Hits, tally.FalseAlarms, tally.Misses);
        table.Write(context.Terminal, context.Get(json));
        return 0;
    }

    private static string Beside(string file) => Path.ChangeExtension(Path.GetFullPath(file), null);

    private static string Share(object value) => double.IsNaN((double)value) ? "-" : ((double)value).ToString("F4", CultureInfo.InvariantCulture);
}
