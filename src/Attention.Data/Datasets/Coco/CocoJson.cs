using System.Text.Json;

namespace Attention.Data;

/// <summary>The parts of COCO's JSON files. What is wrong with one is a <see cref="FormatException"/>, or another for which <see cref="IsFault"/> holds.</summary>
internal static class CocoJson
{
    /// <summary>Reads a file, and turns what is wrong with it as a whole into an error of the user's.</summary>
    public static T Read<T>(string path, string kind, string advice, Func<JsonElement, T> parse)
    {
        try
        {
            using var stream = File.OpenRead(path);
            using var document = JsonDocument.Parse(stream);
            return parse(document.RootElement);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new UserError($"{path} cannot be read: {e.Message}", "check the path and its permissions", e);
        }
        catch (Exception e) when (e is JsonException || IsFault(e))
        {
            throw new UserError($"{path} is not {kind}: {e.Message}", advice, e);
        }
    }

    /// <summary>Whether an exception means that JSON is not of the form that was expected.</summary>
    public static bool IsFault(Exception e) => e is KeyNotFoundException or InvalidOperationException or FormatException or ArgumentException or OverflowException;

    /// <summary>A property that has to be there.</summary>
    public static JsonElement Get(JsonElement of, string name) =>
        of.TryGetProperty(name, out var value) ? value : throw new FormatException($"it has no {name}");

    public static CocoCategory Category(JsonElement of) => new(
        Get(of, "id").GetInt32(),
        Get(of, "name").GetString() ?? "",
        of.TryGetProperty("keypoints", out var names) ? [.. names.EnumerateArray().Select(name => name.GetString() ?? "")] : [],
        !of.TryGetProperty("isthing", out var thing) || IsSet(thing));

    public static CocoImage Image(JsonElement of) => new(
        Get(of, "id").GetInt64(),
        of.TryGetProperty("file_name", out var file) ? file.GetString() ?? "" : "",
        of.TryGetProperty("width", out var width) ? width.GetInt32() : 0,
        of.TryGetProperty("height", out var height) ? height.GetInt32() : 0);

    public static List<PanopticSegment> Segments(JsonElement list, Func<JsonElement, int> labelIn)
    {
        var segments = new List<PanopticSegment>();
        var seen = new HashSet<int>();
        foreach (var of in list.EnumerateArray())
        {
            int id = Get(of, "id").GetInt32();
            if (!seen.Add(id))
                throw new FormatException($"it has two segments {id}");
            segments.Add(new PanopticSegment(id, labelIn(of), Crowd(of), of.TryGetProperty("area", out var area) ? area.GetInt32() : null));
        }
        return segments;
    }

    public static CocoObject Object(JsonElement of, CocoImage image, int label, IReadOnlyList<CocoCategory> categories)
    {
        var box = Numbers(of, "bbox") ?? throw new FormatException("it has no box");
        RequireBox(box, image);
        var (polygons, runs) = of.TryGetProperty("segmentation", out var shape) ? Shape(shape, image) : ([], null);
        var keypoints = Numbers(of, "keypoints") ?? [];
        int expected = categories[label].Keypoints.Count * 3;
        if (keypoints.Length > 0 && keypoints.Length != expected)
            throw new FormatException($"it has {keypoints.Length} numbers of keypoints, its category {expected}");
        int labelled = keypoints.Where((_, i) => i % 3 == 2).Count(visibility => visibility > 0);
        return new CocoObject
        {
            Id = of.TryGetProperty("id", out var id) ? id.GetInt64() : 0,
            Label = label,
            Box = box,
            Area = of.TryGetProperty("area", out var area) ? Finite(area) : box[2] * box[3],
            IsCrowd = Crowd(of),
            Polygons = polygons,
            Runs = runs,
            Keypoints = keypoints,
            LabelledKeypoints = of.TryGetProperty("num_keypoints", out var count) ? count.GetInt32() : labelled,
        };
    }

    /// <summary>The polygons or the run lengths of a mask; neither where it is an empty list.</summary>
    public static (IReadOnlyList<double[]> Polygons, RunLengthMask? Runs) Shape(JsonElement shape, CocoImage image)
    {
        if (shape.ValueKind == JsonValueKind.Object)
            return ([], Runs(shape, image));
        double[][] polygons = [.. shape.EnumerateArray().Select(outline => outline.EnumerateArray().Select(Finite).ToArray())];
        if (polygons.Length > 0 && image.Width <= 0)
            throw new FormatException($"it has polygons, but image {image.Id} has no width and height");
        foreach (var polygon in polygons)
            RunLengthMask.RequirePolygon(polygon, image.Height, image.Width);
        return (polygons, null);
    }

    /// <summary>The numbers under a name; null where there are none.</summary>
    public static double[]? Numbers(JsonElement of, string name)
    {
        if (!of.TryGetProperty(name, out var list) || list.ValueKind != JsonValueKind.Array || list.GetArrayLength() == 0)
            return null;
        var numbers = new double[list.GetArrayLength()];
        int i = 0;
        foreach (var number in list.EnumerateArray())
            numbers[i++] = Finite(number);
        return numbers;
    }

    public static double Finite(JsonElement number)
    {
        double value = number.GetDouble();
        return double.IsFinite(value) ? value : throw new FormatException($"the number {number} is too large");
    }

    private static RunLengthMask Runs(JsonElement shape, CocoImage image)
    {
        var size = Get(shape, "size");
        var (height, width) = (size[0].GetInt32(), size[1].GetInt32());
        if (image.Width > 0 && (width, height) != (image.Width, image.Height))
            throw new FormatException($"its mask is of {width} x {height} pixels, the image of {image.Width} x {image.Height}");
        var counts = Get(shape, "counts");
        return counts.ValueKind == JsonValueKind.String ? RunLengthMask.Parse(counts.GetString(), height, width)
            : RunLengthMask.Of(height, width, counts.EnumerateArray().Select(count => count.GetInt32()));
    }

    private static void RequireBox(double[] box, CocoImage image)
    {
        if (box.Length != 4)
            throw new FormatException($"its box has {box.Length} numbers, not 4");
        string Said() => FormattableString.Invariant($"its box ({box[0]}, {box[1]}, {box[2]}, {box[3]})");
        if (!(box[2] > 0 && box[3] > 0))
            throw new FormatException($"{Said()} has no area");
        if (image.Width > 0 && (box[0] >= image.Width || box[1] >= image.Height || box[0] + box[2] <= 0 || box[1] + box[3] <= 0))
            throw new FormatException($"{Said()} lies outside the image of {image.Width} x {image.Height} pixels");
    }

    private static bool Crowd(JsonElement of) => of.TryGetProperty("iscrowd", out var crowd) && IsSet(crowd);

    private static bool IsSet(JsonElement flag) => flag.ValueKind == JsonValueKind.True || flag.ValueKind == JsonValueKind.Number && flag.GetDouble() != 0;
}
