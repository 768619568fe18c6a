using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using Attention.Torch;

namespace Attention.Data;

/// <summary>Resizes so that the shorter side has the given length (torchvision's <c>Resize(size)</c>).</summary>
public sealed class Resize(int size, Interpolation interpolation = Interpolation.Bilinear) : ImageTransform
{
    public override Image Apply(Image input, ImageScratch scratch, ref SeededRandom random)
    {
        var (height, width) = Scaled(input.Height, input.Width);
        if ((height, width) == (input.Height, input.Width))
            return input;
        var output = scratch.Take(width, height);
        Resampling.Resize(input, 0, 0, input.Width, input.Height, output, interpolation, scratch);
        return output;
    }

    public override (int Height, int Width)? SizeAfter((int Height, int Width)? before) =>
        before is { } known ? Scaled(known.Height, known.Width) : null;

    // torchvision cuts the longer side to a whole number.
    private (int Height, int Width) Scaled(int height, int width) => width <= height
        ? ((int)((long)size * height / width), size)
        : (size, (int)((long)size * width / height));
}

/// <summary>Resizes to the given height and width without regard to the image's shape.</summary>
public sealed class Squash(int height, int width, Interpolation interpolation = Interpolation.Bilinear) : ImageTransform
{
    public override Image Apply(Image input, ImageScratch scratch, ref SeededRandom random)
    {
        if ((height, width) == (input.Height, input.Width))
            return input;
        var output = scratch.Take(width, height);
        Resampling.Resize(input, 0, 0, input.Width, input.Height, output, interpolation, scratch);
        return output;
    }

    public override (int Height, int Width)? SizeAfter((int Height, int Width)? before) => (height, width);
}

/// <summary>Cuts a fixed part; what lies outside of the image is black (torchvision's <c>crop</c>).</summary>
public sealed class Crop(int top, int left, int height, int width) : ImageTransform
{
    public override ImageNeed Need(int fullWidth, int fullHeight, SeededRandom random) =>
        top + height <= fullHeight && left + width <= fullWidth ? new(left, top, width, height) : ImageNeed.All(fullWidth, fullHeight);

    public override Image Apply(Image input, ImageScratch scratch, ref SeededRandom random)
    {
        var output = scratch.Take(width, height);
        Crops.Copy(input, left, top, output);
        return output;
    }

    public override (int Height, int Width)? SizeAfter((int Height, int Width)? before) => (height, width);
}

/// <summary>Cuts the middle, after padding what is smaller with black (torchvision's <c>CenterCrop</c>).</summary>
public sealed class CenterCrop(int size) : ImageTransform
{
    public override Image Apply(Image input, ImageScratch scratch, ref SeededRandom random)
    {
        var output = scratch.Take(size, size);
        Crops.Copy(input, Offset(input.Width), Offset(input.Height), output);
        return output;
    }

    public override (int Height, int Width)? SizeAfter((int Height, int Width)? before) => (size, size);

    // Python rounds halves to even; padding puts the odd row or column at the end.
    private int Offset(int length) =>
        length >= size ? (int)Math.Round((length - size) / 2.0, MidpointRounding.ToEven) : -((size - length) / 2);
}

/// <summary>
/// Pads with black on all sides, then cuts the given size at a random place: the usual augmentation of CIFAR
/// (torchvision's <c>RandomCrop(size, padding)</c>).
/// </summary>
public sealed class PadCrop(int size, int padding = 4) : ImageTransform
{
    public override Image Apply(Image input, ImageScratch scratch, ref SeededRandom random)
    {
        int x = Offset(input.Width, ref random), y = Offset(input.Height, ref random);
        var output = scratch.Take(size, size);
        Crops.Copy(input, x, y, output);
        return output;
    }

    public override (int Height, int Width)? SizeAfter((int Height, int Width)? before) => (size, size);

    private int Offset(int length, ref SeededRandom random)
    {
        int room = length + 2 * padding - size;
        return room >= 0 ? random.Between(0, room) - padding : room / 2 - padding;
    }
}

