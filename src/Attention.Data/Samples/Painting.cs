using System.Numerics;
using Attention.Torch;

namespace Attention.Data.Samples;

/// <summary>The colour at a point, red, green and blue in [0, 1].</summary>
internal delegate Vector3 Paint(float x, float y);

/// <summary>An image in floating point, painted from back to front.</summary>
internal sealed class Canvas(int width, int height)
{
    private readonly Vector3[] _pixels = new Vector3[width * height];

    public int Width { get; } = width;

    public int Height { get; } = height;

    /// <summary>Paints every pixel.</summary>
    public void Fill(Paint paint)
    {
        for (int y = 0; y < Height; y++)
            for (int x = 0; x < Width; x++)
                _pixels[y * Width + x] = paint(x + 0.5f, y + 0.5f);
    }

    /// <summary>Blends paint over the pixels by their coverage, (H, W) in [0, 1].</summary>
    public void Fill(ReadOnlySpan<float> coverage, Paint paint, float opacity = 1)
    {
        for (int i = 0; i < coverage.Length; i++)
            if (coverage[i] > 0)
                _pixels[i] = Vector3.Lerp(_pixels[i], paint(i % Width + 0.5f, i / Width + 0.5f), coverage[i] * opacity);
    }

    /// <summary>Light that falls from one side, and the noise of a sensor.</summary>
    public void Expose(float noise, ref SeededRandom random)
    {
        var slope = Outlines.Direction(random.Uniform(0f, MathF.Tau)) * random.Uniform(0f, 0.3f);
        float gray = 0.5f * noise;
        for (int i = 0; i < _pixels.Length; i++)
        {
            var place = new Vector2((i % Width) / (float)Width - 0.5f, (i / Width) / (float)Height - 0.5f);
            var grain = noise * new Vector3(Bell(ref random), Bell(ref random), Bell(ref random)) + new Vector3(gray * Bell(ref random));
            _pixels[i] = _pixels[i] * (1 + Vector2.Dot(slope, place)) + grain;
        }
    }

    public Image ToImage()
    {
        var image = new Image(Width, Height);
        var bytes = image.Pixels;
        for (int i = 0; i < _pixels.Length; i++)
        {
            var rounded = Vector3.Clamp(_pixels[i], Vector3.Zero, Vector3.One) * 255 + new Vector3(0.5f);
            (bytes[3 * i], bytes[3 * i + 1], bytes[3 * i + 2]) = ((byte)rounded.X, (byte)rounded.Y, (byte)rounded.Z);
        }
        return image;
    }

    /// <summary>Nearly normal with standard deviation 1: the sum of four uniform numbers, cut from one draw.</summary>
    private static float Bell(ref SeededRandom random)
    {
        ulong bits = random.NextBits();
        float sum = (bits & 0xFFFF) + (bits >> 16 & 0xFFFF) + (bits >> 32 & 0xFFFF) + (bits >> 48);
        return (sum / 65536 - 2) * 1.7320508f;
    }
}

/// <summary>What a texture looks like.</summary>
internal enum Pattern
{
    Flat,
    Gradient,
    Rings,
    Stripes,
    Checks,
    Dots,
    Clouds,
    Waves,
}

/// <summary>Colours and textures.</summary>
internal static class Paints
{
    /// <summary>The patterns of shapes and of the ground around a single one.</summary>
    private static readonly Pattern[] usual =
        [Pattern.Flat, Pattern.Gradient, Pattern.Rings, Pattern.Stripes, Pattern.Checks, Pattern.Dots, Pattern.Clouds];

    /// <summary>How light a colour looks, in [0, 1] (ITU-R BT.601).</summary>
    public static float Luma(Vector3 color) => Vector3.Dot(color, new Vector3(0.299f, 0.587f, 0.114f));

    /// <summary>A random colour.</summary>
    /// <param name="random">All randomness.</param>
    /// <param name="fromHue">The lowest hue: 0 is red, 2 green, 4 blue.</param>
    /// <param name="toHue">The highest hue, at most 6, which is red again.</param>
    public static Vector3 Color(ref SeededRandom random, float fromHue = 0, float toHue = 6) =>
        FromHsv(random.Uniform(fromHue, toHue), random.Uniform(0f, 1f), random.Uniform(0.1f, 1f));

    /// <summary>A random colour no lighter than the given luma.</summary>
    public static Vector3 DarkColor(float lightest, ref SeededRandom random, float fromHue = 0, float toHue = 6)
    {
        var color = Color(ref random, fromHue, toHue);
        float luma = Luma(color);
        return luma > lightest ? color * (lightest / luma * random.Uniform(0.6f, 1f)) : color;
    }

    /// <summary>A random colour whose luma is above another's by at least the given amount, which may not exceed 1 in sum.</summary>
    public static Vector3 LighterColor(Vector3 other, float contrast, ref SeededRandom random)
    {
        float darkest = Luma(other) + contrast;
        Vector3 color = default;
        for (int attempt = 0; attempt < 12; attempt++)
        {
            color = Color(ref random);
            if (Luma(color) >= darkest)
                return color;
        }
        // Mixing with white raises the luma linearly.
        return Vector3.Lerp(color, Vector3.One, (random.Uniform(darkest, 1f) - Luma(color)) / (1 - Luma(color)));
    }

