namespace TorchSharp;

public static partial class torch
{
    public static partial class optim
    {
        public static partial class lr_scheduler
        {
            public static partial class impl
            {
                // The momentum of a group, or the first of Adam's betas.
                private static void SetMomentum(ILearningRateController group, double value)
                {
                    if (group is IMomentum momentum)
                        momentum.Momentum = value;
                    else if (group is IBetas betas)
                        betas.Betas = (value, betas.Betas.Item2);
                    else
                        throw new ArgumentException("cycle_momentum needs an optimizer with a momentum or betas");
                }

                private static IEnumerable<double> Repeat(Optimizer optimizer, double value) => optimizer.ParamGroups.Select(_ => value);

                /// <summary>
                /// Up and down between two rates, in cycles (Smith 2017, "Cyclical learning rates for training neural networks"); momentum
                /// the other way round.
                /// </summary>
                public class CyclicLR : LRScheduler
                {
                    private readonly double[] peaks, lowMomenta, highMomenta;
                    private readonly double total, ratio;
                    private readonly Func<double, double> scale;
                    private readonly ScaleMode scaleMode;
                    private readonly bool cycleMomentum;

                    /// <summary>How the height of a cycle changes: not, halved with every one, by a power of gamma.</summary>
                    public enum Mode
                    {
                        Triangular,
                        Triangular2,
                        ExpRange,
                    }

                    /// <summary>What the scale function is called with.</summary>
                    public enum ScaleMode
                    {
                        Cycle,
                        Iterations,
                    }

                    public CyclicLR(Optimizer optimizer, double base_lr, double max_lr, int step_size_up = 2000, int step_size_down = -1, Mode mode = Mode.Triangular, double gamma = 1, Func<double, double> scale_fn = null!, ScaleMode scale_mode = ScaleMode.Cycle, bool cycle_momentum = true, double base_momentum = 0.8, double max_momentum = 0.9, int last_epoch = -1, bool verbose = false)
                        : this(optimizer, Repeat(optimizer, base_lr), Repeat(optimizer, max_lr), step_size_up, step_size_down, mode, gamma, scale_fn, scale_mode, cycle_momentum, Repeat(optimizer, base_momentum), Repeat(optimizer, max_momentum), last_epoch, verbose)
                    {
                    }

                    public CyclicLR(Optimizer optimizer, IEnumerable<double> base_lr, IEnumerable<double> max_lr, int step_size_up = 2000, int step_size_down = -1, Mode mode = Mode.Triangular, double gamma = 1, Func<double, double> scale_fn = null!, ScaleMode scale_mode = ScaleMode.Cycle, bool cycle_momentum = true, IEnumerable<double> base_momentum = null!, IEnumerable<double> max_momentum = null!, int last_epoch = -1, bool verbose = false)
                        : base(optimizer, last_epoch, verbose)
                    {
                        total = step_size_up + (step_size_down < 0 ? step_size_up : step_size_down);
                        ratio = step_size_up / total;
                        baseRates = base_lr.ToArray();
                        peaks = max_lr.ToArray();
                        lowMomenta = (base_momentum ?? Repeat(optimizer, 0.8)).ToArray();
                        highMomenta = (max_momentum ?? Repeat(optimizer, 0.9)).ToArray();
                        cycleMomentum = cycle_momentum;
                        (scale, scaleMode) = (scale_fn, mode) switch
                        {
                            (not null, _) => (scale_fn, scale_mode),
                            (_, Mode.Triangular2) => (cycle => Math.Pow(2, 1 - cycle), ScaleMode.Cycle),
                            (_, Mode.ExpRange) => (iteration => Math.Pow(gamma, iteration), ScaleMode.Iterations),
                            _ => (_ => 1, ScaleMode.Cycle),
                        };
                        step();
                    }

                    protected override IEnumerable<double> get_lr()
                    {
                        double cycle = Math.Floor(1 + lastEpoch / total);
                        double x = 1 + lastEpoch / total - cycle;
                        double height = (x <= ratio ? x / ratio : (x - 1) / (ratio - 1)) * scale(scaleMode == ScaleMode.Cycle ? cycle : lastEpoch);
                        if (cycleMomentum)
                            foreach (var (group, i) in optimizer.ParamGroups.Select((group, i) => (group, i)))
                                SetMomentum(group, highMomenta[i] - (highMomenta[i] - lowMomenta[i]) * height);
                        return baseRates.Zip(peaks, (low, high) => low + (high - low) * height);
                    }
                }

                /// <summary>
                /// One cycle over a whole training: up to max_lr, and down to far below the first rate (Smith and Topin 2019,
                /// "Super-convergence"); momentum the other way round.
                /// </summary>
                public class OneCycleLR : LRScheduler
                {
                    private readonly double[] peaks, lowMomenta, highMomenta;
                    private readonly double finalDivisor;
                    private readonly int total;
                    private readonly AnnealStrategy strategy;
                    private readonly bool cycleMomentum;
                    private readonly Phase[] phases;