/// <summary>
/// Cuts a random part of the image and resizes it to a square (Szegedy et al., arXiv:1409.4842; torchvision's
/// <c>RandomResizedCrop</c>).
/// </summary>
/// <param name="size">Height and width of the result.</param>
/// <param name="scale">The part's share of the image's area, from and to; torchvision's (0.08, 1) by default.</param>
/// <param name="ratio">The part's width over its height, from and to, uniform in the logarithm; (3/4, 4/3) by default.</param>
/// <param name="interpolation">How it is resized.</param>
public sealed class RandomResizedCrop(
    int size, (double Low, double High)? scale = null, (double Low, double High)? ratio = null, Interpolation interpolation = Interpolation.Bilinear) : ImageTransform
{
    private readonly (double Low, double High) _scale = scale ?? (0.08, 1);
    private readonly (double Low, double High) _ratio = ratio ?? (3.0 / 4, 4.0 / 3);

    public override Image Apply(Image input, ImageScratch scratch, ref SeededRandom random)
    {
        var (x, y, width, height) = Draw(input.Width, input.Height, ref random);
        var output = scratch.Take(size, size);
        Resampling.Resize(input, x, y, width, height, output, interpolation, scratch);
        return output;
    }

    public override (int Height, int Width)? SizeAfter((int Height, int Width)? before) => (size, size);

    public override ImageNeed Need(int width, int height, SeededRandom random)
    {
        // libjpeg's smaller scales filter worse than resizing does. At twice the size, the difference does not show.
        const int reserve = 2;
        var (x, y, cropWidth, cropHeight) = Draw(width, height, ref random);
        int minSide = (int)Math.Ceiling((double)Math.Min(width, height) * reserve * size / Math.Min(cropWidth, cropHeight));
        return new ImageNeed(x, y, cropWidth, cropHeight, minSide);
    }

    private (int X, int Y, int Width, int Height) Draw(int width, int height, ref SeededRandom random)
    {
        for (int attempt = 0; attempt < 10; attempt++)
        {
            double area = (double)width * height * random.Uniform(_scale.Low, _scale.High);
            double aspect = Math.Exp(random.Uniform(Math.Log(_ratio.Low), Math.Log(_ratio.High)));
            int w = (int)Math.Round(Math.Sqrt(area * aspect)), h = (int)Math.Round(Math.Sqrt(area / aspect));
            if (w > 0 && w <= width && h > 0 && h <= height)
                return (random.Between(0, width - w), random.Between(0, height - h), w, h);
        }
        // Very long images: the middle, as much of it as the aspect ratio allows.
        double aspectKept = Math.Clamp((double)width / height, _ratio.Low, _ratio.High);
        int wide = Math.Clamp((int)Math.Round(height * aspectKept), 1, width), tall = Math.Clamp((int)Math.Round(width / aspectKept), 1, height);
        return ((width - wide) / 2, (height - tall) / 2, wide, tall);
    }
}

/// <summary>Mirrors left and right with the given probability.</summary>
public sealed class HorizontalFlip(double probability = 0.5) : ImageTransform
{
    public override Image Apply(Image input, ImageScratch scratch, ref SeededRandom random)
    {
        if (!random.Chance(probability))
            return input;
        var output = scratch.Take(input.Width, input.Height);
        Mirror(input, output);
        return output;
    }

    /// <summary>Fills an image of the same size with the mirror image.</summary>
    internal static void Mirror(Image input, Image output)
    {
        for (int y = 0; y < input.Height; y++)
            Mirror(input.Row(y), output.Row(y));
    }

    private static void Mirror(ReadOnlySpan<byte> from, Span<byte> to)
    {
        int left = 0;
        if (Vector128.IsHardwareAccelerated)
        {
            // Five pixels and a byte at a time, from the right to the left of the result: each overwrites the byte too many before it.
            var order = Vector128.Create((byte)15, 12, 13, 14, 9, 10, 11, 6, 7, 8, 3, 4, 5, 0, 1, 2);
            ref byte input = ref MemoryMarshal.GetReference(from);
            ref byte output = ref MemoryMarshal.GetReference(to);
            for (; left <= from.Length - 16; left += 15)
                Vector128.Shuffle(Vector128.LoadUnsafe(ref input, (nuint)left), order).StoreUnsafe(ref output, (nuint)(from.Length - left - 16));
        }
        for (int right = from.Length - left - 3; right >= 0; left += 3, right -= 3)
            (to[right], to[right + 1], to[right + 2]) = (from[left], from[left + 1], from[left + 2]);
    }
}

/// <summary>Mirrors top and bottom with the given probability.</summary>
public sealed class VerticalFlip(double probability = 0.5) : ImageTransform
{
    public override Image Apply(Image input, ImageScratch scratch, ref SeededRandom random)
    {
        if (!random.Chance(probability))
            return input;
        var output = scratch.Take(input.Width, input.Height);
        for (int y = 0; y < input.Height; y++)
            input.Row(y).CopyTo(output.Row(input.Height - 1 - y));
        return output;
    }
}

internal static class Crops
{
    /// <summary>Copies what lies at (x, y) of the input; black where that is outside.</summary>
    public static void Copy(Image input, int x, int y, Image output)
    {
        int left = Math.Max(0, -x), right = Math.Min(output.Width, input.Width - x);
        for (int row = 0; row < output.Height; row++)
        {
            var to = output.Row(row);
            if (row + y < 0 || row + y >= input.Height || left >= right)
            {
                to.Clear();
                continue;
            }
            to[..(3 * left)].Clear();
            input.Row(row + y)[(3 * (left + x))..(3 * (right + x))].CopyTo(to[(3 * left)..]);
            to[(3 * right)..].Clear();
        }
    }
}
