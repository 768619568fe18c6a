using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using Attention.Torch;

namespace Attention.Data;

/// <summary>How pixels between the given ones are computed.</summary>
public enum Interpolation
{
    Bilinear,
    Bicubic,
}

/// <summary>
/// Antialiased resizing as in Pillow's <c>Image.resize</c>: a separable convolution whose filter widens with the scale, first
/// along rows, then along columns, in integers of 22 fractional bits with bytes in between. The results are Pillow's bytes.
/// </summary>
public static class Resampling
{
    // 8 bits of the pixel and 2 of overshoot leave 22 of the coefficient in 32.
    private const int Precision = 22;
    private const int Half = 1 << (Precision - 1);

    /// <summary>Resizes a rectangle of an image; what lies outside of it has no influence.</summary>
    /// <param name="source">The image.</param>
    /// <param name="x">Left border of the rectangle.</param>
    /// <param name="y">Upper border of the rectangle.</param>
    /// <param name="width">Width of the rectangle.</param>
    /// <param name="height">Height of the rectangle.</param>
    /// <param name="target">Is filled, at its size; not the source.</param>
    /// <param name="interpolation">The filter.</param>
    /// <param name="scratch">Buffers.</param>
    public static void Resize(
        Image source, int x, int y, int width, int height, Image target, Interpolation interpolation, ImageScratch scratch)
    {
        var rows = scratch.ResizeRows.Prepare(height, target.Height, interpolation);
        int first = rows.Start[0], last = rows.Start[target.Height - 1] + rows.Count[target.Height - 1];
        bool narrow = width != target.Width;

        // Only the rows that the second pass reads.
        var between = scratch.ResizeBetween;
        if (narrow)
        {
            between.Reshape(target.Width, last - first);
            var columns = scratch.ResizeColumns.Prepare(width, target.Width, interpolation);
            for (int row = first; row < last; row++)
                FilterRow(source.Row(y + row)[(3 * x)..], between.Row(row - first), columns);
        }

        int length = 3 * target.Width;
        var sums = scratch.ResizeSums(length);
        for (int row = 0; row < target.Height; row++)
        {
            sums.Fill(Half);
            for (int i = 0; i < rows.Count[row]; i++)
            {
                int from = rows.Start[row] + i;
                var input = narrow ? between.Row(from - first) : source.Row(y + from).Slice(3 * x, length);
                Accumulate(input, rows.Weights[row * rows.Stride + i], sums);
            }
            Pack(sums, target.Row(row));
        }
    }

    /// <summary>One row of the first pass: each target pixel is a weighted sum of neighbouring source pixels.</summary>
    private static void FilterRow(ReadOnlySpan<byte> source, Span<byte> target, ResizeWeights columns)
    {
        ref byte input = ref MemoryMarshal.GetReference(source);
        for (int column = 0; column < columns.Length; column++)
        {
            int start = columns.Start[column] * 3, count = columns.Count[column];
            var weights = columns.Weights.AsSpan(column * columns.Stride, count);
            var sum = Vector128.Create(Half);
            int i = 0;
            // A pixel is read as four bytes: the last one of the row has no fourth.
            int safe = Math.Min(count, (source.Length - start - 1) / 3);
            for (; i < safe; i++)
            {
                uint pixel = Unsafe.ReadUnaligned<uint>(ref Unsafe.Add(ref input, start + 3 * i));
                sum += WidenPixel(pixel) * weights[i];
            }
            for (; i < count; i++)
            {
                int at = start + 3 * i;
                sum += Vector128.Create(source[at], source[at + 1], source[at + 2], 0) * weights[i];
            }
            sum = Vector128.Min(Vector128.Max(sum >> Precision, Vector128<int>.Zero), Vector128.Create(255));
            target[3 * column] = (byte)sum[0];
            target[3 * column + 1] = (byte)sum[1];
            target[3 * column + 2] = (byte)sum[2];
        }
    }

    private static Vector128<int> WidenPixel(uint pixel)
    {
        var shorts = Vector128.WidenLower(Vector128.CreateScalarUnsafe(pixel).AsByte());
        return Vector128.WidenLower(shorts).AsInt32();
    }

