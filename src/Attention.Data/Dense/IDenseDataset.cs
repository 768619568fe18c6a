using Attention.Torch;

namespace Attention.Data;

/// <summary>What is known of an image before anything is done to it.</summary>
/// <param name="Objects">The objects in it.</param>
/// <param name="Classes">The class of each pixel, (H, W), 255 for none; null where that is not known.</param>
public sealed record DenseAnnotations(IReadOnlyList<DenseObject> Objects, byte[]? Classes);

/// <summary>Images with objects (boxes, masks, keypoints) or with the class of each pixel.</summary>
public interface IDenseDataset : IImages
{
    /// <summary>The keypoints of an object, in order; empty for none.</summary>
    IReadOnlyList<string> KeypointNames => [];

    /// <summary>The size (H, W) of an image where it is known without decoding it.</summary>
    (int Height, int Width)? SizeOf(int index) => null;

    /// <summary>The annotations of an image.</summary>
    /// <param name="index">Which.</param>
    /// <param name="height">Of the image as it was read.</param>
    /// <param name="width">Likewise.</param>
    /// <exception cref="ImageError">They cannot be read, or are of an image of another size.</exception>
    DenseAnnotations AnnotationsOf(int index, int height, int width);
}
