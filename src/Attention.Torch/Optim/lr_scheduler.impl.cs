namespace TorchSharp;

public static partial class torch
{
    public static partial class optim
    {
        public static partial class lr_scheduler
        {
            public static partial class impl
            {
                /// <summary>The initial rate times a function of the epoch.</summary>
                public class LambdaLR : LRScheduler
                {
                    private readonly Func<int, double>[] factors;

                    public LambdaLR(Optimizer optimizer, Func<int, double> lr_lambda, int last_epoch = -1, bool verbose = false)
                        : this(optimizer, optimizer.ParamGroups.Select(_ => lr_lambda), last_epoch, verbose)
                    {
                    }

                    public LambdaLR(Optimizer optimizer, IEnumerable<Func<int, double>> lr_lambdas, int last_epoch = -1, bool verbose = false) : base(optimizer, last_epoch, verbose)
                    {
                        factors = lr_lambdas.ToArray();
                        step();
                    }

                    protected override IEnumerable<double> get_lr() => baseRates.Zip(factors, (rate, factor) => rate * factor(lastEpoch));
                }

                /// <summary>The rate before times a function of the epoch.</summary>
                public class MultiplicativeLR : LRScheduler
                {
                    private readonly Func<int, double>[] factors;

                    public MultiplicativeLR(Optimizer optimizer, Func<int, double> lr_lambda, int last_epoch = -1, bool verbose = false)
                        : this(optimizer, optimizer.ParamGroups.Select(_ => lr_lambda), last_epoch, verbose)
                    {
                    }

                    public MultiplicativeLR(Optimizer optimizer, IEnumerable<Func<int, double>> lr_lambdas, int last_epoch = -1, bool verbose = false) : base(optimizer, last_epoch, verbose)
                    {
                        factors = lr_lambdas.ToArray();
                        step();
                    }

                    protected override IEnumerable<double> get_lr() => lastEpoch > 0 ? Rates.Zip(factors, (rate, factor) => rate * factor(lastEpoch)) : Rates;
                }

                /// <summary>The rate times gamma every step_size epochs.</summary>
                public class StepLR : LRScheduler
                {
                    private readonly int size;
                    private readonly double gamma;

                    public StepLR(Optimizer optimizer, int step_size, double gamma = 0.1, int last_epoch = -1, bool verbose = false) : base(optimizer, last_epoch, verbose)
                    {
                        size = step_size;
                        this.gamma = gamma;
                        step();
                    }

                    protected override IEnumerable<double> get_lr() => lastEpoch != 0 && lastEpoch % size == 0 ? Rates.Select(rate => rate * gamma) : Rates;
                    protected override IEnumerable<double> get_closed_form_lr() => baseRates.Select(rate => rate * Math.Pow(gamma, lastEpoch / size));
                }

                /// <summary>The rate times gamma at each milestone; twice for one that is named twice.</summary>
                public class MultiStepLR : LRScheduler
                {
                    private readonly int[] milestones;
                    private readonly double gamma;

                    public MultiStepLR(Optimizer optimizer, IList<int> milestones, double gamma = 0.1, int last_epoch = -1, bool verbose = false) : base(optimizer, last_epoch, verbose)
                    {
                        this.milestones = milestones.ToArray();
                        this.gamma = gamma;
                        step();
                    }

                    protected override IEnumerable<double> get_lr()
                    {
                        int here = milestones.Count(m => m == lastEpoch);
                        return here == 0 ? Rates : Rates.Select(rate => rate * Math.Pow(gamma, here));
                    }

                    protected override IEnumerable<double> get_closed_form_lr() => baseRates.Select(rate => rate * Math.Pow(gamma, milestones.Count(m => m <= lastEpoch)));
                }

                /// <summary>Falls to zero over total_iters epochs, as a power of the part that is left.</summary>
                public class PolynomialLR : LRScheduler
                {
                    private readonly double total, power;

                    public PolynomialLR(Optimizer optimizer, int total_iters = 5, double power = 1, int last_epoch = -1, bool verbose = false) : base(optimizer, last_epoch, verbose)
                    {
                        total = total_iters;
                        this.power = power;
                        step();
                    }

                    protected override IEnumerable<double> get_lr()
                    {
                        if (lastEpoch == 0 || lastEpoch > total)
                            return Rates;
                        double factor = Math.Pow((1 - lastEpoch / total) / (1 - (lastEpoch - 1) / total), power);
                        return Rates.Select(rate => rate * factor);
                    }

                    protected override IEnumerable<double> get_closed_form_lr() => baseRates.Select(rate => rate * Math.Pow(1 - Math.Min(total, lastEpoch) / total, power));
                }

