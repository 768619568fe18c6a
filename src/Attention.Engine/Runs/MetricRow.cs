namespace Attention.Engine.Runs;

/// <summary>What was measured at one moment of a run.</summary>
/// <param name="Epoch">Epochs done so far, with a fraction: 2.5 is the middle of the third.</param>
/// <param name="Step">Optimizer steps done so far.</param>
/// <param name="Seconds">Time since the run began.</param>
/// <param name="Metrics">
/// Values by name: <c>train/loss</c>, <c>val/top1</c> (shares are fractions, not percent), <c>lr</c>, <c>images_per_second</c>,
/// <c>data_wait</c> (share of the time). Names that differ only before the slash share a chart.
/// </param>
public sealed record MetricRow(double Epoch, long Step, double Seconds, IReadOnlyDictionary<string, double> Metrics)
{
    /// <summary>Whether the row has the means of an epoch, rather than what one step gave.</summary>
    public bool IsEpoch => Metrics.ContainsKey("data_wait") || Metrics.Keys.Any(metric => metric.StartsWith("val/", StringComparison.Ordinal));
}

/// <summary>A place that keeps metrics.</summary>
public interface IMetricSink : IDisposable
{
    void Write(MetricRow row);
}
