using Attention.Torch;

namespace Attention.Data;

/// <summary>Pillow's operations on colours, to the byte: ImageOps, ImageEnhance and the conversions to grey and to HSV.</summary>
public static class Colours
{
    /// <summary>255 - value.</summary>
    public static void Invert(Image input, Image output) => Map(input, output, static value => (byte)(255 - value));

    /// <summary>Inverts what is not below the threshold, 0 to 256.</summary>
    public static void Solarize(Image input, Image output, int threshold) =>
        Map(input, output, value => (byte)(value < threshold ? value : 255 - value));

    /// <summary>Adds to what is below 128.</summary>
    public static void SolarizeAdd(Image input, Image output, int add) =>
        Map(input, output, value => (byte)(value < 128 ? Math.Min(255, value + add) : value));

    /// <summary>Keeps the upper bits, 0 to 8, of each value.</summary>
    public static void Posterize(Image input, Image output, int bits) =>
        Map(input, output, value => (byte)(value & ~((1 << (8 - bits)) - 1)));

    /// <summary>Stretches each channel to the whole range.</summary>
    public static void AutoContrast(Image input, Image output)
    {
        Span<byte> table = stackalloc byte[256];
        Span<int> counts = stackalloc int[256];
        output.Reshape(input.Width, input.Height);
        for (int channel = 0; channel < 3; channel++)
        {
            Count(input, channel, counts);
            int low = counts.IndexOfAnyExcept(0), high = counts.LastIndexOfAnyExcept(0);
            double scale = high > low ? 255.0 / (high - low) : 1, offset = high > low ? -low * scale : 0;
            for (int value = 0; value < 256; value++)
                table[value] = (byte)Math.Clamp((int)(value * scale + offset), 0, 255);
            Map(input, output, channel, table);
        }
    }

    /// <summary>Makes all values of each channel about equally frequent.</summary>
    public static void Equalize(Image input, Image output)
    {
        Span<byte> table = stackalloc byte[256];
        Span<int> counts = stackalloc int[256];
        output.Reshape(input.Width, input.Height);
        for (int channel = 0; channel < 3; channel++)
        {
            Count(input, channel, counts);
            int area = input.Width * input.Height, last = counts[counts.LastIndexOfAnyExcept(0)], step = (area - last) / 255;
            int sum = step / 2;
            for (int value = 0; value < 256; value++)
            {
                table[value] = step == 0 || last == area ? (byte)value : (byte)Math.Min(255, sum / step);
                sum += counts[value];
            }
            Map(input, output, channel, table);
        }
    }

    /// <summary>Multiplies all values.</summary>
    public static void Brightness(Image input, Image output, double factor) =>
        Map(input, output, value => Blend(0, value, (float)factor));

    /// <summary>Moves all values away from the mean grey (factors above 1) or towards it.</summary>
    public static void Contrast(Image input, Image output, double factor)
    {
        long sum = 0;
        var pixels = input.Pixels;
        for (int i = 0; i < pixels.Length; i += 3)
            sum += Grey(pixels[i], pixels[i + 1], pixels[i + 2]);
        var mean = (byte)(int)((double)sum / (pixels.Length / 3) + 0.5);
        Map(input, output, value => Blend(mean, value, (float)factor));
    }

    /// <summary>Moves all colours away from their grey (factors above 1) or towards it.</summary>
    public static void Saturation(Image input, Image output, double factor)
    {
        output.Reshape(input.Width, input.Height);
        var from = input.Pixels;
        var to = output.Pixels;
        float share = (float)factor;
        for (int i = 0; i < from.Length; i += 3)
        {
            byte grey = Grey(from[i], from[i + 1], from[i + 2]);
            (to[i], to[i + 1], to[i + 2]) = (Blend(grey, from[i], share), Blend(grey, from[i + 1], share), Blend(grey, from[i + 2], share));
        }
    }

    /// <summary>Replaces each colour by its grey.</summary>
    public static void Grayscale(Image input, Image output)
    {
        output.Reshape(input.Width, input.Height);
        var from = input.Pixels;
        var to = output.Pixels;
        for (int i = 0; i < from.Length; i += 3)
            to[i] = to[i + 1] = to[i + 2] = Grey(from[i], from[i + 1], from[i + 2]);
    }

