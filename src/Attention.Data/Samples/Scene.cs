using System.Numerics;
using Attention.Torch;

namespace Attention.Data.Samples;

/// <summary>One object of a scene: a category, from 1, and a place.</summary>
internal abstract class SceneObject(int category)
{
    public int Category => category;

    /// <summary>How much of each pixel the whole object covers, (H, W), valid until the next use of coverage.</summary>
    public abstract ReadOnlySpan<float> Cover(Coverage coverage);

    public abstract void Paint(Canvas canvas, Coverage coverage, Vector3 ground, ref SeededRandom random);
}

internal sealed class SceneShape(int category, Vector2[][] outline, Vector2 center, float radius) : SceneObject(category)
{
    public override ReadOnlySpan<float> Cover(Coverage coverage) => coverage.Fill(outline);

    public override void Paint(Canvas canvas, Coverage coverage, Vector3 ground, ref SeededRandom random) =>
        ShapePainter.Paint(canvas, coverage, outline, center, radius, ground, ref random);
}

/// <summary>
/// An image with several shapes and people that may hide one another in part. Every pixel belongs to the object that is in
/// front there, or to none: masks, boxes and maps all follow from that.
/// </summary>
internal sealed class Scene
{
    /// <summary>The category of people, after those of the shapes.</summary>
    public static readonly int PersonCategory = Outlines.Names.Length + 1;

    // An object is in the scene only while that share of it can be seen, and that many pixels.
    private const double MinVisible = 0.4;
    private const int MinPixels = 30;
    private const double PersonShare = 0.3;

    private readonly Canvas _canvas;
    private readonly Coverage _coverage;
    private readonly List<int> _wholeAreas = [];

    public Scene(int width, int height, int maxObjects, Clutter clutter, ref SeededRandom random)
    {
        (Width, Height) = (width, height);
        Owner = new int[width * height];
        _canvas = new Canvas(width, height);
        _coverage = new Coverage(width, height);
        float unit = Math.Min(width, height);
        var ground = clutter.PaintGround(_canvas, ref random);
        clutter.PaintDebris(_canvas, _coverage, ground, random.Between(2, 8), random.Between(2, 8), unit, ref random);

        int wanted = random.Between(1, maxObjects);
        for (int attempt = 0; attempt < 4 * wanted && Objects.Count < wanted; attempt++)
        {
            var added = Draw(unit, ref random);
            if (TryPut(added))
                added.Paint(_canvas, _coverage, ground, ref random);
        }
        _canvas.Expose(random.Uniform(0f, 0.03f), ref random);
        Image = _canvas.ToImage();
    }

    public int Width { get; }

    public int Height { get; }

    public Image Image { get; }

    /// <summary>From back to front.</summary>
    public List<SceneObject> Objects { get; } = [];

    /// <summary>For each pixel the object in front, counted from 1; 0 for the ground.</summary>
    public int[] Owner { get; }

    private SceneObject Draw(float unit, ref SeededRandom random)
    {
        var center = new Vector2(random.Uniform(0.1f, 0.9f) * Width, random.Uniform(0.1f, 0.9f) * Height);
        if (random.Chance(PersonShare))
            return new Person(PersonCategory, center, unit * random.Uniform(0.4f, 0.8f), ref random);
        int label = random.Next(Outlines.Names.Length);
        float radius = unit * random.Uniform(0.08f, 0.22f);
        var outline = Outlines.Place(Outlines.Of(Outlines.Names[label], ref random), center, radius, random.Uniform(0f, MathF.Tau));
        return new SceneShape(label + 1, outline, center, radius);
    }

    /// <summary>Puts an object in front of the others, unless it would hide one of them too much.</summary>
    private bool TryPut(SceneObject added)
    {
        var filled = added.Cover(_coverage);
        var visible = new int[Objects.Count];
        int area = 0;
        for (int i = 0; i < filled.Length; i++)
            if (filled[i] >= 0.5f)
                area++;
            else if (Owner[i] > 0)
                visible[Owner[i] - 1]++;
        if (area < MinPixels)
            return false;
        for (int i = 0; i < visible.Length; i++)
            if (visible[i] < Math.Max(MinPixels, MinVisible * _wholeAreas[i]))
                return false;

        Objects.Add(added);
        _wholeAreas.Add(area);
        for (int i = 0; i < filled.Length; i++)
            if (filled[i] >= 0.5f)
                Owner[i] = Objects.Count;
        return true;
    }
}
