using TorchSharp;
using static TorchSharp.torch;

namespace Attention.Modules.Dense;

/// <summary>Boxes as x0, y0, x1, y1 in the last dimension, and how much they overlap: the formulas of torchvision.ops.</summary>
public static class Boxes
{
    private const double Epsilon = 1e-7;

    /// <summary>Width times height (...), negative where one of them is.</summary>
    public static Tensor Area(Tensor boxes)
    {
        using var scope = NewDisposeScope();
        var (x0, y0, x1, y1) = Sides(boxes);
        return scope.MoveToOuter((x1 - x0) * (y1 - y0));
    }

    /// <summary>Common area over the area of both, of every a (N, 4) with every b (M, 4): (N, M). NaN for two boxes of no area.</summary>
    public static Tensor IntersectionOverUnion(Tensor a, Tensor b)
    {
        using var scope = NewDisposeScope();
        var (inter, union) = Pairs(a, b);
        return scope.MoveToOuter(inter / union);
    }

    /// <summary>The same, less the empty share of the box around both: Rezatofighi et al. 2019 (arXiv:1902.09630).</summary>
    public static Tensor GeneralizedOverlap(Tensor a, Tensor b)
    {
        using var scope = NewDisposeScope();
        var (inter, union) = Pairs(a, b);
        var around = Hull(a, b).prod(-1);
        return scope.MoveToOuter(inter / union - (around - union) / around);
    }

    /// <summary>The overlap, less the squared distance of the centres over the squared diagonal of the box around both: Zheng et al. 2020 (arXiv:1911.08287).</summary>
    public static Tensor DistanceOverlap(Tensor a, Tensor b)
    {
        using var scope = NewDisposeScope();
        var (inter, union) = Pairs(a, b);
        return scope.MoveToOuter(inter / union - Apart(a.unsqueeze(1), b.unsqueeze(0), Hull(a, b)));
    }

    /// <summary>That, less what the ratios of the sides differ (the same paper).</summary>
    public static Tensor CompleteOverlap(Tensor a, Tensor b)
    {
        using var scope = NewDisposeScope();
        var (inter, union) = Pairs(a, b);
        var overlap = inter / union;
        var penalty = RatioPenalty(a.unsqueeze(1), b.unsqueeze(0), overlap);
        return scope.MoveToOuter(overlap - Apart(a.unsqueeze(1), b.unsqueeze(0), Hull(a, b)) - penalty);
    }

    /// <summary>1 less the generalized overlap of each box (N, 4) with the one in its place: (N).</summary>
    public static Tensor GeneralizedLoss(Tensor boxes, Tensor targets)
    {
        using var scope = NewDisposeScope();
        var (inter, union) = Matched(boxes, targets);
        var around = MatchedHull(boxes, targets).prod(-1);
        return scope.MoveToOuter(1 - (inter / (union + Epsilon) - (around - union) / (around + Epsilon)));
    }

    /// <summary>1 less the overlap, plus the distance term: (N).</summary>
    public static Tensor DistanceLoss(Tensor boxes, Tensor targets)
    {
        using var scope = NewDisposeScope();
        var (inter, union) = Matched(boxes, targets);
        return scope.MoveToOuter(1 - inter / (union + Epsilon) + Apart(boxes, targets, MatchedHull(boxes, targets)));
    }

    /// <summary>That, plus the term for the ratios of the sides: (N).</summary>
    public static Tensor CompleteLoss(Tensor boxes, Tensor targets)
    {
        using var scope = NewDisposeScope();
        var (inter, union) = Matched(boxes, targets);
        var overlap = inter / (union + Epsilon);
        return scope.MoveToOuter(1 - overlap + Apart(boxes, targets, MatchedHull(boxes, targets)) + RatioPenalty(targets, boxes, overlap));
    }

    /// <summary>Centre, width and height of boxes given by their corners.</summary>
    public static Tensor ToCentres(Tensor boxes)
    {
        using var scope = NewDisposeScope();
        var (x0, y0, x1, y1) = Sides(boxes);
        return scope.MoveToOuter(stack([(x0 + x1) / 2, (y0 + y1) / 2, x1 - x0, y1 - y0], -1));
    }

    /// <summary>Corners of boxes given by centre, width and height.</summary>
    public static Tensor FromCentres(Tensor boxes)
    {
        using var scope = NewDisposeScope();
        var (x, y, width, height) = Sides(boxes);
        return scope.MoveToOuter(stack([x - width / 2, y - height / 2, x + width / 2, y + height / 2], -1));
    }

