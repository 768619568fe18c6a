using Attention.Engine.Configuration;
using Attention.Engine.Training.Tuning;

namespace Attention.Engine.Training;

/// <summary>How a <see cref="Trainer"/> trains.</summary>
public sealed record TrainerOptions
{
    /// <summary>Passes over the data.</summary>
    public required int Epochs { get; init; }

    /// <summary>Batches whose gradients are summed up to one optimizer step.</summary>
    public int Accumulate { get; init; } = 1;

    /// <summary>What most operators compute in.</summary>
    public Precision Precision { get; init; } = Precision.Fp32;

    /// <summary>What keeps gradients small; null for nothing.</summary>
    public GradientClipping? Clipping { get; init; }

    /// <summary>Epochs from one measurement to the next; the last epoch is always measured.</summary>
    public int EvaluateEvery { get; init; } = 1;

    /// <summary>Epochs without a better measurement after which the run ends; null for never.</summary>
    public int? Patience { get; init; }

    /// <summary>An average of the weights, which is measured and saved in their stead; null for none.</summary>
    public WeightAverage? Average { get; init; }

    /// <summary>Low-rank changes of the model, merged in what is saved for use; null for none.</summary>
    public LoraAdapters? Adapters { get; init; }

    /// <summary>What the work is set against; null where that is unknown.</summary>
    public ComputeBudget? Compute { get; init; }
}

/// <summary>What training costs and what the machine can do.</summary>
/// <param name="FlopsPerSample">Floating-point operations to train on one sample, forward and backward.</param>
/// <param name="PeakFlops">Operations per second of the machine in matrix products.</param>
public sealed record ComputeBudget(double FlopsPerSample, double PeakFlops)
{
    /// <summary>The share of the peak that a throughput uses.</summary>
    public double Utilisation(double samplesPerSecond) => samplesPerSecond * FlopsPerSample / PeakFlops;
}
