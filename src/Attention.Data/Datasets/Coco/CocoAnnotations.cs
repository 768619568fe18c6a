using System.Text.Json;

namespace Attention.Data;

/// <summary>
/// An annotation file of COCO (Lin et al., arXiv:1405.0312; cocodataset.org, "Data format"): instances, keypoints, captions or
/// panoptic segments. An annotation with a fault is left out whole and named in <see cref="Problems"/>.
/// </summary>
public sealed class CocoAnnotations
{
    private readonly List<Entry> _entries = [];
    private readonly List<string> _problems = [];
    private readonly HashSet<long> _seen = [];
    private readonly Dictionary<long, int> _places = [];
    private readonly Dictionary<int, int> _labels = [];

    private CocoAnnotations(string path, JsonElement root)
    {
        Path = path;
        Categories = [.. Items(root, "categories").Select(CocoJson.Category)];
        for (int label = 0; label < Categories.Count; label++)
            if (!_labels.TryAdd(Categories[label].Id, label))
                throw new FormatException($"there are two categories {Categories[label].Id}");
        foreach (var element in Items(root, "images"))
        {
            var image = CocoJson.Image(element);
            if (!_places.TryAdd(image.Id, _entries.Count))
                throw new FormatException($"there are two images {image.Id}");
            _entries.Add(new Entry(image));
        }
        int number = 0;
        foreach (var annotation in Items(root, "annotations"))
            Add(annotation, number++);
    }

    /// <summary>Reads a file.</summary>
    /// <exception cref="UserError">It cannot be read, is no annotation file, lists no images, or gives two the same number.</exception>
    public static CocoAnnotations Load(string path)
    {
        var read = CocoJson.Read(path, "an annotation file of COCO", "it has the lists images, annotations and categories", root => new CocoAnnotations(path, root));
        return read.Count > 0 ? read : throw new UserError($"{path} lists no images", "it has the lists images, annotations and categories");
    }

    public string Path { get; }

    /// <summary>The number of images.</summary>
    public int Count => _entries.Count;

    public IReadOnlyList<CocoCategory> Categories { get; }

    /// <summary>What was left out, with the annotation's id and the reason.</summary>
    public IReadOnlyList<string> Problems => _problems;

    public CocoImage Image(int index) => _entries[index].Image;

    /// <summary>The place of the image with a number, or null.</summary>
    public int? IndexOf(long imageId) => _places.TryGetValue(imageId, out int index) ? index : null;

    /// <summary>The label of the category with a number, or null.</summary>
    public int? LabelOf(int categoryId) => _labels.TryGetValue(categoryId, out int label) ? label : null;

    /// <summary>The objects in an image.</summary>
    public IReadOnlyList<CocoObject> ObjectsIn(int index) => _entries[index].Objects;

    /// <summary>The sentences about an image.</summary>
    public IReadOnlyList<string> CaptionsOf(int index) => _entries[index].Captions;

    /// <summary>The segments of an image's panoptic map.</summary>
    public IReadOnlyList<PanopticSegment> SegmentsIn(int index) => _entries[index].Segments;

    /// <summary>The file of an image's panoptic map, or null.</summary>
    public string? MapOf(int index) => _entries[index].Map;

    private sealed record Entry(CocoImage Image)
    {
        public List<CocoObject> Objects { get; } = [];

        public List<string> Captions { get; } = [];

        public List<PanopticSegment> Segments { get; } = [];

        public string? Map { get; set; }
    }

    private void Add(JsonElement annotation, int number)
    {
        string name = annotation.ValueKind == JsonValueKind.Object && annotation.TryGetProperty("id", out var id) ? $"annotation {id}" : $"annotation number {number}";
        try
        {
            long image = CocoJson.Get(annotation, "image_id").GetInt64();
            var entry = _places.TryGetValue(image, out int place) ? _entries[place] : throw new FormatException($"it belongs to image {image}, which is not listed");
            if (annotation.TryGetProperty("segments_info", out var segments))
                AddPanoptic(entry, annotation, segments);
            else if (annotation.TryGetProperty("caption", out var caption))
                entry.Captions.Add(caption.GetString() ?? "");
            else
                AddObject(entry, annotation);
        }
        catch (Exception e) when (CocoJson.IsFault(e))
        {
            _problems.Add($"{Path}: {name}: {e.Message}; it is left out");
        }
    }

    private void AddPanoptic(Entry entry, JsonElement annotation, JsonElement segments)
    {
        if (entry.Map is not null)
            throw new FormatException($"image {entry.Image.Id} has a panoptic map already");
        var list = CocoJson.Segments(segments, LabelIn);
        entry.Map = CocoJson.Get(annotation, "file_name").GetString();
        entry.Segments.AddRange(list);
    }

    private void AddObject(Entry entry, JsonElement annotation)
    {
        var found = CocoJson.Object(annotation, entry.Image, LabelIn(annotation), Categories);
        if (annotation.TryGetProperty("id", out _) && !_seen.Add(found.Id))
            throw new FormatException("its id is that of another annotation before");
        entry.Objects.Add(found);
    }

    private int LabelIn(JsonElement of)
    {
        int category = CocoJson.Get(of, "category_id").GetInt32();
        return LabelOf(category) ?? throw new FormatException($"there is no category {category}");
    }

    private static IEnumerable<JsonElement> Items(JsonElement root, string name) =>
        root.TryGetProperty(name, out var list) && list.ValueKind == JsonValueKind.Array ? list.EnumerateArray() : [];
}
