using System.Globalization;
using Attention.Engine.Checkpoints;
using Attention.Engine.Configuration;
using Attention.Engine.Diagnostics;
using Attention.Engine.Reporting;
using Attention.Engine.Runs;
using Attention.Engine.Training.Hooks;
using Attention.Engine.Training.Setup;
using Attention.Engine.Training.Tuning;
using Attention.Models;
using Attention.Modules;
using Attention.Torch;
using TorchSharp;
using static TorchSharp.torch;

namespace Attention.Engine.Training;

/// <summary>What a run left behind.</summary>
/// <param name="Run">Its folder.</param>
/// <param name="Summary">Its outcome.</param>
public sealed record ExperimentResult(RunFolder Run, RunSummary Summary);

/// <summary>A run from its config: data, model, optimizer and hooks put together, trained and written down.</summary>
public static class Experiment
{
    /// <summary>Trains a config in a new run folder.</summary>
    /// <param name="config">The config.</param>
    /// <param name="reporter">Is told how it goes.</param>
    /// <param name="cancellation">Ends the run after the step, with a checkpoint.</param>
    /// <param name="hooks">What else happens, after the engine's own hooks.</param>
    public static ExperimentResult Train(Config<ExperimentConfig> config, IRunReporter reporter, CancellationToken cancellation, params TrainingHook[] hooks)
    {
        var shown = config.Showing(config.Value.model, TaskSetup.Check(config.Value));
        return Run(config.Value, () => RunFolder.Create(config.Value.output, config.Value.name, shown.ToYaml()), [], reporter, hooks, cancellation);
    }

    /// <summary>Finds what is wrong with a config that can be found without its data: the model, transforms, sizes, names of parameters.</summary>
    /// <exception cref="UserError">The first mistake.</exception>
    public static void Check(ExperimentConfig config)
    {
        TaskSetup.Check(config);
        var before = get_default_device();
        set_default_device(META);
        try
        {
            using var scope = NewDisposeScope();
            using var model = ModelBuilder.Build(config.model);
            Tune(config, model);
            if (config.train.checkpoint_activations)
                CheckpointBlocks(model);
            using var optimizer = Optimizers.Create(config.optimizer, model);
        }
        finally
        {
            set_default_device(before);
        }
    }

    /// <summary>
    /// Goes on with a run from its newest whole checkpoint; a run that was killed before its first one begins again in its folder.
    /// </summary>
    /// <exception cref="UserError">The folder is no run, none of its checkpoints can be read, or the run is finished.</exception>
    public static ExperimentResult Resume(string folder, IRunReporter reporter, CancellationToken cancellation, params TrainingHook[] hooks)
    {
        var run = RunFolder.Open(folder);
        var config = ExperimentConfig.Load(run.ConfigFile).Value;
        if (RunSummary.Read(run.SummaryFile) is { status: "finished" } summary)
            throw new UserError($"run '{folder}' is finished: {summary.epochs} epochs", "train longer in a new run with --set train.epochs=N");
        return Run(config, () => run, CheckpointHook.Found(run), reporter, hooks, cancellation);
    }

