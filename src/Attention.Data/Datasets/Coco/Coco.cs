using Attention.Torch;

namespace Attention.Data;

/// <summary>Images with COCO's annotations: instances, keypoints, captions, or panoptic segments.</summary>
public sealed class Coco : IImages
{
    private readonly string _images, _maps;

    /// <summary>Reads an annotation file.</summary>
    /// <param name="images">The folder of the images.</param>
    /// <param name="annotations">The JSON file; a panoptic one has its maps in a folder of the same name without .json.</param>
    /// <exception cref="UserError">The file cannot be read or is no annotation file.</exception>
    public Coco(string images, string annotations)
    {
        (_images, _maps) = (Path.GetFullPath(images), Path.ChangeExtension(Path.GetFullPath(annotations), null));
        Annotations = CocoAnnotations.Load(annotations);
        ClassNames = [.. Annotations.Categories.Select(category => category.Name)];
        CategoryIds = [.. Annotations.Categories.Select(category => category.Id)];
        KeypointNames = Annotations.Categories.FirstOrDefault(category => category.Keypoints.Count > 0)?.Keypoints ?? [];
    }

    public CocoAnnotations Annotations { get; }

    public int Count => Annotations.Count;

    public IReadOnlyList<string> ClassNames { get; }

    /// <summary>The numbers by which the file, and results for its server, know the categories.</summary>
    public IReadOnlyList<int> CategoryIds { get; }

    /// <summary>The keypoints of a person, in order; empty where the file has none.</summary>
    public IReadOnlyList<string> KeypointNames { get; }

    public IReadOnlyList<string> Unreadable => Annotations.Problems;

    public string NameOf(int index) => Path.Combine(_images, Annotations.Image(index).File);

    /// <summary>The number by which the file knows the image.</summary>
    public long ImageId(int index) => Annotations.Image(index).Id;

    /// <summary>The objects in an image.</summary>
    public IReadOnlyList<CocoObject> ObjectsIn(int index) => Annotations.ObjectsIn(index);

    /// <summary>The sentences about an image.</summary>
    public IReadOnlyList<string> CaptionsOf(int index) => Annotations.CaptionsOf(index);

    /// <summary>The segments of an image's panoptic map.</summary>
    public IReadOnlyList<PanopticSegment> SegmentsIn(int index) => Annotations.SegmentsIn(index);

    public IEnumerable<int> LabelsIn(int index) =>
        ObjectsIn(index).Select(found => found.Label).Concat(SegmentsIn(index).Select(segment => segment.Label));

    public Image Load(int index, ImageScratch scratch, NeedOf needOf) => ImageFiles.Load(NameOf(index), scratch, needOf, upright: false);

    /// <summary>The panoptic map of an image: the number of the segment at each pixel, row by row; 0 for none.</summary>
    /// <exception cref="ImageError">The map cannot be read, or the file has none for this image.</exception>
    public PanopticMap LoadPanoptic(int index, ImageScratch scratch) =>
        PanopticMap.Load(Path.Combine(_maps, Annotations.MapOf(index) ?? throw new ImageError($"{NameOf(index)}: it has no panoptic map")), scratch);
}
