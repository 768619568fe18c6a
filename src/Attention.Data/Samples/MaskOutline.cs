namespace Attention.Data.Samples;

/// <summary>
/// The outline of a set of pixels as polygons along the pixels' borders, which cover exactly these pixels. A hole is joined to
/// the outline around it by a cut of no width, since COCO's polygons have no holes.
/// </summary>
internal static class MaskOutline
{
    private readonly record struct Corner(int X, int Y);

    /// <summary>One polygon for each group of pixels that touch along their sides, as x, y, x, y, ...</summary>
    public static List<int[]> Trace(ReadOnlySpan<bool> mask, int width, int height)
    {
        var outlines = new List<List<Corner>>();
        var holes = new List<List<Corner>>();
        foreach (var loop in Loops(mask, width, height))
            (SignedArea(loop) > 0 ? outlines : holes).Add(loop);
        // From top to bottom: what lies above a hole, its outline or another hole, is joined before.
        foreach (var hole in holes.OrderBy(hole => hole.Min(corner => corner.Y)))
            Join(hole, outlines);
        return [.. outlines.Select(outline => outline.SelectMany(corner => new[] { corner.X, corner.Y }).ToArray())];
    }

    /// <summary>The closed borders, the pixels to the right: outlines turn clockwise on the screen, holes the other way.</summary>
    private static List<List<Corner>> Loops(ReadOnlySpan<bool> mask, int width, int height)
    {
        // Every border of a pixel with its surroundings, by its start: at most two where pixels touch at a corner.
        var borders = new Dictionary<Corner, List<Corner>>();
        void Add(int x0, int y0, int x1, int y1)
        {
            var from = new Corner(x0, y0);
            if (!borders.TryGetValue(from, out var ends))
                borders[from] = ends = [];
            ends.Add(new Corner(x1, y1));
        }
        for (int y = 0; y < height; y++)
            for (int x = 0; x < width; x++)
            {
                if (!mask[y * width + x])
                    continue;
                if (y == 0 || !mask[(y - 1) * width + x])
                    Add(x, y, x + 1, y);
                if (x == width - 1 || !mask[y * width + x + 1])
                    Add(x + 1, y, x + 1, y + 1);
                if (y == height - 1 || !mask[(y + 1) * width + x])
                    Add(x + 1, y + 1, x, y + 1);
                if (x == 0 || !mask[y * width + x - 1])
                    Add(x, y + 1, x, y);
            }

        var loops = new List<List<Corner>>();
        foreach (var start in borders.Keys.OrderBy(corner => (corner.Y, corner.X)))
            while (borders.ContainsKey(start))
                loops.Add(Follow(start, borders));
        return loops;
    }

    private static List<Corner> Follow(Corner start, Dictionary<Corner, List<Corner>> borders)
    {
        var loop = new List<Corner>();
        Corner at = start, before = default;
        do
        {
            var ends = borders[at];
            // Where two pixels touch at a corner, a turn to the right stays with the same pixel.
            var next = ends.Count == 1 || loop.Count == 0 ? ends[0] : ends.MaxBy(end => Turn(before, at, end));
            ends.Remove(next);
            if (ends.Count == 0)
                borders.Remove(at);
            if (loop.Count == 0 || Turn(before, at, next) != 0)
                loop.Add(at);
            (before, at) = (at, next);
        }
        while (at != start);
        return loop;
    }

    /// <summary>Goes straight up from the hole's upper left corner to the border there, and splices the hole in at that point.</summary>
    private static void Join(List<Corner> hole, List<List<Corner>> outlines)
    {
        int first = Enumerable.Range(0, hole.Count).MinBy(i => (hole[i].Y, hole[i].X));
        var corner = hole[first];
        (List<Corner> Outline, int Edge, int Y) above = (hole, 0, -1);
        foreach (var outline in outlines)
            for (int i = 0; i < outline.Count; i++)
            {
                var (from, to) = (outline[i], outline[(i + 1) % outline.Count]);
                // The upper border of a pixel of the mask runs from left to right.
                if (from.Y == to.Y && from.X <= corner.X && corner.X < to.X && from.Y < corner.Y && from.Y > above.Y)
                    above = (outline, i, from.Y);
            }
        var cut = new Corner(corner.X, above.Y);
        above.Outline.InsertRange(above.Edge + 1, [cut, .. hole[first..], .. hole[..first], corner, cut]);
    }

    /// <summary>Positive where the way from a over b to c turns to the right.</summary>
    private static int Turn(Corner a, Corner b, Corner c) => (b.X - a.X) * (c.Y - b.Y) - (b.Y - a.Y) * (c.X - b.X);

    private static long SignedArea(List<Corner> loop)
    {
        long sum = 0;
        for (int i = 0; i < loop.Count; i++)
        {
            var (a, b) = (loop[i], loop[(i + 1) % loop.Count]);
            sum += (long)a.X * b.Y - (long)b.X * a.Y;
        }
        return sum / 2;
    }
}
