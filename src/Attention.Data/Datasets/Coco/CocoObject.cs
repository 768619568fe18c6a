namespace Attention.Data;

/// <summary>An object in an image of COCO.</summary>
public sealed record CocoObject
{
    public long Id { get; init; }

    /// <summary>The category, as an index into the class names.</summary>
    public int Label { get; init; }

    /// <summary>Left, top, width and height, in pixels.</summary>
    public IReadOnlyList<double> Box { get; init; } = [];

    /// <summary>In pixels; that of the box where the file does not say.</summary>
    public double Area { get; init; }

    /// <summary>Whether it stands for many objects that were not told apart.</summary>
    public bool IsCrowd { get; init; }

    /// <summary>Outlines (x, y, x, y, ...) whose union is the object; empty where it has <see cref="Runs"/>.</summary>
    public IReadOnlyList<double[]> Polygons { get; init; } = [];

    /// <summary>The mask; null where it has polygons, or none of both.</summary>
    public RunLengthMask? Runs { get; init; }

    /// <summary>x, y and visibility (0 not labelled, 1 hidden, 2 visible) of each keypoint; empty for none.</summary>
    public IReadOnlyList<double> Keypoints { get; init; } = [];

    /// <summary>How many keypoints are labelled.</summary>
    public int LabelledKeypoints { get; init; }

    /// <summary>The mask in an image of the given size; null where the object has none.</summary>
    public RunLengthMask? MaskIn(int height, int width) => Runs ?? (Polygons.Count > 0 ? RunLengthMask.FromPolygons(Polygons, height, width) : null);
}

/// <summary>A segment of a panoptic map.</summary>
/// <param name="Id">Its number in the map.</param>
/// <param name="Label">The category, as an index into the class names.</param>
/// <param name="IsCrowd">Whether it stands for many objects that were not told apart.</param>
/// <param name="Area">In pixels; null where the file does not say.</param>
public sealed record PanopticSegment(int Id, int Label, bool IsCrowd, int? Area = null);

/// <summary>An image that an annotation file lists.</summary>
/// <param name="Id">The number by which the file knows it.</param>
/// <param name="File">Its name.</param>
/// <param name="Width">In pixels; 0 where the file does not say.</param>
/// <param name="Height">In pixels; 0 where the file does not say.</param>
public sealed record CocoImage(long Id, string File, int Width, int Height);

/// <summary>A category of an annotation file.</summary>
/// <param name="Id">The number by which the file, and results for its server, know it.</param>
/// <param name="Name">Its name.</param>
/// <param name="Keypoints">The names of its keypoints, in order.</param>
/// <param name="IsThing">Whether it is countable; false for stuff such as sky.</param>
public sealed record CocoCategory(int Id, string Name, IReadOnlyList<string> Keypoints, bool IsThing);
