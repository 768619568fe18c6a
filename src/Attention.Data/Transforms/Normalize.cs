using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using Attention.Torch;

namespace Attention.Data;

/// <summary>The last step: bytes to floats in planes, (H, W, 3) to (3, H, W), each channel as (value / 255 - mean) / std.</summary>
public sealed class Normalize
{
    // (value / 255 - mean) / std is value * scale + offset.
    private readonly float[] _scale, _offset;

    /// <summary>One mean and one standard deviation for each of red, green and blue, for values in [0, 1].</summary>
    public Normalize(float[] mean, float[] std)
    {
        if (mean.Length != 3 || std.Length != 3)
            throw new ArgumentException($"3 means and 3 standard deviations are needed, not {mean.Length} and {std.Length}");
        (Mean, Std) = (mean, std);
        _scale = [.. std.Select(s => (float)(1 / (255.0 * s)))];
        _offset = [.. mean.Zip(std, (m, s) => (float)(-(double)m / s))];
    }

    /// <summary>torchvision's constants, of ImageNet's training images.</summary>
    public static Normalize ImageNet { get; } = new([0.485f, 0.456f, 0.406f], [0.229f, 0.224f, 0.225f]);

    /// <summary>0.5 everywhere, which gives values in [-1, 1].</summary>
    public static Normalize Half { get; } = new([0.5f, 0.5f, 0.5f], [0.5f, 0.5f, 0.5f]);

    /// <summary>The constants of CIFAR-10's training images.</summary>
    public static Normalize Cifar10 { get; } = new([0.4914f, 0.4822f, 0.4465f], [0.2470f, 0.2435f, 0.2616f]);

    /// <summary>No change of scale: values in [0, 1].</summary>
    public static Normalize Unit { get; } = new([0, 0, 0], [1, 1, 1]);

    /// <summary>Known constants by the name that stands for them in a line of transforms.</summary>
    public static IReadOnlyDictionary<string, Normalize> Named { get; } =
        new Dictionary<string, Normalize> { ["imagenet"] = ImageNet, ["half"] = Half, ["cifar10"] = Cifar10, ["unit"] = Unit };

    public IReadOnlyList<float> Mean { get; }

    public IReadOnlyList<float> Std { get; }

    /// <summary>Writes an image as (3, H, W).</summary>
    /// <param name="image">The image.</param>
    /// <param name="planes">3 * H * W values.</param>
    public void Apply(Image image, Span<float> planes)
    {
        int area = image.Width * image.Height;
        int done = Vector256.IsHardwareAccelerated ? ApplyToSixteens(image.Pixels, planes, area) : 0;
        var pixels = image.Pixels;
        for (int channel = 0; channel < 3; channel++)
        {
            var plane = planes.Slice(channel * area, area);
            for (int i = done, at = 3 * done + channel; i < plane.Length; i++, at += 3)
                plane[i] = pixels[at] * _scale[channel] + _offset[channel];
        }
    }

    /// <summary>Sixteen pixels at a time; returns how many are done.</summary>
    private int ApplyToSixteens(ReadOnlySpan<byte> pixels, Span<float> planes, int area)
    {
        ref byte input = ref MemoryMarshal.GetReference(pixels);
        ref float output = ref MemoryMarshal.GetReference(planes);
        int i = 0;
        for (; i <= area - 16; i += 16)
        {
            var first = Vector128.LoadUnsafe(ref input, (nuint)(3 * i));
            var second = Vector128.LoadUnsafe(ref input, (nuint)(3 * i + 16));
            var third = Vector128.LoadUnsafe(ref input, (nuint)(3 * i + 32));
            // Which bytes of the three hold the channel; an index beyond 15 gives 0.
            Store(0, i, area, ref output,
                Vector128.Shuffle(first, Vector128.Create((byte)0, 3, 6, 9, 12, 15, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99))
                | Vector128.Shuffle(second, Vector128.Create((byte)99, 99, 99, 99, 99, 99, 2, 5, 8, 11, 14, 99, 99, 99, 99, 99))
                | Vector128.Shuffle(third, Vector128.Create((byte)99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 1, 4, 7, 10, 13)));
            Store(1, i, area, ref output,
                Vector128.Shuffle(first, Vector128.Create((byte)1, 4, 7, 10, 13, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99))
                | Vector128.Shuffle(second, Vector128.Create((byte)99, 99, 99, 99, 99, 0, 3, 6, 9, 12, 15, 99, 99, 99, 99, 99))
                | Vector128.Shuffle(third, Vector128.Create((byte)99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 2, 5, 8, 11, 14)));
            Store(2, i, area, ref output,
                Vector128.Shuffle(first, Vector128.Create((byte)2, 5, 8, 11, 14, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99))
                | Vector128.Shuffle(second, Vector128.Create((byte)99, 99, 99, 99, 99, 1, 4, 7, 10, 13, 99, 99, 99, 99, 99, 99))
                | Vector128.Shuffle(third, Vector128.Create((byte)99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 0, 3, 6, 9, 12, 15)));
        }
        return i;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private void Store(int channel, int at, int area, ref float output, Vector128<byte> values)
    {
        var (low, high) = Vector256.Widen(Vector256.WidenLower(values.ToVector256Unsafe()).AsInt16());
        var (scale, offset) = (Vector256.Create(_scale[channel]), Vector256.Create(_offset[channel]));
        ref float plane = ref Unsafe.Add(ref output, channel * area + at);
        (Vector256.ConvertToSingle(low) * scale + offset).StoreUnsafe(ref plane);
        (Vector256.ConvertToSingle(high) * scale + offset).StoreUnsafe(ref plane, 8);
    }
}