    /// <summary>sums += weight * row.</summary>
    private static void Accumulate(ReadOnlySpan<byte> row, int weight, Span<int> sums)
    {
        int i = 0;
        if (Vector256.IsHardwareAccelerated)
        {
            ref byte input = ref MemoryMarshal.GetReference(row);
            ref int output = ref MemoryMarshal.GetReference(sums);
            for (; i <= row.Length - 16; i += 16)
            {
                var (low, high) = Vector256.Widen(Vector256.WidenLower(Vector128.LoadUnsafe(ref input, (nuint)i).ToVector256Unsafe()));
                (Vector256.LoadUnsafe(ref output, (nuint)i) + low.AsInt32() * weight).StoreUnsafe(ref output, (nuint)i);
                (Vector256.LoadUnsafe(ref output, (nuint)i + 8) + high.AsInt32() * weight).StoreUnsafe(ref output, (nuint)i + 8);
            }
        }
        for (; i < row.Length; i++)
            sums[i] += row[i] * weight;
    }

    /// <summary>Drops the fractional bits and clamps to bytes.</summary>
    private static void Pack(ReadOnlySpan<int> sums, Span<byte> target)
    {
        int i = 0;
        if (Vector256.IsHardwareAccelerated)
        {
            ref int input = ref MemoryMarshal.GetReference(sums);
            ref byte output = ref MemoryMarshal.GetReference(target);
            for (; i <= target.Length - 16; i += 16)
            {
                var shorts = Vector256.Narrow(Clamped(ref input, i), Clamped(ref input, i + 8)).AsUInt16();
                Vector128.Narrow(shorts.GetLower(), shorts.GetUpper()).StoreUnsafe(ref output, (nuint)i);
            }
        }
        for (; i < target.Length; i++)
            target[i] = (byte)Math.Clamp(sums[i] >> Precision, 0, 255);
    }

    private static Vector256<int> Clamped(ref int input, int at) =>
        Vector256.Min(Vector256.Max(Vector256.LoadUnsafe(ref input, (nuint)at) >> Precision, Vector256<int>.Zero), Vector256.Create(255));
}

/// <summary>For each target pixel along one axis: where its source pixels start, how many they are, and their weights.</summary>
internal sealed class ResizeWeights
{
    private (int Source, int Target, Interpolation Interpolation) _prepared;

    public int Length { get; private set; }

    /// <summary>Weights reserved for each target pixel.</summary>
    public int Stride { get; private set; }

    public int[] Start { get; private set; } = [];

    public int[] Count { get; private set; } = [];

    /// <summary>Fixed point with 22 fractional bits.</summary>
    public int[] Weights { get; private set; } = [];

    public ResizeWeights Prepare(int source, int target, Interpolation interpolation)
    {
        if (_prepared == (source, target, interpolation))
            return this;
        _prepared = (source, target, interpolation);
        double scale = (double)source / target;
        // Enlarging keeps the filter's own width; shrinking widens it over all source pixels of a target pixel.
        double widening = Math.Max(scale, 1);
        double support = (interpolation == Interpolation.Bilinear ? 1.0 : 2.0) * widening;
        Length = target;
        Stride = (int)Math.Ceiling(support) * 2 + 1;
        if (Start.Length < target)
            (Start, Count) = (new int[target], new int[target]);
        if (Weights.Length < target * Stride)
            Weights = new int[target * Stride];

        Span<double> exact = Stride <= 256 ? stackalloc double[Stride] : new double[Stride];
        for (int i = 0; i < target; i++)
        {
            double center = (i + 0.5) * scale;
            int from = Math.Max(0, (int)(center - support + 0.5));
            int count = Math.Min(source, (int)(center + support + 0.5)) - from;
            double sum = 0;
            for (int k = 0; k < count; k++)
            {
                double distance = (from + k - center + 0.5) * (1 / widening);
                exact[k] = interpolation == Interpolation.Bilinear ? Triangle(distance) : Cubic(distance);
                sum += exact[k];
            }
            for (int k = 0; k < count; k++)
            {
                double weight = sum != 0 ? exact[k] / sum : exact[k];
                Weights[i * Stride + k] = (int)(weight * (1 << 22) + (weight < 0 ? -0.5 : 0.5));
            }
            (Start[i], Count[i]) = (from, count);
        }
        return this;
    }

    private static double Triangle(double x) => Math.Max(0, 1 - Math.Abs(x));

    /// <summary>Keys' cubic with a = -0.5, as in Pillow (and unlike OpenCV and libtorch, which take -0.75).</summary>
    private static double Cubic(double x)
    {
        x = Math.Abs(x);
        if (x < 1)
            return (1.5 * x - 2.5) * x * x + 1;
        return x < 2 ? ((-0.5 * x + 2.5) * x - 4) * x + 2 : 0;
    }
}
