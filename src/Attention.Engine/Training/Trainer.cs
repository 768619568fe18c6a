using System.Diagnostics;
using Attention.Engine.Configuration;
using Attention.Engine.Runs;
using Attention.Engine.Training.Tuning;
using Attention.Torch;
using TorchSharp;
using static TorchSharp.torch;

namespace Attention.Engine.Training;

/// <summary>Where a run stands; what a checkpoint keeps beside weights and optimizer.</summary>
public sealed record TrainerState
{
    /// <summary>Epochs done.</summary>
    public int Epoch { get; init; }

    /// <summary>Optimizer steps done in the epoch that has begun.</summary>
    public int StepOfEpoch { get; init; }

    /// <summary>Optimizer steps done.</summary>
    public long Step { get; init; }

    /// <summary>The best primary metric so far, or null.</summary>
    public double? Best { get; init; }

    /// <summary>The epoch, from 1, that gave it.</summary>
    public int BestEpoch { get; init; }

    /// <summary>Wall time so far, over all sessions of the run.</summary>
    public double Seconds { get; init; }

    /// <summary>The scale of the loss in fp16; null elsewhere.</summary>
    public LossScale? LossScale { get; init; }

    /// <summary>What was summed up over the steps of the epoch that has begun (see <see cref="EpochTotals"/>).</summary>
    public IReadOnlyDictionary<string, double> Totals { get; init; } = new Dictionary<string, double>();
}

/// <summary>Trains: the loop, and nothing beside it. What else happens is hooks.</summary>
/// <param name="task">What is learnt.</param>
/// <param name="optimizer">The rule that moves the weights.</param>
/// <param name="schedule">The learning rate of each step.</param>
/// <param name="options">How long, and how.</param>
/// <param name="hooks">What happens beside it, in this order.</param>
public sealed class Trainer(TrainingTask task, FusedOptimizer optimizer, Schedule schedule, TrainerOptions options, IReadOnlyList<TrainingHook> hooks)
{
    private readonly Stopwatch clock = new();
    private readonly LossScaler? scaler = options.Precision == Precision.Fp16 ? new() : null;
    private readonly DeviceType device = task.Model.parameters().First().device_type;
    private TrainerState state = new();
    private EpochTotals totals = new();

    public TrainingTask Task => task;
    public FusedOptimizer Optimizer => optimizer;
    public TrainerOptions Options => options;
    public int Epochs => options.Epochs;

    /// <summary>Optimizer steps of an epoch. The last one may have fewer batches than the others.</summary>
    public int StepsPerEpoch { get; } = StepsOf(task, options.Accumulate);

    /// <summary>The learning rate of the last step.</summary>
    public double LearningRate { get; private set; }

    /// <summary>Where the run stands.</summary>
    public TrainerState State => state with { Seconds = Seconds, LossScale = scaler?.State, Totals = totals.Sums };

    /// <summary>Wall time of the run so far.</summary>
    public double Seconds => state.Seconds + clock.Elapsed.TotalSeconds;

    /// <summary>Whether the run has come to its end: the last epoch, or no better measurement for too long.</summary>
    public bool IsDone => state.Epoch >= Epochs || (options.Patience is { } patience && state.Epoch - state.BestEpoch >= patience && state.BestEpoch > 0);

    /// <summary>Optimizer steps of an epoch of a task.</summary>
    public static int StepsOf(TrainingTask task, int accumulate) => (task.BatchesPerEpoch + accumulate - 1) / accumulate;

    /// <summary>Goes on from a saved state.</summary>
    public void Restore(TrainerState saved)
    {
        (state, totals) = (saved, new EpochTotals(saved.Totals));
        if (scaler is not null && saved.LossScale is { } scale)
            scaler.State = scale;
    }

    /// <summary>Runs to the end, or until cancelled, which is between two steps or in a measurement.</summary>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    /// <exception cref="UserError">The loss or a gradient is no longer a number.</exception>
    public void Run(CancellationToken cancellation)
    {
        clock.Start();
        try
        {
            Each(hook => hook.OnStart(this));
            while (!IsDone)
                RunEpoch(cancellation);
        }
        catch (Exception failure)
        {
            foreach (var hook in hooks)
                EndAfter(failure, hook);
            throw;
        }
        Each(hook => hook.OnEnd(this, null));
    }

    private void RunEpoch(CancellationToken cancellation)
    {
        task.Model.train();
        Freezing.RestFrozen(task.Model);
        using (var batches = task.Batches(state.Epoch, state.StepOfEpoch * options.Accumulate).GetEnumerator())
            while (state.StepOfEpoch < StepsPerEpoch)
            {
                cancellation.ThrowIfCancellationRequested();
                if (Step(batches) is not { } result)
                    break;
                totals.Add(result);
                Each(hook => hook.OnStep(this, result));
            }

        var measured = (state.Epoch + 1) % options.EvaluateEvery == 0 || state.Epoch + 1 == Epochs ? Measure(cancellation) : new Dictionary<string, double>();
        bool isBest = measured.TryGetValue(task.PrimaryMetric, out double primary) && IsBetter(primary, state.Best);
        var done = new EpochResult(state.Epoch, totals.Means(options.Compute, task.SampleUnit), measured, isBest);
        state = state with
        {
            Epoch = state.Epoch + 1,
            StepOfEpoch = 0,
            Best = isBest ? primary : state.Best,
            BestEpoch = isBest ? state.Epoch + 1 : state.BestEpoch,
        };
        totals = new EpochTotals();
        Each(hook => hook.OnEpoch(this, done));
    }

