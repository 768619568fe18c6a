using Attention.Data;
using Attention.Engine.Checkpoints;
using Attention.Engine.Configuration;
using Attention.Engine.Data;
using Attention.Engine.Runs;
using Attention.Models;
using TorchSharp;
using static TorchSharp.torch;

namespace Attention.Engine.Evaluation;

/// <summary>What to evaluate, and how images are prepared; null takes the model's own setting.</summary>
public sealed record ClassifierOptions
{
    /// <summary>A model of the registry, or the folder of a run, whose best weights are taken.</summary>
    public required string Model { get; init; }

    /// <summary>Its weights; needed for a model of the registry.</summary>
    public string? Checkpoint { get; init; }

    /// <summary>Fields of the model's config, such as <c>img_size=384</c>.</summary>
    public IReadOnlyList<string> Fields { get; init; } = [];

    /// <summary>Share of the resized image that the centre crop keeps.</summary>
    public double? CropPct { get; init; }

    /// <summary>bicubic or bilinear.</summary>
    public string? Interpolation { get; init; }

    /// <summary>Images of a batch.</summary>
    public int BatchSize { get; init; } = 32;

    /// <summary>Threads that read images; null for the loader's choice.</summary>
    public int? Workers { get; init; }
}

/// <summary>What an image was taken for.</summary>
/// <param name="File">The image.</param>
/// <param name="Classes">Labels, the likeliest first.</param>
/// <param name="Probabilities">Of those.</param>
public sealed record ImageGuess(string File, int[] Classes, double[] Probabilities);

/// <summary>A classifier with its weights and the preparation of images that it was made for.</summary>
public sealed class ImageClassifier : IDisposable
{
    private readonly TrainedModel trained;
    private readonly ClassifierOptions options;
    private readonly TransformPipeline transforms;

    /// <param name="trained">The model, which belongs to the classifier from now on.</param>
    /// <param name="options">How images are prepared; which model it is has been decided.</param>
    /// <exception cref="UserError">It is no image model, or the preparation is impossible.</exception>
    public ImageClassifier(TrainedModel trained, ClassifierOptions options)
    {
        (this.trained, this.options) = (trained, options);
        (Model, Config) = trained.As<ImageModel, ImageModelConfig>("image model", "choose one that ./attention models lists with an image size");
        ClassNames = TrainingClasses(trained.Run) is { } names && names.Count == Model.num_classes ? names : null;
        transforms = Preparation();
    }

    public ImageModel Model { get; }

    /// <summary>What the model was built from.</summary>
    public NamedPart Part => trained.Part;

    public ImageModelConfig Config { get; }
    public Device Device => trained.Device;

    /// <summary>What was loaded, a line each.</summary>
    public IReadOnlyList<string> Report => trained.Report;

    /// <summary>The names of the classes, from the training images of a run; null where those are not known.</summary>
    public IReadOnlyList<string>? ClassNames { get; }

    /// <summary>The preparation as one line.</summary>
    public string Transforms => transforms.ToString();

    /// <exception cref="UserError">There is no such model, its weights do not fit, or a field is wrong.</exception>
    public static ImageClassifier Open(ClassifierOptions options)
    {
        var trained = TrainedModel.Open(options.Model, options.Checkpoint, options.Fields);
        try
        {
            return new ImageClassifier(trained, options);
        }
        catch
        {
            trained.Dispose();
            throw;
        }
    }

    // Of the images that a run was trained on, where they are still there.
    private static IReadOnlyList<string>? TrainingClasses(ExperimentConfig? run)
    {
        if (run?.data is ImageFolderConfig { classes: { Length: > 0 } chosen })
            return chosen;
        try
        {
            return run?.data is ImageDataConfig data ? (DatasetFactory.Open(data, train: true) as IImageDataset)?.ClassNames : null;
        }
        catch (UserError)
        {
            return null;
        }
    }

    /// <summary>The images on which a run measured its model.</summary>
    /// <param name="say">Is told what takes time.</param>
    /// <param name="warn">Is told what cannot be read.</param>
    /// <param name="cancellation">Ends the rendering of such images as are made.</param>
    /// <exception cref="UserError">The model is none of a run, or the images are missing.</exception>
    public IImageDataset HeldOut(Action<string> say, Action<string> warn, CancellationToken cancellation)
    {
        if (trained.Run?.data is not ImageDataConfig data)
            throw new UserError("no images were given", "name a folder with one folder of images for each class");
        var held = DatasetFactory.OpenLabelled(data, say, warn, cancellation).Held;
        return data is ImageFolderConfig { classes: { Length: > 0 } chosen } ? new ClassSubset(held, chosen) : held;
    }

    // The run's own, or timm's rule for the size before the crop.
    private TransformPipeline Preparation()
    {
        var normalize = new Normalize([.. Config.mean.Select(v => (float)v)], [.. Config.std.Select(v => (float)v)]);
        if (options is { CropPct: null, Interpolation: null, Fields.Count: 0 } && (trained.Run?.data as ImageDataConfig)?.transforms.eval is { } own)
            return own.Contains("normalize", StringComparison.Ordinal) ? TransformPipeline.Parse(own) : TransformPipeline.Parse(own).With(normalize);
        var interpolation = options.Interpolation ?? Config.interpolation;
        if (interpolation is not ("bicubic" or "bilinear"))
            throw new UserError($"there is no interpolation '{interpolation}'", "choose bicubic or bilinear");
        double cropPct = options.CropPct ?? Config.crop_pct;
        if (cropPct is not (> 0 and <= 1))
            throw new UserError($"the crop percentage is {cropPct}, but must be above 0 and at most 1", "write for example --crop-pct 0.9");
        var line = FormattableString.Invariant($"resize({(int)Math.Floor(Config.img_size / cropPct)}, {interpolation})|center_crop({Config.img_size})");
        return TransformPipeline.Parse(line).With(normalize);
    }