    private static ExperimentResult Run(
        ExperimentConfig config, Func<RunFolder> open, IReadOnlyList<string> checkpoints, IRunReporter reporter, IReadOnlyList<TrainingHook> hooks, CancellationToken cancellation)
    {
        var device = ChooseDevice(config.device);
        if (config.train.precision == Precision.Fp16 && device.type != DeviceType.CUDA)
            throw new UserError($"train.precision is fp16, which needs a CUDA device, and this is {device}", "choose bf16 or fp32");
        var setup = TaskSetup.Open(config, reporter, cancellation);

        manual_seed(config.seed);
        var model = checkpoints.Count == 0 && config.init is { } init ? Initialised(config.model, init, setup, reporter) : ModelBuilder.Build(config.model);
        model.to(device);
        long parameters = model.parameters().Sum(p => p.numel());
        var adapters = Tune(config, model);
        if (config.train.checkpoint_activations)
            CheckpointBlocks(model);
        using var task = setup.Create(model, device);
        using var optimizer = Optimizers.Create(config.optimizer, model);
        using var average = config.ema is { } ema ? new WeightAverage(model, ema) : null;

        var run = open();
        setup.Keep(run);
        var options = new TrainerOptions
        {
            Epochs = config.train.epochs,
            Accumulate = config.train.accumulate,
            Precision = config.train.precision,
            Clipping = GradientClipping.Of(config),
            EvaluateEvery = config.train.eval_every,
            Patience = config.train.patience,
            Average = average,
            Adapters = adapters,
            Compute = Budget(config, model, setup, device),
        };
        var schedule = new Schedule(config.optimizer.lr, config.schedule, config.train.epochs, Trainer.StepsOf(task, options.Accumulate));
        var trainer = new Trainer(task, optimizer, schedule, options,
        [
            new RunRecorder(run, config, parameters, device.ToString()),
            new CheckpointHook(run, config.checkpoint, config.model.name),
            new ProgressHook(reporter),
            .. hooks,
        ]);
        GoOn(checkpoints, trainer, reporter);

        long trained = optimizer.Parameters.Sum(p => p.numel());
        reporter.Say($"{config.model.name}: {Many(parameters)} parameters on {device}{(trained == parameters ? "" : $", {Many(trained)} of them trained")}; {setup.Data}");
        reporter.Say(trainer.State.Step == 0 ? $"run folder {run.Location}" : $"going on with {run.Location} after epoch {trainer.State.Epoch}, step {trainer.State.Step}");
        try
        {
            trainer.Run(cancellation);
        }
        catch (OperationCanceledException)
        {
            reporter.Say($"stopped after step {trainer.State.Step}; go on with: ./attention train --resume {run.Location}");
            throw;
        }
        return new ExperimentResult(run, RunSummary.Read(run.SummaryFile)!);
    }

    private static string Many(long parameters) => parameters < 10_000 ? parameters.ToString(CultureInfo.InvariantCulture) : string.Create(CultureInfo.InvariantCulture, $"{parameters / 1e6:F2} M");

    private static nn.Module Initialised(NamedPart part, InitConfig init, TaskSetup setup, IRunReporter reporter)
    {
        var (model, report) = ModelBuilder.Build(part, init);
        foreach (var line in report.Describe())
            reporter.Say(line);
        setup.Renew(model);
        return model;
    }

    // A checkpoint that a crash of the machine has spoilt gives way to the one before it.
    private static void GoOn(IReadOnlyList<string> checkpoints, Trainer trainer, IRunReporter reporter)
    {
        for (int i = 0; i < checkpoints.Count; i++)
        {
            try
            {
                Checkpoint.Load(checkpoints[i], trainer);
                return;
            }
            catch (UserError e) when (i + 1 < checkpoints.Count)
            {
                reporter.Warn($"{e.Message}; going on from the checkpoint before it");
            }
        }
    }

    // --- parts -----------------------------------------------------------------------------------

    private static Device ChooseDevice(string name)
    {
        if (name == "auto")
            return cuda.is_available() ? CUDA : CPU;
        var device = new Device(name);
        if (device.type == DeviceType.CUDA && !cuda.is_available())
            throw new UserError($"device '{name}' was asked for, but libtorch finds no CUDA device", "run ./attention doctor, or train with --set device=cpu");
        return device;
    }

    // What is trained of the model.
    private static LoraAdapters? Tune(ExperimentConfig config, nn.Module model)
    {
        if (config.linear_probe)
            Freezing.FreezeFeatures((ImageModel)model);
        var adapters = config.lora is { } lora ? new LoraAdapters(model, lora) : null;
        if (config.freeze.Length > 0)
            Freezing.Freeze(model, config.freeze);
        return adapters;
    }

    private static void CheckpointBlocks(nn.Module model)
    {
        if (Block.Checkpoint(model) == 0)
            throw new UserError("train.checkpoint_activations: the model has no row of blocks to compute again", "leave it out, or choose another model");
    }

    // Forward, and twice that backward. Where something is frozen, backward costs less, and nobody knows how much.
    private static ComputeBudget? Budget(ExperimentConfig config, nn.Module model, TaskSetup setup, Device device)
    {
        if (model.parameters().Any(p => !p.requires_grad) || setup.MultiplyAdds is not { } multiplyAdds)
            return null;
        var type = config.train.precision switch { Precision.Bf16 => ScalarType.BFloat16, Precision.Fp16 => ScalarType.Float16, _ => ScalarType.Float32 };
        return new ComputeBudget(3 * 2.0 * multiplyAdds, Doctor.MatrixProductRate(type, device: device) * 1e9);
    }
}
