using Attention.Data;
using Attention.Torch;

namespace Attention.Engine.Evaluation.Dense;

/// <summary>Draws what a detector found.</summary>
/// <param name="categories">What the labels stand for; null where that is not known.</param>
public sealed class DetectionDrawing(IReadOnlyList<CocoCategory>? categories)
{
    private const int Quality = 90;
    private readonly PaintOptions options = new()
    {
        Skeleton = KeypointNames.Skeleton(categories?.FirstOrDefault(category => category.Keypoints.Count > 0)?.Keypoints ?? []),
    };

    /// <summary>The name of what a label stands for.</summary>
    public string NameOf(int label) => label < categories?.Count ? categories[label].Name : $"class {label}";

    /// <summary>An image of a data set, as JPEG, with the objects in it.</summary>
    /// <param name="images">The data set.</param>
    /// <param name="found">What was found in one of its images.</param>
    /// <exception cref="ImageError">The image is broken.</exception>
    public byte[] Jpeg(IImages images, ImageObjects found)
    {
        var image = images.Load(found.Image, new ImageScratch(), ImageNeed.All).Clone();
        DetectionPainter.Draw(image, [.. found.Objects.OrderBy(each => each.Score).Select(each => DrawnObject.Of(each, NameOf(each.Label)))], options);
        return ImageCodec.EncodeJpeg(image, Quality);
    }
}
