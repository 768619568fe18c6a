using Attention.Engine.Configuration;
using Attention.Engine.Reporting;
using Attention.Engine.Training;
using Attention.Engine.Training.Setup;
using Attention.Torch;
using TorchSharp;
using static TorchSharp.torch;

namespace Attention.Engine.Benchmarks;

/// <summary>What a config's training step takes.</summary>
/// <param name="MedianSeconds">Of a whole step: data, forward, backward, clipping, optimizer.</param>
/// <param name="WaitSeconds">The part of it spent waiting for data, on the mean.</param>
/// <param name="SamplesPerSecond">From the median step.</param>
/// <param name="Unit">What the samples are: images, tokens.</param>
/// <param name="Steps">Steps timed.</param>
/// <param name="PeakBytes">Peak resident memory of the process.</param>
public sealed record TrainingTiming(double MedianSeconds, double WaitSeconds, double SamplesPerSecond, string Unit, int Steps, long PeakBytes);

/// <summary>Times the training steps of a config as they are in a run, and leaves nothing behind.</summary>
public static class TrainingBenchmark
{
    private const int WarmUp = 5;

    /// <param name="config">The run.</param>
    /// <param name="seconds">Time to spend.</param>
    /// <param name="reporter">Is told of the data.</param>
    /// <param name="cancellation">Ends it early.</param>
    public static TrainingTiming Run(ExperimentConfig config, double seconds, IRunReporter reporter, CancellationToken cancellation)
    {
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        var setup = TaskSetup.Open(config, reporter, stop.Token);
        manual_seed(config.seed);
        using var task = setup.Create(ModelBuilder.Build(config.model), CPU);
        using var optimizer = Optimizers.Create(config.optimizer, task.Model);
        var schedule = new Schedule(config.optimizer.lr, config.schedule, config.train.epochs, Trainer.StepsOf(task, config.train.accumulate));
        var timer = new Timer(seconds, stop);
        var options = new TrainerOptions
        {
            // Long enough, whatever the config says.
            Epochs = int.MaxValue,
            EvaluateEvery = int.MaxValue,
            Accumulate = config.train.accumulate,
            Precision = config.train.precision,
            Clipping = GradientClipping.Of(config),
        };
        try
        {
            new Trainer(task, optimizer, schedule, options, [timer]).Run(stop.Token);
        }
        catch (OperationCanceledException) when (!cancellation.IsCancellationRequested)
        {
        }
        var timed = timer.Steps.Skip(WarmUp).ToArray();
        var sorted = timed.Select(step => step.Seconds).Order().ToArray();
        double median = sorted[sorted.Length / 2];
        return new TrainingTiming(median, timed.Average(step => step.DataSeconds), timed[0].Samples / median, task.SampleUnit, timed.Length, MemoryInfo.PeakResident);
    }

    private sealed class Timer(double seconds, CancellationTokenSource stop) : TrainingHook
    {
        private readonly System.Diagnostics.Stopwatch clock = System.Diagnostics.Stopwatch.StartNew();

        public List<StepResult> Steps { get; } = [];

        public override void OnStep(Trainer trainer, StepResult result)
        {
            Steps.Add(result);
            if (Steps.Count > WarmUp && clock.Elapsed.TotalSeconds > seconds)
                stop.Cancel();
        }
    }
}
