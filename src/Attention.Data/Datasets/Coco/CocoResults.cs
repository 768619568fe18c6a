using System.Text.Json;

namespace Attention.Data;

/// <summary>What of an object is found and judged.</summary>
public enum CocoKind
{
    /// <summary>Boxes: COCO's <c>bbox</c>.</summary>
    Boxes,

    /// <summary>Masks: COCO's <c>segm</c>.</summary>
    Masks,

    /// <summary>Poses: COCO's <c>keypoints</c>.</summary>
    Keypoints,
}

/// <summary>An object that a detector has found in an image of an annotation file.</summary>
/// <param name="Image">The image, as an index into the file's images.</param>
/// <param name="Label">The category, as an index into the file's categories.</param>
/// <param name="Score">How sure the detector is: only the order of the scores counts.</param>
public sealed record CocoDetection(int Image, int Label, double Score)
{
    /// <summary>Left, top, width and height, in pixels; empty where it has none.</summary>
    public double[] Box { get; init; } = [];

    public RunLengthMask? Mask { get; init; }

    /// <summary>x, y and a third number, which does not count, of each keypoint; empty where it has none.</summary>
    public double[] Keypoints { get; init; } = [];
}

/// <summary>
/// Results in the form of COCO's server (cocodataset.org, "Results format"): a list of objects with <c>image_id</c>,
/// <c>category_id</c>, <c>score</c> and <c>bbox</c>, <c>segmentation</c> or <c>keypoints</c>. What is wrong in it was written by a
/// program, again and again, so it is refused, not left out.
/// </summary>
public sealed class CocoResults
{
    private readonly List<CocoDetection> _detections = [];
    private readonly Dictionary<int, int> _unknown = [];

    /// <summary>Results that were not read from a file.</summary>
    public CocoResults(CocoKind kind, IEnumerable<CocoDetection> detections) => (Kind, _detections) = (kind, [.. detections]);

    private CocoResults(CocoAnnotations truth, CocoKind? kind, JsonElement root)
    {
        if (root.ValueKind != JsonValueKind.Array)
            throw new FormatException("it is no list");
        if (root.GetArrayLength() > 0)
            HaveBoxes = CocoJson.Numbers(root[0], "bbox") is not null;
        Kind = kind ?? KindOf(root);
        int number = 0;
        foreach (var result in root.EnumerateArray())
        {
            try
            {
                Add(truth, result);
            }
            catch (Exception e) when (CocoJson.IsFault(e))
            {
                throw new FormatException($"result number {number}: {e.Message}", e);
            }
            number++;
        }
    }

    /// <summary>Reads a file of results.</summary>
    /// <param name="path">The JSON file.</param>
    /// <param name="truth">What it is about.</param>
    /// <param name="kind">What of it counts; what the first result has, unless given: keypoints before a mask before a box.</param>
    /// <exception cref="UserError">It cannot be read, is no such list, is about other images, or a result is broken.</exception>
    public static CocoResults Load(string path, CocoAnnotations truth, CocoKind? kind = null) =>
        CocoJson.Read(path, $"a list of results on {truth.Path}", "each has image_id, category_id, score and bbox, segmentation or keypoints", root => new CocoResults(truth, kind, root));

    /// <summary>Writes what was found in the form that <see cref="Load"/> reads: of each object all that it has.</summary>
    /// <param name="stream">Is written to.</param>
    /// <param name="detections">What was found.</param>
    /// <param name="imageId">The number by which a file knows an image, from <see cref="CocoDetection.Image"/>.</param>
    /// <param name="categoryId">The number by which it knows a category, from <see cref="CocoDetection.Label"/>.</param>
    public static void Write(Stream stream, IEnumerable<CocoDetection> detections, Func<int, long> imageId, Func<int, int> categoryId)
    {
        using var json = new Utf8JsonWriter(stream);
        json.WriteStartArray();
        foreach (var found in detections)
        {
            json.WriteStartObject();
            json.WriteNumber("image_id", imageId(found.Image));
            json.WriteNumber("category_id", categoryId(found.Label));
            WriteNumbers(json, "bbox", found.Box);
            if (found.Mask is { } mask)
            {
                json.WriteStartObject("segmentation");
                WriteNumbers(json, "size", [mask.Height, mask.Width]);
                json.WriteString("counts", mask.ToText());
                json.WriteEndObject();
            }
            WriteNumbers(json, "keypoints", found.Keypoints);
            json.WriteNumber("score", found.Score);
            json.WriteEndObject();
        }
        json.WriteEndArray();
    }

    public CocoKind Kind { get; }

    public IReadOnlyList<CocoDetection> Detections => _detections;

    /// <summary>Whether the results have boxes beside what is judged: then those boxes' areas are the detections', as in COCO's code.</summary>
    public bool HaveBoxes { get; }

    /// <summary>What was left out: results of categories that the annotation file lacks, as COCO's code leaves them out.</summary>
    public IReadOnlyList<string> Problems =>
        [.. _unknown.OrderBy(pair => pair.Key).Select(pair => $"there is no category {pair.Key}; its {pair.Value} results are left out")];

    private static CocoKind KindOf(JsonElement root) => root.GetArrayLength() == 0 ? CocoKind.Boxes
        : root[0].TryGetProperty("keypoints", out _) ? CocoKind.Keypoints
        : root[0].TryGetProperty("segmentation", out _) ? CocoKind.Masks : CocoKind.Boxes;

    private void Add(CocoAnnotations truth, JsonElement result)
    {
        long image = CocoJson.Get(result, "image_id").GetInt64();
        int place = truth.IndexOf(image) ?? throw new FormatException($"there is no image {image}");
        int category = CocoJson.Get(result, "category_id").GetInt32();
        if (truth.LabelOf(category) is not { } label)
        {
            _unknown[category] = _unknown.GetValueOrDefault(category) + 1;
            return;
        }
        var found = new CocoDetection(place, label, CocoJson.Finite(CocoJson.Get(result, "score")));
        if (Kind == CocoKind.Boxes || HaveBoxes)
            found = found with { Box = Exactly(4, CocoJson.Numbers(result, "bbox"), "bbox") };
        _detections.Add(Kind switch
        {
            CocoKind.Masks => found with { Mask = MaskOf(CocoJson.Get(result, "segmentation"), truth.Image(place)) },
            CocoKind.Keypoints => found with { Keypoints = Exactly(3 * truth.Categories[label].Keypoints.Count, CocoJson.Numbers(result, "keypoints"), "keypoints") },
            _ => found,
        });
    }

    private static RunLengthMask MaskOf(JsonElement shape, CocoImage image)
    {
        var (polygons, runs) = CocoJson.Shape(shape, image);
        return runs ?? RunLengthMask.FromPolygons(polygons, image.Height, image.Width);
    }

    private static double[] Exactly(int expected, double[]? numbers, string name) =>
        (numbers?.Length ?? 0) == expected ? numbers ?? [] : throw new FormatException($"its {name} has {numbers?.Length ?? 0} numbers, not {expected}");

    // A hundredth of a pixel is enough, and half the size of the file.
    private static void WriteNumbers(Utf8JsonWriter json, string name, double[] numbers)
    {
        if (numbers.Length == 0)
            return;
        json.WriteStartArray(name);
        foreach (double number in numbers)
            json.WriteNumberValue(Math.Round(number, 2));
        json.WriteEndArray();
    }
}
