using System.Runtime.InteropServices;

namespace Attention.Data;

/// <summary>Polygons to masks, as COCO's rleFrPoly does it: which pixels of the border belong to the mask is its choice alone.</summary>
public sealed partial class RunLengthMask
{
    // The border is walked on a grid five times as fine. The fine column 5 c + 2 is the middle of column c.
    private const int Finer = 5, Middle = 2;

    /// <summary>How far from the image a corner may be, in sizes of the image: it bounds the time that a broken file can take.</summary>
    private const int Farthest = 10;

    /// <summary>The union of several polygons.</summary>
    /// <exception cref="FormatException">One is no polygon near an image of this size.</exception>
    public static RunLengthMask FromPolygons(IReadOnlyList<double[]> polygons, int height, int width) =>
        polygons.Count > 0 ? Union([.. polygons.Select(polygon => FromPolygon(polygon, height, width))]) : throw new FormatException("it has no polygons");

    /// <summary>The pixels inside a box, left, top, width and height.</summary>
    public static RunLengthMask FromBox(double left, double top, double boxWidth, double boxHeight, int height, int width)
    {
        var (right, bottom) = (left + boxWidth, top + boxHeight);
        return FromPolygon([left, top, left, bottom, right, bottom, right, top], height, width);
    }

    /// <summary>The pixels inside a polygon.</summary>
    /// <param name="corners">x, y, x, y, ... in pixels; the last corner is joined to the first.</param>
    /// <param name="height">Of the image.</param>
    /// <param name="width">Of the image.</param>
    /// <exception cref="FormatException">It is no polygon near an image of this size.</exception>
    public static RunLengthMask FromPolygon(ReadOnlySpan<double> corners, int height, int width)
    {
        PixelsOf(height, width);
        RequirePolygon(corners, height, width);
        var crossings = new List<int>();
        var (lastX, lastY) = (int.MinValue, 0);
        for (int i = 0; i < corners.Length; i += 2)
        {
            int next = (i + 2) % corners.Length;
            WalkEdge(Fine(corners[i]), Fine(corners[i + 1]), Fine(corners[next]), Fine(corners[next + 1]));
        }
        return FromCrossings(CollectionsMarshal.AsSpan(crossings), height, width);

        static int Fine(double coordinate) => (int)(Finer * coordinate + 0.5);

        void WalkEdge(int fromX, int fromY, int toX, int toY)
        {
            int across = Math.Abs(toX - fromX), down = Math.Abs(toY - fromY);
            bool isFlat = across >= down;
            // Always walked upwards along its longer side, so that both ways along an edge meet the same points.
            bool turned = isFlat ? fromX > toX : fromY > toY;
            var (x0, y0, x1, y1) = turned ? (toX, toY, fromX, fromY) : (fromX, fromY, toX, toY);
            int steps = isFlat ? across : down;
            double slope = steps == 0 ? 0 : isFlat ? (double)(y1 - y0) / across : (double)(x1 - x0) / down;
            for (int step = 0; step <= steps; step++)
            {
                int t = turned ? steps - step : step;
                if (isFlat)
                    Visit(x0 + t, (int)(y0 + slope * t + 0.5));
                else
                    Visit((int)(x0 + slope * t + 0.5), y0 + t);
            }
        }

        void Visit(int x, int y)
        {
            if (x != lastX && lastX != int.MinValue)
            {
                int column = x < lastX ? x : x - 1;
                if (column >= Middle && (column - Middle) % Finer == 0 && (column - Middle) / Finer < width)
                {
                    int row = (int)Math.Clamp(Math.Ceiling((Math.Min(y, lastY) - Middle) / (double)Finer), 0, height);
                    crossings.Add((column - Middle) / Finer * height + row);
                }
            }
            (lastX, lastY) = (x, y);
        }
    }

    /// <summary>Inside begins or ends at each crossing.</summary>
    private static RunLengthMask FromCrossings(Span<int> crossings, int height, int width)
    {
        crossings.Sort();
        var counts = new List<int>(crossings.Length + 1);
        int start = 0;
        foreach (int crossing in crossings)
        {
            int run = crossing - start;
            start = crossing;
            if (run > 0 || counts.Count == 0)
            {
                counts.Add(run);
                continue;
            }
            // Two crossings at one place cancel: the run before goes on.
            start -= counts[^1];
            counts.RemoveAt(counts.Count - 1);
        }
        if (start < height * width)
            counts.Add(height * width - start);
        return new RunLengthMask(height, width, [.. counts]);
    }

    /// <summary>Checks a polygon without drawing it.</summary>
    /// <exception cref="FormatException">It has fewer than three corners, or one far from an image of this size.</exception>
    public static void RequirePolygon(ReadOnlySpan<double> corners, int height, int width)
    {
        if (corners.Length % 2 != 0)
            throw new FormatException($"a polygon has {corners.Length} numbers, which are no pairs of x and y");
        if (corners.Length < 6)
            throw new FormatException($"a polygon has {corners.Length / 2} corners");
        for (int i = 0; i < corners.Length; i++)
        {
            double size = i % 2 == 0 ? width : height;
            if (!(corners[i] >= -Farthest * size && corners[i] <= (Farthest + 1) * size))
                throw new FormatException(FormattableString.Invariant($"a polygon has a corner at {(i % 2 == 0 ? "x" : "y")} = {corners[i]}, far from an image of {width} x {height} pixels"));
        }
    }
}
