using Attention.Data;
using Attention.Engine.Configuration;
using Attention.Engine.Data;
using Attention.Engine.Runs;
using Attention.Engine.Training;
using Attention.Engine.Training.Setup;
using Attention.Models.Dense;
using TorchSharp;
using static TorchSharp.torch;

namespace Attention.Engine.Evaluation.Dense;

/// <summary>How images are prepared for a detector.</summary>
public sealed record DetectorOptions
{
    /// <summary>The preparation as one line; null for that of the run, or of the model's min_size and max_size.</summary>
    public string? Transforms { get; init; }

    /// <summary>Images of a batch.</summary>
    public int BatchSize { get; init; } = 4;

    /// <summary>Threads that read images; null for the loader's choice.</summary>
    public int? Workers { get; init; }
}

/// <summary>A detector with its weights and the preparation of images that it was made for.</summary>
public sealed class Detector : IDisposable
{
    private readonly TrainedModel trained;
    private readonly DetectorOptions options;
    private readonly DensePipeline transforms;

    /// <param name="trained">The model, which belongs to the detector from now on.</param>
    /// <param name="options">How images are prepared.</param>
    /// <exception cref="UserError">It is no detector, or the preparation is impossible.</exception>
    public Detector(TrainedModel trained, DetectorOptions? options = null)
    {
        (this.trained, this.options) = (trained, options ?? new DetectorOptions());
        (Model, Config) = trained.As<DetectionModel, DetectionModelConfig>("detector", "choose one such as mask_rcnn, or the run of one");
        Categories = trained.Folder is { } run ? RunCategories.Read(run.CategoriesFile) : null;
        transforms = DetectorPreparation.Evaluation(Config, this.options.Transforms ?? (trained.Run?.data as ImageDataConfig)?.transforms.eval);
    }

    public DetectionModel Model { get; }

    public DetectionModelConfig Config { get; }

    /// <summary>What the labels stand for; null where that is not known.</summary>
    public IReadOnlyList<CocoCategory>? Categories { get; }

    /// <summary>The number by which COCO's files know what a label stands for; where that is not known, labels count from 1.</summary>
    public int CategoryOf(int label) => Config.first_category is { } first ? label + first : label < Categories?.Count ? Categories[label].Id : label + 1;

    /// <summary>The preparation as one line.</summary>
    public string Transforms => transforms.ToString();

    /// <summary>The images on which a run measured its model.</summary>
    /// <exception cref="UserError">The model is none of a run, or the images are missing.</exception>
    public CocoObjects HeldOut(Action<string> say, Action<string> warn, CancellationToken cancellation) => trained.Run?.data is ImageDataConfig data
        ? DetectionData.Open(data, Model.Finds, say, warn, cancellation).Held
        : throw new UserError("no images were given", "name a folder with COCO's images and annotations, or a config");

    /// <summary>Measures the detector on annotated images.</summary>
    /// <param name="images">Images and what is in them.</param>
    /// <param name="warn">Told of images that cannot be read, which are left out.</param>
    /// <param name="progress">Told how many batches are done, of how many.</param>
    /// <param name="cancellation">Ends it between batches.</param>
    /// <exception cref="UserError">The images have other classes than the model.</exception>
    public DetectionScorer Evaluate(CocoObjects images, Action<string>? warn = null, Action<int, int>? progress = null, CancellationToken cancellation = default)
    {
        if (Config.first_category is null && images.ClassNames.Count != Config.num_classes)
            throw new UserError($"the images have {images.ClassNames.Count} classes, the model has {Config.num_classes}", "give the annotations that the model was trained on");
        var scorer = new DetectionScorer(images.Coco.Annotations, Model.Finds, Config.first_category);
        foreach (var found in Predict(images, 0, warn, progress, cancellation))
            scorer.Add(found with { Image = images.CocoIndex(found.Image) });
        return scorer;
    }

    /// <summary>What is found in images, in their order.</summary>
    /// <param name="images">The images.</param>
    /// <param name="threshold">The least score.</param>
    /// <param name="warn">Told of images that cannot be read, which are left out.</param>
    /// <param name="progress">Told how many batches are done, of how many.</param>
    /// <param name="cancellation">Ends it between batches.</param>
    public IEnumerable<ImageObjects> Predict(
        IDenseDataset images, double threshold = 0, Action<string>? warn = null, Action<int, int>? progress = null, CancellationToken cancellation = default)
    {
        var loading = new DenseLoaderOptions { BatchSize = options.BatchSize, Workers = options.Workers, Broken = BrokenImages.Skip };
        using var loader = new DenseLoader(images, transforms, loading, warn);
        int step = 0;
        foreach (var each in loader.Epoch(0, cancellation: cancellation))
        {
            using var batch = each;
            foreach (var found in Detect(batch, threshold))
                yield return found;
            progress?.Invoke(++step, loader.StepsPerEpoch);
        }
    }

    private ImageObjects[] Detect(DenseBatch batch, double threshold)
    {
        using var scope = NewDisposeScope();
        using var _ = inference_mode();
        return [.. Model.Detect(DenseTensors.Images(batch, trained.Device))
            .Select((found, i) => ImageObjects.Of(batch.Samples[i].Index, found))
            .Select(image => image with { Objects = [.. image.Objects.Where(each => each.Score >= threshold)] })];
    }

    public void Dispose() => trained.Dispose();
}