                /// <summary>The rate times gamma every epoch.</summary>
                public class ExponentialLR : LRScheduler
                {
                    private readonly double gamma;

                    public ExponentialLR(Optimizer optimizer, double gamma = 0.1, int last_epoch = -1, bool verbose = false) : base(optimizer, last_epoch, verbose)
                    {
                        this.gamma = gamma;
                        step();
                    }

                    protected override IEnumerable<double> get_lr() => lastEpoch == 0 ? Rates : Rates.Select(rate => rate * gamma);
                    protected override IEnumerable<double> get_closed_form_lr() => baseRates.Select(rate => rate * Math.Pow(gamma, lastEpoch));
                }

                /// <summary>The rate times a factor for the first total_iters epochs.</summary>
                public class ConstantLR : LRScheduler
                {
                    private readonly double factor;
                    private readonly int total;

                    public ConstantLR(Optimizer optimizer, double factor = 1.0 / 3, int total_iters = 5, int last_epoch = -1, bool verbose = false) : base(optimizer, last_epoch, verbose)
                    {
                        this.factor = factor;
                        total = total_iters;
                        step();
                    }

                    protected override IEnumerable<double> get_lr()
                    {
                        if (lastEpoch == 0)
                            return Rates.Select(rate => rate * factor);
                        return lastEpoch == total ? Rates.Select(rate => rate / factor) : Rates;
                    }

                    protected override IEnumerable<double> get_closed_form_lr() => baseRates.Select(rate => rate * (lastEpoch >= total ? 1 : factor));
                }

                /// <summary>The rate times a factor that goes evenly from start_factor to end_factor over total_iters epochs.</summary>
                public class LinearLR : LRScheduler
                {
                    private readonly double start, end;
                    private readonly int total;

                    public LinearLR(Optimizer optimizer, double start_factor = 1.0 / 3, double end_factor = 1, int total_iters = 5, int last_epoch = -1, bool verbose = false) : base(optimizer, last_epoch, verbose)
                    {
                        (start, end, total) = (start_factor, end_factor, total_iters);
                        step();
                    }

                    protected override IEnumerable<double> get_lr()
                    {
                        if (lastEpoch == 0)
                            return Rates.Select(rate => rate * start);
                        if (lastEpoch > total)
                            return Rates;
                        double factor = 1 + (end - start) / (total * start + (lastEpoch - 1) * (end - start));
                        return Rates.Select(rate => rate * factor);
                    }

                    protected override IEnumerable<double> get_closed_form_lr() => baseRates.Select(rate => rate * (start + (end - start) * Math.Min(total, lastEpoch) / total));
                }

                /// <summary>Half a cosine from the initial rate to eta_min over T_max epochs, and back (Loshchilov and Hutter 2017, "SGDR").</summary>
                public class CosineAnnealingLR : LRScheduler
                {
                    private readonly double period, floor;

                    public CosineAnnealingLR(Optimizer optimizer, double T_max, double eta_min = 0, int last_epoch = -1, bool verbose = false) : base(optimizer, last_epoch, verbose)
                    {
                        (period, floor) = (T_max, eta_min);
                        step();
                    }

                    protected override IEnumerable<double> get_lr()
                    {
                        if (lastEpoch == 0)
                            return Rates;
                        if (_step_count == 1)
                            return get_closed_form_lr();
                        // At the floor a factor cannot lift the rate again.
                        if ((lastEpoch - 1 - period) % (2 * period) == 0)
                            return Rates.Zip(baseRates, (rate, top) => rate + (top - floor) * (1 - Math.Cos(Math.PI / period)) / 2);
                        double factor = (1 + Math.Cos(Math.PI * lastEpoch / period)) / (1 + Math.Cos(Math.PI * (lastEpoch - 1) / period));
                        return Rates.Select(rate => factor * (rate - floor) + floor);
                    }

                    protected override IEnumerable<double> get_closed_form_lr() =>
                        baseRates.Select(top => floor + (top - floor) * (1 + Math.Cos(Math.PI * lastEpoch / period)) / 2);
                }

                /// <summary>Several schedules at once: each changes what the one before has set.</summary>
                public class ChainedLR : LRScheduler
                {
                    private readonly LRScheduler[] schedulers;

                    public ChainedLR(IEnumerable<LRScheduler> schedulers)
                    {
                        this.schedulers = schedulers.ToArray();
                        lastRates = this.schedulers[^1].lastRates;
                    }

                    public override void step() => Advance(null);

                    private protected override void Advance(int? epoch)
                    {
                        foreach (var scheduler in schedulers)
                            scheduler.step(epoch);
                        lastRates = schedulers[^1].lastRates;
                    }
                }

