namespace Attention.Data;

/// <summary>An object in an image, in pixels of the image as it is at the time: as it was read, or as the model gets it.</summary>
public sealed record DenseObject
{
    /// <summary>Its number in the annotations.</summary>
    public long Id { get; init; }

    /// <summary>The class, from 0.</summary>
    public int Label { get; init; }

    /// <summary>Left, top, right and bottom.</summary>
    public required float[] Box { get; init; }

    /// <summary>As the annotations say, or of the box; scaled and cut with the image.</summary>
    public float Area { get; init; }

    /// <summary>Whether it stands for many objects that were not told apart.</summary>
    public bool IsCrowd { get; init; }

    /// <summary>1 inside and 0 outside for each pixel of the image, (H, W); null where masks are not read.</summary>
    public byte[]? Mask { get; init; }

    /// <summary>
    /// x, y and visibility (0 not labelled, 1 hidden, 2 visible) of each keypoint, (K, 3); null where they are not read. As in COCO,
    /// x and y count pixels: 0 is the middle of the first one.
    /// </summary>
    public float[]? Keypoints { get; init; }
}
