using Attention.Torch;

namespace Attention.Data;

/// <summary>
/// Keeps decoded images in memory, three bytes per pixel, from their first use on. Images beyond the limit are decoded each
/// time, as if there were no cache. Cached images are decoded at full size.
/// </summary>
/// <param name="images">Where they come from.</param>
/// <param name="maxBytes">How much to keep.</param>
public sealed class CachedImages(IImageDataset images, long maxBytes = 4L << 30) : IImageDataset
{
    private readonly Image?[] _kept = new Image?[images.Count];
    private long _bytes;

    public int Count => images.Count;

    public IReadOnlyList<string> ClassNames => images.ClassNames;

    /// <summary>Bytes of pixels that are kept.</summary>
    public long Bytes => Interlocked.Read(ref _bytes);

    public int LabelOf(int index) => images.LabelOf(index);

    public string NameOf(int index) => images.NameOf(index);

    /// <inheritdoc/>
    public Image Load(int index, ImageScratch scratch, MinSide minSide)
    {
        if (Volatile.Read(ref _kept[index]) is { } kept)
            return kept;
        if (Interlocked.Read(ref _bytes) >= maxBytes)
            return images.Load(index, scratch, minSide);

        var image = images.Load(index, scratch, static (_, _) => 0);
        long size = image.Pixels.Length;
        if (Interlocked.Add(ref _bytes, size) > maxBytes)
        {
            Interlocked.Add(ref _bytes, -size);
            return image;
        }
        var copy = image.Clone();
        if (Interlocked.CompareExchange(ref _kept[index], copy, null) is { } faster)
        {
            Interlocked.Add(ref _bytes, -size);
            return faster;
        }
        return copy;
    }
}
