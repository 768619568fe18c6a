using Attention.Torch;

namespace Attention.Data;

/// <summary>
/// Pillow's <c>GaussianBlur</c>, to the byte: three box filters with soft edges in each direction (Gwosdek et al. 2011).
/// </summary>
public static class Blur
{
    private const int Passes = 3;

    /// <summary>Blurs with the given standard deviation in pixels.</summary>
    public static void Gaussian(Image input, Image output, double radius)
    {
        output.Reshape(input.Width, input.Height);
        input.Pixels.CopyTo(output.Pixels);
        if (radius <= 0)
            return;
        float box = BoxRadius((float)radius);
        int longest = Math.Max(input.Width, input.Height);
        Span<byte> line = new byte[3 * longest], other = new byte[3 * longest];
        for (int y = 0; y < output.Height; y++)
        {
            var row = output.Row(y);
            row.CopyTo(line);
            BlurLine(line[..row.Length], other[..row.Length], box).CopyTo(row);
        }
        var pixels = output.Pixels;
        int stride = 3 * output.Width, length = 3 * output.Height;
        for (int at = 0; at < stride; at += 3)
        {
            for (int y = 0; y < output.Height; y++)
                pixels.Slice(y * stride + at, 3).CopyTo(line[(3 * y)..]);
            var blurred = BlurLine(line[..length], other[..length], box);
            for (int y = 0; y < output.Height; y++)
                blurred.Slice(3 * y, 3).CopyTo(pixels[(y * stride + at)..]);
        }
    }

    private static float BoxRadius(float radius)
    {
        float variance = radius * radius / Passes;
        float length = (float)Math.Sqrt(12.0 * variance + 1.0);
        float whole = (float)Math.Floor((length - 1.0) / 2.0);
        float part = (2 * whole + 1) * (whole * (whole + 1) - 3 * variance);
        part /= 6 * (variance - (whole + 1) * (whole + 1));
        return whole + part;
    }

    private static Span<byte> BlurLine(Span<byte> line, Span<byte> other, float radius)
    {
        for (int pass = 0; pass < Passes; pass++)
        {
            BoxLine(line, other, radius);
            var blurred = other;
            other = line;
            line = blurred;
        }
        return line;
    }

    private static void BoxLine(ReadOnlySpan<byte> from, Span<byte> to, float floatRadius)
    {
        int radius = (int)floatRadius, count = from.Length / 3;
        uint inner = (uint)((1 << 24) / (floatRadius * 2 + 1)), edge = (uint)((1 << 24) - (radius * 2 + 1) * inner) / 2;
        for (int c = 0; c < 3; c++)
        {
            uint sum = 0;
            for (int k = -radius; k <= radius; k++)
                sum += At(from, k, count, c);
            for (int i = 0; i < count; i++)
            {
                uint outside = (uint)(At(from, i - radius - 1, count, c) + At(from, i + radius + 1, count, c));
                to[3 * i + c] = (byte)((sum * inner + outside * edge + (1 << 23)) >> 24);
                sum += (uint)(At(from, i + radius + 1, count, c) - At(from, i - radius, count, c));
            }
        }
    }

    private static byte At(ReadOnlySpan<byte> line, int index, int count, int channel) => line[3 * Math.Clamp(index, 0, count - 1) + channel];
}
