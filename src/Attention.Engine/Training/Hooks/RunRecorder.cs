using Attention.Engine.Configuration;
using Attention.Engine.Runs;
using Attention.Engine.Runs.Report;

namespace Attention.Engine.Training.Hooks;

/// <summary>Writes the run down: log.jsonl, TensorBoard events, summary.json and report.html.</summary>
/// <param name="run">The run's folder.</param>
/// <param name="config">Of the run.</param>
/// <param name="parameters">Parameters of the model.</param>
/// <param name="device">Where it is trained.</param>
public sealed class RunRecorder(RunFolder run, ExperimentConfig config, long parameters, string device) : TrainingHook
{
    private readonly DateTimeOffset started = DateTimeOffset.Now;
    private readonly List<IMetricSink> sinks = [];
    private IReadOnlyDictionary<string, double> final = new Dictionary<string, double>();
    private IReadOnlyDictionary<string, double> best = new Dictionary<string, double>();
    private double samples, trainSeconds;

    public override void OnStart(Trainer trainer)
    {
        sinks.Add(JsonLog.Open(run.LogFile, trainer.State.Step));
        if (config.log.tensorboard)
            sinks.Add(new TensorBoardWriter(run.Location));
        if (RunSummary.Read(run.SummaryFile) is { } earlier)
            (final, best) = (earlier.final, earlier.best);
        Summarise(trainer, "running", null);
    }

    public override void OnStep(Trainer trainer, StepResult result)
    {
        samples += result.Samples;
        trainSeconds += result.Seconds;
        if (trainer.State.Step % config.log.every != 0)
            return;
        var metrics = new Dictionary<string, double>
        {
            ["train/loss"] = result.Loss,
            ["lr"] = result.LearningRate,
            ["images_per_second"] = samples / trainSeconds,
        };
        foreach (var (name, value) in result.Metrics)
            metrics[$"train/{name}"] = value;
        if (result.GradientNorm is { } norm)
            metrics["gradient_norm"] = norm;
        Write(new MetricRow(result.Epoch + (double)result.StepOfEpoch / trainer.Task.StepsPerEpoch, trainer.State.Step, trainer.Seconds, metrics));
    }

    public override void OnEpoch(Trainer trainer, EpochResult result)
    {
        final = result.Evaluation;
        if (result.IsBest)
            best = result.Evaluation;
        Write(Row(trainer, result));
        Summarise(trainer, "running", null);
    }

    /// <summary>An epoch's means and measurements as one row.</summary>
    public static MetricRow Row(Trainer trainer, EpochResult result)
    {
        var metrics = new Dictionary<string, double> { ["lr"] = trainer.LearningRate };
        foreach (var (name, value) in result.Train)
            metrics[name is "images_per_second" or "data_wait" ? name : $"train/{name}"] = value;
        foreach (var (name, value) in result.Evaluation)
            metrics[$"val/{name}"] = value;
        return new MetricRow(result.Epoch + 1, trainer.State.Step, trainer.Seconds, metrics);
    }

    public override void OnEnd(Trainer trainer, Exception? failure)
    {
        foreach (var sink in sinks)
            sink.Dispose();
        Summarise(trainer, failure switch
        {
            null => "finished",
            OperationCanceledException => "stopped",
            _ => "failed",
        }, failure is null or OperationCanceledException ? null : failure.Message);
        if (config.log.report)
            HtmlReport.Write(run);
    }

    private void Write(MetricRow row)
    {
        foreach (var sink in sinks)
            sink.Write(row);
    }

    private void Summarise(Trainer trainer, string status, string? error) => new RunSummary
    {
        name = config.name,
        task = "image_classification",
        model = config.model.name,
        status = status,
        error = error,
        device = device,
        started = started,
        seconds = trainer.Seconds,
        epochs = trainer.State.Epoch,
        steps = trainer.State.Step,
        parameters = parameters,
        images_per_second = trainSeconds > 0 ? samples / trainSeconds : 0,
        final = final,
        best = best,
        best_epoch = trainer.State.BestEpoch,
    }.Write(run.SummaryFile);
}
