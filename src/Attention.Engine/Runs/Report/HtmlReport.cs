using System.Globalization;
using System.Net;
using System.Text;
using Attention.Engine.Reporting;

namespace Attention.Engine.Runs.Report;

/// <summary>
/// The page of a run, <c>report.html</c>: outcome, curves, a table of the measurements, confusions, the worst mistakes with
/// their pictures and the configuration, in one file that needs no network and follows the reader's light or dark setting.
/// </summary>
public static class HtmlReport
{
    private static readonly string[] order = ["loss", "top1", "top5", "perplexity", "accuracy", "bits_per_byte", "lr", "images_per_second", "tokens_per_second", "data_wait", "utilisation"];

    /// <summary>Writes the report from what the run's folder holds so far.</summary>
    public static void Write(RunFolder run)
    {
        var rows = File.Exists(run.LogFile) ? JsonLog.Read(run.LogFile).ToArray() : [];
        AtomicFile.WriteText(run.ReportFile, ToHtml(run.Location, RunSummary.Read(run.SummaryFile), rows, File.ReadAllText(run.ConfigFile), EvaluationDetails.Read(run.DetailsFile)));
    }

    /// <param name="location">The run's folder, for the reader to find it again.</param>
    /// <param name="summary">The outcome; null while there is none.</param>
    /// <param name="rows">The log.</param>
    /// <param name="config">The resolved configuration as YAML.</param>
    /// <param name="details">Confusions and mistakes; null for none.</param>
    public static string ToHtml(string location, RunSummary? summary, IReadOnlyList<MetricRow> rows, string config, EvaluationDetails? details = null)
    {
        var html = new StringBuilder(Head(summary?.name ?? Path.GetFileName(location), summary is null ? "" : Subtitle(summary)));
        if (summary is not null) Tiles(html, summary);
        Charts(html, rows);
        Table(html, rows, summary?.best_epoch ?? 0);
        if (details is not null) html.Append(EvaluationPage.ToHtml(details));
        html.Append($"<details><summary>Configuration</summary><pre>{Encode(config)}</pre></details>\n");
        html.Append($"<footer>{Encode(location)}</footer>\n{Foot}");
        return html.ToString();
    }

    /// <summary>The beginning of a page, up to its heading.</summary>
    /// <param name="title">The heading.</param>
    /// <param name="subtitle">HTML below it.</param>
    internal static string Head(string title, string subtitle) => $"""
        <!doctype html>
        <html lang="en">
        <meta charset="utf-8">
        <meta name="viewport" content="width=device-width">
        <title>{Encode(title)}</title>
        <style>
        {Resource("report.css")}</style>
        <header><h1>{Encode(title)}</h1>{subtitle}</header>

        """;

    internal static string Foot => $"<script>\n{Resource("report.js")}</script>\n</html>\n";

    /// <summary>Where a metric's chart stands among the others.</summary>
    internal static int Place(string quantity) => Array.IndexOf(order, quantity) is >= 0 and var place ? place : order.Length;

    private static string Subtitle(RunSummary summary)
    {
        var started = summary.started.ToString("yyyy-MM-dd HH:mm", CultureInfo.InvariantCulture);
        var facts = new[] { summary.model, summary.task.Replace('_', ' '), summary.device, started };
        var status = $"<span class=\"status {Encode(summary.status)}\">{Encode(summary.status)}</span>";
        var error = summary.error is null ? "" : $"<p class=\"failed\">{Encode(summary.error)}</p>";
        return $"<p>{string.Join(" · ", facts.Select(Encode))} · {status}</p>{error}";
    }

