using System.Text.Json;
using System.Text.RegularExpressions;

namespace Attention.Engine.Evaluation;

/// <summary>
/// The reassessed labels of ImageNet's validation images: all that are in an image, of which a guess has to hit one. Images
/// without any are not counted. Beyer et al., Are we done with ImageNet?, 2020 (arXiv:2006.07159); the file is <c>real.json</c>.
/// </summary>
public sealed partial class RealLabels
{
    private readonly long[][] labels;

    private RealLabels(long[][] labels) => this.labels = labels;

    /// <summary>Reads a JSON list with the list of labels of each image, in the order of the images' numbers.</summary>
    /// <exception cref="UserError">The file is missing or no such list.</exception>
    public static RealLabels Load(string path)
    {
        try
        {
            using var json = JsonDocument.Parse(File.ReadAllBytes(path));
            return new RealLabels([.. json.RootElement.EnumerateArray().Select(image => image.EnumerateArray().Select(label => label.GetInt64()).ToArray())]);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or JsonException or InvalidOperationException or FormatException)
        {
            throw new UserError($"'{path}' cannot be read as ReaL labels: {e.Message}", "download real.json of google-research/reassessed-imagenet", e);
        }
    }

    /// <summary>The labels of an image by its file name, <c>ILSVRC2012_val_00000001.JPEG</c>.</summary>
    /// <exception cref="UserError">The name has no number, or one that the list lacks.</exception>
    public IReadOnlyList<long> Of(string file)
    {
        var number = Number().Match(Path.GetFileNameWithoutExtension(file));
        return number.Success && int.TryParse(number.Value, out int place) && place >= 1 && place <= labels.Length ? labels[place - 1]
            : throw new UserError($"'{file}' has no place among {labels.Length} ReaL labels", "they are for ImageNet's validation images, ILSVRC2012_val_00000001.JPEG and so on");
    }

    [GeneratedRegex(@"(?<=^ILSVRC2012_val_)\d{8}(?=$|_)")]
    private static partial Regex Number();
}
