using System.Numerics;
using Attention.Torch;

namespace Attention.Data.Samples;

/// <summary>Paints one shape of a class onto a ground of texture and clutter.</summary>
internal static class ShapePainter
{
    // A quarter turn either way would make a triangle or an arrow take every direction.
    private const float MaxTurn = 40 * MathF.PI / 180;

    /// <summary>The image of one shape; the same random numbers give the same image.</summary>
    public static Image PaintSingle(string name, int size, ref SeededRandom random)
    {
        var canvas = new Canvas(size, size);
        var coverage = new Coverage(size, size);
        var ground = Clutter.Single.PaintGround(canvas, ref random);
        Clutter.Single.PaintDebris(canvas, coverage, ground, random.Between(0, 3), random.Between(0, 3), size, ref random);

        float radius = size * random.Uniform(0.31f, 0.44f);
        float room = 0.8f * (size / 2f - 0.9f * radius);
        var center = new Vector2(size / 2f) + new Vector2(random.Uniform(-room, room), random.Uniform(-room, room));
        var outline = Outlines.Place(Outlines.Of(name, ref random), center, radius, random.Uniform(-MaxTurn, MaxTurn));
        Paint(canvas, coverage, outline, center, radius, ground, ref random);

        if (random.Chance(0.3))
            Clutter.Single.PaintDebris(canvas, coverage, ground, 0, random.Between(1, 2), size, ref random);
        canvas.Expose(random.Uniform(0f, 0.04f), ref random);
        return canvas.ToImage();
    }

    /// <summary>Paints contours with a texture that stands out from the ground.</summary>
    public static void Paint(
        Canvas canvas, Coverage coverage, Vector2[][] outline, Vector2 center, float radius, Vector3 ground, ref SeededRandom random)
    {
        if (random.Chance(0.35))
        {
            var offset = new Vector2(0.10f * radius);
            var shadow = outline.Select(contour => contour.Select(p => p + offset).ToArray()).ToArray();
            canvas.Fill(coverage.Fill(shadow), (_, _) => Vector3.Zero, 0.35f);
        }
        // Both colours of the texture are lighter than the ground, so that its pattern does not dissolve the outline.
        var color = Paints.LighterColor(ground, 0.3f, ref random);
        var second = Vector3.Lerp(color, Paints.LighterColor(ground, 0.3f, ref random), random.Uniform(0.1f, 0.5f));
        var texture = Paints.Texture(color, second, radius * random.Uniform(0.14f, 0.4f), radius * 2, center, ref random);
        canvas.Fill(coverage.Fill(outline), texture);
    }
}
