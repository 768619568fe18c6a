using System.Numerics;
using System.Runtime.InteropServices;

namespace Attention.Data;

/// <summary>Resizing of values in planes, (C, H, W), as PyTorch's <c>interpolate</c> does it on a CPU: in single precision, without antialiasing.</summary>
public static class PlaneResampling
{
    /// <summary>Bilinear, the corners of the outer pixels on each other (<c>align_corners=False</c>).</summary>
    /// <param name="source">(C, H, W).</param>
    /// <param name="height">H.</param>
    /// <param name="width">W.</param>
    /// <param name="target">(C, newHeight, newWidth), which says how many planes there are.</param>
    /// <param name="newHeight">Of the result.</param>
    /// <param name="newWidth">Of the result.</param>
    public static void Bilinear(ReadOnlySpan<float> source, int height, int width, Span<float> target, int newHeight, int newWidth)
    {
        var (columns, rows) = (new Neighbours(width, newWidth), new Neighbours(height, newHeight));
        using var two = new RentedFloats(2 * newWidth);
        for (int plane = 0; plane < target.Length / (newHeight * newWidth); plane++)
        {
            var from = source.Slice(plane * height * width, height * width);
            Span<float> upper = two.Values[..newWidth], lower = two.Values[newWidth..];
            int upperRow = -1, lowerRow = -1;
            for (int y = 0; y < newHeight; y++)
            {
                var (first, second, share) = rows[y];
                if (first == lowerRow)
                {
                    var free = upper;
                    upper = lower;
                    lower = free;
                    (upperRow, lowerRow) = (lowerRow, -1);
                }
                if (first != upperRow)
                    AlongRow(from.Slice((upperRow = first) * width, width), upper, columns);
                if (second != lowerRow)
                    AlongRow(from.Slice((lowerRow = second) * width, width), lower, columns);
                Mix(upper, lower, share, target.Slice((plane * newHeight + y) * newWidth, newWidth));
            }
        }
    }

    private static void AlongRow(ReadOnlySpan<float> row, Span<float> into, Neighbours columns)
    {
        for (int x = 0; x < into.Length; x++)
        {
            var (first, second, share) = columns[x];
            into[x] = (1 - share) * row[first] + share * row[second];
        }
    }

    private static void Mix(ReadOnlySpan<float> upper, ReadOnlySpan<float> lower, float share, Span<float> into)
    {
        var above = MemoryMarshal.Cast<float, Vector<float>>(upper);
        var below = MemoryMarshal.Cast<float, Vector<float>>(lower);
        var mixed = MemoryMarshal.Cast<float, Vector<float>>(into);
        for (int i = 0; i < mixed.Length; i++)
            mixed[i] = (1 - share) * above[i] + share * below[i];
        for (int i = mixed.Length * Vector<float>.Count; i < into.Length; i++)
            into[i] = (1 - share) * upper[i] + share * lower[i];
    }

    /// <summary>The two pixels between which each pixel of the result lies, and the share of the second.</summary>
    private readonly struct Neighbours(int from, int to)
    {
        private readonly (int First, int Second, float Share)[] _all = Of(from, to);

        public (int First, int Second, float Share) this[int at] => _all[at];

        private static (int, int, float)[] Of(int from, int to)
        {
            var all = new (int, int, float)[to];
            float step = (float)from / to;
            for (int i = 0; i < to; i++)
            {
                // The step in single precision, places in double: so PyTorch's recordings have it.
                double place = Math.Max(0, step * (i + 0.5) - 0.5);
                int first = Math.Min((int)place, from - 1);
                all[i] = (first, Math.Min(first + 1, from - 1), (float)(place - first));
            }
            return all;
        }
    }
}