    /// <summary>Turns the hue by a share of the circle, -0.5 to 0.5 (torchvision's <c>adjust_hue</c>).</summary>
    public static void Hue(Image input, Image output, double turn)
    {
        output.Reshape(input.Width, input.Height);
        var from = input.Pixels;
        var to = output.Pixels;
        byte shift = (byte)(int)(turn * 255);
        for (int i = 0; i < from.Length; i += 3)
        {
            var (hue, saturation, value) = ToHsv(from[i], from[i + 1], from[i + 2]);
            (to[i], to[i + 1], to[i + 2]) = ToRgb((byte)(hue + shift), saturation, value);
        }
    }

    /// <summary>The image blended with its blur over 3 x 3 pixels: sharper with factors above 1.</summary>
    public static void Sharpness(Image input, Image output, double factor)
    {
        input.Pixels.CopyTo(Sized(output, input).Pixels); // the border is not blurred
        float share = (float)factor;
        for (int y = 1; y < input.Height - 1; y++)
        {
            ReadOnlySpan<byte> above = input.Row(y - 1), row = input.Row(y), below = input.Row(y + 1);
            var to = output.Row(y);
            for (int i = 3; i < row.Length - 3; i++)
            {
                int sum = above[i - 3] + above[i] + above[i + 3] + row[i - 3] + 5 * row[i] + row[i + 3] + below[i - 3] + below[i] + below[i + 3];
                to[i] = Blend((2 * sum + 13) / 26, row[i], share);
            }
        }
    }

    /// <summary>low + (high - low) * factor, cut to bytes.</summary>
    internal static byte Blend(int low, int high, float factor) => (byte)(int)Math.Clamp(low + factor * (high - low), 0, 255);

    /// <summary>The luma of ITU-R 601-2, as Pillow's <c>convert("L")</c> rounds it.</summary>
    private static byte Grey(byte red, byte green, byte blue) => (byte)((red * 19595 + green * 38470 + blue * 7471 + 0x8000) >> 16);

    private static Image Sized(Image output, Image like)
    {
        output.Reshape(like.Width, like.Height);
        return output;
    }

    private static void Count(Image image, int channel, Span<int> counts)
    {
        counts.Clear();
        var pixels = image.Pixels;
        for (int i = channel; i < pixels.Length; i += 3)
            counts[pixels[i]]++;
    }

    private static void Map(Image input, Image output, Func<int, byte> of)
    {
        Span<byte> table = stackalloc byte[256];
        for (int value = 0; value < 256; value++)
            table[value] = of(value);
        var from = input.Pixels;
        var to = Sized(output, input).Pixels;
        for (int i = 0; i < from.Length; i++)
            to[i] = table[from[i]];
    }

    private static void Map(Image input, Image output, int channel, ReadOnlySpan<byte> table)
    {
        var from = input.Pixels;
        var to = output.Pixels;
        for (int i = channel; i < from.Length; i += 3)
            to[i] = table[from[i]];
    }

    private static (byte Hue, byte Saturation, byte Value) ToHsv(byte red, byte green, byte blue)
    {
        byte most = Math.Max(red, Math.Max(green, blue)), least = Math.Min(red, Math.Min(green, blue));
        if (most == least)
            return (0, 0, most);
        float range = most - least;
        float r = (most - red) / range, g = (most - green) / range, b = (most - blue) / range;
        double hue = red == most ? b - g : green == most ? 2.0 + r - b : 4.0 + g - r;
        hue = (hue / 6.0 + 1.0) % 1.0;
        return ((byte)(int)((float)hue * 255.0), (byte)(int)(range / most * 255.0), most);
    }

    /// <summary>A colour by its hue, of 256 around the circle, saturation and value.</summary>
    internal static (byte Red, byte Green, byte Blue) ToRgb(byte hue, byte saturation, byte value)
    {
        if (saturation == 0)
            return (value, value, value);
        double sixth = hue * 6.0 / 255.0, share = (float)(saturation / 255.0);
        int sector = (int)sixth;
        float part = (float)(sixth - sector);
        byte p = Round(value * (1.0 - share)), q = Round(value * (1.0 - share * part)), t = Round(value * (1.0 - share * (1.0 - part)));
        return (sector % 6) switch
        {
            0 => (value, t, p),
            1 => (q, value, p),
            2 => (p, value, t),
            3 => (p, q, value),
            4 => (t, p, value),
            _ => (value, p, q),
        };
    }

    private static byte Round(double value) => (byte)Math.Clamp((int)Math.Round(value, MidpointRounding.AwayFromZero), 0, 255);
}
