using System.CommandLine;
using Attention.Data;
using Attention.Engine.Configuration;
using Attention.Engine.Evaluation;
using Attention.Engine.Evaluation.Dense;

namespace Attention.Cli;

/// <summary>The arguments <c>MODEL [--checkpoint FILE]...</c>, which every command that uses a trained model has.</summary>
internal sealed class ModelSource
{
    private readonly Argument<string> model = new("MODEL") { Description = "The folder of a run, or a model of the registry with --checkpoint" };
    private readonly Option<string?> checkpoint = new("--checkpoint") { Description = "Its weights: a .safetensors, .pth, .pt or .bin file, or a folder", HelpName = "FILE" };
    private readonly Option<string[]> fields = new("--set") { Description = "Replace a field of the model, for example --set img_size=384; may be given again", HelpName = "field=value" };
    private readonly Option<double?> cropPct = new("--crop-pct") { Description = "Share of the resized image that the centre crop keeps; the model's own by default" };
    private readonly Option<string?> interpolation = new("--interpolation") { Description = "bicubic or bilinear; the model's own by default" };
    private readonly Option<int?> batch = new("--batch") { Description = "Images of a batch; 32 by default, 4 for detectors, 1 for segmenters" };
    private readonly Option<int?> workers = new("--workers") { Description = "Threads that read images" };
    private readonly Option<int?> window = new("--window") { Description = "Segmenters: look at windows of this side that overlap by a third, rather than at whole images", HelpName = "PIXELS" };
    private readonly Option<string?> classNames = new("--class-names") { Description = "A text file with the name of each of the model's classes, a line each", HelpName = "FILE" };

    public void AddTo(Command command)
    {
        command.Add(model);
        foreach (var option in new Option[] { checkpoint, fields, cropPct, interpolation, batch, workers, window, classNames })
            command.Add(option);
    }

    /// <summary>The model as it was named.</summary>
    public string Name(CommandContext context) => context.Get(model);

    /// <summary>The model with its weights, of whatever kind; what was loaded is told on the error stream.</summary>
    public TrainedModel OpenModel(CommandContext context)
    {
        var trained = TrainedModel.Open(context.Get(model), context.Get(checkpoint), context.Get(fields));
        foreach (var line in trained.Report)
            context.Terminal.Error.WriteLine(line);
        return trained;
    }

    /// <summary>An image classifier with its weights; what was loaded is told on the error stream.</summary>
    public ImageClassifier Open(CommandContext context)
    {
        var trained = OpenModel(context);
        try
        {
            return Classifier(context, trained);
        }
        catch
        {
            trained.Dispose();
            throw;
        }
    }

    /// <summary>The model as a classifier of images.</summary>
    public ImageClassifier Classifier(CommandContext context, TrainedModel trained) => new(trained, new ClassifierOptions
    {
        Model = context.Get(model),
        Checkpoint = context.Get(checkpoint),
        Fields = context.Get(fields) ?? [],
        CropPct = context.Get(cropPct),
        Interpolation = context.Get(interpolation),
        BatchSize = context.Get(batch) ?? 32,
        Workers = context.Get(workers),
    });

    /// <summary>The model as a detector.</summary>
    public Detector Detector(CommandContext context, TrainedModel trained) =>
        new(trained, new DetectorOptions { BatchSize = context.Get(batch) ?? 4, Workers = context.Get(workers) });

    /// <summary>The model as a segmenter.</summary>
    /// <param name="context">The command line.</param>
    /// <param name="trained">The model.</param>
    /// <param name="flip">Whether mirror images count too.</param>
    public Segmenter Segmenter(CommandContext context, TrainedModel trained, bool flip) => new(trained, new SegmenterOptions
    {
        BatchSize = context.Get(batch) ?? 1,
        Workers = context.Get(workers),
        Flip = flip,
        Window = context.Get(window) is { } size ? new SlidingWindowConfig { size = size, stride = Math.Max(1, size * 2 / 3) } : null,
    });

    /// <summary>The names of a segmenter's classes: of the file that was given, or of its run; null where there is neither.</summary>
    /// <exception cref="UserError">The file has another number of names.</exception>
    public IReadOnlyList<string>? ClassNames(CommandContext context, Segmenter segmenter)
    {
        if (context.Get(classNames) is not { } file)
            return segmenter.Names;
        string[] names = [.. ImageFiles.Lines(file).Select(line => line.Trim()).Where(line => line.Length > 0)];
        return names.Length == segmenter.Config.num_classes ? names
            : throw new UserError($"{file} has {names.Length} names, the model {segmenter.Config.num_classes} classes", "write one name a line");
    }

    /// <summary>The names of the classes: of the file that was given, or of the run's training images; null where there is neither.</summary>
    public IReadOnlyList<string>? ClassNames(CommandContext context, ImageClassifier classifier) =>
        context.Get(classNames) is { } file ? classifier.ReadClassNames(file) : classifier.ClassNames;
}
