using System.Diagnostics;
using Attention.Engine.Reporting;
using Attention.Engine.Runs;
using Spectre.Console;

namespace Attention.Cli;

/// <summary>A bar that moves in the last line of the terminal, under the lines that stay.</summary>
internal sealed class LiveReporter : IRunReporter
{
    private const int BarWidth = 24;
    private const string EraseLine = "\r\e[2K";

    private readonly IAnsiConsole console;
    private readonly TimeSpan interval;
    private long last;
    private bool shown;

    internal LiveReporter(IAnsiConsole console, TimeSpan interval) => (this.console, this.interval) = (console, interval);

    /// <summary>A live bar where a person watches, plain lines elsewhere.</summary>
    public static IRunReporter For(Terminal terminal) =>
        terminal.IsLive ? new LiveReporter(terminal.Console, TimeSpan.FromMilliseconds(100)) : new TextReporter(terminal.Out);

    public void Say(string line) => Stay(Markup.Escape(line));

    public void Warn(string line) => Stay($"[yellow]warning:[/] {Markup.Escape(line)}");

    public void EpochDone(int epoch, int epochs, MetricRow row, bool isBest) =>
        Stay(Markup.Escape(TextReporter.Line(epoch, epochs, row, isBest: false)) + (isBest ? "  [green]best[/]" : ""));

    public void Progress(RunProgress progress)
    {
        var isLast = progress.Step == progress.Steps;
        if (shown && !isLast && Stopwatch.GetElapsedTime(last) < interval) return;
        last = Stopwatch.GetTimestamp();
        Erase();
        console.Markup(Bar(progress, console.Profile.Width - 1, console.Profile.Capabilities.Unicode));
        shown = true;
    }

    public void Dispose() => Erase();

    /// <summary>The line as markup, with as many of its parts as the width holds.</summary>
    internal static string Bar(RunProgress progress, int width, bool unicode)
    {
        var share = progress.Steps == 0 ? 1 : (double)progress.Step / progress.Steps;
        var filled = (int)(share * BarWidth);
        var line = unicode ? '━' : '-';
        var (done, rest) = (new string(unicode ? line : '#', filled), new string(line, BarWidth - filled));
        var head = $"epoch {progress.Epoch}/{progress.Epochs} {(progress.Phase == "train" ? "" : progress.Phase + " ")}";
        var tail = $" {(int)(share * 100),3} %";
        var length = head.Length + BarWidth + tail.Length;
        var text = $"{head}[{(progress.Phase == "train" ? "blue" : "green")}]{done}[/][grey]{rest}[/]{tail}";

        var parts = progress.Metrics.Select(metric => MetricFormat.Phrase(metric.Key, metric.Value));
        if (progress.Left is { } left) parts = parts.Append($"{MetricFormat.Clock(left)} left");
        foreach (var part in parts)
        {
            length += 2 + part.Length;
            if (length > width) break;
            text += $"  {Markup.Escape(part)}";
        }
        return text;
    }

    private void Stay(string markup)
    {
        Erase();
        console.MarkupLine(markup);
    }

    private void Erase()
    {
        if (shown) console.Profile.Out.Writer.Write(EraseLine);
        shown = false;
    }
}
