using System.Text;
using Attention.Engine.Reporting;
using static Attention.Engine.Runs.Report.HtmlReport;

namespace Attention.Engine.Runs.Report;

/// <summary>What the curves of several runs are drawn over.</summary>
public enum ComparisonAxis
{
    Epoch,
    Step,

    /// <summary>Minutes since the run began.</summary>
    Time,
}

/// <summary>Several runs on one page: a table of what they reached, and each metric's curves in one chart. Needs no network.</summary>
public static class ComparisonReport
{
    private const string Marker = "<!-- comparison of runs -->";

    /// <summary>Writes the page.</summary>
    /// <param name="runs">The runs, at least one.</param>
    /// <param name="path">The file; an earlier comparison is replaced.</param>
    /// <param name="axis">What the curves are drawn over.</param>
    /// <exception cref="UserError">There is another file of that name, or two runs are the same.</exception>
    public static void Write(IReadOnlyList<RunFolder> runs, string path, ComparisonAxis axis = ComparisonAxis.Epoch)
    {
        if (File.Exists(path) && !File.ReadLines(path).Take(1).Contains(Marker))
            throw new UserError($"'{path}' is there and no comparison of runs", "choose another file with --out");
        if (runs.GroupBy(run => Path.GetFullPath(run.Location)).FirstOrDefault(group => group.Count() > 1) is { } twice)
            throw new UserError($"the run '{twice.First()}' is given twice", "name each run once");
        AtomicFile.WriteText(path, ToHtml([.. runs.Select(Read)], axis));
    }

    private static (string Name, RunSummary? Summary, MetricRow[] Rows) Read(RunFolder run) =>
        (run.Location, RunSummary.Read(run.SummaryFile), File.Exists(run.LogFile) ? [.. JsonLog.Read(run.LogFile)] : []);

    /// <param name="runs">Folder, outcome and log of each run.</param>
    /// <param name="axis">What the curves are drawn over.</param>
    public static string ToHtml(IReadOnlyList<(string Name, RunSummary? Summary, MetricRow[] Rows)> runs, ComparisonAxis axis)
    {
        var names = Names(runs);
        var html = new StringBuilder($"{Marker}\n{Head("Comparison of runs", $"<p>{runs.Count} runs by {axis.ToString().ToLowerInvariant()}</p>")}");
        Table(html, runs, names);
        html.Append("<div class=\"charts\">\n");
        var metrics = runs.SelectMany(run => run.Rows).SelectMany(row => row.Metrics.Keys).Distinct()
            .OrderBy(metric => Place(MetricFormat.Quantity(metric))).ThenBy(metric => MetricFormat.Source(metric) != "val").ThenBy(metric => metric, StringComparer.Ordinal);
        foreach (var metric in metrics)
        {
            // Every run keeps its colour, so that one without the metric has an empty curve.
            var curves = runs.Select((run, i) => new Curve(names[i], Points(run.Rows, metric, axis))).ToArray();
            if (curves.All(curve => curve.Points.Count == 0))
                continue;
            html.Append(new LineChart(metric, curves, Unit(axis), MetricFormat.Source(metric)).ToHtml());
        }
        html.Append($"</div>\n{Foot}");
        return html.ToString();
    }

    private static (double, double)[] Points(MetricRow[] rows, string metric, ComparisonAxis axis) =>
        [.. HtmlReport.Points(rows, metric).Select(row => (Along(row, axis), row.Metrics[metric]))];

    private static double Along(MetricRow row, ComparisonAxis axis) => axis switch
    {
        ComparisonAxis.Epoch => row.Epoch,
        ComparisonAxis.Step => row.Step,
        _ => row.Seconds / 60,
    };

    private static string Unit(ComparisonAxis axis) => axis == ComparisonAxis.Time ? "minute" : axis.ToString().ToLowerInvariant();

    // The runs' own names where they differ, else with the folder that tells them apart.
    private static string[] Names(IReadOnlyList<(string Name, RunSummary? Summary, MetricRow[] Rows)> runs)
    {
        string[] own = [.. runs.Select(run => run.Summary?.name ?? Path.GetFileName(run.Name))];
        return own.Distinct().Count() == own.Length ? own : [.. runs.Select((run, i) => $"{own[i]}/{Path.GetFileName(Path.TrimEndingDirectorySeparator(run.Name))}")];
    }

    private static void Table(StringBuilder html, IReadOnlyList<(string Name, RunSummary? Summary, MetricRow[] Rows)> runs, string[] names)
    {
        var metrics = runs.SelectMany(run => run.Summary?.best.Keys ?? []).Distinct().OrderBy(Place).ToArray();
        html.Append("<h2>Best measurements</h2>\n<div class=\"table\"><table><tr><th>run</th><th>model</th><th>parameters</th>");
        foreach (var metric in metrics)
            html.Append($"<th>{Encode(MetricFormat.Title(metric))}</th>");
        html.Append("<th>epoch</th><th>per second</th><th>time</th><th>status</th></tr>\n");
        for (int i = 0; i < runs.Count; i++)
        {
            if (runs[i].Summary is not { } summary)
                continue;
            var cells = metrics.Select(metric => summary.best.TryGetValue(metric, out var value) ? MetricFormat.Value(metric, value) : "")
                .Prepend(Count(summary.parameters)).Prepend(summary.model).Prepend(names[i])
                .Append($"{summary.best_epoch} of {summary.epochs}")
                .Append(summary.Throughput is var (unit, rate) ? $"{MetricFormat.Number(rate)} {unit}" : "")
                .Append(MetricFormat.Duration(summary.seconds)).Append(summary.status);
            html.Append($"<tr>{string.Concat(cells.Select(cell => $"<td>{Encode(cell)}</td>"))}</tr>\n");
        }
        html.Append("</table></div>\n");
    }
}
