using System.Globalization;
using Attention.Torch;

namespace Attention.Data;

/// <summary>How <see cref="DetectionPainter"/> draws.</summary>
public sealed record PaintOptions
{
    /// <summary>Pairs of keypoints, by their places, that a line joins; see <see cref="KeypointNames.Skeleton"/>.</summary>
    public IReadOnlyList<(int From, int To)> Skeleton { get; init; } = [];

    /// <summary>Keypoints are drawn whose visibility or score is above this.</summary>
    public double LeastKeypoint { get; init; }

    /// <summary>Whether names and scores are written.</summary>
    public bool Names { get; init; } = true;

    /// <summary>How much a mask hides of what is below it, from 0 to 1.</summary>
    public double Opacity { get; init; } = 0.45;
}

/// <summary>Draws boxes, masks, poses, names and scores into pictures: a colour for each class.</summary>
public static class DetectionPainter
{
    /// <summary>Draws objects into an image. What reaches beyond it is cut.</summary>
    /// <param name="image">Is drawn into.</param>
    /// <param name="objects">The surest last, so that it lies above.</param>
    /// <param name="options">How it is drawn.</param>
    public static void Draw(Image image, IReadOnlyList<DrawnObject> objects, PaintOptions? options = null)
    {
        var chosen = options ?? new PaintOptions();
        var pen = new Pen(image);
        foreach (var each in objects)
            if (each.Mask is { } mask)
                pen.Cover(mask, Palette.Of(each.Label), chosen.Opacity);
        foreach (var each in objects)
        {
            if (IsBox(each.Box))
                pen.Frame(each.Box, Palette.Of(each.Label));
            DrawPose(pen, each, chosen);
        }
        if (chosen.Names)
            foreach (var each in objects)
                if (TextOf(each) is { Length: > 0 } text && Anchor(each) is var (x, y))
                    pen.Write(text, x, y, Palette.Of(each.Label));
    }

    /// <summary>Lays the colours of classes over an image.</summary>
    /// <param name="image">Is drawn into.</param>
    /// <param name="classes">The class of each pixel, (H, W); <see cref="LabelMapFolder.None"/> stays as it is.</param>
    /// <param name="opacity">How much of the image is hidden, from 0 to 1.</param>
    public static void DrawClasses(Image image, ReadOnlySpan<byte> classes, double opacity = 0.6)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(classes.Length, image.Width * image.Height, nameof(classes));
        var pen = new Pen(image);
        for (int i = 0; i < classes.Length; i++)
            if (classes[i] != LabelMapFolder.None)
                pen.Blend(i % image.Width, i / image.Width, Palette.Of(classes[i]), opacity);
    }

    private static void DrawPose(Pen pen, DrawnObject each, PaintOptions options)
    {
        var points = each.Keypoints.Chunk(3).Select(point => (X: point[0] + 0.5f, Y: point[1] + 0.5f, IsSeen: point[2] > options.LeastKeypoint && float.IsFinite(point[0] + point[1]))).ToArray();
        foreach (var (from, to) in options.Skeleton)
            if (Math.Max(from, to) < points.Length && points[from].IsSeen && points[to].IsSeen)
                pen.Line(points[from].X, points[from].Y, points[to].X, points[to].Y, pen.Thickness, Palette.Of(each.Label));
        for (int i = 0; i < points.Length; i++)
            if (points[i].IsSeen)
                pen.Line(points[i].X, points[i].Y, points[i].X, points[i].Y, 2 * pen.Thickness + 1, Palette.Of(i + 1));
    }

    private static bool IsBox(float[] box) => box.Length == 4 && box.All(float.IsFinite);

    private static string TextOf(DrawnObject each) =>
        each.Score is { } score ? string.Create(CultureInfo.InvariantCulture, $"{each.Name} {score:F2}").TrimStart() : each.Name;

    /// <summary>Where the name of an object begins.</summary>
    private static (float X, float Y)? Anchor(DrawnObject each)
    {
        if (IsBox(each.Box))
            return (each.Box[0], each.Box[1]);
        for (int i = 0; i < each.Keypoints.Length; i += 3)
            if (each.Keypoints[i + 2] > 0)
                return (each.Keypoints[i], each.Keypoints[i + 1]);
        return null;
    }
}

/// <summary>A colour for each class, neighbours far from each other.</summary>
public static class Palette
{
    // Odd, so that 256 classes have 256 hues; about the golden ratio of them.
    private const int HueStep = 99;

    /// <summary>The colour of a class, from 0.</summary>
    public static Colour Of(int label)
    {
        var (red, green, blue) = Colours.ToRgb((byte)(label * HueStep + 8), (byte)(label / 13 % 2 == 0 ? 215 : 130), 245);
        return new Colour(red, green, blue);
    }
}
