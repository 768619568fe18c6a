using Attention.Data;
using Attention.Engine.Configuration;
using Attention.Engine.Data;
using Attention.Engine.Reporting;
using Attention.Engine.Runs;
using Attention.Models.Dense;
using TorchSharp;
using static TorchSharp.torch;

namespace Attention.Engine.Training.Setup;

/// <summary>Images with COCO's annotations and a model that finds objects.</summary>
internal sealed class ObjectDetectionSetup : TaskSetup
{
    private readonly ExperimentConfig config;
    private readonly DetectionModelConfig model;
    private readonly Coco images, heldOut;
    private readonly DensePipeline training, measuring;
    private readonly Action<string> warn;
    private readonly CancellationToken cancellation;

    public ObjectDetectionSetup(ExperimentConfig config, IRunReporter reporter, CancellationToken cancellation)
    {
        (this.config, warn, this.cancellation) = (config, reporter.Warn, cancellation);
        var data = (ImageDataConfig)config.data;
        model = CheckParts(config);
        (training, measuring) = (DetectorPreparation.Training(model, data.transforms.train), DetectorPreparation.Evaluation(model, data.transforms.eval));
        (images, heldOut) = DatasetFactory.OpenObjects(data, reporter.Say, reporter.Warn, cancellation);
        if (model.first_category is null && images.ClassNames.Count != model.num_classes)
            throw new UserError($"the data has {images.ClassNames.Count} classes, the model {model.num_classes}", $"set model.num_classes to {images.ClassNames.Count}");
        if (!images.CategoryIds.SequenceEqual(heldOut.CategoryIds))
            throw new UserError($"{images.Annotations.Path} and {heldOut.Annotations.Path} have different categories", "give both the same list of categories, in the same order");
        if (images.Count < config.train.batch_size)
            throw new UserError($"{images.Count} training images do not fill one batch of {config.train.batch_size}", "lower train.batch_size");
    }

    /// <summary>Finds what does not fit together before any image is read.</summary>
    /// <exception cref="UserError">The first mistake.</exception>
    public static DetectionModelConfig CheckParts(ExperimentConfig config)
    {
        var model = ModelBuilder.Config(config.model) as DetectionModelConfig
            ?? throw new UserError($"model '{config.model.name}' finds no objects", "choose a detector for task object_detection; ./attention models lists all");
        var data = (ImageDataConfig)config.data;
        DetectorPreparation.Training(model, data.transforms.train);
        DetectorPreparation.Evaluation(model, data.transforms.eval);
        return model;
    }

    public override string Data => $"{images.Count} images to train on, {heldOut.Count} held out";

    public override double? MultiplyAdds => null;

    public override void Keep(RunFolder run) => RunCategories.Write(run.CategoriesFile, images.Annotations.Categories);

    public override TrainingTask Create(nn.Module model, Device device)
    {
        var detector = (DetectionModel)model;
        var data = (ImageDataConfig)config.data;
        var options = new DenseLoaderOptions
        {
            BatchSize = config.train.batch_size,
            Shuffle = true,
            Last = LastBatch.Drop,
            GroupByShape = true,
            MaxBroken = data.max_broken,
            Seed = config.seed,
            Workers = data.workers,
            Cancellation = cancellation,
        };
        var targets = new CocoObjectsOptions { Masks = detector.Finds.HasFlag(DetectionKinds.Masks), Keypoints = detector.Finds.HasFlag(DetectionKinds.Keypoints), EmptyImages = false };
        var train = new DenseLoader(new CocoObjects(images, targets), training, options, warn);
        // Everything in the held-out images is judged by their annotations: the loader needs none of them.
        var held = new DenseLoader(new CocoObjects(heldOut, new CocoObjectsOptions { Masks = false, Keypoints = false }), measuring, options with
        {
            BatchSize = config.train.eval_batch_size ?? config.train.batch_size,
            Shuffle = false,
            Last = LastBatch.Keep,
            GroupByShape = false,
            Broken = BrokenImages.Skip,
        }, warn);
        return new ObjectDetection(detector, this.model.first_category, train, held, heldOut.Annotations, device, training.Normalize);
    }
}
