using System.Text.Json;
using Attention.Data;
using Attention.Engine.Data;
using Attention.Engine.Evaluation.Dense;
using Attention.Engine.Runs;

namespace Attention.Cli;

/// <summary>The part of <c>eval</c> that measures segmenters.</summary>
internal static class SegmenterEvaluation
{
    /// <param name="context">The command line.</param>
    /// <param name="segmenter">What is measured.</param>
    /// <param name="images">A folder as ADE20K's; the run's held-out images where it is null.</param>
    /// <param name="output">A folder for metrics.json; null for none.</param>
    /// <param name="asJson">Whether JSON is printed.</param>
    public static int Run(CommandContext context, Segmenter segmenter, string? images, string? output, bool asJson)
    {
        Action<string> warn = context.Terminal.Error.WriteLine;
        var held = images is null ? segmenter.HeldOut(warn, warn, context.Stop) : Open(images);
        SegmentationScores scores;
        using (var line = new ProgressLine(context.Terminal))
            scores = segmenter.Evaluate(held, warn, (done, all) => line.Show(() => $"batch {done} of {all}"), context.Stop);
        if (output is not null)
        {
            Directory.CreateDirectory(output);
            AtomicFile.Write(Path.Combine(output, "metrics.json"), stream =>
            {
                using var json = new Utf8JsonWriter(stream, new JsonWriterOptions { Indented = true });
                SegmentationReport.WriteJson(json, scores);
            });
        }
        SegmentationReport.Write(context, scores, asJson);
        return 0;
    }

    private static IDenseDataset Open(string images) => DataSource.Open(images)[^1].Images as LabelMapFolder
        ?? throw new UserError($"{images} has no class of each pixel", "give a folder with images/ and annotations/ as ADE20K has them");
}
