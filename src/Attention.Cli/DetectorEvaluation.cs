using System.CommandLine;
using System.Text.Json;
using Attention.Data;
using Attention.Engine.Data;
using Attention.Engine.Evaluation.Dense;
using Attention.Engine.Runs;

namespace Attention.Cli;

/// <summary>The part of <c>eval</c> that measures detectors.</summary>
internal sealed class DetectorEvaluation
{
    private readonly Option<string?> annotations = new("--annotations") { Description = "Detectors: COCO's annotations of the images in the folder IMAGES", HelpName = "FILE" };
    private readonly Option<bool> classes = new("--classes") { Description = "Detectors: print a table of the categories too" };

    public void AddTo(Command command)
    {
        command.Add(annotations);
        command.Add(classes);
    }

    /// <param name="context">The command line.</param>
    /// <param name="detector">What is measured.</param>
    /// <param name="images">The folder of the images, or of a COCO data set; the run's held-out images where it is null.</param>
    /// <param name="output">A folder for metrics.json and the results in COCO's form; null for none.</param>
    /// <param name="asJson">Whether JSON is printed.</param>
    public int Run(CommandContext context, Detector detector, string? images, string? output, bool asJson)
    {
        Action<string> warn = context.Terminal.Error.WriteLine;
        var held = images is null ? detector.HeldOut(warn, warn, context.Stop) : Open(images, context.Get(annotations));
        DetectionScorer scorer;
        using (var line = new ProgressLine(context.Terminal))
            scorer = detector.Evaluate(held, warn, (done, all) => line.Show(() => $"batch {done} of {all}"), context.Stop);
        var report = new CocoReport(held.Coco.Annotations);
        foreach (var scores in scorer.Scores())
            report.Add(held.Coco.Annotations.Path, scorer.Found.Count, [], scores);
        if (output is not null)
        {
            Directory.CreateDirectory(output);
            AtomicFile.Write(Path.Combine(output, "metrics.json"), stream =>
            {
                using var json = new Utf8JsonWriter(stream, new JsonWriterOptions { Indented = true });
                report.WriteJson(json);
            });
            AtomicFile.Write(Path.Combine(output, "results.json"), stream => CocoResults.Write(stream, scorer.Found, held.Coco.ImageId, label => held.Coco.CategoryIds[label]));
        }
        report.Write(context, asJson, context.Get(classes));
        return 0;
    }

    private static CocoObjects Open(string images, string? annotations)
    {
        var coco = annotations is not null ? new Coco(images, annotations) : DataSource.Open(images)[^1].Images as Coco
            ?? throw new UserError($"{images} is no data set of COCO", "give the folder of its images with --annotations FILE");
        return new CocoObjects(coco, DetectionData.Measuring);
    }
}
