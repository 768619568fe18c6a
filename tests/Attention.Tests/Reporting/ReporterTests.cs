using Attention.Cli;
using Attention.Engine.Reporting;
using Attention.Engine.Runs;
using Spectre.Console;
using Xunit;

namespace Attention.Tests.Reporting;

public class ReporterTests
{
    private static readonly RunProgress progress = new("train", 3, 20, 30, 40,
        new Dictionary<string, double> { ["loss"] = 0.8123, ["top1"] = 0.712, ["images_per_second"] = 512.4, ["data_wait"] = 0.01 }, TimeSpan.FromSeconds(42));

    private static readonly MetricRow row = new(3, 120, 36.5, new Dictionary<string, double>
    {
        ["train/loss"] = 0.8,
        ["train/top1"] = 0.7,
        ["lr"] = 1e-4,
        ["images_per_second"] = 512,
        ["val/loss"] = 0.75,
        ["val/top1"] = 0.76,
    });

    [Fact]
    public void Plain_lines_come_now_and_then()
    {
        var text = new StringWriter();
        using (var often = new TextReporter(text, TimeSpan.Zero)) often.Progress(progress);
        using (var seldom = new TextReporter(text, TimeSpan.FromHours(1))) seldom.Progress(progress);
        using (var reporter = new TextReporter(text))
        {
            reporter.EpochDone(3, 20, row, isBest: true);
            reporter.Warn("a broken image");
        }
        Assert.Equal("""
            epoch 3/20  step 30/40  loss 0.8123  top1 71.2 %  512.4 images/s  wait 1.0 %  0:42 left
            epoch  3/20  train loss 0.8  top1 70.0 %  val loss 0.75  top1 76.0 %  lr 1e-4  512 images/s  best
            warning: a broken image

            """.ReplaceLineEndings("\n"), text.ToString().ReplaceLineEndings("\n"));
    }

    [Theory]
    [InlineData(200, "epoch 3/20 ━━━━━━━━━━━━━━━━━━━━━━━━  75 %  loss 0.8123  top1 71.2 %  512.4 images/s  wait 1.0 %  0:42 left")]
    [InlineData(60, "epoch 3/20 ━━━━━━━━━━━━━━━━━━━━━━━━  75 %  loss 0.8123")]
    [InlineData(10, "epoch 3/20 ━━━━━━━━━━━━━━━━━━━━━━━━  75 %")]
    public void The_bar_keeps_to_the_width(int width, string expected) =>
        Assert.Equal(expected, Markup.Remove(LiveReporter.Bar(progress, width, unicode: true)));

    [Fact]
    public void The_bar_does_without_unicode() =>
        Assert.StartsWith("epoch 3/20 val ##################------  75 %", Markup.Remove(LiveReporter.Bar(progress with { Phase = "val" }, 80, unicode: false)));

    [Fact]
    public void The_bar_gives_way_to_lines_that_stay()
    {
        var text = new StringWriter();
        var console = AnsiConsole.Create(new() { Out = new AnsiConsoleOutput(text), Ansi = AnsiSupport.Yes, ColorSystem = ColorSystemSupport.NoColors });
        console.Profile.Width = 120;
        using (var reporter = new LiveReporter(console, TimeSpan.FromHours(1)))
        {
            reporter.Progress(progress);
            // Too soon to be shown, but for the last step.
            reporter.Progress(progress with { Step = 31 });
            reporter.Progress(progress with { Step = 40 });
            reporter.EpochDone(3, 20, row, isBest: true);
        }
        var writes = text.ToString().Split("\r\e[2K");
        Assert.Equal(3, writes.Length);
        Assert.Contains(" 75 %", writes[0]);
        Assert.Contains("100 %", writes[1]);
        Assert.Equal($"{TextReporter.Line(3, 20, row, isBest: true)}\n", writes[2].ReplaceLineEndings("\n"));
    }

    [Fact]
    public void Where_nobody_watches_there_are_plain_lines()
    {
        var text = new StringWriter();
        using (var reporter = LiveReporter.For(new Terminal(text, text, verbose: false))) reporter.Say("made with [brackets]");
        Assert.Equal("made with [brackets]", text.ToString().Trim());
    }
}
