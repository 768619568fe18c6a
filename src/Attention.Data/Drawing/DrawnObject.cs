namespace Attention.Data;

/// <summary>An object as <see cref="DetectionPainter"/> draws it; what is null or empty is not drawn.</summary>
/// <param name="Label">The class, from 0, which chooses the colour.</param>
/// <param name="Name">What stands at the object.</param>
public sealed record DrawnObject(int Label, string Name)
{
    /// <summary>How sure it is, from 0 to 1, behind the name; null for what is known.</summary>
    public double? Score { get; init; }

    /// <summary>Left, top, right and bottom, in pixels; empty for none.</summary>
    public float[] Box { get; init; } = [];

    /// <summary>Not 0 where the object is, (H, W) of the image; null for none.</summary>
    public byte[]? Mask { get; init; }

    /// <summary>x, y and visibility or score of each keypoint, (K, 3); empty for none.</summary>
    public float[] Keypoints { get; init; } = [];

    /// <summary>What a detector found.</summary>
    public static DrawnObject Of(CocoDetection found, string name) => new(found.Label, name)
    {
        Score = found.Score,
        Box = found.Box is [var left, var top, var width, var height] ? [(float)left, (float)top, (float)(left + width), (float)(top + height)] : [],
        Mask = found.Mask?.ToMap(),
        Keypoints = [.. found.Keypoints.Select(number => (float)number)],
    };

    /// <summary>What a data set tells of an image.</summary>
    public static DrawnObject Of(DenseObject known, string name) =>
        new(known.Label, known.IsCrowd ? $"{name} (crowd)" : name) { Box = known.Box, Mask = known.Mask, Keypoints = known.Keypoints ?? [] };
}
