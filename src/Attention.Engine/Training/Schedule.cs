using Attention.Engine.Configuration;

namespace Attention.Engine.Training;

/// <summary>The learning rate as a function of the step: a linear warm-up, then a curve.</summary>
/// <param name="peak">The highest rate.</param>
/// <param name="config">The curve and its warm-up.</param>
/// <param name="epochs">Epochs of the whole run.</param>
/// <param name="stepsPerEpoch">Optimizer steps of an epoch.</param>
public sealed class Schedule(double peak, ScheduleConfig config, int epochs, int stepsPerEpoch)
{
    // A tick is a step or an epoch: the rate changes with each.
    private readonly int ticksPerEpoch = config.per == ScheduleUnit.Epoch ? 1 : stepsPerEpoch;

    /// <summary>The rate of step <paramref name="step"/>, counted from 0.</summary>
    public double At(long step)
    {
        long tick = config.per == ScheduleUnit.Epoch ? step / stepsPerEpoch : step;
        double warmup = Math.Round(config.warmup_epochs * ticksPerEpoch);
        double total = (double)epochs * ticksPerEpoch;
        if (config is OneCycleConfig cycle)
            return OneCycle(cycle, tick, warmup > 0 ? warmup : cycle.rise * total, total);
        if (tick < warmup)
            return config.warmup_lr + (peak - config.warmup_lr) * (tick + 1) / (warmup + 1);

        double left = 1 - Math.Min(1, (tick - warmup) / Math.Max(1, total - warmup));
        return config switch
        {
            CosineConfig => Between(0.5 - 0.5 * Math.Cos(Math.PI * left)),
            LinearConfig => Between(left),
            PolynomialConfig { power: var power } => Between(Math.Pow(left, power)),
            StepConfig steps => Math.Max(config.min_lr, peak * Math.Pow(steps.gamma, Changes(steps, (int)(tick / ticksPerEpoch)))),
            WsdConfig wsd => Between(Fallen(wsd.shape, Math.Min(1, (total - tick) / Math.Max(1, wsd.decay * total)))),
            ConstantConfig => peak,
            _ => throw new ArgumentException($"no schedule for {config.GetType().Name}"),
        };
    }

    // From the lowest rate at 0 to the highest at 1.
    private double Between(double share) => config.min_lr + (peak - config.min_lr) * share;

    // Of what is left of the fall, from 1 to 0, the share of the rate.
    private static double Fallen(DecayShape shape, double left) => shape switch
    {
        DecayShape.Linear => left,
        DecayShape.Cosine => 0.5 - 0.5 * Math.Cos(Math.PI * left),
        _ => 1 - Math.Sqrt(1 - left),
    };

    private static int Changes(StepConfig steps, int epoch) =>
        steps.milestones.Length > 0 ? steps.milestones.Count(milestone => epoch >= milestone) : epoch / steps.every;

    // PyTorch's OneCycleLR: the first step has the first rate, the last step the last.
    private double OneCycle(OneCycleConfig cycle, long tick, double rise, double total)
    {
        double first = config.warmup_lr > 0 ? config.warmup_lr : peak / cycle.start_factor;
        double last = config.min_lr > 0 ? config.min_lr : first / cycle.end_factor;
        double top = rise - 1;
        return tick <= top
            ? Cosine(first, peak, tick / top)
            : Cosine(peak, last, Math.Min(1, (tick - top) / Math.Max(1, total - 1 - top)));
    }

    private static double Cosine(double from, double to, double share) => to + (from - to) * 0.5 * (1 + Math.Cos(Math.PI * share));
}
