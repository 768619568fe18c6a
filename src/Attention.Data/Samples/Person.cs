using System.Numerics;

namespace Attention.Data.Samples;

/// <summary>
/// A simple figure of a person in a random pose, seen from the front, with the 17 keypoints of COCO. Its left is on the right
/// of the image, as for real people.
/// </summary>
internal sealed class Person : SceneObject
{
    /// <summary>A part of the body: its outline and what it is painted with.</summary>
    private enum Cloth
    {
        Skin,
        Shirt,
        Trousers,
        Hair,
    }

    private readonly List<(Vector2[] Outline, Cloth Cloth)> _parts = [];

    /// <param name="category">The category.</param>
    /// <param name="center">Where the middle of the hips is.</param>
    /// <param name="height">The whole figure's height when it stands, in pixels.</param>
    public Person(int category, Vector2 center, float height, ref SeededRandom random)
        : base(category)
    {
        var pose = Matrix3x2.CreateRotation(random.Uniform(-0.2f, 0.2f)) * Matrix3x2.CreateScale(height) * Matrix3x2.CreateTranslation(center);
        var points = new Vector2[17];
        var neck = new Vector2(0, -0.31f);
        var head = new Vector2(random.Uniform(-0.015f, 0.015f), -0.43f);
        float gaze = random.Uniform(-0.02f, 0.02f);
        points[0] = head + new Vector2(gaze, 0.012f);
        // The person's left side, at larger x, then the right one.
        for (int side = 0; side < 2; side++)
        {
            float outwards = side == 0 ? 1 : -1;
            points[1 + side] = head + new Vector2(gaze + outwards * 0.028f, -0.018f);
            points[3 + side] = head + new Vector2(outwards * 0.072f, 0.002f);
            points[5 + side] = new Vector2(outwards * 0.125f, -0.27f);
            points[11 + side] = new Vector2(outwards * 0.07f, 0);
            float arm = random.Uniform(0.1f, 2.6f), bend = random.Uniform(-0.3f, 1.6f);
            points[7 + side] = points[5 + side] + 0.165f * Limb(outwards, arm);
            points[9 + side] = points[7 + side] + 0.15f * Limb(outwards, arm + bend);
            float leg = random.Uniform(0f, 0.6f), knee = random.Uniform(-0.5f, 0.1f);
            points[13 + side] = points[11 + side] + 0.24f * Limb(outwards, leg);
            points[15 + side] = points[13 + side] + 0.235f * Limb(outwards, leg + knee);
        }
        Keypoints = [.. points.Select(point => Vector2.Transform(point, pose))];

        float Wide(float share) => share * height;
        Vector2 At(Vector2 point) => Vector2.Transform(point, pose);
        void Add(Cloth cloth, Vector2 a, float ra, Vector2 b, float rb) => _parts.Add((Outlines.Capsule(a, Wide(ra), b, Wide(rb)), cloth));
        for (int side = 0; side < 2; side++)
        {
            Add(Cloth.Trousers, Keypoints[11 + side], 0.062f, Keypoints[13 + side], 0.045f);
            Add(Cloth.Trousers, Keypoints[13 + side], 0.045f, Keypoints[15 + side], 0.032f);
        }
        Add(Cloth.Skin, At(neck), 0.035f, At(head), 0.035f);
        _parts.Add(([.. Outlines.Arc(Keypoints[5], Wide(0.045f), -2.2f, 0.6f, 8), .. Outlines.Arc(Keypoints[11], Wide(0.06f), 0.2f, 1.6f, 8),
            .. Outlines.Arc(Keypoints[12], Wide(0.06f), 1.6f, 2.9f, 8), .. Outlines.Arc(Keypoints[6], Wide(0.045f), 2.5f, 5.3f, 8)], Cloth.Shirt));
        for (int side = 0; side < 2; side++)
        {
            Add(Cloth.Shirt, Keypoints[5 + side], 0.043f, Keypoints[7 + side], 0.036f);
            Add(Cloth.Skin, Keypoints[7 + side], 0.031f, Keypoints[9 + side], 0.026f);
        }
        _parts.Add((Outlines.Arc(At(head + new Vector2(0, -0.012f)), Wide(0.080f), 0, MathF.Tau), Cloth.Hair));
        _parts.Add((Outlines.Arc(At(head + new Vector2(0, 0.012f)), Wide(0.070f), 0, MathF.Tau), Cloth.Skin));
    }

    /// <summary>Where the 17 keypoints are, whether visible or not.</summary>
    public Vector2[] Keypoints { get; }

    public override ReadOnlySpan<float> Cover(Coverage coverage)
    {
        var whole = new float[coverage.Width * coverage.Height];
        foreach (var (outline, _) in _parts)
        {
            var part = coverage.Fill(outline);
            for (int i = 0; i < whole.Length; i++)
                whole[i] = Math.Max(whole[i], part[i]);
        }
        return whole;
    }

    public override void Paint(Canvas canvas, Coverage coverage, Vector3 ground, ref SeededRandom random)
    {
        var skin = Vector3.Lerp(new(0.36f, 0.22f, 0.15f), new(0.96f, 0.80f, 0.69f), random.Uniform(0f, 1f));
        var shirt = Paints.LighterColor(ground, 0.2f, ref random);
        var second = Vector3.Lerp(shirt, Paints.Color(ref random), 0.4f);
        float wide = Vector2.Distance(Keypoints[5], Keypoints[6]);
        var pattern = Paints.Texture(shirt, second, 0.15f * wide, 2 * wide, Keypoints[5], ref random);
        var trousers = Paints.Color(ref random);
        var hair = 0.7f * Paints.DarkColor(0.4f, ref random);
        foreach (var (outline, cloth) in _parts)
            canvas.Fill(coverage.Fill(outline), cloth switch
            {
                Cloth.Shirt => pattern,
                Cloth.Trousers => (_, _) => trousers,
                Cloth.Hair => (_, _) => hair,
                _ => (_, _) => skin,
            });
        float eye = 0.22f * Vector2.Distance(Keypoints[1], Keypoints[2]);
        foreach (int side in new[] { 1, 2 })
            canvas.Fill(coverage.Fill(Outlines.Arc(Keypoints[side], eye, 0, MathF.Tau, 12)), (_, _) => new Vector3(0.05f));
    }

    /// <summary>A direction by its angle from straight down, outwards.</summary>
    private static Vector2 Limb(float outwards, float angle) => new(outwards * MathF.Sin(angle), MathF.Cos(angle));
}
