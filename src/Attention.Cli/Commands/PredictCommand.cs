using System.CommandLine;
using System.Globalization;
using Attention.Engine.Evaluation;
using Attention.Models.Dense;

namespace Attention.Cli.Commands;

/// <summary>Names what is on images, or finds and draws the objects in them.</summary>
internal sealed class PredictCommand : CliCommand
{
    private readonly ModelSource source = new();
    private readonly Argument<string[]> images = new("IMAGE") { Description = "Files, folders, or quoted patterns such as 'photos/*.jpg'", Arity = ArgumentArity.OneOrMore };
    private readonly Option<int> top = new("--top") { Description = "Classes for each image", DefaultValueFactory = _ => 5 };
    private readonly Option<bool> flip = new("--flip") { Description = "Average the logits of each image and its mirror image" };
    private readonly Option<bool> csv = new("--csv") { Description = "Print comma-separated values instead of a table" };
    private readonly DetectorPrediction detectors = new();
    private readonly JsonOption json = new();

    public PredictCommand() : base("predict", "Name what is on images, find and draw the objects in them, or tell the class of each pixel")
    {
        source.AddTo(this);
        Add(images);
        foreach (var option in new Option[] { top, flip, csv, json })
            Add(option);
        detectors.AddTo(this);
    }

    public override int Run(CommandContext context)
    {
        if (context.Get(top) < 1)
            throw new UserError($"--top is {context.Get(top)}, but must be at least 1", "leave it away for 5");
        using var trained = source.OpenModel(context);
        if (trained.Model is DetectionModel)
            return detectors.Run(context, source.Detector(context, trained), context.Get(images)!, context.Get(json));
        if (trained.Model is SegmentationModel)
        {
            var segmenter = source.Segmenter(context, trained, context.Get(flip));
            return SegmenterPrediction.Run(context, segmenter, source.ClassNames(context, segmenter), context.Get(images)!, detectors.Output(context), context.Get(json));
        }
        using var classifier = source.Classifier(context, trained);
        var names = source.ClassNames(context, classifier);
        var rows = new List<object?[]>();
        foreach (var guess in classifier.Predict(new UnlabelledImages(context.Get(images)), context.Get(top), context.Get(flip), context.Terminal.Error.WriteLine, context.Stop))
            for (int rank = 0; rank < guess.Classes.Length; rank++)
                rows.Add([guess.File, rank + 1, guess.Classes[rank], names?[guess.Classes[rank]], guess.Probabilities[rank]]);
        Write(context, rows);
        return 0;
    }

    private void Write(CommandContext context, List<object?[]> rows)
    {
        if (context.Get(csv))
        {
            CsvFile.Write(context.Terminal.Out, rows.Prepend(["file", "rank", "class", "name", "probability"]));
            return;
        }
        var table = new ResultTable(new("file"), new("rank"), new("class"), new("name"), new("probability", value => ((double)value).ToString("P2", CultureInfo.InvariantCulture)));
        foreach (var row in rows)
            table.Add(row);
        table.Write(context.Terminal, context.Get(json));
    }
}
