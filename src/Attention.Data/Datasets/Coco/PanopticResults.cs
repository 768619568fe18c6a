using System.Text.Json;

namespace Attention.Data;

/// <summary>
/// Panoptic results in COCO's form: a JSON file with <c>annotations</c> (image_id, file_name, segments_info with id and
/// category_id), and a folder with the maps.
/// </summary>
public sealed class PanopticResults
{
    private readonly Dictionary<int, (string Map, IReadOnlyList<PanopticSegment> Segments)> _images = [];

    private PanopticResults(CocoAnnotations truth, JsonElement root)
    {
        foreach (var result in CocoJson.Get(root, "annotations").EnumerateArray())
        {
            long id = CocoJson.Get(result, "image_id").GetInt64();
            int image = truth.IndexOf(id) ?? throw new FormatException($"there is no image {id}");
            try
            {
                var segments = CocoJson.Segments(CocoJson.Get(result, "segments_info"), of =>
                {
                    int category = CocoJson.Get(of, "category_id").GetInt32();
                    return truth.LabelOf(category) ?? throw new FormatException($"there is no category {category}");
                });
                if (!_images.TryAdd(image, (CocoJson.Get(result, "file_name").GetString() ?? "", segments)))
                    throw new FormatException("it comes twice");
            }
            catch (Exception e) when (CocoJson.IsFault(e))
            {
                throw new FormatException($"image {id}: {e.Message}", e);
            }
        }
    }

    /// <summary>Reads a file of results.</summary>
    /// <exception cref="UserError">It cannot be read, is no such file, or is about other images or categories.</exception>
    public static PanopticResults Load(string path, CocoAnnotations truth) =>
        CocoJson.Read(path, $"a file of panoptic results on {truth.Path}", "it has the list annotations with image_id, file_name and segments_info", root => new PanopticResults(truth, root));

    /// <summary>The name of an image's map and its segments, or null where there are no results for it.</summary>
    public (string Map, IReadOnlyList<PanopticSegment> Segments)? Of(int image) => _images.TryGetValue(image, out var found) ? found : null;
}
