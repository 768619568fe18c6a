using Attention.Engine.Configuration;

namespace Attention.Engine.Training;

/// <summary>The learning rate as a function of the step: a linear warm-up, then a curve.</summary>
/// <param name="peak">The highest rate.</param>
/// <param name="minimum">The rate at the end.</param>
/// <param name="warmupSteps">Steps until the peak.</param>
/// <param name="totalSteps">Steps of the whole run.</param>
public sealed class Schedule(double peak, double minimum, long warmupSteps, long totalSteps)
{
    /// <summary>The schedule of a config.</summary>
    public static Schedule Of(ExperimentConfig config, int stepsPerEpoch) => new(
        config.optimizer.lr, config.schedule.min_lr,
        (long)Math.Round(config.schedule.warmup_epochs * stepsPerEpoch), (long)config.train.epochs * stepsPerEpoch);

    /// <summary>The rate of step <paramref name="step"/>, counted from 0.</summary>
    public double At(long step)
    {
        if (step < warmupSteps)
            return peak * (step + 1) / (warmupSteps + 1);
        double progress = (double)(step - warmupSteps) / Math.Max(1, totalSteps - warmupSteps);
        return minimum + (peak - minimum) * 0.5 * (1 + Math.Cos(Math.PI * Math.Min(1, progress)));
    }
}
