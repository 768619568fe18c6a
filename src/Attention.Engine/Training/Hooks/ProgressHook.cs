using Attention.Engine.Reporting;

namespace Attention.Engine.Training.Hooks;

/// <summary>Tells the reporter where the run stands: running means of the epoch, throughput, the wait for data, time left.</summary>
public sealed class ProgressHook(IRunReporter reporter) : TrainingHook
{
    private readonly Dictionary<string, double> sums = [];
    private double samples, seconds, waited, trainedSeconds, evaluationSeconds;
    private long steps;
    private double evaluationStart;

    public override void OnStep(Trainer trainer, StepResult result)
    {
        if (result.StepOfEpoch == 1)
        {
            sums.Clear();
            samples = seconds = waited = 0;
        }
        foreach (var (name, value) in result.Metrics.Prepend(new("loss", result.Loss)))
            sums[name] = sums.GetValueOrDefault(name) + value * result.Samples;
        samples += result.Samples;
        seconds += result.Seconds;
        waited += result.DataSeconds;
        trainedSeconds += result.Seconds;
        steps++;
        var metrics = sums.ToDictionary(pair => pair.Key, pair => pair.Value / samples);
        metrics["images_per_second"] = samples / seconds;
        metrics["data_wait"] = waited / seconds;
        int stepsPerEpoch = trainer.Task.StepsPerEpoch;
        reporter.Progress(new RunProgress("train", result.Epoch + 1, trainer.Epochs, result.StepOfEpoch, stepsPerEpoch, metrics, Left(trainer)));
        evaluationStart = trainer.Seconds;
    }

    public override void OnEvaluationStep(Trainer trainer, int step, int steps) =>
        reporter.Progress(new RunProgress("val", trainer.State.Epoch + 1, trainer.Epochs, step, steps, new Dictionary<string, double>(), Left(trainer)));

    public override void OnEpoch(Trainer trainer, EpochResult result)
    {
        evaluationSeconds = trainer.Seconds - evaluationStart;
        reporter.EpochDone(result.Epoch + 1, trainer.Epochs, RunRecorder.Row(trainer, result), result.IsBest);
    }

    // Steps left at their mean time, and one measurement for each epoch left.
    private TimeSpan? Left(Trainer trainer)
    {
        if (steps < 3)
            return null;
        long left = (long)trainer.Epochs * trainer.Task.StepsPerEpoch - trainer.State.Step;
        return TimeSpan.FromSeconds(left * trainedSeconds / steps + (trainer.Epochs - trainer.State.Epoch) * evaluationSeconds);
    }
}
