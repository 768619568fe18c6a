using System.Numerics;

namespace Attention.Data.Samples;

/// <summary>What surrounds objects: textured ground, and debris that belongs to no class.</summary>
internal sealed class Clutter
{
    private readonly Pattern[] _patterns;
    private readonly (float From, float To) _hues;
    private readonly Debris _round, _long;

    private delegate Vector2[] Debris(Canvas canvas, float unit, Vector3 ground, out Vector3 color, ref SeededRandom random);

    private Clutter(Pattern[] patterns, (float From, float To) hues, Debris round, Debris @long) =>
        (_patterns, _hues, _round, _long) = (patterns, hues, round, @long);

    /// <summary>Around a single shape: the usual patterns of any hue; blobs and curved strokes.</summary>
    public static readonly Clutter Single = new([], (0, 6), Blob, Stroke);

    /// <summary>In scenes for training: hues from red over green to cyan; blobs and curved strokes.</summary>
    public static readonly Clutter Training = new([Pattern.Flat, Pattern.Gradient, Pattern.Checks, Pattern.Dots], (0, 3), Blob, Stroke);

    /// <summary>In held-out scenes: other patterns, hues from cyan over blue to red; rods and zigzags.</summary>
    public static readonly Clutter HeldOut = new([Pattern.Rings, Pattern.Stripes, Pattern.Clouds, Pattern.Waves], (3, 6), Rod, Zigzag);

    /// <summary>Paints the ground and returns its mean colour.</summary>
    public Vector3 PaintGround(Canvas canvas, ref SeededRandom random)
    {
        var color = Paints.DarkColor(0.45f, ref random, _hues.From, _hues.To);
        var second = Vector3.Lerp(color, Paints.Color(ref random, _hues.From, _hues.To), random.Uniform(0.08f, 0.35f));
        float size = Math.Max(canvas.Width, canvas.Height);
        var center = new Vector2(random.Uniform(0f, canvas.Width), random.Uniform(0f, canvas.Height));
        canvas.Fill(Paints.Texture(color, second, size * random.Uniform(0.04f, 0.16f), size * random.Uniform(0.8f, 1.4f), center, ref random, _patterns));
        return (color + second) / 2;
    }

    /// <summary>Paints round and long debris in colours not far from the ground's.</summary>
    public void PaintDebris(Canvas canvas, Coverage coverage, Vector3 ground, int round, int @long, float unit, ref SeededRandom random)
    {
        for (int i = 0; i < round + @long; i++)
        {
            var outline = (i < round ? _round : _long)(canvas, unit, ground, out var color, ref random);
            canvas.Fill(coverage.Fill(outline), (_, _) => color, random.Uniform(0.6f, 1f));
        }
    }

    private static Vector2[] Blob(Canvas canvas, float unit, Vector3 ground, out Vector3 color, ref SeededRandom random)
    {
        float radius = unit * random.Uniform(0.03f, 0.11f);
        var blob = Outlines.Place([Outlines.Blob(ref random)], Anywhere(canvas, ref random), radius, 0)[0];
        color = Muted(ground, ref random);
        return blob;
    }

    private static Vector2[] Stroke(Canvas canvas, float unit, Vector3 ground, out Vector3 color, ref SeededRandom random)
    {
        var from = Anywhere(canvas, ref random);
        var to = from + unit * random.Uniform(0.15f, 0.55f) * Outlines.Direction(random.Uniform(0f, MathF.Tau));
        var control = (from + to) / 2 + unit * random.Uniform(0f, 0.15f) * Outlines.Direction(random.Uniform(0f, MathF.Tau));
        color = Muted(ground, ref random);
        return Outlines.Stroke(from, control, to, unit * random.Uniform(0.012f, 0.032f));
    }

    private static Vector2[] Rod(Canvas canvas, float unit, Vector3 ground, out Vector3 color, ref SeededRandom random)
    {
        var from = Anywhere(canvas, ref random);
        var to = from + unit * random.Uniform(0.06f, 0.2f) * Outlines.Direction(random.Uniform(0f, MathF.Tau));
        color = Muted(ground, ref random);
        return Outlines.Capsule(from, unit * random.Uniform(0.02f, 0.05f), to, unit * random.Uniform(0.02f, 0.05f));
    }

    private static Vector2[] Zigzag(Canvas canvas, float unit, Vector3 ground, out Vector3 color, ref SeededRandom random)
    {
        var from = Anywhere(canvas, ref random);
        float angle = random.Uniform(0f, MathF.Tau), length = unit * random.Uniform(0.15f, 0.5f), swing = unit * random.Uniform(0.02f, 0.06f);
        color = Muted(ground, ref random);
        return Outlines.Zigzag(from, length * Outlines.Direction(angle), swing, random.Between(2, 5), unit * random.Uniform(0.012f, 0.03f));
    }

    private static Vector2 Anywhere(Canvas canvas, ref SeededRandom random) =>
        new(random.Uniform(0f, canvas.Width), random.Uniform(0f, canvas.Height));

    private static Vector3 Muted(Vector3 ground, ref SeededRandom random) =>
        Vector3.Lerp(ground, Paints.Color(ref random), random.Uniform(0.3f, 0.8f));
}
