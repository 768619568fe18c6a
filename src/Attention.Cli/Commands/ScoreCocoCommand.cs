using System.CommandLine;
using Attention.Data;
using Attention.Engine.Configuration;
using Attention.Engine.Evaluation.Dense;

namespace Attention.Cli.Commands;

/// <summary>Scores boxes, masks or poses in COCO's form against annotations in COCO's form.</summary>
internal sealed class ScoreCocoCommand : CliCommand
{
    private const int MostNamed = 20;
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
        var report = new CocoReport(truth);
        foreach (string file in context.Get(results))
        {
            var read = CocoResults.Load(file, truth, asked);
            Warn(context, [.. read.Problems.Select(problem => $"{file}: {problem}")]);
            var protocol = CocoProtocol.For(read.Kind);
            if (context.Get(sigmas) is { Length: > 0 } spreads)
                protocol = protocol with { Sigmas = spreads };
            report.Add(file, read.Detections.Count, read.Problems, CocoEvaluator.Evaluate(truth, read, protocol));
        }
        report.Write(context, context.Get(json), context.Get(classes));
        return 0;
    }

    private static CocoKind KindOf(string name) => CocoReport.Kinds.ToList().IndexOf(name) is >= 0 and var place ? (CocoKind)place
        : throw new UserError($"there is no kind '{name}'", Spelling.Nearest(name, CocoReport.Kinds) is { } near ? $"did you mean '{near}'?" : "it is bbox, segm or keypoints");

    private void Warn(CommandContext context, IReadOnlyList<string> problems)
    {
        int most = context.Get(all) ? problems.Count : MostNamed;
        foreach (string problem in problems.Take(most))
            context.Terminal.Error.WriteLine(problem);
        if (problems.Count > most)
            context.Terminal.Error.WriteLine($"... and {problems.Count - most} more; --all names them");
    }
}
