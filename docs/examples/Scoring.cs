using Attention.Data;
using Attention.Data.Samples;
using Attention.Engine.Evaluation.Dense;

namespace Attention.Examples;

/// <summary>docs/detection.md: detections are judged, and masks are made of polygons.</summary>
internal static class Scoring
{
    public static void Run()
    {
        string folder = ScenesDataset.Ensure("data/scenes", new ScenesOptions { TrainImages = 2, ValImages = 4 });
        string annotations = Path.Combine(folder, "annotations", "instances_val.json");

        var truth = CocoAnnotations.Load(annotations);
        var found = from image in Enumerable.Range(0, truth.Count)
                    from each in truth.ObjectsIn(image)
                    select new CocoDetection(image, each.Label, Score: 0.9) { Box = [.. each.Box] };
        CocoScores scores = CocoEvaluator.Evaluate(truth, new CocoResults(CocoKind.Boxes, found));
        Console.WriteLine($"AP {scores.AveragePrecision:F3}");

        var mask = RunLengthMask.FromPolygon([10, 10, 60, 10, 60, 40], height: 480, width: 640);
        Console.WriteLine($"{mask.Area} pixels in {mask.Box}: {mask.ToText()}");
    }
}
