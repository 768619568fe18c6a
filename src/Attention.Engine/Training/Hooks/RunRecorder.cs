using Attention.Engine.Configuration;
using Attention.Engine.Reporting;
using Attention.Engine.Runs;
using Attention.Engine.Runs.Report;

namespace Attention.Engine.Training.Hooks;

/// <summary>Writes the run down: log.jsonl, TensorBoard events, evaluation.json, summary.json and report.html.</summary>
/// <param name="run">The run's folder.</param>
/// <param name="config">Of the run.</param>
/// <param name="parameters">Parameters of the model.</param>
/// <param name="device">Where it is trained.</param>
public sealed class RunRecorder(RunFolder run, ExperimentConfig config, long parameters, string device) : TrainingHook
{
    private const int Pictures = 16;
    private readonly DateTimeOffset started = DateTimeOffset.Now;
    private JsonLog? log;
    private TensorBoardWriter? board;
    private IReadOnlyDictionary<string, double> final = new Dictionary<string, double>();
    private IReadOnlyDictionary<string, double> best = new Dictionary<string, double>();
    private double samples, trainSeconds;
    private bool pictured;

    public override void OnStart(Trainer trainer) => Written(() =>
    {
        log = JsonLog.Open(run.LogFile, trainer.State.Step);
        if (config.log.tensorboard)
            board = new TensorBoardWriter(run.Location, trainer.State.Step);
        if (RunSummary.Read(run.SummaryFile) is { } earlier)
            (final, best) = (earlier.final, earlier.best);
        Summarise(trainer, "running", null);
    });

    public override void OnBatch(Trainer trainer, IBatch batch)
    {
        if (board is null || pictured)
            return;
        pictured = true;
        foreach (var (png, caption) in trainer.Task.Pictures(batch, Pictures))
            Written(() => board.WriteImage(caption, png, trainer.State.Step));
    }

    public override void OnStep(Trainer trainer, StepResult result)
    {
        samples += result.Samples;
        trainSeconds += result.Seconds;
        if (trainer.State.Step % config.log.every != 0)
            return;
        double rate = samples / trainSeconds;
        var metrics = new Dictionary<string, double>
        {
            ["train/loss"] = result.Loss,
            ["lr"] = result.LearningRate,
            ["gradient_norm"] = result.GradientNorm,
            [$"{trainer.Task.SampleUnit}_per_second"] = rate,
        };
        foreach (var (name, value) in result.Metrics)
            metrics[$"train/{name}"] = value;
        if (trainer.Options.Compute is { } compute)
            metrics["utilisation"] = compute.Utilisation(rate);
        if (trainer.State.LossScale is { } scale)
            metrics["loss_scale"] = scale.Scale;
        Write(new MetricRow(result.Epoch + (double)result.StepOfEpoch / trainer.StepsPerEpoch, trainer.State.Step, trainer.Seconds, metrics));
    }

    public override void OnEpoch(Trainer trainer, EpochResult result)
    {
        if (result.Evaluation.Count > 0)
            final = result.Evaluation;
        if (result.IsBest)
            best = result.Evaluation;
        Write(Row(trainer, result));
        Written(() =>
        {
            if (result.IsBest)
                trainer.Task.Details?.Write(run.DetailsFile);
            if (board is not null && config.log.histograms)
                foreach (var (name, parameter) in trainer.Task.Model.named_parameters())
                    board.WriteHistogram($"weights/{name}", Histogram.Of(parameter), trainer.State.Step);
            Summarise(trainer, "running", null);
        });
    }

    /// <summary>An epoch's means and measurements as one row.</summary>
    public static MetricRow Row(Trainer trainer, EpochResult result)
    {
        var metrics = new Dictionary<string, double> { ["lr"] = trainer.LearningRate };
        foreach (var (name, value) in result.Train)
            metrics[MetricFormat.IsRate(name) ? name : $"train/{name}"] = value;
        if (trainer.Task.Broken is > 0 and var broken)
            metrics["broken"] = broken;
        foreach (var (name, value) in result.Evaluation)
            metrics[$"val/{name}"] = value;
        return new MetricRow(result.Epoch + 1, trainer.State.Step, trainer.Seconds, metrics);
    }

    public override void OnEnd(Trainer trainer, Exception? failure) => Written(() =>
    {
        log?.Dispose();
        board?.Dispose();
        Summarise(trainer, failure switch
        {
            null => "finished",
            OperationCanceledException => "stopped",
            _ => "failed",
        }, failure is null or OperationCanceledException ? null : failure.Message);
        if (config.log.report)
            HtmlReport.Write(run);
    });

    private void Write(MetricRow row) => Written(() =>
    {
        log?.Write(row);
        board?.Write(row);
    });

    private void Written(Action write)
    {
        try
        {
            write();
        }
        catch (Exception e) when (AtomicFile.IsDiskFailure(e))
        {
            throw new UserError($"the run's folder '{run}' cannot be written: {e.Message}", $"make room on the disk, then: ./attention train --resume {run}", e);
        }
    }

    private double Throughput => trainSeconds > 0 ? samples / trainSeconds : 0;

    private void Summarise(Trainer trainer, string status, string? error) => new RunSummary
    {
        name = config.name,
        task = ScalarTypes.Name(config.task),
        metric = trainer.Task.PrimaryMetric,
        model = config.model.name,
        status = status,
        error = error,
        device = device,
        started = started,
        seconds = trainer.Seconds,
        epochs = trainer.State.Epoch,
        steps = trainer.State.Step,
        parameters = parameters,
        images_per_second = trainer.Task.SampleUnit == "images" ? Throughput : null,
        tokens_per_second = trainer.Task.SampleUnit == "tokens" ? Throughput : null,
        val_loss = best.TryGetValue("loss", out double loss) ? loss : null,
        final = final,
        best = best,
        best_epoch = trainer.State.BestEpoch,
    }.Write(run.SummaryFile);
}
