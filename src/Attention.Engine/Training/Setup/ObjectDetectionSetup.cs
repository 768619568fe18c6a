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
    private readonly CocoObjects images, heldOut;
    private readonly DensePipeline training, measuring;
    private readonly Action<string> warn;
    private readonly CancellationToken cancellation;

    public ObjectDetectionSetup(ExperimentConfig config, IRunReporter reporter, CancellationToken cancellation)
    {
        (this.config, warn, this.cancellation) = (config, reporter.Warn, cancellation);
        var data = (ImageDataConfig)config.data;
        model = CheckParts(config);
        (training, measuring) = (DetectorPreparation.Training(model, data.transforms.train), DetectorPreparation.Evaluation(model, data.transforms.eval));
        (images, heldOut) = DetectionData.Open(data, FindsOf(config.model), reporter.Say, reporter.Warn, cancellation);
        if (model.first_category is null && images.ClassNames.Count != model.num_classes)
            throw new UserError($"the data has {images.ClassNames.Count} classes, the model {model.num_classes}", $"set model.num_classes to {images.ClassNames.Count}");
        if (!images.Coco.CategoryIds.SequenceEqual(heldOut.Coco.CategoryIds))
            throw new UserError($"{images.Coco.Annotations.Path} and {heldOut.Coco.Annotations.Path} have different categories", "give both the same list of categories, in the same order");
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

    public override void Keep(RunFolder run) => RunCategories.Write(run.CategoriesFile, images.Coco.Annotations.Categories);

    public override TrainingTask Create(nn.Module model, Device device)
    {
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
        var train = new DenseLoader(images, training, options, warn);
        var held = new DenseLoader(heldOut, measuring, options with
        {
            BatchSize = config.train.eval_batch_size ?? config.train.batch_size,
            Shuffle = false,
            Last = LastBatch.Keep,
            GroupByShape = false,
            Broken = BrokenImages.Skip,
        }, warn);
        return new ObjectDetection((DetectionModel)model, this.model.first_category, train, held, heldOut.Coco.Annotations, device, training.Normalize);
    }

    // A model without memory tells it.
    private static DetectionKinds FindsOf(NamedPart part)
    {
        var before = get_default_device();
        set_default_device(META);
        try
        {
            using var scope = NewDisposeScope();
            using var model = (DetectionModel)ModelBuilder.Build(part);
            return model.Finds;
        }
        finally
        {
            set_default_device(before);
        }
    }
}
