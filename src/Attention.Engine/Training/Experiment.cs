using Attention.Data;
using Attention.Engine.Checkpoints;
using Attention.Engine.Configuration;
using Attention.Engine.Data;
using Attention.Engine.Reporting;
using Attention.Engine.Runs;
using Attention.Engine.Training.Hooks;
using Attention.Models;
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
    /// <param name="cancellation">Ends the run after the step; its checkpoints stay.</param>
    public static ExperimentResult Train(Config<ExperimentConfig> config, IRunReporter reporter, CancellationToken cancellation)
    {
        var shown = config.Showing(config.Value.model, ModelBuilder.Config(config.Value.model));
        return Run(config.Value, () => RunFolder.Create(config.Value.output, config.Value.name, shown.ToYaml()), null, reporter, cancellation);
    }

    /// <summary>Goes on with a run from its newest checkpoint.</summary>
    /// <exception cref="UserError">The folder is no run, has no checkpoint, or the run is finished.</exception>
    public static ExperimentResult Resume(string folder, IRunReporter reporter, CancellationToken cancellation)
    {
        var run = RunFolder.Open(folder);
        var config = ExperimentConfig.Load(run.ConfigFile).Value;
        var checkpoint = CheckpointHook.Newest(run)
            ?? throw new UserError($"run '{folder}' has no checkpoint to go on from", $"start anew with its config: ./attention train {run.ConfigFile}");
        if (Checkpoint.ReadManifest(checkpoint).state.Epoch >= config.train.epochs)
            throw new UserError($"run '{folder}' is finished: {config.train.epochs} epochs", "train longer in a new run with --set train.epochs=N");
        return Run(config, () => run, checkpoint, reporter, cancellation);
    }

    private static ExperimentResult Run(ExperimentConfig config, Func<RunFolder> open, string? checkpoint, IRunReporter reporter, CancellationToken cancellation)
    {
        var device = ChooseDevice(config.device);
        var modelConfig = (ImageModelConfig)ModelBuilder.Config(config.model);
        var (train, held) = Load(config, modelConfig, reporter, cancellation);
        CheckClasses(train, modelConfig, config);

        manual_seed(config.seed);
        var model = checkpoint is null && config.init is { } init ? Initialised(config.model, init, reporter) : (ImageModel)ModelBuilder.Build(config.model);
        model.to(device);
        using var task = new ImageClassification(model, train, held, (CrossEntropyConfig)config.loss, device);
        long parameters = model.parameters().Sum(p => p.numel());
        using var optimizer = MakeOptimizer(config.optimizer, model);

        var run = open();
        var recorder = new RunRecorder(run, config, parameters, device.ToString());
        var trainer = new Trainer(task, optimizer, Schedule.Of(config, task.StepsPerEpoch), config.train.epochs, config.clip_grad_norm,
            [recorder, new CheckpointHook(run, config.checkpoint, config.model.name), new ProgressHook(reporter)]);
        if (checkpoint is not null)
            Checkpoint.Load(checkpoint, trainer);

        reporter.Say($"{config.model.name}: {parameters / 1e6:F2} M parameters on {device}; {train.Dataset.Count} images to train on, {held.Dataset.Count} held out");
        reporter.Say(checkpoint is null ? $"run folder {run.Location}" : $"going on with {run.Location} after epoch {trainer.State.Epoch}");
        trainer.Run(cancellation);
        return new ExperimentResult(run, RunSummary.Read(run.SummaryFile)!);
    }

    private static ImageModel Initialised(NamedPart part, InitConfig init, IRunReporter reporter)
    {
        var (model, report) = ModelBuilder.Build(part, init);
        foreach (var line in report.Describe())
            reporter.Say(line);
        return (ImageModel)model;
    }

    // --- parts -----------------------------------------------------------------------------------

    private static (DataLoader Train, DataLoader Held) Load(ExperimentConfig config, ImageModelConfig model, IRunReporter reporter, CancellationToken cancellation)
    {
        var (train, held) = DatasetFactory.OpenLabelled(config.data, reporter.Say, reporter.Warn, cancellation);
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
        return (
            new DataLoader(Cached(train), Prepare(config.data.transforms.train ?? $"random_resized_crop({size})|hflip", model), training, reporter.Warn),
            new DataLoader(Cached(held), Prepare(config.data.transforms.eval ?? Centre(size, model), model), measuring, reporter.Warn));
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

    private static FusedOptimizer MakeOptimizer(OptimizerConfig config, ImageModel model)
    {
        var groups = ParameterGroups.Of(model, config.lr, config.weight_decay, model.no_weight_decay);
        return config switch
        {
            AdamWConfig adamw => new FusedAdamW(groups, adamw.betas.Item1, adamw.betas.Item2, adamw.eps),
            _ => throw new ArgumentException($"no optimizer for {config.GetType().Name}"),
        };
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
