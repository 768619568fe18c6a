using System.CommandLine;
using Attention.Engine.Runs;
using Attention.Engine.Runs.Report;

namespace Attention.Cli.Commands;

/// <summary>Writes the report of a run anew, for one that is still going or was killed; or one page that compares several runs.</summary>
internal sealed class ReportCommand : CliCommand
{
    private readonly Argument<string[]> folders = new("RUN") { Description = "The run's folder; several to compare them", Arity = ArgumentArity.OneOrMore };
    private readonly Option<ComparisonAxis> by = new("--by") { Description = "What the curves of several runs are drawn over: epoch, step or time" };
    private readonly Option<string> output = new("--out") { Description = "The page that compares several runs", DefaultValueFactory = _ => "comparison.html", HelpName = "FILE" };

    public ReportCommand() : base("report", "Write the HTML report of a run from its log, or compare several runs")
    {
        Add(folders);
        Add(by);
        Add(output);
    }

    public override int Run(CommandContext context)
    {
        var runs = context.Get(folders)!.Select(RunFolder.Open).ToArray();
        string page;
        if (runs is [var run])
        {
            HtmlReport.Write(run);
            page = run.ReportFile;
        }
        else
            ComparisonReport.Write(runs, page = context.Get(output)!, context.Get(by));
        context.Terminal.Out.WriteLine(page);
        return 0;
    }
}
