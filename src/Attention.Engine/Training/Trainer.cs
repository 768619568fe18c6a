using System.Diagnostics;
using Attention.Torch;
using TorchSharp;
using static TorchSharp.torch;

namespace Attention.Engine.Training;

/// <summary>Where a run stands; what a checkpoint keeps beside weights and optimizer.</summary>
public sealed record TrainerState
{
    /// <summary>Epochs done.</summary>
    public int Epoch { get; init; }

    /// <summary>Optimizer steps done.</summary>
    public long Step { get; init; }

    /// <summary>The best primary metric so far, or null.</summary>
    public double? Best { get; init; }

    /// <summary>The epoch, from 1, that gave it.</summary>
    public int BestEpoch { get; init; }

    /// <summary>Wall time so far, over all sessions of the run.</summary>
    public double Seconds { get; init; }
}

/// <summary>Trains: the loop, and nothing beside it. What else happens is hooks.</summary>
public sealed class Trainer(TrainingTask task, FusedOptimizer optimizer, Schedule schedule, int epochs, double? clipGradientNorm, IReadOnlyList<TrainingHook> hooks)
{
    private readonly Stopwatch clock = new();
    private double earlierSeconds;

    public TrainingTask Task => task;
    public FusedOptimizer Optimizer => optimizer;
    public int Epochs => epochs;

    /// <summary>The learning rate of the last step.</summary>
    public double LearningRate { get; private set; }

    /// <summary>Where the run stands.</summary>
    public TrainerState State { get; private set; } = new();

    /// <summary>Wall time of the run so far.</summary>
    public double Seconds => earlierSeconds + clock.Elapsed.TotalSeconds;

    /// <summary>Goes on from a saved state.</summary>
    public void Restore(TrainerState state)
    {
        State = state;
        earlierSeconds = state.Seconds;
    }

    /// <summary>Runs to the last epoch, or until cancelled.</summary>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    /// <exception cref="UserError">The loss is no longer a number.</exception>
    public void Run(CancellationToken cancellation)
    {
        clock.Start();
        Exception? failure = null;
        try
        {
            Each(hook => hook.OnStart(this));
            while (State.Epoch < epochs)
                RunEpoch(cancellation);
        }
        catch (Exception e)
        {
            failure = e;
            throw;
        }
        finally
        {
            Each(hook => hook.OnEnd(this, failure));
        }
    }

    private void RunEpoch(CancellationToken cancellation)
    {
        var totals = new EpochTotals();
        task.Model.train();
        using var batches = task.Batches(State.Epoch).GetEnumerator();
        for (int step = 0; ; step++)
        {
            cancellation.ThrowIfCancellationRequested();
            long start = Stopwatch.GetTimestamp();
            if (!batches.MoveNext())
                break;
            double waited = Stopwatch.GetElapsedTime(start).TotalSeconds;
            using var batch = batches.Current;
            var result = Step(batch, step, start, waited);
            totals.Add(result);
            Each(hook => hook.OnStep(this, result));
        }

        task.Model.eval();
        var measured = task.Evaluate((done, all) => Each(hook => hook.OnEvaluationStep(this, done, all)), cancellation);
        double primary = measured[task.PrimaryMetric];
        bool isBest = State.Best is not { } best || primary > best;
        int epoch = State.Epoch;
        State = State with
        {
            Epoch = epoch + 1,
            Seconds = Seconds,
            Best = isBest ? primary : State.Best,
            BestEpoch = isBest ? epoch + 1 : State.BestEpoch,
        };
        var row = new EpochResult(epoch, totals.Means(), measured, isBest);
        Each(hook => hook.OnEpoch(this, row));
    }

    // Everything that a step makes is freed with its scope.
    private StepResult Step(IBatch batch, int step, long start, double waited)
    {
        using var scope = NewDisposeScope();
        var metrics = new Dictionary<string, double>();
        LearningRate = schedule.At(State.Step);
        foreach (var group in optimizer.Groups)
            group.LearningRate = LearningRate;
        optimizer.ZeroGrad();
        var loss = task.Loss(batch, metrics);
        double value = loss.item<float>();
        if (!double.IsFinite(value))
            throw new UserError($"the loss is {value} at step {State.Step + 1} (epoch {State.Epoch + 1}, batch {step + 1})",
                "lower optimizer.lr, lengthen schedule.warmup_epochs or set clip_grad_norm; the last checkpoint is kept");
        loss.backward();
        double? norm = clipGradientNorm is null ? null : GradNorm.Total(optimizer.Parameters);
        optimizer.Step(norm is { } n ? GradNorm.ClipScale(n, clipGradientNorm!.Value) : 1);
        State = State with { Step = State.Step + 1 };
        return new StepResult(State.Epoch, step + 1, value, metrics, LearningRate, norm, batch.Samples,
            Stopwatch.GetElapsedTime(start).TotalSeconds, waited);
    }

    private void Each(Action<TrainingHook> action)
    {
        foreach (var hook in hooks)
            action(hook);
    }

    private sealed class EpochTotals
    {
        private readonly Dictionary<string, double> sums = [];
        private double samples, seconds, waited;

        public void Add(StepResult result)
        {
            foreach (var (name, value) in result.Metrics.Append(new("loss", result.Loss)))
                sums[name] = sums.GetValueOrDefault(name) + value * result.Samples;
            samples += result.Samples;
            seconds += result.Seconds;
            waited += result.DataSeconds;
        }

        public IReadOnlyDictionary<string, double> Means()
        {
            var means = sums.ToDictionary(pair => pair.Key, pair => pair.Value / samples);
            means["images_per_second"] = samples / seconds;
            means["data_wait"] = waited / seconds;
            return means;
        }
    }
}
