using System.Diagnostics;
using Attention.Engine.Runs;

namespace Attention.Engine.Reporting;

/// <summary>Plain lines, now and then: for logs of CI, for files, and for programs that use the engine as a library.</summary>
/// <param name="writer">Where the lines go; it stays open.</param>
/// <param name="interval">Time between two lines of progress; 10 seconds, unless given.</param>
public sealed class TextReporter(TextWriter writer, TimeSpan? interval = null) : IRunReporter
{
    private readonly TimeSpan interval = interval ?? TimeSpan.FromSeconds(10);
    private long last = Stopwatch.GetTimestamp();

    public void Say(string line) => writer.WriteLine(line);

    public void Warn(string line) => writer.WriteLine($"warning: {line}");

    public void Progress(RunProgress progress)
    {
        if (Stopwatch.GetElapsedTime(last) < interval) return;
        last = Stopwatch.GetTimestamp();
        writer.WriteLine(Line(progress));
    }

    public void EpochDone(int epoch, int epochs, MetricRow row, bool isBest) => writer.WriteLine(Line(epoch, epochs, row, isBest));

    public void Dispose() => writer.Flush();

    /// <summary><c>epoch 3/20  step 40/47  loss 0.812  top1 71.2 %  512 images/s  wait 1.0 %  0:42 left</c></summary>
    public static string Line(RunProgress progress)
    {
        var parts = progress.Metrics.Select(metric => MetricFormat.Phrase(metric.Key, metric.Value));
        parts = parts.Prepend($"{(progress.Phase == "train" ? "" : $"{progress.Phase} ")}step {progress.Step}/{progress.Steps}");
        if (progress.Left is { } left) parts = parts.Append($"{MetricFormat.Clock(left)} left");
        return $"epoch {progress.Epoch}/{progress.Epochs}  {string.Join("  ", parts)}";
    }

    /// <summary><c>epoch  3/20  train loss 0.812  top1 71.2 %  val loss 0.7  top1 76.0 %  512 images/s  12.3 s  best</c></summary>
    public static string Line(int epoch, int epochs, MetricRow row, bool isBest)
    {
        var parts = row.Metrics.GroupBy(metric => MetricFormat.Source(metric.Key)).OrderBy(group => group.Key switch { "train" => 0, "" => 2, _ => 1 })
            .Select(group => $"{group.Key} {string.Join("  ", group.Select(metric => MetricFormat.Phrase(metric.Key, metric.Value)))}".TrimStart());
        var number = epoch.ToString().PadLeft(epochs.ToString().Length);
        return $"epoch {number}/{epochs}  {string.Join("  ", parts)}{(isBest ? "  best" : "")}";
    }
}