    private static void Tiles(StringBuilder html, RunSummary summary)
    {
        html.Append("<div class=\"tiles\">");
        foreach (var (metric, value) in summary.best.OrderBy(metric => metric.Key == "loss"))
            Tile(MetricFormat.Value(metric, value), $"{MetricFormat.Title(metric)}, epoch {summary.best_epoch}");
        Tile(Count(summary.parameters), "Parameters");
        if (summary.Throughput is var (unit, rate))
            Tile(MetricFormat.Number(rate), $"{char.ToUpperInvariant(unit[0])}{unit[1..]} per second");
        Tile(MetricFormat.Duration(summary.seconds), $"{summary.epochs} epochs, {summary.steps.ToString("#,0", CultureInfo.InvariantCulture)} steps");
        html.Append("</div>\n");

        void Tile(string value, string name) => html.Append($"<div class=\"tile\"><b>{Encode(value)}</b><span>{Encode(name)}</span></div>");
    }

    private static void Charts(StringBuilder html, IReadOnlyList<MetricRow> rows)
    {
        var charts = rows.SelectMany(row => row.Metrics.Keys).Distinct().GroupBy(MetricFormat.Quantity).OrderBy(chart => Place(chart.Key)).ThenBy(chart => chart.Key);
        html.Append("<div class=\"charts\">\n");
        foreach (var chart in charts)
        {
            var curves = chart.Order().Select(metric => new Curve(MetricFormat.Source(metric), [.. Points(rows, metric).Select(row => (row.Epoch, row.Metrics[metric]))]))
                .Where(curve => curve.Points.Count > 0).ToArray();
            if (curves.Length > 0)
                html.Append(new LineChart(chart.Key, curves).ToHtml());
        }
        html.Append("</div>\n");
    }

    /// <summary>The rows that make a metric's curve: single steps or the means of epochs, whichever are more; never both in turn.</summary>
    internal static IEnumerable<MetricRow> Points(IReadOnlyList<MetricRow> rows, string metric)
    {
        var kinds = rows.Where(row => row.Metrics.TryGetValue(metric, out var value) && double.IsFinite(value)).ToLookup(row => row.IsEpoch);
        return kinds[true].Count() >= kinds[false].Count() ? kinds[true] : kinds[false];
    }

    /// <summary>One line for each measurement on held-out data.</summary>
    private static void Table(StringBuilder html, IReadOnlyList<MetricRow> rows, int best)
    {
        var measured = rows.Where(row => row.Metrics.Keys.Any(metric => MetricFormat.Source(metric) == "val")).ToArray();
        if (measured.Length == 0) return;
        var metrics = measured.SelectMany(row => row.Metrics.Keys).Distinct().ToArray();
        html.Append("<h2>Measurements</h2>\n<div class=\"table\"><table><tr><th>epoch</th><th>step</th><th>time</th>");
        foreach (var metric in metrics) html.Append($"<th>{Encode(metric.Replace('/', ' ').Replace('_', ' '))}</th>");
        html.Append("</tr>\n");
        foreach (var row in measured)
        {
            var cells = metrics.Select(metric => row.Metrics.TryGetValue(metric, out var value) ? MetricFormat.Value(metric, value) : "");
            cells = cells.Prepend(MetricFormat.Duration(row.Seconds)).Prepend($"{row.Step}").Prepend(MetricFormat.Number(row.Epoch));
            var isBest = (int)Math.Round(row.Epoch) == best;
            html.Append($"<tr{(isBest ? " class=\"best\"" : "")}>{string.Concat(cells.Select(cell => $"<td>{cell}</td>"))}</tr>\n");
        }
        html.Append("</table></div>\n");
    }

    internal static string Count(long number) => number switch
    {
        >= 1_000_000 => string.Create(CultureInfo.InvariantCulture, $"{number / 1e6:0.0#} M"),
        >= 1_000 => string.Create(CultureInfo.InvariantCulture, $"{number / 1e3:0.0#} k"),
        _ => number.ToString(CultureInfo.InvariantCulture),
    };

    internal static string Encode(string text) => WebUtility.HtmlEncode(text);

    private static string Resource(string name)
    {
        using var stream = typeof(HtmlReport).Assembly.GetManifestResourceStream($"Attention.Engine.Runs.Report.{name}")!;
        using var reader = new StreamReader(stream);
        return reader.ReadToEnd();
    }
}
