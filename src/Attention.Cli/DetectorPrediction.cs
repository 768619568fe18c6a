using System.CommandLine;
using System.Globalization;
using Attention.Data;
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
    /// <param name="sources">Files, folders and patterns.</param>
    /// <param name="asJson">Whether JSON is printed rather than a table.</param>
    public int Run(CommandContext context, Detector detector, string[] sources, bool asJson)
    {
        var images = new UnlabelledImages(sources);
        var table = new ResultTable(new("file"), new("name"), new("score", Number("F3")), new("left", Number("F1")), new("top", Number("F1")), new("width", Number("F1")), new("height", Number("F1")));
        using (var line = new ProgressLine(context.Terminal))
            foreach (var found in detector.Predict(images, context.Get(threshold), context.Terminal.Error.WriteLine, (done, all) => line.Show(() => $"batch {done} of {all}"), context.Stop))
            {
                var file = images.NameOf(found.Image);
                foreach (var each in found.Objects)
                    table.Add([file, detector.NameOf(each.Label), each.Score, .. each.Box.Cast<object?>()]);
            }
        table.Write(context.Terminal, asJson);
        return 0;
    }

    private static Func<object, string> Number(string format) => value => ((double)value).ToString(format, CultureInfo.InvariantCulture);
}
