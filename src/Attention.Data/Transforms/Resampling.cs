using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
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
/// <remarks>
/// A weight of 22 fractional bits is two halves of 16 bits, <c>high * 2^11 + low</c>: the processor multiplies and adds pairs of
/// those in one instruction, and the sum is the same integer.
/// </remarks>
public static class Resampling
{
    // 8 bits of the pixel and 2 of overshoot leave 22 of the coefficient in 32.
    internal const int Precision = 22;
    internal const int LowBits = 11;
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
        // Only the rows that the second pass reads.
        int first = rows.Start[0], last = rows.Start[target.Height - 1] + rows.Count[target.Height - 1];
        var (between, left, top) = (source, x, y);
        if (width != target.Width)
        {
            (between, left, top) = (scratch.ResizeBetween, 0, -first);
            between.Reshape(target.Width, last - first);
            var columns = scratch.ResizeColumns.Prepare(width, target.Width, interpolation);
            for (int row = first; row < last; row++)
                FilterRow(source.Pixels[(3 * ((y + row) * source.Width + x))..], between.Row(row - first), columns);
        }
        for (int row = 0; row < target.Height; row++)
            FilterColumns(between, left, top + rows.Start[row], rows, row, target.Row(row));
    }

    /// <summary>One row of the first pass: each target pixel is a weighted sum of neighbouring source pixels.</summary>
    /// <param name="source">From the row's first pixel to the image's end.</param>
    /// <param name="target">The row that is filled.</param>
    /// <param name="columns">What belongs to each target pixel.</param>
    private static void FilterRow(ReadOnlySpan<byte> source, Span<byte> target, ResizeWeights columns)
    {
        int column = 0;
        if (Avx2.IsSupported)
            column = FilterPixels(source, target, columns);
        for (; column < columns.Length; column++)
        {
            int start = columns.Start[column] * 3;
            var weights = columns.Weights.AsSpan(column * columns.Stride, columns.Count[column]);
            int red = Half, green = Half, blue = Half;
            for (int i = 0, at = start; i < weights.Length; i++, at += 3)
            {
                red += source[at] * weights[i];
                green += source[at + 1] * weights[i];
                blue += source[at + 2] * weights[i];
            }
            (target[3 * column], target[3 * column + 1], target[3 * column + 2]) = (ToByte(red), ToByte(green), ToByte(blue));
        }
    }

    /// <summary>Four source pixels at a time; returns how many target pixels are done, which leaves the last ones.</summary>
    private static int FilterPixels(ReadOnlySpan<byte> source, Span<byte> target, ResizeWeights columns)
    {
        // Pixels 0 and 1 into the lower half, 2 and 3 into the upper: red, green and blue of both as pairs of 16 bits.
        var pairs = Vector256.Create(
            0, 0x80, 3, 0x80, 1, 0x80, 4, 0x80, 2, 0x80, 5, 0x80, 0x80, 0x80, 0x80, 0x80,
            6, 0x80, 9, 0x80, 7, 0x80, 10, 0x80, 8, 0x80, 11, 0x80, 0x80, 0x80, 0x80, 0x80).AsByte();
        ref byte input = ref MemoryMarshal.GetReference(source);
        ref byte output = ref MemoryMarshal.GetReference(target);
        ref int starts = ref columns.Start[0], counts = ref columns.Count[0];
        ref int weights = ref MemoryMarshal.GetArrayDataReference(columns.Pairs);
        int column = 0;
        for (; column < columns.Length - 1; column++) // a result is written as four bytes
        {
            int at = Unsafe.Add(ref starts, column) * 3, blocks = (Unsafe.Add(ref counts, column) + 3) / 4;
            if (at + 12 * blocks + 4 > source.Length) // pixels are read sixteen bytes at a time
                break;
            var high = Vector256<int>.Zero;
            var low = Vector256<int>.Zero;
            ref int own = ref Unsafe.Add(ref weights, column * columns.PairStride);
            for (int block = 0; block < blocks; block++)
            {
                var bytes = Vector128.LoadUnsafe(ref Unsafe.Add(ref input, at + 12 * block));
                var pixels = Avx2.Shuffle(Vector256.Create(bytes, bytes), pairs).AsInt16();
                ref int four = ref Unsafe.Add(ref own, 16 * block);
                high += Avx2.MultiplyAddAdjacent(pixels, Vector256.LoadUnsafe(ref four).AsInt16());
                low += Avx2.MultiplyAddAdjacent(pixels, Vector256.LoadUnsafe(ref four, 8).AsInt16());
            }
            var sums = (high << LowBits) + low;
            var sum = (sums.GetLower() + sums.GetUpper() + Vector128.Create(Half)) >> Precision;
            var shorts = Sse2.PackSignedSaturate(sum, sum);
            Unsafe.WriteUnaligned(ref Unsafe.Add(ref output, 3 * column), Sse2.PackUnsignedSaturate(shorts, shorts).AsUInt32()[0]);
        }
        return column;
    }

    /// <summary>One row of the second pass: a weighted sum of rows.</summary>
    private static void FilterColumns(Image source, int left, int top, ResizeWeights rows, int row, Span<byte> target)
    {
        var weights = rows.Weights.AsSpan(row * rows.Stride, rows.Count[row]);
        int stride = 3 * source.Width, at = 3 * left + top * stride;
        var pixels = source.Pixels.Slice(at, (weights.Length - 1) * stride + target.Length);
        int i = Avx2.IsSupported ? SumRows(pixels, stride, rows, row, target) : 0;
        for (; i < target.Length; i++)
        {
            int sum = Half;
            for (int k = 0; k < weights.Length; k++)
                sum += pixels[k * stride + i] * weights[k];
            target[i] = ToByte(sum);
        }
    }

    /// <summary>Sixteen values of two rows at a time; returns how many values are done.</summary>
    private static int SumRows(ReadOnlySpan<byte> pixels, int stride, ResizeWeights rows, int row, Span<byte> target)
    {
        ref byte input = ref MemoryMarshal.GetReference(pixels);
        ref byte output = ref MemoryMarshal.GetReference(target);
        int count = rows.Count[row];
        ref int weights = ref rows.Pairs[row * rows.PairStride];
        int i = 0;
        for (; i <= target.Length - 16; i += 16)
        {
            Vector256<int> highs = Vector256<int>.Zero, lows = highs, highs2 = highs, lows2 = highs;
            for (int k = 0; k < count; k += 2)
            {
                var upper = Vector128.LoadUnsafe(ref Unsafe.Add(ref input, k * stride + i));
                // A row without a partner has one of weight 0: itself.
                var lower = k + 1 < count ? Vector128.LoadUnsafe(ref Unsafe.Add(ref input, (k + 1) * stride + i)) : upper;
                var first = Avx2.ConvertToVector256Int16(Sse2.UnpackLow(upper, lower));
                var second = Avx2.ConvertToVector256Int16(Sse2.UnpackHigh(upper, lower));
                // Four weights stand as (01, 01, 01, 01, 23, 23, 23, 23), highs before lows.
                int pair = k / 4 * 16 + (k & 2) * 2;
                var high = Vector256.Create(Unsafe.Add(ref weights, pair)).AsInt16();
                var low = Vector256.Create(Unsafe.Add(ref weights, pair + 8)).AsInt16();
                highs += Avx2.MultiplyAddAdjacent(first, high);
                lows += Avx2.MultiplyAddAdjacent(first, low);
                highs2 += Avx2.MultiplyAddAdjacent(second, high);
                lows2 += Avx2.MultiplyAddAdjacent(second, low);
            }
            var half = Vector256.Create(Half);
            var low8 = ((highs << LowBits) + lows + half) >> Precision;
            var high8 = ((highs2 << LowBits) + lows2 + half) >> Precision;
            var shorts = Avx2.Permute4x64(Avx2.PackSignedSaturate(low8, high8).AsInt64(), 0b11_01_10_00).AsInt16();
            Sse2.PackUnsignedSaturate(shorts.GetLower(), shorts.GetUpper()).StoreUnsafe(ref Unsafe.Add(ref output, i));
        }
        return i;
    }

    /// <summary>Drops the fractional bits and clamps.</summary>
    private static byte ToByte(int sum) => (byte)Math.Clamp(sum >> Precision, 0, 255);
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

    /// <summary>
    /// The same in halves: for every four weights 16 numbers, first the high halves of weights 0 and 1 as one number, four times,
    /// then those of weights 2 and 3, then the low halves alike.
    /// </summary>
    public int[] Pairs { get; private set; } = [];

    /// <summary>Numbers of <see cref="Pairs"/> for each target pixel.</summary>
    public int PairStride { get; private set; }

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
        PairStride = (Stride + 3) / 4 * 16;
        if (Start.Length < target)
            (Start, Count) = (new int[target], new int[target]);
        if (Weights.Length < target * Stride)
            Weights = new int[target * Stride];
        if (Pairs.Length < target * PairStride)
            Pairs = new int[target * PairStride];

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
            var weights = Weights.AsSpan(i * Stride, Stride);
            weights[count..].Clear();
            for (int k = 0; k < count; k++)
            {
                double weight = sum != 0 ? exact[k] / sum : exact[k];
                weights[k] = (int)(weight * (1 << Resampling.Precision) + (weight < 0 ? -0.5 : 0.5));
            }
            (Start[i], Count[i]) = (from, count);
            Pair(weights, Pairs.AsSpan(i * PairStride, PairStride));
        }
        return this;
    }

    private static void Pair(ReadOnlySpan<int> weights, Span<int> pairs)
    {
        const int lowMask = (1 << Resampling.LowBits) - 1;
        for (int k = 0; k < pairs.Length / 4; k += 2)
        {
            int first = k < weights.Length ? weights[k] : 0, second = k + 1 < weights.Length ? weights[k + 1] : 0;
            var four = pairs.Slice(k / 4 * 16 + (k & 2) * 2, 12);
            four[..4].Fill((ushort)(first >> Resampling.LowBits) | second >> Resampling.LowBits << 16);
            four[8..].Fill(first & lowMask | (second & lowMask) << 16);
        }
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
