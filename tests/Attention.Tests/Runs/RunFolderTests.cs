using System.Text.Json;
using Attention.Engine.Configuration;
using Attention.Engine.Reporting;
using Attention.Engine.Runs;
using Attention.Engine.Runs.Report;
using Xunit;

namespace Attention.Tests.Runs;

public class RunFolderTests
{
    private static readonly DateTime noon = new(2025, 1, 31, 12, 0, 0);

    internal static readonly RunSummary Summary = new()
    {
        name = "quickstart",
        task = "image_classification",
        model = "vit_tiny_patch16_224",
        status = "finished",
        device = "cpu",
        started = new DateTimeOffset(noon, TimeSpan.Zero),
        seconds = 151.5,
        epochs = 20,
        steps = 940,
        parameters = 5_526_346,
        images_per_second = 812.25,
        final = new Dictionary<string, double> { ["loss"] = 0.125, ["top1"] = 0.96 },
        best = new Dictionary<string, double> { ["loss"] = 0.11, ["top1"] = 0.97 },
        best_epoch = 18,
    };

    [Fact]
    public void No_run_takes_the_folder_of_another()
    {
        using var folder = new TemporaryFolder();
        var runs = new RunFolder[8];
        Parallel.For(0, runs.Length, i => runs[i] = RunFolder.Create(folder.Path, "quickstart", $"seed: {i}\n", noon));
        Assert.Equal(runs.Length, runs.Select(run => run.Location).Distinct().Count());
        for (var i = 0; i < runs.Length; i++) Assert.Equal($"seed: {i}\n", File.ReadAllText(runs[i].ConfigFile));
        Assert.Contains(folder.File("quickstart/20250131-120000"), runs.Select(run => run.Location));
        Assert.Contains(folder.File("quickstart/20250131-120000-8"), runs.Select(run => run.Location));
        Assert.Equal(runs.Length, Directory.GetFileSystemEntries(folder.File("quickstart")).Length);
    }

    [Fact]
    public void A_place_that_cannot_be_written_is_named()
    {
        using var folder = new TemporaryFolder();
        var file = folder.Write("runs", "a file where a folder should be");
        var error = Assert.Throws<UserError>(() => RunFolder.Create(file, "quickstart", ""));
        Assert.StartsWith($"run folder '{Path.Combine(file, "quickstart")}' cannot be written: ", error.Message);
        Assert.Equal("choose another place with --set output=FOLDER", error.Advice);

        error = Assert.Throws<UserError>(() => RunFolder.Open(folder.Path));
        Assert.Equal($"'{folder.Path}' is not the folder of a run: it has no config.yaml", error.Message);
    }

    [Fact]
    public void A_file_is_written_whole_or_not_at_all()
    {
        using var folder = new TemporaryFolder();
        var path = folder.Write("summary.json", "before");
        Assert.Throws<InvalidOperationException>(() => AtomicFile.Write(path, stream =>
        {
            stream.WriteByte(1);
            Assert.Equal("before", File.ReadAllText(path));
            throw new InvalidOperationException();
        }));
        Assert.Equal("before", File.ReadAllText(path));
        AtomicFile.WriteText(path, "after");
        Assert.Equal("after", File.ReadAllText(path));
        Assert.Equal([path], Directory.GetFileSystemEntries(folder.Path));
    }

    [Fact]
    public void The_summary_has_its_keys_and_reads_back()
    {
        using var folder = new TemporaryFolder();
        Summary.Write(folder.File("summary.json"));
        using var json = JsonDocument.Parse(File.ReadAllText(folder.File("summary.json")));
        Assert.Equal(
            ["name", "task", "model", "status", "device", "started", "seconds", "epochs", "steps", "parameters", "images_per_second", "metric", "final", "best", "best_epoch"],
            json.RootElement.EnumerateObject().Select(property => property.Name));
        Assert.Equal(0.96, json.RootElement.GetProperty("final").GetProperty("top1").GetDouble());
        Assert.Equal(0.97, json.RootElement.GetProperty("best").GetProperty("top1").GetDouble());
        Assert.Equal(5_526_346, json.RootElement.GetProperty("parameters").GetInt64());

        var read = RunSummary.Read(folder.File("summary.json"))!;
        Assert.Equal(Summary.final, read.final);
        Assert.Equal(Summary, read with { final = Summary.final, best = Summary.best });
        Assert.Null(RunSummary.Read(folder.File("none.json")));
    }

