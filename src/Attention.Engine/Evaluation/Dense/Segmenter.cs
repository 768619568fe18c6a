using Attention.Data;
using Attention.Engine.Configuration;
using Attention.Engine.Data;
using Attention.Engine.Runs;
using Attention.Engine.Training.Setup;
using Attention.Models.Dense;
using Attention.Torch;

namespace Attention.Engine.Evaluation.Dense;

/// <summary>How images are prepared for a segmenter, and how it looks at them; null takes what its run says.</summary>
public sealed record SegmenterOptions
{
    /// <summary>The preparation as one line.</summary>
    public string? Transforms { get; init; }

    /// <summary>Windows side by side rather than whole images.</summary>
    public SlidingWindowConfig? Window { get; init; }

    /// <summary>Whether mirror images count too.</summary>
    public bool Flip { get; init; }

    /// <summary>Images of a batch.</summary>
    public int BatchSize { get; init; } = 1;

    /// <summary>Threads that read images; null for the loader's choice.</summary>
    public int? Workers { get; init; }
}

/// <summary>A segmenter with its weights and the preparation of images that it was made for.</summary>
public sealed class Segmenter : IDisposable
{
    private readonly TrainedModel trained;
    private readonly SegmenterOptions options;
    private readonly SegmentationInference inference;
    private readonly DensePipeline transforms;

    /// <param name="trained">The model, which belongs to the segmenter from now on.</param>
    /// <param name="options">How images are prepared and looked at.</param>
    /// <exception cref="UserError">It is no segmenter, or the preparation is impossible.</exception>
    public Segmenter(TrainedModel trained, SegmenterOptions? options = null)
    {
        (this.trained, this.options) = (trained, options ?? new SegmenterOptions());
        (Model, Config) = trained.As<SegmentationModel, SegmentationModelConfig>("segmenter", "choose one such as upernet, or the run of one");
        Names = trained.Folder is { } run && RunCategories.Read(run.CategoriesFile) is { } known ? [.. known.Select(each => each.Name)] : null;
        inference = new SegmentationInference(Model, this.options.Window ?? trained.Run?.sliding_window, this.options.Flip);
        var data = trained.Run?.data as ImageDataConfig;
        transforms = SegmenterPreparation.Evaluation(Config, data?.image_size ?? SegmenterPreparation.UsualSize, this.options.Transforms ?? data?.transforms.eval);
    }

    public SegmentationModel Model { get; }

    public SegmentationModelConfig Config { get; }

    /// <summary>The classes' names; null where they are not known.</summary>
    public IReadOnlyList<string>? Names { get; }

    /// <summary>The preparation as one line.</summary>
    public string Transforms => transforms.ToString();

    /// <summary>The images on which a run measured its model.</summary>
    /// <exception cref="UserError">The model is none of a run, or the images are missing.</exception>
    public IDenseDataset HeldOut(Action<string> say, Action<string> warn, CancellationToken cancellation) => trained.Run?.data is ImageDataConfig data
        ? DenseData.OpenClasses(data, say, warn, cancellation).Held
        : throw new UserError("no images were given", "name a folder with images and annotations as ADE20K has them");

    /// <summary>Measures the segmenter on images with maps of their classes.</summary>
    /// <param name="images">The images.</param>
    /// <param name="warn">Told of images that cannot be read, which are left out.</param>
    /// <param name="progress">Told how many batches are done, of how many.</param>
    /// <param name="cancellation">Ends it between batches.</param>
    /// <exception cref="UserError">The images have other classes than the model.</exception>
    public SegmentationScores Evaluate(IDenseDataset images, Action<string>? warn = null, Action<int, int>? progress = null, CancellationToken cancellation = default)
    {
        if (images.ClassNames.Count != Config.num_classes)
            throw new UserError($"the images have {images.ClassNames.Count} classes, the model has {Config.num_classes}", "give maps of the classes that the model was trained on");
        var scores = new SegmentationScores(images.ClassNames);
        foreach (var (sample, found) in Predict(images, warn, progress, cancellation))
            scores.Add(Truth(images, sample), found.Values);
        return scores;
    }

    /// <summary>The class of each pixel of images, in their order, at their original sizes.</summary>
    /// <param name="images">The images.</param>
    /// <param name="warn">Told of images that cannot be read, which are left out.</param>
    /// <param name="progress">Told how many batches are done, of how many.</param>
    /// <param name="cancellation">Ends it between batches.</param>
    public IEnumerable<(DenseSample Image, LabelMap Classes)> Predict(
        IDenseDataset images, Action<string>? warn = null, Action<int, int>? progress = null, CancellationToken cancellation = default)
    {
        var loading = new DenseLoaderOptions { BatchSize = options.BatchSize, Workers = options.Workers, Broken = BrokenImages.Skip, Divisor = 1 };
        using var loader = new DenseLoader(images, transforms, loading, warn);
        int step = 0;
        foreach (var batch in loader.Epoch(0, cancellation: cancellation))
            using (batch)
            {
                foreach (var (sample, found) in batch.Samples.Zip(inference.Classes(batch, trained.Device)))
                    yield return (sample, found);
                progress?.Invoke(++step, loader.StepsPerEpoch);
            }
    }

    /// <summary>The true class of each pixel of an image as it was read.</summary>
    internal static byte[] Truth(IDenseDataset images, DenseSample sample) =>
        images.AnnotationsOf(sample.Index, sample.OriginalHeight, sample.OriginalWidth).Classes!;

    public void Dispose() => trained.Dispose();
}
