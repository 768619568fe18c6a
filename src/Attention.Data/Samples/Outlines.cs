using System.Numerics;

namespace Attention.Data.Samples;

/// <summary>
/// The contours of the shapes, within a circle of radius 1 around the origin, y pointing down. Outer contours run clockwise
/// on the screen, holes the other way.
/// </summary>
internal static class Outlines
{
    /// <summary>The names of the classes, sorted.</summary>
    public static readonly string[] Names =
        ["arrow", "circle", "crescent", "cross", "heart", "pentagon", "ring", "square", "star", "triangle"];

    /// <summary>The contours of a class; a little random variation is that of the class.</summary>
    public static Vector2[][] Of(string name, ref SeededRandom random) => name switch
    {
        "arrow" => [Arrow(random.Uniform(0.22f, 0.30f), random.Uniform(-0.05f, 0.15f))],
        "circle" => [Arc(Vector2.Zero, 1, 0, MathF.Tau)],
        "crescent" => [Crescent(random.Uniform(0.40f, 0.52f))],
        "cross" => [Cross(random.Uniform(0.24f, 0.34f))],
        "heart" => [Heart()],
        "pentagon" => [Star(5, MathF.Cos(MathF.PI / 5))],
        "ring" => [Arc(Vector2.Zero, 1, 0, MathF.Tau), Arc(Vector2.Zero, random.Uniform(0.50f, 0.66f), MathF.Tau, 0)],
        "square" => [Star(4, MathF.Cos(MathF.PI / 4))],
        "star" => [Star(5, random.Uniform(0.38f, 0.46f))],
        "triangle" => [Star(3, MathF.Cos(MathF.PI / 3))],
        _ => throw new ArgumentException($"no shape is called '{name}'", nameof(name)),
    };

    /// <summary>Turns, scales and moves contours.</summary>
    public static Vector2[][] Place(Vector2[][] contours, Vector2 center, float radius, float angle)
    {
        var turn = Matrix3x2.CreateRotation(angle) * Matrix3x2.CreateScale(radius) * Matrix3x2.CreateTranslation(center);
        return [.. contours.Select(contour => contour.Select(p => Vector2.Transform(p, turn)).ToArray())];
    }

    /// <summary>The hull of two circles: a limb from a to b, thick ra and rb at its ends.</summary>
    public static Vector2[] Capsule(Vector2 a, float ra, Vector2 b, float rb)
    {
        float along = MathF.Atan2(b.Y - a.Y, b.X - a.X);
        float length = Vector2.Distance(a, b);
        // The common tangents lean towards the thinner end.
        float lean = length > MathF.Abs(ra - rb) ? MathF.Acos((ra - rb) / length) : MathF.PI / 2;
        return [.. Arc(b, rb, along - lean, along + lean, 12), .. Arc(a, ra, along + lean, along - lean + MathF.Tau, 12)];
    }

    /// <summary>A closed smooth outline around the origin of mean radius 1, dented by a few waves.</summary>
    public static Vector2[] Blob(ref SeededRandom random)
    {
        const int points = 40;
        Span<float> size = stackalloc float[3], phase = stackalloc float[3];
        for (int wave = 0; wave < 3; wave++)
            (size[wave], phase[wave]) = (random.Uniform(0f, 0.28f) / (wave + 1), random.Uniform(0f, MathF.Tau));
        var outline = new Vector2[points];
        for (int i = 0; i < points; i++)
        {
            float angle = MathF.Tau * i / points, radius = 1;
            for (int wave = 0; wave < 3; wave++)
                radius += size[wave] * MathF.Sin((wave + 2) * angle + phase[wave]);
            outline[i] = radius * Direction(angle);
        }
        return outline;
    }