    [Fact]
    public void The_log_survives_a_crash_and_a_step_back()
    {
        using var folder = new TemporaryFolder();
        var path = folder.File("log.jsonl");
        using (var log = JsonLog.Open(path))
            for (var step = 1; step <= 3; step++) log.Write(new(step / 2.0, step, step * 1.5, new Dictionary<string, double> { ["train/loss"] = step == 2 ? double.NaN : 1.0 / step }));
        Assert.Equal("""{"epoch":0.5,"step":1,"seconds":1.5,"train/loss":1}""", File.ReadLines(path).First());

        File.AppendAllText(path, "{\"epoch\":2,\"step\":4,\"sec");
        Assert.Equal([1, 2, 3], JsonLog.Read(path).Select(row => row.Step));
        Assert.Equal([1, double.NaN, 1.0 / 3], JsonLog.Read(path).Select(row => row.Metrics["train/loss"]));

        using (var log = JsonLog.Open(path, upToStep: 2)) log.Write(new(1.5, 3, 5, new Dictionary<string, double> { ["lr"] = 1e-3 }));
        Assert.Equal([1, 2, 3], JsonLog.Read(path).Select(row => row.Step));
        Assert.Equal(["lr"], JsonLog.Read(path).Last().Metrics.Keys);
        Assert.Equal(3, File.ReadAllLines(path).Length);
    }

    [Fact]
    public void The_report_is_one_page_without_network()
    {
        using var folder = new TemporaryFolder();
        var config = ConfigLoader.Parse<ExperimentConfig>("model: vit\ndata: {name: shapes, path: x}\noutput: a <b> & c").ToYaml();
        var run = RunFolder.Create(folder.Path, "quickstart", config);
        using (var log = JsonLog.Open(run.LogFile))
            for (var step = 1; step <= 1000; step++)
            {
                var metrics = new Dictionary<string, double> { ["train/loss"] = 2.0 / step, ["lr"] = step == 7 ? double.NaN : 1e-3 };
                if (step % 100 == 0) (metrics["val/loss"], metrics["val/top1"]) = (1.0 / step, step / 1000.0);
                log.Write(new(step / 100.0, step, step, metrics));
            }
        HtmlReport.Write(run);
        var early = File.ReadAllText(run.ReportFile);
        (Summary with { name = "a <b> & c", best_epoch = 10 }).Write(run.SummaryFile);
        HtmlReport.Write(run);
        var html = File.ReadAllText(run.ReportFile);

        Assert.DoesNotContain("http", html);
        Assert.DoesNotContain("NaN", html);
        Assert.Equal(3, Count(html, "<svg "));
        Assert.Equal(4, Count(html, "<polyline "));
        Assert.Equal(10, Count(html, "</td></tr>"));
        Assert.Equal(1, Count(html, "<tr class=\"best\">"));
        Assert.Contains("<h1>a &lt;b&gt; &amp; c</h1>", html);
        Assert.Contains("<b>97.0 %</b><span>Top-1 accuracy, epoch 10</span>", html);
        Assert.Contains("output: a &lt;b&gt; &amp; c", html);
        // A thousand points are thinned to what a screen shows.
        Assert.InRange(html.Length, 20_000, 120_000);
        Assert.Equal(3, Count(early, "<svg "));

        static int Count(string text, string part) => text.Split(part).Length - 1;
    }

    [Theory]
    [InlineData(0, 1, new[] { 0, 0.2, 0.4, 0.6, 0.8, 1 })]
    [InlineData(0.07, 2.31, new[] { 0, 0.5, 1, 1.5, 2, 2.5 })]
    [InlineData(-3, 12, new[] { -5.0, 0, 5, 10, 15 })]
    public void Ticks_are_round_and_enclose(double from, double to, double[] ticks) => Assert.Equal(ticks, LineChart.Ticks(from, to, 5));

    [Theory]
    [InlineData("train/loss", 0.12345, "0.1235")]
    [InlineData("val/top1", 0.9612, "96.1 %")]
    [InlineData("lr", 0.00001, "1e-5")]
    [InlineData("images_per_second", 1234.5, "1,235")]
    public void Metrics_are_written_for_people(string metric, double value, string text) => Assert.Equal(text, MetricFormat.Value(metric, value));
}