                    /// <summary>The form of the way between two rates.</summary>
                    public enum AnnealStrategy
                    {
                        Cos,
                        Linear,
                    }

                    private enum Level
                    {
                        First,
                        Peak,
                        Final,
                    }

                    // From one level of the rate to another, up to a step; momentum is high where the rate is not at its peak.
                    private sealed record Phase(double End, Level From, Level To);

                    public OneCycleLR(Optimizer optimizer, double max_lr, int total_steps = -1, int epochs = -1, int steps_per_epoch = -1, double pct_start = 0.3, AnnealStrategy anneal_strategy = AnnealStrategy.Cos, bool cycle_momentum = true, double base_momentum = 0.85, double max_momentum = 0.95, double div_factor = 25, double final_div_factor = 1e4, bool three_phase = false, int last_epoch = -1, bool verbose = false)
                        : this(optimizer, Repeat(optimizer, max_lr), total_steps, epochs, steps_per_epoch, pct_start, anneal_strategy, cycle_momentum, Repeat(optimizer, base_momentum), Repeat(optimizer, max_momentum), div_factor, final_div_factor, three_phase, last_epoch, verbose)
                    {
                    }

                    public OneCycleLR(Optimizer optimizer, IEnumerable<double> max_lr, int total_steps = -1, int epochs = -1, int steps_per_epoch = -1, double pct_start = 0.3, AnnealStrategy anneal_strategy = AnnealStrategy.Cos, bool cycle_momentum = true, IEnumerable<double> base_momentum = null!, IEnumerable<double> max_momentum = null!, double div_factor = 25, double final_div_factor = 1e4, bool three_phase = false, int last_epoch = -1, bool verbose = false)
                        : base(optimizer, last_epoch, verbose)
                    {
                        if (pct_start is < 0 or > 1)
                            throw new ArgumentException($"pct_start is a share between 0 and 1, not {pct_start}");
                        if (total_steps <= 0 && (epochs <= 0 || steps_per_epoch <= 0))
                            throw new ArgumentException("OneCycleLR needs total_steps, or epochs and steps_per_epoch");
                        total = total_steps > 0 ? total_steps : epochs * steps_per_epoch;
                        peaks = max_lr.ToArray();
                        strategy = anneal_strategy;
                        finalDivisor = final_div_factor;
                        cycleMomentum = cycle_momentum;
                        lowMomenta = (base_momentum ?? Repeat(optimizer, 0.85)).ToArray();
                        highMomenta = (max_momentum ?? Repeat(optimizer, 0.95)).ToArray();
                        double up = pct_start * total - 1;
                        phases = three_phase
                            ? [new(up, Level.First, Level.Peak), new(2 * up, Level.Peak, Level.First), new(total - 1, Level.First, Level.Final)]
                            : [new(up, Level.First, Level.Peak), new(total - 1, Level.Peak, Level.Final)];
                        if (last_epoch == -1)
                            foreach (var (group, peak) in optimizer.ParamGroups.Zip(peaks))
                                group.InitialLearningRate = peak / div_factor;
                        baseRates = optimizer.ParamGroups.Select(group => group.InitialLearningRate).ToArray();
                        step();
                    }

                    protected override IEnumerable<double> get_lr()
                    {
                        if (lastEpoch > total)
                            throw new InvalidOperationException($"step {lastEpoch + 1} of a cycle of {total} steps");
                        int n = Array.FindIndex(phases, phase => lastEpoch <= phase.End);
                        n = n < 0 ? phases.Length - 1 : n;
                        var phase = phases[n];
                        double start = n == 0 ? 0 : phases[n - 1].End;
                        double part = (lastEpoch - start) / (phase.End - start);
                        if (cycleMomentum)
                            foreach (var (group, i) in optimizer.ParamGroups.Select((group, i) => (group, i)))
                                SetMomentum(group, Between(Momentum(phase.From, i), Momentum(phase.To, i), part));
                        return baseRates.Select((_, i) => Between(Rate(phase.From, i), Rate(phase.To, i), part));
                    }

                    private double Rate(Level level, int group) => level switch
                    {
                        Level.First => baseRates[group],
                        Level.Peak => peaks[group],
                        _ => baseRates[group] / finalDivisor,
                    };

                    private double Momentum(Level level, int group) => level == Level.Peak ? lowMomenta[group] : highMomenta[group];

                    private double Between(double from, double to, double part) => strategy == AnnealStrategy.Linear
                        ? from + (to - from) * part
                        : to + (from - to) / 2 * (1 + Math.Cos(Math.PI * part));
                }
            }
        }
    }
}
