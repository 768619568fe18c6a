using static TorchSharp.torch;

namespace Attention.Models.Dense;

/// <summary>Height and width, in pixels.</summary>
public readonly record struct ImageSize(int height, int width);

/// <summary>Images of several sizes in one tensor, with zeros to the right of each and below.</summary>
/// <param name="pixels">The images, normalised, (B, 3, H, W).</param>
/// <param name="sizes">The size of each without what was added.</param>
/// <param name="originals">The size of each before it was resized.</param>
public sealed record PaddedImages(Tensor pixels, IReadOnlyList<ImageSize> sizes, IReadOnlyList<ImageSize> originals)
{
    /// <summary>Images of one size, which were neither resized nor padded, (B, 3, H, W).</summary>
    public static PaddedImages Of(Tensor pixels)
    {
        var sizes = Enumerable.Repeat(new ImageSize((int)pixels.shape[2], (int)pixels.shape[3]), (int)pixels.shape[0]).ToArray();
        return new(pixels, sizes, sizes);
    }
}