                /// <summary>One schedule after another: each from its milestone on.</summary>
                public class SequentialLR : LRScheduler
                {
                    private readonly LRScheduler[] schedulers;
                    private readonly int[] milestones;

                    public SequentialLR(Optimizer optimizer, IEnumerable<LRScheduler> schedulers, IEnumerable<int> milestones, int last_epoch = -1) : base(optimizer, last_epoch + 1)
                    {
                        this.schedulers = schedulers.ToArray();
                        this.milestones = milestones.ToArray();
                        if (this.schedulers.Any(s => s.optimizer != optimizer))
                            throw new ArgumentException("the schedulers of a sequence must be of its optimizer");
                        if (this.milestones.Length != this.schedulers.Length - 1)
                            throw new ArgumentException($"{this.schedulers.Length} schedulers need {this.schedulers.Length - 1} milestones, not {this.milestones.Length}");
                        // Every scheduler has set its first rate when it was made: only the first one's counts.
                        foreach (var group in optimizer.ParamGroups)
                            group.LearningRate = group.InitialLearningRate;
                        foreach (var scheduler in this.schedulers)
                            scheduler.lastEpoch--;
                        this.schedulers[0].step();
                        lastRates = this.schedulers[0].lastRates;
                    }

                    protected override IEnumerable<double> get_lr()
                    {
                        int index = milestones.Count(m => m <= lastEpoch);
                        if (index > 0 && milestones[index - 1] == lastEpoch)
                            schedulers[index].step(0);
                        else
                            schedulers[index].step();
                        return Rates;
                    }
                }

                /// <summary>The rate times a factor when a metric has not become better for more than patience epochs.</summary>
                public class ReduceLROnPlateau : LRScheduler
                {
                    private readonly bool minimise, relative;
                    private readonly double factor, threshold, eps;
                    private readonly int patience, cooldown;
                    private readonly double[] floors;
                    private readonly bool verbose;
                    private double best;
                    private int badEpochs, cooling;

                    public ReduceLROnPlateau(Optimizer optimizer, string mode = "min", double factor = 0.1, int patience = 10, double threshold = 1e-4, string threshold_mode = "rel", int cooldown = 0, IList<double> min_lr = null!, double eps = 1e-8, bool verbose = false)
                        : base(optimizer, -1, verbose)
                    {
                        if (factor >= 1)
                            throw new ArgumentException($"the factor of a plateau must be less than 1, not {factor}");
                        minimise = mode switch { "min" => true, "max" => false, _ => throw new ArgumentException($"the mode is \"min\" or \"max\", not \"{mode}\"") };
                        relative = threshold_mode switch { "rel" => true, "abs" => false, _ => throw new ArgumentException($"the threshold's mode is \"rel\" or \"abs\", not \"{threshold_mode}\"") };
                        (this.factor, this.threshold, this.eps, this.patience, this.cooldown, this.verbose) = (factor, threshold, eps, patience, cooldown, verbose);
                        floors = min_lr switch
                        {
                            null or { Count: 0 } => new double[baseRates.Length],
                            { Count: 1 } => Array.ConvertAll(baseRates, _ => min_lr[0]),
                            _ => min_lr.ToArray(),
                        };
                        best = minimise ? double.PositiveInfinity : double.NegativeInfinity;
                    }

                    public override void step() => throw new InvalidOperationException("this schedule follows a metric: call step(metric)");
                    public override void step(int? epoch) => step();

                    public override void step(double current, int? epoch = null)
                    {
                        lastEpoch = epoch ?? lastEpoch + 1;
                        if (IsBetter(current))
                        {
                            best = current;
                            badEpochs = 0;
                        }
                        else
                            badEpochs++;
                        if (cooling > 0)
                        {
                            cooling--;
                            badEpochs = 0;
                        }
                        if (badEpochs > patience)
                        {
                            Reduce();
                            cooling = cooldown;
                            badEpochs = 0;
                        }
                        lastRates = Rates;
                    }

                    private bool IsBetter(double current)
                    {
                        double margin = relative ? best * threshold : threshold;
                        // An infinite best leaves no number as a margin, and anything finite is better.
                        if (double.IsInfinity(best))
                            margin = 0;
                        return minimise ? current < best - margin : current > best + margin;
                    }

                    private void Reduce()
                    {
                        foreach (var (group, floor) in optimizer.ParamGroups.Zip(floors))
                        {
                            double reduced = Math.Max(group.LearningRate * factor, floor);
                            if (group.LearningRate - reduced <= eps)
                                continue;
                            group.LearningRate = reduced;
                            if (verbose)
                                Console.WriteLine($"Epoch {lastEpoch}: reducing learning rate to {reduced:g4}");
                        }
                    }
                }
            }
        }
    }
}
