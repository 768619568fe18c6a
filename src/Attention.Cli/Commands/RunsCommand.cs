using System.CommandLine;
using Attention.Engine.Reporting;
using Attention.Engine.Runs;

namespace Attention.Cli.Commands;

/// <summary>Lists the runs below a folder, the latest last.</summary>
internal sealed class RunsCommand : CliCommand
{
    private readonly Argument<string> folder = new("FOLDER") { Description = "Where the runs are", DefaultValueFactory = _ => "runs" };
    private readonly JsonOption json = new();

    public RunsCommand() : base("runs", "List runs and what they reached")
    {
        Add(folder);
        Add(json);
    }

    public override int Run(CommandContext context)
    {
        var root = context.Get(folder);
        if (!Directory.Exists(root)) throw new UserError($"there is no folder '{root}'", "train something first, or name the folder of your runs");
        var table = new ResultTable(
            new("run"), new("model"), new("status"), new("epochs"), new("best_top1", Share), new("best_epoch"), new("final_top1", Share), new("best_loss", value => MetricFormat.Number((double)value)),
            new("per_second", value => MetricFormat.Number((double)value)), new("seconds", value => MetricFormat.Duration((double)value)));
        var found = Directory.EnumerateFiles(root, "summary.json", SearchOption.AllDirectories)
            .Select(file => (path: Path.GetDirectoryName(file)!, summary: RunSummary.Read(file)!)).OrderBy(run => run.summary.started);
        foreach (var (path, run) in found)
            table.Add(path, run.model, run.status, run.epochs, Top1(run.best), run.best_epoch, Top1(run.final), run.val_loss, run.Throughput?.Rate, run.seconds);
        table.Write(context.Terminal, context.Get(json));
        return 0;
    }

    private static object? Top1(IReadOnlyDictionary<string, double> metrics) => metrics.TryGetValue("top1", out var value) ? value : null;

    private static string Share(object value) => MetricFormat.Value("top1", (double)value);
}