    /// <summary>Left, top, width and height, COCO's form, of boxes given by their corners.</summary>
    public static Tensor ToSizes(Tensor boxes)
    {
        using var scope = NewDisposeScope();
        var (x0, y0, x1, y1) = Sides(boxes);
        return scope.MoveToOuter(stack([x0, y0, x1 - x0, y1 - y0], -1));
    }

    /// <summary>Moves what lies outside an image to its border.</summary>
    public static Tensor Clip(Tensor boxes, long height, long width)
    {
        using var scope = NewDisposeScope();
        var (x0, y0, x1, y1) = Sides(boxes);
        return scope.MoveToOuter(stack([x0.clamp(0, width), y0.clamp(0, height), x1.clamp(0, width), y1.clamp(0, height)], -1));
    }

    /// <summary>The indices (K) of boxes (N, 4) of which no side is shorter than a length.</summary>
    public static Tensor LargerThan(Tensor boxes, double least)
    {
        using var scope = NewDisposeScope();
        var (x0, y0, x1, y1) = Sides(boxes);
        return scope.MoveToOuter((x1 - x0).ge(least).logical_and((y1 - y0).ge(least)).nonzero().squeeze(1));
    }

    /// <summary>The smallest boxes (N, 4) that hold the centres of all pixels that are set in masks (N, H, W); 0 where none is.</summary>
    public static Tensor OfMasks(Tensor masks)
    {
        using var scope = NewDisposeScope();
        var set = masks.ne(0);
        var (columns, rows) = (set.any(1), set.any(2));
        var empty = columns.any(1).logical_not();
        Tensor Edge(Tensor line, bool last)
        {
            var places = arange(line.shape[1], dtype: ScalarType.Float32, device: masks.device);
            return last ? where(line, places, full_like(places, -1)).max(1).values : where(line, places, full_like(places, line.shape[1])).min(1).values;
        }
        var boxes = stack([Edge(columns, false), Edge(rows, false), Edge(columns, true), Edge(rows, true)], 1);
        return scope.MoveToOuter(boxes.masked_fill(empty.unsqueeze(1), 0));
    }

    private static (Tensor, Tensor, Tensor, Tensor) Sides(Tensor boxes)
    {
        var sides = boxes.unbind(-1);
        return (sides[0], sides[1], sides[2], sides[3]);
    }

    private static Tensor Low(Tensor boxes) => boxes.narrow(-1, 0, 2);

    private static Tensor High(Tensor boxes) => boxes.narrow(-1, 2, 2);

    private static (Tensor Inter, Tensor Union) Pairs(Tensor a, Tensor b)
    {
        var (first, second) = (a.unsqueeze(1), b.unsqueeze(0));
        var inter = (minimum(High(first), High(second)) - maximum(Low(first), Low(second))).clamp(min: 0).prod(-1);
        return (inter, Area(a).unsqueeze(1) + Area(b) - inter);
    }

    private static (Tensor Inter, Tensor Union) Matched(Tensor a, Tensor b)
    {
        var size = minimum(High(a), High(b)) - maximum(Low(a), Low(b));
        var (width, height) = (size.select(-1, 0), size.select(-1, 1));
        // No gradient where they do not overlap, not even at a common border.
        var inter = where(width.gt(0).logical_and(height.gt(0)), width * height, zeros_like(width));
        return (inter, Area(a) + Area(b) - inter);
    }

    /// <summary>The sides of the box around each pair.</summary>
    private static Tensor Hull(Tensor a, Tensor b) => MatchedHull(a.unsqueeze(1), b.unsqueeze(0)).clamp(min: 0);

    private static Tensor MatchedHull(Tensor a, Tensor b) => maximum(High(a), High(b)) - minimum(Low(a), Low(b));

    /// <summary>The squared distance of the centres over the squared diagonal of the box around both.</summary>
    private static Tensor Apart(Tensor a, Tensor b, Tensor hull)
    {
        var between = (Low(a) + High(a)) / 2 - (Low(b) + High(b)) / 2;
        return between.square().sum(-1) / (hull.square().sum(-1) + Epsilon);
    }

    private static Tensor RatioPenalty(Tensor a, Tensor b, Tensor overlap)
    {
        Tensor Angle(Tensor boxes)
        {
            var size = High(boxes) - Low(boxes);
            return (size.select(-1, 0) / size.select(-1, 1)).atan();
        }
        var differ = (Angle(a) - Angle(b)).square() * (4 / (Math.PI * Math.PI));
        var weight = (differ / (1 - overlap + differ + Epsilon)).detach();
        return weight * differ;
    }
}
