using System.Globalization;
using Attention.Data;
using Attention.Engine.Checkpoints;
using Attention.Engine.Configuration;
using Attention.Engine.Data;
using Attention.Engine.Diagnostics;
using Attention.Engine.Reporting;
using Attention.Engine.Runs;
using Attention.Engine.Training.Hooks;
using Attention.Engine.Training.Losses;
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
        var shown = config.Showing(config.Value.model, ModelBuilder.Config(config.Value.model));
        return Run(config.Value, () => RunFolder.Create(config.Value.output, config.Value.name, shown.ToYaml()), [], reporter, hooks, cancellation);
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
        var modelConfig = (ImageModelConfig)ModelBuilder.Config(config.model);
        var (train, held, normalize) = Load(config, modelConfig, reporter, cancellation);
        CheckClasses(train, modelConfig, config);

        manual_seed(config.seed);
        var model = checkpoints.Count == 0 && config.init is { } init ? Initialised(config.model, init, reporter) : (ImageModel)ModelBuilder.Build(config.model);
        model.to(device);
        long parameters = model.parameters().Sum(p => p.numel());
        var adapters = Tune(config, model);
        if (config.train.checkpoint_activations)
            CheckpointBlocks(model);
        var loss = ClassificationLoss.Create(config.loss, modelConfig.num_classes, ImagesPerClass(train.Dataset), device);
        using var task = new ImageClassification(model, train, held, loss, device, normalize,
            config.mixup is { } mixing ? new Mixup(mixing, modelConfig.num_classes, config.seed) : null, Teacher(config, device, reporter));
        using var optimizer = Optimizers.Create(config.optimizer, model);
        using var average = config.ema is { } ema ? new WeightAverage(model, ema) : null;

        var run = open();
        var options = new TrainerOptions
        {
            Epochs = config.train.epochs,
            Accumulate = config.train.accumulate,
            Precision = config.train.precision,
            Clipping = Clipping(config),
            EvaluateEvery = config.train.eval_every,
            Patience = config.train.patience,
            Average = average,
            Adapters = adapters,
            Compute = Budget(config, model, device),
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
        reporter.Say($"{config.model.name}: {Many(parameters)} parameters on {device}{(trained == parameters ? "" : $", {Many(trained)} of them trained")}; "
            + $"{train.Dataset.Count} images to train on, {held.Dataset.Count} held out");
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

    private static ImageModel Initialised(NamedPart part, InitConfig init, IRunReporter reporter)
    {
        var (model, report) = ModelBuilder.Build(part, init);
        foreach (var line in report.Describe())
            reporter.Say(line);
        var image = (ImageModel)model;
        if (!init.classifier)
            image.reset_classifier(image.num_classes);
        return image;
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

    private static (DataLoader Train, DataLoader Held, Normalize Normalize) Load(ExperimentConfig config, ImageModelConfig model, IRunReporter reporter, CancellationToken cancellation)
    {
        var (train, held) = DatasetFactory.OpenLabelled(config.data, reporter.Say, reporter.Warn, cancellation);
        if (config.data is ImageFolderConfig { classes: { Length: > 0 } classes })
            (train, held) = (new ClassSubset(train, classes), new ClassSubset(held, classes));
        int size = config.data.image_size;
        var training = new LoaderOptions
        {
            BatchSize = config.train.batch_size,
            Shuffle = true,
            Sampler = DatasetFactory.Sampler(config.data, train),
            MaxBroken = config.data.max_broken,
            PageLocked = config.device != "cpu" && cuda.is_available(),
            Cancellation = cancellation,
            Last = LastBatch.Drop,
            Seed = config.seed,
            Workers = config.data.workers,
        };
        if (train.Count < training.BatchSize)
            throw new UserError($"{train.Count} training images do not fill one batch of {training.BatchSize}", "lower train.batch_size");
        var measuring = new LoaderOptions
        {
            BatchSize = config.train.eval_batch_size ?? config.train.batch_size,
            Seed = config.seed,
            Workers = config.data.workers,
            Broken = BrokenImages.Skip,
            MaxBroken = config.data.max_broken,
            PageLocked = config.device != "cpu" && cuda.is_available(),
            Cancellation = cancellation,
        };
        IImageDataset Cached(IImageDataset images) => config.data.cache == CacheKind.Memory ? new CachedImages(images) : images;
        var preparation = Prepare(config.data.transforms.train ?? $"random_resized_crop({size})|hflip", model);
        return (
            new DataLoader(Cached(train), preparation, training, reporter.Warn),
            new DataLoader(Cached(held), Prepare(config.data.transforms.eval ?? Centre(size, model), model), measuring, reporter.Warn),
            preparation.Normalize);
    }

    private static string Centre(int size, ImageModelConfig model) =>
        $"resize({(int)Math.Round(size / model.crop_pct)}, {model.interpolation})|center_crop({size})";

    // A line without constants of its own takes the model's.
    private static TransformPipeline Prepare(string line, ImageModelConfig model)
    {
        var parsed = TransformPipeline.Parse(line);
        if (line.Contains("normalize", StringComparison.Ordinal))
            return parsed;
        var normalize = new Normalize([.. model.mean.Select(v => (float)v)], [.. model.std.Select(v => (float)v)]);
        return parsed.With(normalize);
    }

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
    private static LoraAdapters? Tune(ExperimentConfig config, ImageModel model)
    {
        if (config.linear_probe)
            Freezing.FreezeFeatures(model);
        var adapters = config.lora is { } lora ? new LoraAdapters(model, lora) : null;
        if (config.freeze.Length > 0)
            Freezing.Freeze(model, config.freeze);
        return adapters;
    }

    private static void CheckpointBlocks(ImageModel model)
    {
        if (Block.Checkpoint(model) == 0)
            throw new UserError("train.checkpoint_activations: the model has no row of blocks to compute again", "leave it out, or choose another model");
    }

    private static GradientClipping? Clipping(ExperimentConfig config) => config switch
    {
        { clip_grad_norm: { } limit } => new(ClippingKind.Norm, limit),
        { clip_grad_value: { } limit } => new(ClippingKind.Value, limit),
        { clip_grad_adaptive: { } limit } => new(ClippingKind.Adaptive, limit),
        _ => null,
    };

    private static Distillation? Teacher(ExperimentConfig config, Device device, IRunReporter reporter)
    {
        if (config.distillation is not { } distillation)
            return null;
        var (student, teacher) = ((ImageModelConfig)ModelBuilder.Config(config.model), (ImageModelConfig)ModelBuilder.Config(distillation.teacher));
        if (student.num_classes != teacher.num_classes)
            throw new UserError($"the student has {student.num_classes} classes, the teacher {teacher.num_classes}", $"set distillation.teacher.num_classes to {student.num_classes}");
        var model = (ImageModel)ModelBuilder.Build(distillation.teacher);
        foreach (var line in WeightLoader.Load(model, distillation.checkpoint, strict: true, part: null).Describe())
            reporter.Say($"teacher: {line}");
        model.to(device);
        return new Distillation(model, distillation);
    }

    private static int[] ImagesPerClass(IImageDataset images)
    {
        var counts = new int[images.ClassNames.Count];
        for (int i = 0; i < images.Count; i++)
            counts[images.LabelOf(i)]++;
        return counts;
    }

    // Forward, and twice that backward. Where something is frozen, backward costs less, and nobody knows how much.
    private static ComputeBudget? Budget(ExperimentConfig config, ImageModel model, Device device)
    {
        if (model.parameters().Any(p => !p.requires_grad) || ModelCatalogue.MultiplyAdds(config.model) is not { } multiplyAdds)
            return null;
        var type = config.train.precision switch { Precision.Bf16 => ScalarType.BFloat16, Precision.Fp16 => ScalarType.Float16, _ => ScalarType.Float32 };
        return new ComputeBudget(3 * 2.0 * multiplyAdds, Doctor.MatrixProductRate(type, device: device) * 1e9);
    }

    private static void CheckClasses(DataLoader train, ImageModelConfig model, ExperimentConfig config)
    {
        int classes = train.Dataset.ClassNames.Count;
        if (classes > model.num_classes)
            throw new UserError($"the data has {classes} classes, the model {model.num_classes}", $"set model.num_classes to {classes}");
        if (config.data.image_size != model.img_size)
            throw new UserError($"data.image_size is {config.data.image_size}, model.img_size is {model.img_size}", "set both to the same size");
    }
}
