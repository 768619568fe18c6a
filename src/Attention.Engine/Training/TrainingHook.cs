namespace Attention.Engine.Training;

/// <summary>
/// Something that happens beside training: logging, checkpoints, reports. Hooks are called in the order in which the
/// trainer was given them.
/// </summary>
public abstract class TrainingHook
{
    /// <summary>Before the first step; also of a run that goes on from a checkpoint.</summary>
    public virtual void OnStart(Trainer trainer)
    {
    }

    /// <summary>Each batch, before its loss is computed.</summary>
    public virtual void OnBatch(Trainer trainer, IBatch batch)
    {
    }

    /// <summary>After each optimizer step. Gradients are still those of the step.</summary>
    public virtual void OnStep(Trainer trainer, StepResult result)
    {
    }

    /// <summary>While the model is measured.</summary>
    public virtual void OnEvaluationStep(Trainer trainer, int step, int steps)
    {
    }

    /// <summary>After each epoch and, where it was measured, its measurement.</summary>
    public virtual void OnEpoch(Trainer trainer, EpochResult result)
    {
    }

    /// <summary>After the last step, whatever ended the run.</summary>
    /// <param name="trainer">The trainer.</param>
    /// <param name="failure">What was thrown, or null.</param>
    public virtual void OnEnd(Trainer trainer, Exception? failure)
    {
    }
}

/// <summary>One optimizer step.</summary>
/// <param name="Epoch">The epoch, from 0.</param>
/// <param name="StepOfEpoch">Steps done in the epoch, this one included.</param>
/// <param name="Loss">Mean loss of the batch.</param>
/// <param name="Metrics">What the task measured on the batch.</param>
/// <param name="LearningRate">Of the first parameter group.</param>
/// <param name="GradientNorm">Norm of all gradients before clipping.</param>
/// <param name="Samples">Samples of the batch.</param>
/// <param name="Seconds">Wall time of the step, the wait for its data included.</param>
/// <param name="DataSeconds">The part of it spent waiting for data.</param>
public sealed record StepResult(
    int Epoch, int StepOfEpoch, double Loss, IReadOnlyDictionary<string, double> Metrics, double LearningRate,
    double GradientNorm, int Samples, double Seconds, double DataSeconds);

/// <summary>One epoch, and the measurement after it; without any, <paramref name="Evaluation"/> is empty.</summary>
/// <param name="Epoch">The epoch, from 0.</param>
/// <param name="Train">Means over the epoch: <c>loss</c>, the task's metrics, <c>images_per_second</c>, <c>data_wait</c>, <c>utilisation</c>.</param>
/// <param name="Evaluation">What was measured on the held-out data.</param>
/// <param name="IsBest">Whether the primary metric is the best so far.</param>
public sealed record EpochResult(
    int Epoch, IReadOnlyDictionary<string, double> Train, IReadOnlyDictionary<string, double> Evaluation, bool IsBest);
