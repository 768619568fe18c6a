using Attention.Data;
using Attention.Engine.Checkpoints;
using Attention.Engine.Configuration;
using Attention.Engine.Data;
using Attention.Engine.Reporting;
using Attention.Engine.Training.Losses;
using Attention.Models;
using TorchSharp;
using static TorchSharp.torch;

namespace Attention.Engine.Training.Setup;

/// <summary>Labelled images, an image model, a loss over classes; mixing and a teacher where the config has them.</summary>
internal sealed class ImageClassificationSetup : TaskSetup
{
    private readonly ExperimentConfig config;
    private readonly ImageDataConfig data;
    private readonly ImageModelConfig model;
    private readonly IRunReporter reporter;
    private readonly DataLoader train, held;
    private readonly Normalize normalize;

    public ImageClassificationSetup(ExperimentConfig config, IRunReporter reporter, CancellationToken cancellation)
    {
        (this.config, this.reporter) = (config, reporter);
        (data, model) = ((ImageDataConfig)config.data, CheckParts(config));
        (train, held, normalize) = Load(cancellation);
        if (train.Dataset.ClassNames.Count is var classes && classes > model.num_classes)
            throw new UserError($"the data has {classes} classes, the model {model.num_classes}", $"set model.num_classes to {classes}");
    }

    /// <summary>Finds what does not fit together before any image is read.</summary>
    /// <exception cref="UserError">The first mistake.</exception>
    public static ImageModelConfig CheckParts(ExperimentConfig config)
    {
        var model = ModelBuilder.Config(config.model) as ImageModelConfig
            ?? throw new UserError($"model '{config.model.name}' takes no images", "choose an image model for task image_classification; ./attention models lists all");
        var data = (ImageDataConfig)config.data;
        if (data.image_size != model.img_size)
            throw new UserError($"data.image_size is {data.image_size}, model.img_size is {model.img_size}", "set both to the same size");
        foreach (var line in new[] { data.transforms.train, data.transforms.eval })
            if (line is not null)
                TransformPipeline.Parse(line);
        if (config.loss.class_weights.Length > 0 && config.loss.class_weights.Length != model.num_classes)
            throw ClassificationLoss.WrongWeights(config.loss, model.num_classes);
        if (config.distillation is { } distillation)
            CheckTeacher(distillation, model);
        return model;
    }

    public override string Data => $"{train.Dataset.Count} images to train on, {held.Dataset.Count} held out";

    public override double? MultiplyAdds => ModelCatalogue.MultiplyAdds(config.model);

    public override void Renew(nn.Module model)
    {
        if (config.init is { classifier: false } && model is ImageModel image)
            image.reset_classifier(image.num_classes);
    }

    public override TrainingTask Create(nn.Module model, Device device)
    {
        var loss = ClassificationLoss.Create(config.loss, this.model.num_classes, ImagesPerClass(train.Dataset), device);
        return new ImageClassification((ImageModel)model, train, held, loss, device, normalize,
            config.mixup is { } mixing ? new Mixup(mixing, this.model.num_classes, config.seed) : null, Teacher(device));
    }

    private (DataLoader Train, DataLoader Held, Normalize Normalize) Load(CancellationToken cancellation)
    {
        var (images, heldOut) = DatasetFactory.OpenLabelled(data, reporter.Say, reporter.Warn, cancellation);
        if (data is ImageFolderConfig { classes: { Length: > 0 } classes })
            (images, heldOut) = (new ClassSubset(images, classes), new ClassSubset(heldOut, classes));
        int size = data.image_size;
        var training = new LoaderOptions
        {
            BatchSize = config.train.batch_size,
            Shuffle = true,
            Sampler = DatasetFactory.Sampler(data, images),
            MaxBroken = data.max_broken,
            PageLocked = config.device != "cpu" && cuda.is_available(),
            Cancellation = cancellation,
            Last = LastBatch.Drop,
            Seed = config.seed,
            Workers = data.workers,
        };
        if (images.Count < training.BatchSize)
            throw new UserError($"{images.Count} training images do not fill one batch of {training.BatchSize}", "lower train.batch_size");
        var measuring = new LoaderOptions
        {
            BatchSize = config.train.eval_batch_size ?? config.train.batch_size,
            Seed = config.seed,
            Workers = data.workers,
            Broken = BrokenImages.Skip,
            MaxBroken = data.max_broken,
            PageLocked = config.device != "cpu" && cuda.is_available(),
            Cancellation = cancellation,
        };
        IImageDataset Cached(IImageDataset images) => data.cache == CacheKind.Memory ? new CachedImages(images) : images;
        var preparation = Prepare(data.transforms.train ?? $"random_resized_crop({size})|hflip");
        return (
            new DataLoader(Cached(images), preparation, training, reporter.Warn),
            new DataLoader(Cached(heldOut), Prepare(data.transforms.eval ?? Centre(size)), measuring, reporter.Warn),
            preparation.Normalize);
    }

    private string Centre(int size) => $"resize({(int)Math.Round(size / model.crop_pct)}, {model.interpolation})|center_crop({size})";

    // A line without constants of its own takes the model's.
    private TransformPipeline Prepare(string line)
    {
        var parsed = TransformPipeline.Parse(line);
        if (line.Contains("normalize", StringComparison.Ordinal))
            return parsed;
        var normalize = new Normalize([.. model.mean.Select(v => (float)v)], [.. model.std.Select(v => (float)v)]);
        return parsed.With(normalize);
    }

    private Distillation? Teacher(Device device)
    {
        if (config.distillation is not { } distillation)
            return null;
        var module = (ImageModel)ModelBuilder.Build(distillation.teacher);
        foreach (var line in WeightLoader.Load(module, distillation.checkpoint, strict: true, part: null).Describe())
            reporter.Say($"teacher: {line}");
        module.to(device);
        return new Distillation(module, distillation);
    }

    private static void CheckTeacher(DistillationConfig distillation, ImageModelConfig student)
    {
        var teacher = ModelBuilder.Config(distillation.teacher) as ImageModelConfig
            ?? throw new UserError($"the teacher '{distillation.teacher.name}' takes no images", "choose an image model");
        if (student.num_classes != teacher.num_classes)
            throw new UserError($"the student has {student.num_classes} classes, the teacher {teacher.num_classes}", $"set distillation.teacher.num_classes to {student.num_classes}");
    }

    private static int[] ImagesPerClass(IImageDataset images)
    {
        var counts = new int[images.ClassNames.Count];
        for (int i = 0; i < images.Count; i++)
            counts[images.LabelOf(i)]++;
        return counts;
    }
}