    private bool IsBetter(double value, double? best) => best is not { } known || (task.SmallerIsBetter ? value < known : value > known);

    private IReadOnlyDictionary<string, double> Measure(CancellationToken cancellation)
    {
        task.Model.eval();
        using var average = options.Average?.Borrow();
        using var region = Region();
        return task.Evaluate((done, all) => Each(hook => hook.OnEvaluationStep(this, done, all)), cancellation);
    }

    // One optimizer step over as many batches as are accumulated; null where the data end early.
    private StepResult? Step(IEnumerator<IBatch> batches)
    {
        long start = Stopwatch.GetTimestamp();
        var metrics = new Dictionary<string, double>();
        double loss = 0, waited = 0;
        int samples = 0;
        int count = Math.Min(options.Accumulate, task.BatchesPerEpoch - state.StepOfEpoch * options.Accumulate);
        LearningRate = schedule.At(state.Step);
        foreach (var group in optimizer.Groups)
            group.LearningRate = LearningRate * group.RateScale;
        optimizer.ZeroGrad();
        for (int i = 0; i < count; i++)
        {
            long asked = Stopwatch.GetTimestamp();
            if (!batches.MoveNext())
                break;
            waited += Stopwatch.GetElapsedTime(asked).TotalSeconds;
            using var batch = batches.Current;
            Each(hook => hook.OnBatch(this, batch));
            var ofBatch = new Dictionary<string, double>();
            loss += Backward(batch, 1.0 / count, ofBatch) * batch.Samples;
            foreach (var (name, value) in ofBatch)
                metrics[name] = metrics.GetValueOrDefault(name) + value * batch.Samples;
            samples += batch.Samples;
        }
        if (samples == 0)
            return null;
        double norm = Update();
        state = state with { Step = state.Step + 1, StepOfEpoch = state.StepOfEpoch + 1 };
        options.Average?.Update(state.Step);
        return new StepResult(state.Epoch, state.StepOfEpoch, loss / samples, metrics.ToDictionary(pair => pair.Key, pair => pair.Value / samples),
            LearningRate, norm, samples, Stopwatch.GetElapsedTime(start).TotalSeconds, waited);
    }

    // Everything that a batch makes is freed with its scope, but for the gradients.
    private double Backward(IBatch batch, double share, IDictionary<string, double> metrics)
    {
        using var scope = NewDisposeScope();
        Tensor loss;
        using (Region())
            loss = task.Loss(batch, metrics);
        double value = loss.to(ScalarType.Float32).item<float>();
        if (!double.IsFinite(value))
            throw NotFinite($"the loss is {value}", () => task.Loss(batch, new Dictionary<string, double>()));
        double factor = share * (scaler?.State.Scale ?? 1);
        (factor == 1 ? loss : loss * factor).backward();
        return value;
    }

    // Gives the norm of the gradients before clipping.
    private double Update()
    {
        double scale = scaler?.State.Scale ?? 1;
        double norm = GradNorm.Total(optimizer.Parameters);
        if (scaler is not null)
        {
            if (!scaler.Update(norm))
                return norm;
        }
        else if (!double.IsFinite(norm))
        {
            var first = task.Model.named_parameters().FirstOrDefault(p => p.parameter.grad is { } grad && !double.IsFinite(GradNorm.Total([p.parameter]))).name;
            throw NotFinite($"the gradient of {first ?? "a parameter"} is {norm}", null);
        }
        if (state.Step == 0)
            options.Adapters?.RequireGradients();
        double factor = 1 / scale;
        if (options.Clipping is { Kind: not ClippingKind.Norm } && factor != 1)
        {
            Unscale(factor);
            factor = 1;
        }
        optimizer.Step((options.Clipping?.Apply(optimizer.Parameters, norm / scale) ?? 1) * factor);
        return norm / scale;
    }

    private void Unscale(double factor)
    {
        using var mode = no_grad();
        foreach (var parameter in optimizer.Parameters)
            parameter.grad?.mul_(factor);
    }

    private Autocast? Region() => options.Precision switch
    {
        Precision.Bf16 => new Autocast(device, ScalarType.BFloat16),
        Precision.Fp16 => new Autocast(device, ScalarType.Float16),
        _ => null,
    };

    private UserError NotFinite(string what, Action? again)
    {
        var where = NonFiniteSearch.First(task.Model, () =>
        {
            using var region = Region();
            again?.Invoke();
        });
        return new UserError(
            $"{what} at step {state.Step + 1} (epoch {state.Epoch + 1}, step {state.StepOfEpoch + 1} of {StepsPerEpoch}){(where is null ? "" : $"; it first appears in {where}")}",
            "lower optimizer.lr, lengthen schedule.warmup_epochs or set clip_grad_norm; the last checkpoint is kept");
    }

    private void Each(Action<TrainingHook> action)
    {
        foreach (var hook in hooks)
            action(hook);
    }

    // What ended the run must not be hidden by a hook that fails for the same reason, such as a full disk.
    private void EndAfter(Exception failure, TrainingHook hook)
    {
        try
        {
            hook.OnEnd(this, failure);
        }
        catch (Exception e) when (failure is not OperationCanceledException && (AtomicFile.IsDiskFailure(e) || e is UserError))
        {
        }
    }
}
