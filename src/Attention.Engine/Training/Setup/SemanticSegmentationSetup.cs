using Attention.Data;
using Attention.Engine.Configuration;
using Attention.Engine.Data;
using Attention.Engine.Evaluation.Dense;
using Attention.Engine.Reporting;
using Attention.Engine.Runs;
using Attention.Engine.Training.Losses;
using Attention.Models.Dense;
using TorchSharp;
using static TorchSharp.torch;

namespace Attention.Engine.Training.Setup;

/// <summary>Images with maps of the class of each pixel, and a model that tells it.</summary>
internal sealed class SemanticSegmentationSetup : TaskSetup
{
    private readonly ExperimentConfig config;
    private readonly SegmentationModelConfig model;
    private readonly IDenseDataset images, heldOut;
    private readonly Action<string> warn;
    private readonly CancellationToken cancellation;

    public SemanticSegmentationSetup(ExperimentConfig config, IRunReporter reporter, CancellationToken cancellation)
    {
        (this.config, warn, this.cancellation) = (config, reporter.Warn, cancellation);
        model = CheckParts(config);
        (images, heldOut) = DenseData.OpenClasses((ImageDataConfig)config.data, reporter.Say, reporter.Warn, cancellation);
        if (images.ClassNames.Count != model.num_classes)
            throw new UserError($"the data has {images.ClassNames.Count} classes, the model {model.num_classes}", $"set model.num_classes to {images.ClassNames.Count}");
        if (images.Count < config.train.batch_size)
            throw new UserError($"{images.Count} training images do not fill one batch of {config.train.batch_size}", "lower train.batch_size");
    }

    /// <summary>Finds what does not fit together before any image is read.</summary>
    /// <exception cref="UserError">The first mistake.</exception>
    public static SegmentationModelConfig CheckParts(ExperimentConfig config)
    {
        var model = ModelBuilder.Config(config.model) as SegmentationModelConfig
            ?? throw new UserError($"model '{config.model.name}' tells no class of each pixel", "choose a segmenter for task semantic_segmentation, such as upernet; ./attention models lists all");
        Pipelines(model, (ImageDataConfig)config.data);
        if (config.loss.class_weights.Length > 0 && config.loss.class_weights.Length != model.num_classes)
            throw ClassificationLoss.WrongWeights(config.loss, model.num_classes);
        if (model is Mask2FormerConfig && config.loss != new CrossEntropyConfig())
            throw new UserError("mask2former has losses of its own", "leave 'loss' out; their weights are fields of model.decoder");
        return model;
    }

    private static (DensePipeline Training, DensePipeline Evaluation) Pipelines(SegmentationModelConfig model, ImageDataConfig data) => (
        SegmenterPreparation.Training(model, data.image_size, data.transforms.train), SegmenterPreparation.Evaluation(model, data.image_size, data.transforms.eval));

    public override string Data => $"{images.Count} images to train on, {heldOut.Count} held out, {images.ClassNames.Count} classes";

    public override double? MultiplyAdds => null;

    public override void Keep(RunFolder run) =>
        RunCategories.Write(run.CategoriesFile, [.. images.ClassNames.Select((name, label) => new CocoCategory(label, name, [], IsThing: false))]);

    public override TrainingTask Create(nn.Module model, Device device)
    {
        var segmenter = (SegmentationModel)model;
        if (segmenter is PixelwiseModel pixelwise)
            pixelwise.Loss = Loss(config.loss, device);
        var data = (ImageDataConfig)config.data;
        var (training, measuring) = Pipelines(this.model, data);
        var options = new DenseLoaderOptions
        {
            BatchSize = config.train.batch_size,
            Shuffle = true,
            Last = LastBatch.Drop,
            MaxBroken = data.max_broken,
            Seed = config.seed,
            Workers = data.workers,
            Cancellation = cancellation,
            Divisor = 1,
        };
        var train = new DenseLoader(images, training, options, warn);
        var held = new DenseLoader(heldOut, measuring, options with
        {
            BatchSize = config.train.eval_batch_size ?? config.train.batch_size,
            Shuffle = false,
            Last = LastBatch.Keep,
            Broken = BrokenImages.Skip,
        }, warn);
        return new SemanticSegmentation(segmenter, train, held, new SegmentationInference(segmenter, config.sliding_window), device, training.Normalize);
    }

    private static PixelLoss Loss(LossConfig config, Device device) => new()
    {
        cross_entropy = (config as PixelLossConfig)?.cross_entropy ?? 1,
        dice = (config as PixelLossConfig)?.dice ?? 0,
        average_all = (config as PixelLossConfig)?.average_all ?? false,
        label_smoothing = config.label_smoothing,
        class_weights = config.class_weights.Length == 0 ? null
            : tensor(config.class_weights.Select(weight => (float)weight).ToArray(), device: device).DetachFromDisposeScope(),
    };
}
