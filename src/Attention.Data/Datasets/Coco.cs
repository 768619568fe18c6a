using System.Text.Json;
using Attention.Torch;

namespace Attention.Data;

/// <summary>An object in an image of COCO.</summary>
public sealed record CocoObject
{
    public long Id { get; init; }

    /// <summary>The category, as an index into the class names.</summary>
    public int Label { get; init; }

    /// <summary>Left, top, width and height, in pixels.</summary>
    public IReadOnlyList<double> Box { get; init; } = [];

    public double Area { get; init; }

    /// <summary>Whether it stands for many objects that were not told apart.</summary>
    public bool IsCrowd { get; init; }

    /// <summary>Outlines (x, y, x, y, ...) whose union is the object; empty where it has <see cref="Runs"/>.</summary>
    public IReadOnlyList<double[]> Polygons { get; init; } = [];

    /// <summary>The mask as run lengths, column by column, beginning with the background; null where it has polygons.</summary>
    public CocoRuns? Runs { get; init; }

    /// <summary>x, y and visibility (0 not labelled, 1 hidden, 2 visible) of each keypoint; empty for none.</summary>
    public IReadOnlyList<double> Keypoints { get; init; } = [];
}

/// <summary>A mask of an image of the given size as run lengths: a list of counts, or COCO's compressed text of them.</summary>
public sealed record CocoRuns(int Height, int Width, IReadOnlyList<int>? Counts, string? Text);

/// <summary>A segment of a panoptic map.</summary>
/// <param name="Id">Its number in the map.</param>
/// <param name="Label">The category, as an index into the class names.</param>
/// <param name="IsCrowd">Whether it stands for many objects that were not told apart.</param>
public sealed record PanopticSegment(int Id, int Label, bool IsCrowd);

/// <summary>
/// Images with COCO's annotations (Lin et al., arXiv:1405.0312; cocodataset.org, "Data format"): instances, keypoints, captions, or
/// panoptic segments.
/// </summary>
public sealed class Coco : IImages
{
    private readonly string _images, _maps;
    private readonly List<Record> _records = [];
    private readonly List<string> _unreadable = [];

    /// <summary>Reads an annotation file.</summary>
    /// <param name="images">The folder of the images.</param>
    /// <param name="annotations">The JSON file; a panoptic one has its maps in a folder of the same name without .json.</param>
    /// <exception cref="UserError">The file cannot be read or is no annotation file.</exception>
    public Coco(string images, string annotations)
    {
        (_images, _maps) = (Path.GetFullPath(images), Path.ChangeExtension(Path.GetFullPath(annotations), null));
        try
        {
            using var stream = File.OpenRead(annotations);
            using var document = JsonDocument.Parse(stream);
            var root = document.RootElement;
            var categories = Items(root, "categories").ToArray();
            CategoryIds = [.. categories.Select(category => category.GetProperty("id").GetInt32())];
            ClassNames = [.. categories.Select(category => category.GetProperty("name").GetString() ?? "")];
            KeypointNames = [.. categories.Where(category => category.TryGetProperty("keypoints", out _)).Take(1)
                .SelectMany(category => Items(category, "keypoints")).Select(name => name.GetString() ?? "")];
            var labels = CategoryIds.Select((id, label) => (id, label)).ToDictionary(pair => pair.id, pair => pair.label);
            var places = new Dictionary<long, int>();
            foreach (var image in Items(root, "images"))
            {
                places[image.GetProperty("id").GetInt64()] = _records.Count;
                _records.Add(new Record(image.GetProperty("id").GetInt64(), image.GetProperty("file_name").GetString() ?? ""));
            }
            foreach (var annotation in Items(root, "annotations"))
                if (places.TryGetValue(annotation.GetProperty("image_id").GetInt64(), out int place))
                    Add(_records[place], annotation, labels);
                else
                    _unreadable.Add($"{annotations}: an annotation belongs to image {annotation.GetProperty("image_id")}, which is not listed");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new UserError($"{annotations} cannot be read: {e.Message}", "check the path and its permissions", e);
        }
        catch (Exception e) when (e is JsonException or KeyNotFoundException or InvalidOperationException or FormatException or ArgumentException)
        {
            throw new UserError($"{annotations} is no annotation file of COCO: {e.Message}", "it has the lists images, annotations and categories", e);
        }
        if (_records.Count == 0)
            throw new UserError($"{annotations} lists no images", "it has the lists images, annotations and categories");
    }

    public int Count => _records.Count;

    public IReadOnlyList<string> ClassNames { get; }

    /// <summary>The numbers by which the file, and results for its server, know the categories.</summary>
    public IReadOnlyList<int> CategoryIds { get; }

    /// <summary>The keypoints of a person, in order; empty where the file has none.</summary>
    public IReadOnlyList<string> KeypointNames { get; }

