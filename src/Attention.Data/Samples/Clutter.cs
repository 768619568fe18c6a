using System.Numerics;

namespace Attention.Data.Samples;

/// <summary>What surrounds the shapes: textured ground, blobs and strokes that belong to no class.</summary>
internal static class Clutter
{
    /// <summary>Paints the ground and returns its mean colour.</summary>
    public static Vector3 PaintGround(Canvas canvas, ref SeededRandom random)
    {
        var color = Paints.DarkColor(0.45f, ref random);
        var second = Vector3.Lerp(color, Paints.Color(ref random), random.Uniform(0.08f, 0.35f));
        float size = Math.Max(canvas.Width, canvas.Height);
        var center = new Vector2(random.Uniform(0f, canvas.Width), random.Uniform(0f, canvas.Height));
        canvas.Fill(Paints.Texture(color, second, size * random.Uniform(0.04f, 0.16f), size * random.Uniform(0.8f, 1.4f), center, ref random));
        return (color + second) / 2;
    }

    /// <summary>Paints blobs and strokes in colours not far from the ground's.</summary>
    public static void PaintDebris(Canvas canvas, Coverage coverage, Vector3 ground, int blobs, int strokes, float unit, ref SeededRandom random)
    {
        for (int i = 0; i < blobs; i++)
        {
            float radius = unit * random.Uniform(0.03f, 0.11f);
            var blob = Outlines.Place([Outlines.Blob(ref random)], Anywhere(canvas, ref random), radius, 0);
            var color = Muted(ground, ref random);
            canvas.Fill(coverage.Fill(blob), (_, _) => color, random.Uniform(0.6f, 1f));
        }
        for (int i = 0; i < strokes; i++)
        {
            var from = Anywhere(canvas, ref random);
            var to = from + unit * random.Uniform(0.15f, 0.55f) * Outlines.Direction(random.Uniform(0f, MathF.Tau));
            var control = (from + to) / 2 + unit * random.Uniform(0f, 0.15f) * Outlines.Direction(random.Uniform(0f, MathF.Tau));
            var color = Muted(ground, ref random);
            float thickness = unit * random.Uniform(0.012f, 0.032f);
            canvas.Fill(coverage.Fill(Outlines.Stroke(from, control, to, thickness)), (_, _) => color, random.Uniform(0.6f, 1f));
        }
    }

    private static Vector2 Anywhere(Canvas canvas, ref SeededRandom random) =>
        new(random.Uniform(0f, canvas.Width), random.Uniform(0f, canvas.Height));

    private static Vector3 Muted(Vector3 ground, ref SeededRandom random) =>
        Vector3.Lerp(ground, Paints.Color(ref random), random.Uniform(0.3f, 0.8f));
}
