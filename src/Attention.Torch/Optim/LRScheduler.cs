namespace TorchSharp;

public static partial class torch
{
    public static partial class optim
    {
        public static partial class lr_scheduler
        {
            /// <summary>Sets the learning rates of an optimizer's groups, step by step.</summary>
            public abstract class LRScheduler
            {
                protected int _step_count;
                internal readonly Optimizer optimizer = null!;
                internal int lastEpoch = -1;
                internal double[] lastRates = [];
                private protected double[] baseRates = [];
                private readonly bool verbose;

                protected LRScheduler()
                {
                }

                protected LRScheduler(Optimizer optimizer, int last_epoch = -1, bool verbose = false)
                {
                    ArgumentNullException.ThrowIfNull(optimizer);
                    this.optimizer = optimizer;
                    this.verbose = verbose;
                    lastEpoch = last_epoch;
                    baseRates = optimizer.ParamGroups.Select(group => group.InitialLearningRate).ToArray();
                    lastRates = Rates;
                }

                /// <summary>The groups' present learning rates.</summary>
                private protected double[] Rates => optimizer.ParamGroups.Select(group => group.LearningRate).ToArray();

                /// <summary>Goes on by one step: an epoch, or a batch, as the schedule was meant.</summary>
                public virtual void step() => step(null);

                /// <summary>Goes to an epoch, or on to the next.</summary>
                public virtual void step(int? epoch) => Advance(epoch);

                private protected virtual void Advance(int? epoch)
                {
                    _step_count++;
                    lastEpoch = epoch ?? lastEpoch + 1;
                    Set((epoch.HasValue ? get_closed_form_lr() : get_lr()).ToArray());
                }

                /// <summary>For schedules that follow a metric; the others ignore it.</summary>
                public virtual void step(double current, int? epoch = null) => step(epoch);

                /// <summary>The learning rates for the present epoch, from those before it.</summary>
                protected virtual IEnumerable<double> get_lr() => Rates;

                /// <summary>The learning rates for the present epoch, whatever was before it.</summary>
                protected virtual IEnumerable<double> get_closed_form_lr() => get_lr();

                /// <summary>The learning rates that were set last.</summary>
                public IEnumerable<double> get_last_lr() => lastRates;

                private void Set(double[] rates)
                {
                    foreach (var (group, rate) in optimizer.ParamGroups.Zip(rates))
                        group.LearningRate = rate;
                    if (verbose && !rates.SequenceEqual(lastRates))
                        Console.WriteLine($"Adjusting learning rate to {string.Join(", ", rates)}");
                    lastRates = rates;
                }
            }
        }
    }
}