    public IReadOnlyList<string> Unreadable => _unreadable;

    public string NameOf(int index) => Path.Combine(_images, _records[index].File);

    /// <summary>The number by which the file knows the image.</summary>
    public long ImageId(int index) => _records[index].Id;

    /// <summary>The objects in an image.</summary>
    public IReadOnlyList<CocoObject> ObjectsIn(int index) => _records[index].Objects;

    /// <summary>The sentences about an image.</summary>
    public IReadOnlyList<string> CaptionsOf(int index) => _records[index].Captions;

    /// <summary>The segments of an image's panoptic map.</summary>
    public IReadOnlyList<PanopticSegment> SegmentsIn(int index) => _records[index].Segments;

    public IEnumerable<int> LabelsIn(int index) =>
        _records[index].Objects.Select(found => found.Label).Concat(_records[index].Segments.Select(segment => segment.Label));

    public Image Load(int index, ImageScratch scratch, NeedOf needOf) => ImageFiles.Load(NameOf(index), scratch, needOf, upright: false);

    /// <summary>The panoptic map of an image: the number of the segment at each pixel, row by row; 0 for none.</summary>
    /// <exception cref="ImageError">The map cannot be read, or the file has none for this image.</exception>
    public (int Width, int Height, int[] Ids) LoadPanoptic(int index, ImageScratch scratch)
    {
        string map = _records[index].Map ?? throw new ImageError($"{NameOf(index)}: it has no panoptic map");
        var image = ImageFiles.Load(Path.Combine(_maps, map), scratch, ImageNeed.All, upright: false);
        var ids = new int[image.Width * image.Height];
        var pixels = image.Pixels;
        for (int i = 0; i < ids.Length; i++)
            ids[i] = pixels[3 * i] | pixels[3 * i + 1] << 8 | pixels[3 * i + 2] << 16;
        return (image.Width, image.Height, ids);
    }

    private sealed record Record(long Id, string File)
    {
        public List<CocoObject> Objects { get; } = [];

        public List<string> Captions { get; } = [];

        public List<PanopticSegment> Segments { get; } = [];

        public string? Map { get; set; }
    }

    private static void Add(Record record, JsonElement annotation, Dictionary<int, int> labels)
    {
        int LabelOf(JsonElement of) => labels.TryGetValue(of.GetProperty("category_id").GetInt32(), out int label) ? label
            : throw new FormatException($"there is no category {of.GetProperty("category_id")}");
        static bool Crowd(JsonElement of) => of.TryGetProperty("iscrowd", out var crowd) && crowd.GetInt32() != 0;
        if (annotation.TryGetProperty("caption", out var caption))
            record.Captions.Add(caption.GetString() ?? "");
        else if (annotation.TryGetProperty("segments_info", out var segments))
        {
            record.Map = annotation.GetProperty("file_name").GetString();
            record.Segments.AddRange(segments.EnumerateArray().Select(segment => new PanopticSegment(segment.GetProperty("id").GetInt32(), LabelOf(segment), Crowd(segment))));
        }
        else
        {
            var shape = annotation.TryGetProperty("segmentation", out var given) ? given : default;
            record.Objects.Add(new CocoObject
            {
                Id = annotation.TryGetProperty("id", out var id) ? id.GetInt64() : 0,
                Label = LabelOf(annotation),
                Box = Numbers(annotation, "bbox"),
                Area = annotation.TryGetProperty("area", out var area) ? area.GetDouble() : 0,
                IsCrowd = Crowd(annotation),
                Polygons = shape.ValueKind == JsonValueKind.Array ? [.. shape.EnumerateArray().Select(outline => outline.EnumerateArray().Select(n => n.GetDouble()).ToArray())] : [],
                Runs = shape.ValueKind == JsonValueKind.Object ? RunsOf(shape) : null,
                Keypoints = Numbers(annotation, "keypoints"),
            });
        }
    }

    private static CocoRuns RunsOf(JsonElement shape)
    {
        var size = shape.GetProperty("size");
        var counts = shape.GetProperty("counts");
        bool text = counts.ValueKind == JsonValueKind.String;
        return new CocoRuns(size[0].GetInt32(), size[1].GetInt32(), text ? null : [.. counts.EnumerateArray().Select(n => n.GetInt32())], text ? counts.GetString() : null);
    }

    private static double[] Numbers(JsonElement annotation, string name) =>
        annotation.TryGetProperty(name, out var list) && list.ValueKind == JsonValueKind.Array ? [.. list.EnumerateArray().Select(number => number.GetDouble())] : [];

    private static IEnumerable<JsonElement> Items(JsonElement of, string name) =>
        of.TryGetProperty(name, out var list) && list.ValueKind == JsonValueKind.Array ? list.EnumerateArray() : [];
}
