using Attention.Data;
using Attention.Models.Dense;

namespace Attention.Engine.Evaluation.Dense;

/// <summary>Takes what a detector finds in the images of an annotation file, and judges it as COCO does.</summary>
/// <param name="truth">What there is to find.</param>
/// <param name="finds">What the detector tells of an object.</param>
/// <param name="firstCategory">See <see cref="DetectionModelConfig.first_category"/>.</param>
public sealed class DetectionScorer(CocoAnnotations truth, DetectionKinds finds, int? firstCategory = null)
{
    private static readonly string[] measured = ["AP", "AP50", "AP75", "APs", "APm", "APl"];
    private readonly List<CocoDetection> found = [];

    /// <summary>What was found so far, labels as places in the file's list of categories. What belongs to none of them is left out.</summary>
    public IReadOnlyList<CocoDetection> Found => found;

    /// <summary>What is judged. Boxes of poses are not: COCO's keypoint files tell of people whose keypoints are known.</summary>
    public IReadOnlyList<CocoKind> Kinds { get; } =
        finds.HasFlag(DetectionKinds.Keypoints) ? [CocoKind.Keypoints] : finds.HasFlag(DetectionKinds.Masks) ? [CocoKind.Boxes, CocoKind.Masks] : [CocoKind.Boxes];

    /// <summary>The metric by which models of that kind are compared.</summary>
    public static string PrimaryMetric(DetectionKinds finds) => finds.HasFlag(DetectionKinds.Keypoints) ? "keypoint_ap" : "box_ap";

    /// <summary>Takes what was found in an image of the file.</summary>
    public void Add(ImageObjects objects)
    {
        foreach (var each in objects.Objects)
            if (Place(each.Label) is { } label)
                found.Add(each with { Image = objects.Image, Label = label });
    }

    /// <summary>Judges all that was found.</summary>
    public IReadOnlyList<CocoScores> Scores() => [.. Kinds.Select(kind => CocoEvaluator.Evaluate(truth, new CocoResults(kind, found)))];

    /// <summary>The figures by name, such as <c>box_ap</c> and <c>mask_ap50</c>. What cannot be judged for want of objects is left out.</summary>
    public static Dictionary<string, double> Metrics(IReadOnlyList<CocoScores> scores) => scores
        .SelectMany(score => score.Figures.Where(figure => measured.Contains(figure.Name) && !double.IsNaN(figure.Value))
            .Select(figure => ($"{Prefix(score.Kind)}_{figure.Name.ToLowerInvariant()}", figure.Value)))
        .ToDictionary();

    private static string Prefix(CocoKind kind) => kind switch
    {
        CocoKind.Boxes => "box",
        CocoKind.Masks => "mask",
        _ => "keypoint",
    };

    private int? Place(int label) => firstCategory is { } first ? truth.LabelOf(label + first) : label < truth.Categories.Count ? label : null;
}
