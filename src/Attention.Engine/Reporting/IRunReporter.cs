using Attention.Engine.Runs;

namespace Attention.Engine.Reporting;

/// <summary>
/// Tells the user how a run goes. The engine calls it from its own thread, as often as it likes: a reporter decides how often
/// it shows something.
/// </summary>
public interface IRunReporter : IDisposable
{
    /// <summary>A line of information.</summary>
    void Say(string line);

    /// <summary>A line that the user should not miss, such as a broken image that was left out.</summary>
    void Warn(string line);

    /// <summary>One step is done.</summary>
    void Progress(RunProgress progress);

    /// <summary>An epoch is done and measured.</summary>
    /// <param name="epoch">The epoch, from 1.</param>
    /// <param name="epochs">How many there will be.</param>
    /// <param name="row">The epoch's metrics.</param>
    /// <param name="isBest">Whether it is the best so far.</param>
    void EpochDone(int epoch, int epochs, MetricRow row, bool isBest);
}

/// <summary>Where a run stands.</summary>
/// <param name="Phase"><c>train</c> or <c>val</c>.</param>
/// <param name="Epoch">The epoch, from 1.</param>
/// <param name="Epochs">How many there will be.</param>
/// <param name="Step">Steps of the phase done in this epoch.</param>
/// <param name="Steps">How many there are.</param>
/// <param name="Metrics">By name, in the order of showing: <c>loss</c>, <c>top1</c>, <c>images_per_second</c>, <c>data_wait</c>.</param>
/// <param name="Left">Time until the whole run ends; null while there is nothing to reckon it from.</param>
public sealed record RunProgress(
    string Phase, int Epoch, int Epochs, int Step, int Steps, IReadOnlyDictionary<string, double> Metrics, TimeSpan? Left);