    /// <summary>A curved line of the given thickness as an outline: a quadratic Bezier curve, widened to both sides.</summary>
    public static Vector2[] Stroke(Vector2 from, Vector2 control, Vector2 to, float thickness)
    {
        const int steps = 16;
        var outline = new Vector2[2 * (steps + 1)];
        for (int i = 0; i <= steps; i++)
        {
            float t = i / (float)steps;
            var point = (1 - t) * (1 - t) * from + 2 * t * (1 - t) * control + t * t * to;
            var along = (1 - t) * (control - from) + t * (to - control);
            var side = Vector2.Normalize(new Vector2(-along.Y, along.X) + new Vector2(1e-6f)) * (thickness / 2);
            outline[i] = point + side;
            outline[^(i + 1)] = point - side;
        }
        return outline;
    }

    /// <summary>A line that turns back and forth along its way, of the given thickness.</summary>
    /// <param name="from">Where it begins.</param>
    /// <param name="way">To its end.</param>
    /// <param name="swing">How far it goes to either side.</param>
    /// <param name="turns">How often it turns.</param>
    /// <param name="thickness">Across its way.</param>
    public static Vector2[] Zigzag(Vector2 from, Vector2 way, float swing, int turns, float thickness)
    {
        var side = Vector2.Normalize(new Vector2(-way.Y, way.X));
        var outline = new Vector2[2 * (turns + 2)];
        for (int i = 0; i < turns + 2; i++)
        {
            var point = from + way * i / (turns + 1) + (i % 2 == 0 ? swing : -swing) * side;
            outline[i] = point + thickness * side;
            outline[^(i + 1)] = point - thickness * side;
        }
        return outline;
    }

    public static Vector2 Direction(float angle) => new(MathF.Cos(angle), MathF.Sin(angle));

    /// <summary>Points on a circle from one angle to another, both included.</summary>
    public static Vector2[] Arc(Vector2 center, float radius, float from, float to, int steps = 48)
    {
        var points = new Vector2[steps + 1];
        for (int i = 0; i <= steps; i++)
            points[i] = center + radius * Direction(from + (to - from) * i / steps);
        return points;
    }

    /// <summary>A star of n points; with an inner radius of cos(pi / n) the regular polygon of n corners.</summary>
    private static Vector2[] Star(int n, float inner)
    {
        var points = new Vector2[2 * n];
        for (int i = 0; i < points.Length; i++)
            points[i] = (i % 2 == 0 ? 1 : inner) * Direction(MathF.PI * i / n - MathF.PI / 2);
        return points;
    }

    private static Vector2[] Cross(float arm)
    {
        float end = MathF.Sqrt(1 - arm * arm);
        return
        [
            new(-arm, -end), new(arm, -end), new(arm, -arm), new(end, -arm), new(end, arm), new(arm, arm),
            new(arm, end), new(-arm, end), new(-arm, arm), new(-end, arm), new(-end, -arm), new(-arm, -arm),
        ];
    }

    private static Vector2[] Arrow(float shaft, float neck)
    {
        const float wing = 0.76f, tail = 0.94f;
        return [new(0, -1), new(wing, neck), new(shaft, neck), new(shaft, tail), new(-shaft, tail), new(-shaft, neck), new(-wing, neck)];
    }

    /// <summary>A disc without a second disc of radius 0.85 whose center lies beside it.</summary>
    private static Vector2[] Crescent(float offset)
    {
        const float bite = 0.85f;
        float crossing = (1 + offset * offset - bite * bite) / (2 * offset);
        float height = MathF.Sqrt(1 - crossing * crossing);
        float outer = MathF.Atan2(height, crossing), inner = MathF.Atan2(height, crossing - offset);
        return
        [
            .. Arc(Vector2.Zero, 1, outer, MathF.Tau - outer, 36),
            .. Arc(new(offset, 0), bite, MathF.Tau - inner, inner, 28)[1..^1],
        ];
    }

    private static Vector2[] Heart()
    {
        const int points = 56;
        var outline = new Vector2[points];
        for (int i = 0; i < points; i++)
        {
            float t = MathF.Tau * i / points;
            float s = MathF.Sin(t);
            float y = 13 * MathF.Cos(t) - 5 * MathF.Cos(2 * t) - 2 * MathF.Cos(3 * t) - MathF.Cos(4 * t);
            outline[i] = new Vector2(16 * s * s * s, -y - 2.5f) / 16.5f;
        }
        return outline;
    }
}
