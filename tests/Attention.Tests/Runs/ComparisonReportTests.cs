using Attention.Engine.Runs;
using Attention.Engine.Runs.Report;
using Xunit;

namespace Attention.Tests.Runs;

public sealed class ComparisonReportTests : IDisposable
{
    private readonly TemporaryFolder folder = new();

    public void Dispose() => folder.Dispose();

    private RunFolder Run(string name, double top1, bool timed)
    {
        var run = RunFolder.Create(folder.Path, name, "name: x\n");
        new RunSummary
        {
            name = name,
            task = "image_classification",
            model = $"model of {name}",
            status = "finished",
            device = "cpu",
            started = DateTimeOffset.UnixEpoch,
            seconds = 90,
            epochs = 2,
            steps = 20,
            parameters = 1_230_000,
            images_per_second = 250,
            final = new Dictionary<string, double> { ["top1"] = top1 },
            best = new Dictionary<string, double> { ["top1"] = top1 },
            best_epoch = 2,
        }.Write(run.SummaryFile);
        using var log = JsonLog.Open(run.LogFile);
        for (int epoch = 1; epoch <= 2; epoch++)
        {
            var metrics = new Dictionary<string, double> { ["val/top1"] = top1 * epoch / 2 };
            if (timed)
                metrics["images_per_second"] = 250;
            log.Write(new MetricRow(epoch, epoch * 10, epoch * 45, metrics));
        }
        return run;
    }

    [Fact]
    public void Runs_are_side_by_side_in_table_and_charts()
    {
        var page = folder.File("page.html");
        ComparisonReport.Write([Run("first", 0.5, timed: true), Run("second", 0.75, timed: false)], page, ComparisonAxis.Time);
        var html = File.ReadAllText(page);
        Assert.Contains("<td>first</td><td>model of first</td><td>1.23 M</td><td>50.0 %</td><td>2 of 2</td><td>250 images</td><td>1 min 30 s</td><td>finished</td>", html);
        Assert.Contains("<h3>Top-1 accuracy, val</h3>", html);
        // Minutes along, and both runs' last points.
        Assert.Contains("&quot;axis&quot;:&quot;minute&quot;", html);
        Assert.Contains("[1.5,0.5,&quot;50.0 %&quot;]", html);
        Assert.Contains("[1.5,0.75,&quot;75.0 %&quot;]", html);
        // A run without the metric keeps its place in the legend, and gives the script nothing to look for.
        var throughput = html[html.IndexOf("<h3>Images per second</h3>", StringComparison.Ordinal)..];
        Assert.Contains("class=\"s0\"", throughput);
        Assert.DoesNotContain("http://", html);
        Assert.DoesNotContain("https://", html);
        // An earlier page is replaced.
        ComparisonReport.Write([Run("third", 0.1, timed: true)], page);
        Assert.DoesNotContain("<td>second</td>", File.ReadAllText(page));
    }

    [Fact]
    public void Means_of_epochs_and_single_steps_are_not_mixed_in_one_curve()
    {
        MetricRow Step(int step) => new(step / 4.0, step, step, new Dictionary<string, double> { ["train/loss"] = step });
        MetricRow Epoch(int epoch) => new(epoch, epoch * 4, epoch * 4, new Dictionary<string, double> { ["train/loss"] = 100 * epoch, ["data_wait"] = 0 });
        MetricRow[] rows = [Step(1), Step(2), Step(3), Step(4), Epoch(1), Step(5), Step(6), Step(7), Step(8), Epoch(2)];
        Assert.Equal([1, 2, 3, 4, 5, 6, 7, 8], HtmlReport.Points(rows, "train/loss").Select(row => row.Metrics["train/loss"]));
        Assert.Equal([100, 200], HtmlReport.Points([Step(4), Epoch(1), Epoch(2)], "train/loss").Select(row => row.Metrics["train/loss"]));
    }

    [Fact]
    public void Another_file_is_not_replaced_and_no_run_is_taken_twice()
    {
        var run = Run("first", 0.5, timed: true);
        var mine = folder.Write("mine.html", "<p>mine</p>");
        Assert.Contains("is there and no comparison of runs", Assert.Throws<UserError>(() => ComparisonReport.Write([run], mine)).Message);
        Assert.Equal("<p>mine</p>", File.ReadAllText(mine));
        Assert.Contains("is given twice", Assert.Throws<UserError>(() => ComparisonReport.Write([run, run], folder.File("page.html"))).Message);
    }

    [Fact]
    public void Runs_of_one_name_are_told_apart_by_their_folders()
    {
        var (a, b) = (Run("same", 0.5, timed: true), Run("same", 0.6, timed: true));
        ComparisonReport.Write([a, b], folder.File("page.html"));
        var html = File.ReadAllText(folder.File("page.html"));
        foreach (var run in new[] { a, b })
            Assert.Contains($"<td>same/{Path.GetFileName(run.Location)}</td>", html);
    }
}
