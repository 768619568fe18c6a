using System.CommandLine;
using System.Globalization;
using Attention.Engine.Evaluation;
using Attention.Engine.Evaluation.Dense;

namespace Attention.Cli;

/// <summary>The part of <c>predict</c> that finds objects.</summary>
internal sealed class DetectorPrediction
{
    private readonly Option<double> threshold = new("--threshold") { Description = "Detectors: the least score of an object", DefaultValueFactory = _ => 0.5 };
    private readonly Option<string?> output = new("--out") { Description = "A folder for the images with what was found drawn into them, and results.json in COCO's form, or for segmenters maps of the classes", HelpName = "FOLDER" };

    public void AddTo(Command command)
    {
        command.Add(threshold);
        command.Add(output);
    }

    /// <summary>The folder for pictures; null for none.</summary>
    public string? Output(CommandContext context) => context.Get(output);

    /// <param name="context">The command line.</param>
    /// <param name="detector">What looks.</param>
    /// <param name="sources">Files, folders and patterns; videos among them.</param>
    /// <param name="asJson">Whether JSON is printed rather than a table.</param>
    public int Run(CommandContext context, Detector detector, string[] sources, bool asJson)
    {
        var table = new ResultTable(new("file"), new("name"), new("score", Number("F3")), new("left", Number("F1")), new("top", Number("F1")), new("width", Number("F1")), new("height", Number("F1")));
        var folder = context.Get(output);
        var images = sources.Where(source => !VideoFrames.IsVideo(source)).ToArray();
        if (images.Length > 0)
            Look(context, detector, new UnlabelledImages(images), folder, table, file => file);
        foreach (var video in sources.Where(VideoFrames.IsVideo))
        {
            if (folder is not null)
                new PictureFolder(folder).RequireOther(video);
            using var frames = new VideoFrames(video, context.Stop);
            var drawn = folder is null ? null : Path.Combine(folder, Path.GetFileNameWithoutExtension(video));
            Look(context, detector, frames.Images, drawn, table, file => $"{video}, frame {int.Parse(Path.GetFileNameWithoutExtension(file), CultureInfo.InvariantCulture)}");
            if (drawn is not null)
                frames.Assemble(drawn, drawn + ".mp4", context.Stop);
        }
        table.Write(context.Terminal, asJson);
        return 0;
    }

    private void Look(CommandContext context, Detector detector, UnlabelledImages images, string? folder, ResultTable table, Func<string, string> nameOf)
    {
        var drawing = new DetectionDrawing(detector.Categories);
        var pictures = folder is null ? null : new PredictionFolder(folder, detector);
        using var line = new ProgressLine(context.Terminal);
        foreach (var found in detector.Predict(images, context.Get(threshold), context.Terminal.Error.WriteLine, (done, all) => line.Show(() => $"batch {done} of {all}"), context.Stop))
        {
            var file = nameOf(images.NameOf(found.Image));
            foreach (var each in found.Objects)
                table.Add([file, drawing.NameOf(each.Label), each.Score, .. each.Box.Cast<object?>()]);
            pictures?.Add(images, found);
        }
        pictures?.Finish();
    }

    private static Func<object, string> Number(string format) => value => ((double)value).ToString(format, CultureInfo.InvariantCulture);
}
