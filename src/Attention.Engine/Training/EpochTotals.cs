namespace Attention.Engine.Training;

/// <summary>Sums over the steps of an epoch. A checkpoint within an epoch keeps them.</summary>
/// <param name="sums">Of a checkpoint, as <see cref="Sums"/> gave them.</param>
public sealed class EpochTotals(IReadOnlyDictionary<string, double>? sums = null)
{
    private const string Samples = "#samples", Seconds = "#seconds", Waited = "#waited";
    private readonly Dictionary<string, double> sums = new(sums ?? new Dictionary<string, double>());

    /// <summary>Everything that was summed up.</summary>
    public IReadOnlyDictionary<string, double> Sums => new Dictionary<string, double>(sums);

    public void Add(StepResult result)
    {
        foreach (var (name, value) in result.Metrics.Append(new("loss", result.Loss)))
            Add(name, value * result.Samples);
        Add(Samples, result.Samples);
        Add(Seconds, result.Seconds);
        Add(Waited, result.DataSeconds);
    }

    /// <summary>Means over the samples: <c>loss</c>, the task's metrics, <c>images_per_second</c>, <c>data_wait</c>, <c>utilisation</c>.</summary>
    /// <param name="compute">What the work is set against; null where that is unknown.</param>
    /// <param name="unit">What the samples are: <c>images</c>.</param>
    public IReadOnlyDictionary<string, double> Means(ComputeBudget? compute, string unit = "images")
    {
        var means = sums.Where(pair => pair.Key[0] != '#').OrderBy(pair => pair.Key != "loss").ToDictionary(pair => pair.Key, pair => pair.Value / sums[Samples]);
        if (!sums.TryGetValue(Seconds, out double seconds) || seconds == 0)
            return means;
        means[$"{unit}_per_second"] = sums[Samples] / seconds;
        means["data_wait"] = sums[Waited] / seconds;
        if (compute is not null)
            means["utilisation"] = compute.Utilisation(sums[Samples] / seconds);
        return means;
    }

    private void Add(string name, double value) => sums[name] = sums.GetValueOrDefault(name) + value;
}