    /// <summary>A random texture of two colours.</summary>
    /// <param name="a">The first colour.</param>
    /// <param name="b">The second colour.</param>
    /// <param name="scale">Half a period of the pattern, in pixels.</param>
    /// <param name="extent">The length of a gradient, in pixels.</param>
    /// <param name="center">Where gradients have their middle.</param>
    /// <param name="random">All randomness.</param>
    /// <param name="patterns">Of which one is chosen; the usual ones where there are none.</param>
    public static Paint Texture(Vector3 a, Vector3 b, float scale, float extent, Vector2 center, ref SeededRandom random, params Pattern[] patterns)
    {
        float angle = random.Uniform(0f, MathF.Tau), phase = random.Uniform(0f, 2f);
        var across = Outlines.Direction(angle) / scale;
        var along = new Vector2(-across.Y, across.X);
        long seed = (long)random.NextBits();
        // Where a point is in the pattern, in units of scale.
        Vector2 In(float x, float y) => new(Vector2.Dot(new(x, y), across) + phase, Vector2.Dot(new(x, y), along) + phase);
        var choice = patterns.Length > 0 ? patterns : usual;
        Func<float, float, float> mix = choice[random.Next(choice.Length)] switch
        {
            Pattern.Flat => (_, _) => 0,
            Pattern.Gradient => (x, y) => 0.5f + Vector2.Dot(new Vector2(x, y) - center, across) * scale / extent,
            Pattern.Rings => (x, y) => 2 * Vector2.Distance(new(x, y), center) / extent,
            Pattern.Stripes => (x, y) => Stripe(In(x, y).X, scale),
            Pattern.Checks => (x, y) => Checker(In(x, y), scale),
            Pattern.Dots => (x, y) => Dot(In(x, y), scale),
            Pattern.Clouds => (x, y) => Clouds(seed, x / scale, y / scale),
            _ => (x, y) => Wave(In(x, y)),
        };
        return (x, y) => Vector3.Lerp(a, b, Math.Clamp(mix(x, y), 0, 1));
    }

    private static float Checker(Vector2 at, float scale)
    {
        float u = Stripe(at.X, scale), v = Stripe(at.Y, scale);
        return u + v - 2 * u * v;
    }

    /// <summary>1 within 0.3 of a point of the grid, with a border one pixel wide.</summary>
    private static float Dot(Vector2 at, float scale) =>
        (0.3f - new Vector2(at.X - MathF.Round(at.X), at.Y - MathF.Round(at.Y)).Length()) * scale + 0.5f;

    /// <summary>Soft bands that swing from side to side.</summary>
    private static float Wave(Vector2 at) => 0.5f + 0.5f * MathF.Sin(MathF.PI * (at.X + 0.4f * MathF.Sin(MathF.PI * at.Y)));

    /// <summary>0 and 1 in turns of length 1, with a border one pixel wide.</summary>
    private static float Stripe(float position, float scale)
    {
        float inPeriod = position - 2 * MathF.Floor(position / 2);
        float distance = inPeriod < 1 ? Math.Min(inPeriod, 1 - inPeriod) : -Math.Min(inPeriod - 1, 2 - inPeriod);
        return Math.Clamp(distance * scale + 0.5f, 0, 1);
    }

    /// <summary>Smooth noise in [0, 1]: three octaves of random values on a grid, interpolated.</summary>
    private static float Clouds(long seed, float x, float y)
    {
        float sum = 0, weight = 0.57f;
        for (int octave = 0; octave < 3; octave++, x *= 2, y *= 2, weight /= 2)
        {
            int column = (int)MathF.Floor(x), row = (int)MathF.Floor(y);
            float u = Smooth(x - column), v = Smooth(y - row);
            float top = float.Lerp(Value(seed, column, row), Value(seed, column + 1, row), u);
            float bottom = float.Lerp(Value(seed, column, row + 1), Value(seed, column + 1, row + 1), u);
            sum += weight * float.Lerp(top, bottom, v);
        }
        return Math.Clamp((sum - 0.5f) * 1.6f + 0.5f, 0, 1);
    }

    private static float Smooth(float t) => t * t * (3 - 2 * t);

    private static float Value(long seed, int column, int row)
    {
        uint hash = (uint)seed ^ (uint)column * 0x85EBCA6B ^ (uint)row * 0xC2B2AE35;
        hash = (hash ^ hash >> 15) * 0x2C1B3C6D;
        hash = (hash ^ hash >> 12) * 0x297A2D39;
        return ((hash ^ hash >> 15) >> 8) / (float)(1 << 24);
    }

    private static Vector3 FromHsv(float hue, float saturation, float value)
    {
        Vector3 Channel(float shift)
        {
            float k = (shift + hue) % 6;
            return new Vector3(value - value * saturation * Math.Clamp(Math.Min(k, 4 - k), 0, 1));
        }
        return new Vector3(Channel(5).X, Channel(3).X, Channel(1).X);
    }
}
