using Attention.Data;

namespace Attention.Engine.Evaluation.Dense;

/// <summary>How much detections overlap objects, in what is judged: boxes, masks or poses.</summary>
internal abstract class Overlaps
{
    /// <exception cref="UserError">The truth has nothing of that kind.</exception>
    public static Overlaps Of(CocoKind kind, CocoAnnotations truth, CocoProtocol protocol) => kind switch
    {
        CocoKind.Masks => new MaskOverlaps(),
        CocoKind.Keypoints => new PoseOverlaps(truth, protocol),
        _ => new BoxOverlaps(),
    };

    /// <summary>The overlap of every detection of a group, in the group's order, with every object (detections x objects).</summary>
    public double[] Between(MatchGroup group)
    {
        var shared = new double[group.Detections.Count * group.Objects.Count];
        if (shared.Length > 0)
            Fill(group, shared);
        return shared;
    }

    /// <summary>Whether an object is neither gain nor loss.</summary>
    public virtual bool IsIgnored(CocoObject found) => found.IsCrowd;

    /// <summary>A detection's area, by which it belongs to a range: that of its box where it has one.</summary>
    public double AreaOf(CocoDetection detection, bool hasBox) => hasBox ? detection.Box[2] * detection.Box[3] : AreaOf(detection);

    protected abstract double AreaOf(CocoDetection detection);

    protected abstract void Fill(MatchGroup group, Span<double> shared);
}

/// <summary>Common area over the area of both, or over the detection's where the object is a crowd.</summary>
internal sealed class BoxOverlaps : Overlaps
{
    protected override double AreaOf(CocoDetection detection) => detection.Box[2] * detection.Box[3];

    protected override void Fill(MatchGroup group, Span<double> shared)
    {
        int objects = group.Objects.Count;
        for (int g = 0; g < objects; g++)
        {
            var box = (double[])[.. group.Objects[g].Box];
            for (int d = 0; d < group.Detections.Count; d++)
                shared[d * objects + g] = Overlap(group.Detections[d].Box, box, group.Objects[g].IsCrowd);
        }
    }

    private static double Overlap(ReadOnlySpan<double> a, ReadOnlySpan<double> b, bool isCrowd)
    {
        double width = Math.Min(a[2] + a[0], b[2] + b[0]) - Math.Max(a[0], b[0]);
        if (width <= 0)
            return 0;
        double height = Math.Min(a[3] + a[1], b[3] + b[1]) - Math.Max(a[1], b[1]);
        if (height <= 0)
            return 0;
        double both = width * height, area = a[2] * a[3];
        return both / (isCrowd ? area : area + b[2] * b[3] - both);
    }
}

/// <summary>The same with pixels. An object without a mask overlaps nothing.</summary>
internal sealed class MaskOverlaps : Overlaps
{
    protected override double AreaOf(CocoDetection detection) => detection.Mask!.Area;

    protected override void Fill(MatchGroup group, Span<double> shared)
    {
        int objects = group.Objects.Count;
        var found = group.Detections.Select(detection => (Mask: detection.Mask!, detection.Mask!.Box)).ToArray();
        for (int g = 0; g < objects; g++)
        {
            if (group.Objects[g].MaskIn(group.Image.Height, group.Image.Width) is not { } mask)
                continue;
            var box = mask.Box;
            for (int d = 0; d < found.Length; d++)
                if ((found[d].Mask.Height, found[d].Mask.Width) == (mask.Height, mask.Width) && Touch(found[d].Box, box))
                    shared[d * objects + g] = found[d].Mask.Overlap(mask, group.Objects[g].IsCrowd);
        }
    }

    private static bool Touch((int Left, int Top, int Width, int Height) a, (int Left, int Top, int Width, int Height) b) =>
        a.Left < b.Left + b.Width && b.Left < a.Left + a.Width && a.Top < b.Top + b.Height && b.Top < a.Top + a.Height;
}

/// <summary>
/// Object keypoint similarity: over the labelled keypoints, the mean of exp(-d^2 / (2 area (2 sigma)^2)). An object without any is
/// no loss, and a pose within twice its box no false one.
/// </summary>
internal sealed class PoseOverlaps : Overlaps
{
    private const double Epsilon = 2.220446049250313e-16;
    private readonly double[] spreads;

    public PoseOverlaps(CocoAnnotations truth, CocoProtocol protocol)
    {
        int[] counts = [.. truth.Categories.Select(category => category.Keypoints.Count).Where(count => count > 0).Distinct()];
        if (counts.Length == 0)
            throw new UserError($"no category of {truth.Path} has keypoints", "use the file of person keypoints");
        foreach (int count in counts)
            if (count != protocol.Sigmas.Count)
                throw new UserError($"{truth.Path} has categories with {count} keypoints, but {protocol.Sigmas.Count} spreads are given", "give one for each keypoint, as --sigmas 0.026 0.025 ...");
        spreads = [.. protocol.Sigmas.Select(sigma => 2 * sigma * (2 * sigma))];
    }

    public override bool IsIgnored(CocoObject found) => found.LabelledKeypoints == 0 || found.IsCrowd;

    protected override double AreaOf(CocoDetection detection)
    {
        var (left, right) = Range(detection.Keypoints, 0);
        var (top, bottom) = Range(detection.Keypoints, 1);
        return (right - left) * (bottom - top);
    }

    protected override void Fill(MatchGroup group, Span<double> shared)
    {
        int objects = group.Objects.Count;
        for (int g = 0; g < objects; g++)
            for (int d = 0; d < group.Detections.Count; d++)
                shared[d * objects + g] = Similarity(group.Detections[d].Keypoints, group.Objects[g]);
    }

    private double Similarity(ReadOnlySpan<double> pose, CocoObject found)
    {
        var truth = found.Keypoints;
        bool isLabelled = false;
        for (int k = 2; k < truth.Count; k += 3)
            isLabelled |= truth[k] > 0;
        var box = found.Box;
        var (sum, count) = (0.0, 0);
        for (int k = 0; k < spreads.Length; k++)
        {
            if (isLabelled && truth[3 * k + 2] <= 0)
                continue;
            double dx = isLabelled ? pose[3 * k] - truth[3 * k] : Outside(pose[3 * k], box[0], box[2]);
            double dy = isLabelled ? pose[3 * k + 1] - truth[3 * k + 1] : Outside(pose[3 * k + 1], box[1], box[3]);
            sum += Math.Exp(-((dx * dx + dy * dy) / spreads[k] / (found.Area + Epsilon) / 2));
            count++;
        }
        return sum / count;
    }

    /// <summary>How far a coordinate is from the box of twice the size.</summary>
    private static double Outside(double at, double start, double length) => Math.Max(0, start - length - at) + Math.Max(0, at - (start + length * 2));

    private static (double Least, double Most) Range(double[] keypoints, int offset)
    {
        var (least, most) = (double.PositiveInfinity, double.NegativeInfinity);
        for (int k = offset; k < keypoints.Length; k += 3)
            (least, most) = (Math.Min(least, keypoints[k]), Math.Max(most, keypoints[k]));
        return (least, most);
    }
}
