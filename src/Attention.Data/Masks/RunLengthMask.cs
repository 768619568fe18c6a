namespace Attention.Data;

/// <summary>
/// A mask of an image as run lengths, column by column, in turns outside and inside, beginning with the outside: COCO's form
/// (Lin et al., arXiv:1405.0312; maskApi of cocodataset/cocoapi). Masks, areas, boxes and overlaps are those of COCO's own code,
/// bit for bit.
/// </summary>
public sealed partial class RunLengthMask
{
    private readonly int[] _counts;

    private RunLengthMask(int height, int width, int[] counts) => (Height, Width, _counts) = (height, width, counts);

    /// <summary>A mask of given run lengths.</summary>
    /// <exception cref="FormatException">They do not make up an image of this size.</exception>
    public static RunLengthMask Of(int height, int width, IEnumerable<int> counts)
    {
        long left = PixelsOf(height, width);
        int[] runs = [.. counts];
        foreach (int count in runs)
            left -= count >= 0 ? count : throw new FormatException($"its run lengths hold {count}");
        return left == 0 ? new RunLengthMask(height, width, runs)
            : throw new FormatException($"its run lengths make {(long)height * width - left} pixels, not {height} x {width}");
    }

    /// <summary>The mask of all pixels that are not zero.</summary>
    /// <param name="map">(H, W), row by row.</param>
    /// <param name="height">H.</param>
    /// <param name="width">W.</param>
    public static RunLengthMask FromMap(ReadOnlySpan<byte> map, int height, int width)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(map.Length, PixelsOf(height, width), nameof(map));
        var counts = new List<int>();
        bool inside = false;
        int run = 0;
        for (int x = 0; x < width; x++)
            for (int y = 0; y < height; y++)
            {
                if (map[y * width + x] != 0 != inside)
                {
                    counts.Add(run);
                    (run, inside) = (0, !inside);
                }
                run++;
            }
        counts.Add(run);
        return new RunLengthMask(height, width, [.. counts]);
    }

    public int Height { get; }

    public int Width { get; }

    /// <summary>The lengths, which add up to H * W.</summary>
    public IReadOnlyList<int> Counts => _counts;

    /// <summary>The number of pixels inside.</summary>
    public int Area
    {
        get
        {
            int area = 0;
            for (int i = 1; i < _counts.Length; i += 2)
                area += _counts[i];
            return area;
        }
    }

    /// <summary>The smallest box around the pixels inside; all zero where there are none.</summary>
    public (int Left, int Top, int Width, int Height) Box
    {
        get
        {
            var (left, top, right, bottom, at) = (Width, Height, -1, -1, 0);
            for (int i = 0; i + 1 < _counts.Length; i += 2)
            {
                at += _counts[i];
                int run = _counts[i + 1];
                if (run == 0)
                    continue;
                int last = at + run - 1;
                left = Math.Min(left, at / Height);
                right = Math.Max(right, last / Height);
                // A run over the end of a column touches both borders.
                bool turns = at / Height < last / Height;
                top = Math.Min(top, turns ? 0 : at % Height);
                bottom = Math.Max(bottom, turns ? Height - 1 : last % Height);
                at += run;
            }
            return right < 0 ? default : (left, top, right - left + 1, bottom - top + 1);
        }
    }

    /// <summary>One byte for each pixel, (H, W) row by row: 1 inside, 0 outside.</summary>
    public byte[] ToMap()
    {
        var map = new byte[Height * Width];
        int at = 0;
        for (int i = 0; i < _counts.Length; at += _counts[i++])
            if ((i & 1) == 1)
                for (int left = _counts[i], x = at / Height, y = at % Height; left > 0; left--)
                {
                    map[y * Width + x] = 1;
                    if (++y == Height)
                        (x, y) = (x + 1, 0);
                }
        return map;
    }

    /// <summary>The pixels inside any of several masks of one size.</summary>
    public static RunLengthMask Union(IReadOnlyList<RunLengthMask> masks) => masks.Aggregate((a, b) => a.Merge(b, static (p, q) => p || q));

    /// <summary>The pixels inside all of several masks of one size.</summary>
    public static RunLengthMask Intersection(IReadOnlyList<RunLengthMask> masks) => masks.Aggregate((a, b) => a.Merge(b, static (p, q) => p && q));

    /// <summary>Common pixels over the pixels of either; over those of this mask alone where the other is a crowd. 0 where they have none in common.</summary>
    public double Overlap(RunLengthMask other, bool isCrowd = false)
    {
        RequireSameSize(other);
        Walk a = new(_counts), b = new(other._counts);
        int both = 0, either = 0;
        while (a.Left > 0 || b.Left > 0)
        {
            int step = Math.Min(a.Left, b.Left);
            both += a.IsInside && b.IsInside ? step : 0;
            either += a.IsInside || b.IsInside ? step : 0;
            a.Take(step);
            b.Take(step);
        }
        return both == 0 ? 0 : (double)both / (isCrowd ? Area : either);
    }

    private RunLengthMask Merge(RunLengthMask other, Func<bool, bool, bool> keep)
    {
        RequireSameSize(other);
        Walk a = new(_counts), b = new(other._counts);
        var counts = new List<int>();
        bool inside = false;
        int run = 0;
        while (a.Left > 0 || b.Left > 0)
        {
            if (keep(a.IsInside, b.IsInside) != inside)
            {
                counts.Add(run);
                (run, inside) = (0, !inside);
            }
            int step = Math.Min(a.Left, b.Left);
            run += step;
            a.Take(step);
            b.Take(step);
        }
        counts.Add(run);
        return new RunLengthMask(Height, Width, [.. counts]);
    }

    private void RequireSameSize(RunLengthMask other)
    {
        if ((Height, Width) != (other.Height, other.Width))
            throw new ArgumentException($"a mask of {Height} x {Width} pixels does not go with one of {other.Height} x {other.Width}", nameof(other));
    }

    private static long PixelsOf(int height, int width) => height > 0 && width > 0 && (long)height * width <= Array.MaxLength ? (long)height * width
        : throw new FormatException($"a mask cannot have {height} x {width} pixels");

    /// <summary>A place in the runs of a mask.</summary>
    private ref struct Walk
    {
        private readonly ReadOnlySpan<int> _counts;
        private int _next;

        public Walk(ReadOnlySpan<int> counts)
        {
            _counts = counts;
            IsInside = true;
            Take(0);
        }

        /// <summary>What is left of the run; 0 at the end of the mask.</summary>
        public int Left { get; private set; }

        public bool IsInside { get; private set; }

        public void Take(int pixels)
        {
            Left -= pixels;
            while (Left == 0 && _next < _counts.Length)
                (Left, IsInside) = (_counts[_next++], !IsInside);
        }
    }
}