    /// <summary>Images in the order of the data set, prepared; what cannot be read is left out and named.</summary>
    public DataLoader Loader(IImageDataset images, Action<string>? warn = null) =>
        new(images, transforms, new LoaderOptions { BatchSize = options.BatchSize, Workers = options.Workers, Broken = BrokenImages.Skip }, warn);

    /// <summary>Logits (B, classes) on the CPU; with <paramref name="flip"/> the mean of those of the images and of their mirror images.</summary>
    public Tensor Logits(ImageBatch batch, bool flip = false)
    {
        using var scope = NewDisposeScope();
        using var _ = inference_mode();
        var images = batch.images.to(Device);
        var logits = Model.call(images);
        if (flip)
            logits = (logits + Model.call(images.flip(3))) / 2;
        return scope.MoveToOuter(logits.to(ScalarType.Float32).cpu());
    }

    /// <summary>Measures the classifier on labelled images.</summary>
    /// <param name="images">The images; their labels are the model's classes.</param>
    /// <param name="flip">Whether mirror images count too.</param>
    /// <param name="real">Reassessed labels, where there are some.</param>
    /// <param name="warn">Told of images that cannot be read, which are left out.</param>
    /// <param name="cancellation">Ends it between batches.</param>
    /// <exception cref="UserError">The images have other classes than the model, or none can be read.</exception>
    public ClassificationScores Evaluate(IImageDataset images, bool flip = false, RealLabels? real = null, Action<string>? warn = null, CancellationToken cancellation = default)
    {
        if (images.ClassNames.Count != Model.num_classes)
            throw new UserError($"the images have {images.ClassNames.Count} classes, the model has {Model.num_classes}",
                "say which is which by --class-names FILE, a line with the folder's name for each of the model's classes");
        var scores = new ClassificationScores(images.ClassNames);
        using var loader = Loader(images, warn);
        foreach (var each in loader.Epoch(0, cancellation: cancellation))
        {
            using var batch = each;
            using var logits = Logits(batch, flip);
            scores.Add(logits, batch.Labels, [.. batch.Indices.Select(images.NameOf)], real);
        }
        return scores.Images > 0 ? scores : throw new UserError("none of the images could be read", "the warnings above say why");
    }

    /// <summary>The likeliest classes of images, in the images' order.</summary>
    /// <param name="images">The images.</param>
    /// <param name="top">How many classes; all, where there are fewer.</param>
    /// <param name="flip">Whether mirror images count too.</param>
    /// <param name="warn">Told of images that cannot be read, which are left out.</param>
    /// <param name="cancellation">Ends it between batches.</param>
    public IEnumerable<ImageGuess> Predict(IImageDataset images, int top = 5, bool flip = false, Action<string>? warn = null, CancellationToken cancellation = default)
    {
        using var loader = Loader(images, warn);
        foreach (var each in loader.Epoch(0, cancellation: cancellation))
        {
            using var batch = each;
            foreach (var guess in Guesses(batch, images, top, flip))
                yield return guess;
        }
    }

    private List<ImageGuess> Guesses(ImageBatch batch, IImageDataset images, int top, bool flip)
    {
        using var scope = NewDisposeScope();
        var (values, classes) = Logits(batch, flip).softmax(1).topk(Math.Min(top, Model.num_classes), 1);
        var guesses = new List<ImageGuess>();
        for (int i = 0; i < batch.Samples; i++)
            guesses.Add(new ImageGuess(images.NameOf(batch.Indices[i]),
                [.. classes[i].data<long>().Select(label => (int)label)], [.. values[i].data<float>().Select(value => (double)value)]));
        return guesses;
    }

    /// <summary>Names of classes, a line each.</summary>
    /// <exception cref="UserError">The file is missing, or has too few lines.</exception>
    public IReadOnlyList<string> ReadClassNames(string path)
    {
        if (!File.Exists(path))
            throw new UserError($"there is no file '{path}'", "give a text file with the name of a class in each line");
        var names = File.ReadAllLines(path).Select(line => line.Trim()).ToArray();
        return names.Length >= Model.num_classes ? names
            : throw new UserError($"'{path}' names {names.Length} classes, the model has {Model.num_classes}", "write one name a line, in the order of the labels");
    }

    /// <summary>Writes the model for other programs.</summary>
    /// <param name="place">A file that ends in .safetensors, .pth, .pt or .bin, or a folder for timm (see <see cref="TimmFolder"/>).</param>
    /// <param name="classNames">The names of the classes, which such a folder holds; null where they are not known.</param>
    /// <exception cref="UserError">It cannot be written, or timm has no such model.</exception>
    public void Export(string place, IReadOnlyList<string>? classNames = null)
    {
        try
        {
            if (Path.GetDirectoryName(Path.GetFullPath(place)) is { } above)
                Directory.CreateDirectory(above);
            var state = Model.state_dict();
            switch (Path.GetExtension(place).ToLowerInvariant())
            {
                case ".safetensors":
                    AtomicFile.Write(place, stream => SafeTensors.Write(stream, state, new Dictionary<string, string> { ["format"] = "pt" }));
                    break;
                case ".pth" or ".pt" or ".bin":
                    PyTorchFile.Write(place, state);
                    break;
                default:
                    TimmFolder.Write(place, Model, Part, classNames ?? ClassNames);
                    break;
            }
        }
        catch (Exception e) when (AtomicFile.IsDiskFailure(e))
        {
            throw new UserError($"the model cannot be written to {place}: {e.Message}", "choose another place, or make room on the disk", e);
        }
    }

    public void Dispose() => trained.Dispose();
}
