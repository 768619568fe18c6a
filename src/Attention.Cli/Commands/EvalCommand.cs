using System.CommandLine;
using System.Globalization;
using Attention.Data;
using Attention.Engine.Data;
using Attention.Engine.Evaluation;
using Attention.Models.Dense;

namespace Attention.Cli.Commands;

/// <summary>Measures a classifier on labelled images, a detector or segmenter on annotated ones, or a language model on text and benchmarks.</summary>
internal sealed class EvalCommand : CliCommand
{
    private readonly ModelSource source = new();
    private readonly Argument<string?> images = new("IMAGES") { Description = "A folder with one folder of images for each class, ImageNet's folder or its flat val, a list or tar shards; for detectors COCO's folder, for segmenters ADE20K's; a run's held-out images by default", DefaultValueFactory = _ => null };
    private readonly Option<bool> flip = new("--flip") { Description = "Average the logits of each image and its mirror image" };
    private readonly Option<string?> real = new("--real") { Description = "real.json, the reassessed labels of ImageNet's validation images; found by itself beside val", HelpName = "FILE" };
    private readonly Option<string?> output = new("--out") { Description = "A folder for metrics.json, and classes.csv, confusion.csv and guesses.csv, or the questions with their answers", HelpName = "FOLDER" };
    private readonly LanguageEvaluation language = new();
    private readonly DetectorEvaluation detectors = new();
    private readonly JsonOption json = new();

    public EvalCommand() : base("eval", "Measure a classifier (accuracy, calibration, confusion), a detector (COCO's figures), a segmenter (mean IoU) or a language model (perplexity, benchmarks)")
    {
        source.AddTo(this);
        Add(images);
        foreach (var option in new Option[] { flip, real, output, json })
            Add(option);
        detectors.AddTo(this);
        language.AddTo(this);
    }

    public override int Run(CommandContext context)
    {
        if (language.IsAsked(context))
            return language.Run(context, source.Name(context), context.Get(output), context.Get(json));
        using var trained = source.OpenModel(context);
        if (trained.Model is DetectionModel)
            return detectors.Run(context, source.Detector(context, trained), context.Get(images), context.Get(output), context.Get(json));
        if (trained.Model is SegmentationModel)
            return SegmenterEvaluation.Run(context, source.Segmenter(context, trained, context.Get(flip)), context.Get(images), context.Get(output), context.Get(json));
        using var classifier = source.Classifier(context, trained);
        IImageDataset held = context.Get(images) is { } there ? DataSource.HeldOut(there, source.ClassNames(context, classifier))
            : classifier.HeldOut(context.Terminal.Error.WriteLine, context.Terminal.Error.WriteLine, context.Stop);
        var labels = (context.Get(real) ?? (held as ImageNet)?.RealLabelsFile) is { } path ? RealLabels.Load(path) : null;
        var scores = classifier.Evaluate(held, context.Get(flip), labels, context.Terminal.Error.WriteLine, context.Stop);
        if (context.Get(output) is { } place)
            EvaluationFiles.Write(place, scores, held.ClassNames);
        if (context.Get(json))
            JsonText.Write(context.Terminal.Out, writer => EvaluationFiles.WriteMetrics(writer, scores));
        else
            foreach (var line in Lines(scores, classifier))
                context.Terminal.Out.WriteLine(line);
        return 0;
    }

    private static IEnumerable<string> Lines(ClassificationScores scores, ImageClassifier classifier)
    {
        var culture = CultureInfo.InvariantCulture;
        yield return string.Create(culture, $"{scores.Images} images, {classifier.Transforms}");
        yield return string.Create(culture, $"top-1 {scores.Top1 * 100:F2} %, top-5 {scores.Top5 * 100:F2} %, mean over classes {scores.MeanPerClass * 100:F2} %");
        if (scores.Real is { } share)
            yield return string.Create(culture, $"ReaL {share * 100:F2} %");
        yield return string.Create(culture, $"loss {scores.Loss:F4}, calibration error {scores.CalibrationError * 100:F2} %");
        foreach (var each in scores.Classes().Where(each => each.Images > 0).OrderBy(each => each.Recall).ThenBy(each => each.Name, StringComparer.Ordinal).Take(5))
            yield return string.Create(culture, $"  worst: {each.Name}, {each.Correct} of {each.Images}");
    }
}
