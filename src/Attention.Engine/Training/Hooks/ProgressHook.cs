using Attention.Engine.Reporting;

namespace Attention.Engine.Training.Hooks;

/// <summary>
/// Tells the reporter where the run stands: running means of the epoch, throughput, the wait for data, the share of the
/// machine's peak, time left.
/// </summary>
public sealed class ProgressHook(IRunReporter reporter) : TrainingHook
{
    private EpochTotals totals = new();
    private double trainedSeconds, evaluationSeconds, evaluationStart;
    private long steps;

    public override void OnStep(Trainer trainer, StepResult result)
    {
        if (result.StepOfEpoch == 1)
            totals = new EpochTotals();
        totals.Add(result);
        trainedSeconds += result.Seconds;
        steps++;
        reporter.Progress(new RunProgress("train", result.Epoch + 1, trainer.Epochs, result.StepOfEpoch, trainer.StepsPerEpoch,
            totals.Means(trainer.Options.Compute, trainer.Task.SampleUnit), Left(trainer)));
        evaluationStart = trainer.Seconds;
    }

    public override void OnEvaluationStep(Trainer trainer, int step, int steps) =>
        reporter.Progress(new RunProgress("val", trainer.State.Epoch + 1, trainer.Epochs, step, steps, new Dictionary<string, double>(), Left(trainer)));

    public override void OnEpoch(Trainer trainer, EpochResult result)
    {
        evaluationSeconds = trainer.Seconds - evaluationStart;
        reporter.EpochDone(result.Epoch + 1, trainer.Epochs, RunRecorder.Row(trainer, result), result.IsBest);
        if (trainer.IsDone && result.Epoch + 1 < trainer.Epochs)
            reporter.Say($"stopped early: nothing better than epoch {trainer.State.BestEpoch} in {trainer.Options.Patience} epochs");
    }

    // Steps left at their mean time, and a measurement for each one left.
    private TimeSpan? Left(Trainer trainer)
    {
        if (steps < 3)
            return null;
        long left = (long)trainer.Epochs * trainer.StepsPerEpoch - trainer.State.Step;
        double measurements = Math.Ceiling((double)(trainer.Epochs - trainer.State.Epoch) / trainer.Options.EvaluateEvery);
        return TimeSpan.FromSeconds(left * trainedSeconds / steps + measurements * evaluationSeconds);
    }
}
