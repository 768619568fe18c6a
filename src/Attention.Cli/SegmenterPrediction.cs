using System.CommandLine;
using System.Globalization;
using Attention.Engine.Evaluation;
using Attention.Engine.Evaluation.Dense;

namespace Attention.Cli;

/// <summary>The part of <c>predict</c> that tells the class of each pixel.</summary>
internal static class SegmenterPrediction
{
    /// <param name="context">The command line.</param>
    /// <param name="segmenter">What looks.</param>
    /// <param name="names">The classes' names; null for their numbers.</param>
    /// <param name="sources">Files, folders and patterns.</param>
    /// <param name="output">A folder for the images under the colours of their classes, and the maps of the classes; null for none.</param>
    /// <param name="asJson">Whether JSON is printed rather than a table.</param>
    public static int Run(CommandContext context, Segmenter segmenter, IReadOnlyList<string>? names, string[] sources, string? output, bool asJson)
    {
        var images = new UnlabelledImages(sources);
        var pictures = output is null ? null : new SegmentationPictures(output);
        var table = new ResultTable(new("file"), new("class"), new("name"), new("share", value => ((double)value).ToString("P1", CultureInfo.InvariantCulture)));
        using (var line = new ProgressLine(context.Terminal))
            foreach (var (image, found) in segmenter.Predict(images, context.Terminal.Error.WriteLine, (done, all) => line.Show(() => $"batch {done} of {all}"), context.Stop))
            {
                var file = images.NameOf(image.Index);
                foreach (var group in found.Values.GroupBy(label => label).OrderByDescending(group => group.Count()))
                    table.Add(file, (int)group.Key, names is null ? null : names[group.Key], (double)group.Count() / found.Values.Length);
                pictures?.Write(images, image.Index, found);
            }
        table.Write(context.Terminal, asJson);
        return 0;
    }
}
