using Attention.Data;

namespace Attention.Engine.Evaluation.Dense;

/// <summary>A figure of a summary. NaN where there is nothing to judge.</summary>
public sealed record CocoFigure(string Name, double Value);

/// <summary>One category.</summary>
/// <param name="Category">Which.</param>
/// <param name="Objects">Annotated objects that count (no crowds).</param>
/// <param name="Detections">Detections of it.</param>
/// <param name="Figures">The same as of the whole.</param>
public sealed record CocoCategoryScore(CocoCategory Category, int Objects, int Detections, IReadOnlyList<CocoFigure> Figures)
{
    /// <summary>Mean precision over overlaps and recalls.</summary>
    public double AveragePrecision => Figures[0].Value;
}

/// <summary>
/// Precision at each overlap and recall and the recall that was reached, for each category and range of areas, and the averages
/// of them that COCO publishes.
/// </summary>
public sealed class CocoScores
{
    private readonly CategoryCurves[] curves;

    internal CocoScores(CocoKind kind, CocoProtocol protocol, CocoAnnotations truth, CategoryCurves[] curves)
    {
        (Kind, Protocol, this.curves) = (kind, protocol, curves);
        Figures = Summary(curves);
        Categories = [.. curves.Select((curve, label) => new CocoCategoryScore(truth.Categories[label], curve.Objects, curve.Detections, Summary([curve])))];
    }

    public CocoKind Kind { get; }

    public CocoProtocol Protocol { get; }

    /// <summary>
    /// COCO's summary in its order: 12 figures of boxes and masks (AP, AP50, AP75, APs, APm, APl, AR1, AR10, AR100, ARs, ARm, ARl), 10 of
    /// keypoints (AP, AP50, AP75, APm, APl, AR, AR50, AR75, ARm, ARl).
    /// </summary>
    public IReadOnlyList<CocoFigure> Figures { get; }

    /// <summary>The same for every category, in the order of the annotation file.</summary>
    public IReadOnlyList<CocoCategoryScore> Categories { get; }

    /// <summary>Mean precision over categories, overlaps and recalls.</summary>
    public double AveragePrecision => Figures[0].Value;

    /// <summary>The precision at each recall of the protocol, of one category; empty where it has no objects in the range.</summary>
    public ReadOnlySpan<double> Precision(int label, int overlap, int area = 0) =>
        curves[label].Precision[area] is { Length: > 0 } all ? all.AsSpan(overlap * Protocol.Recalls.Count, Protocol.Recalls.Count) : [];

    private List<CocoFigure> Summary(CategoryCurves[] over)
    {
        bool pose = Kind == CocoKind.Keypoints;
        int most = Protocol.MostDetections.Count - 1;
        var figures = new List<CocoFigure> { new("AP", Precision(over, 0)) };
        figures.AddRange(AtOverlaps("AP", t => Precision(over, 0, t)));
        figures.AddRange(InAreas("AP", a => Precision(over, a)));
        if (pose)
        {
            figures.Add(new("AR", Recall(over, 0, most)));
            figures.AddRange(AtOverlaps("AR", t => Recall(over, 0, most, t)));
        }
        else
            figures.AddRange(Protocol.MostDetections.Select((count, m) => new CocoFigure($"AR{count}", Recall(over, 0, m))));
        figures.AddRange(InAreas("AR", a => Recall(over, a, most)));
        return figures;
    }

    private IEnumerable<CocoFigure> AtOverlaps(string name, Func<int, double> at) => new[] { 50, 75 }
        .Select(percent => (percent, t: Protocol.Overlaps.ToList().FindIndex(overlap => Math.Abs(overlap * 100 - percent) < 1e-9)))
        .Where(pair => pair.t >= 0).Select(pair => new CocoFigure($"{name}{pair.percent}", at(pair.t)));

    private IEnumerable<CocoFigure> InAreas(string name, Func<int, double> at) =>
        Enumerable.Range(1, Protocol.Areas.Count - 1).Select(a => new CocoFigure($"{name}{Protocol.Areas[a].Name[0]}", at(a)));

    private double Precision(CategoryCurves[] over, int area, int? overlap = null)
    {
        int recalls = Protocol.Recalls.Count;
        return Mean(over.Select(curve => curve.Precision[area]), recalls, overlap);
    }

    private static double Recall(CategoryCurves[] over, int area, int most, int? overlap = null) =>
        Mean(over.Select(curve => curve.Recall[area].Length == 0 ? [] : curve.Recall[area][most]), 1, overlap);

    /// <summary>The mean over categories that have objects, of all values or of those at one overlap.</summary>
    private static double Mean(IEnumerable<double[]> values, int perOverlap, int? overlap)
    {
        var (sum, count) = (0.0, 0L);
        foreach (var all in values.Where(all => all.Length > 0))
            foreach (double value in overlap is { } t ? all.AsSpan(t * perOverlap, perOverlap) : all)
                (sum, count) = (sum + value, count + 1);
        return count == 0 ? double.NaN : sum / count;
    }
}

/// <summary>The curves of one category.</summary>
internal sealed class CategoryCurves(int areas)
{
    /// <summary>Annotated objects of any area that count.</summary>
    public int Objects { get; set; }

    public int Detections { get; set; }

    /// <summary>For each range of areas (overlaps x recalls); empty where no object is in it.</summary>
    public double[][] Precision { get; } = [.. Enumerable.Repeat(Array.Empty<double>(), areas)];

    /// <summary>For each range of areas and number of detections (overlaps); empty where no object is in it.</summary>
    public double[][][] Recall { get; } = [.. Enumerable.Repeat(Array.Empty<double[]>(), areas)];
}
