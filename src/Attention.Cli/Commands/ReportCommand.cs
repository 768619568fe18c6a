using System.CommandLine;
using Attention.Engine.Runs;
using Attention.Engine.Runs.Report;

namespace Attention.Cli.Commands;

/// <summary>Writes the report of a run anew, for one that is still going or was killed.</summary>
internal sealed class ReportCommand : CliCommand
{
    private readonly Argument<string> folder = new("RUN") { Description = "The run's folder" };

    public ReportCommand() : base("report", "Write the HTML report of a run from its log") => Add(folder);

    public override int Run(CommandContext context)
    {
        var run = RunFolder.Open(context.Get(folder));
        HtmlReport.Write(run);
        context.Terminal.Out.WriteLine(run.ReportFile);
        return 0;
    }
}
