using Attention.Torch;

namespace Attention.Data;

/// <summary>
/// Keeps decoded images in memory, three bytes per pixel, from their first use on. Images beyond the limit are decoded each
/// time. All are decoded at full size, kept or not, so that a result does not depend on which ones fitted.
/// </summary>
/// <param name="images">Where they come from.</param>
/// <param name="maxBytes">How much to keep; by default a third of the memory that the process may use.</param>
public sealed class CachedImages(IImageDataset images, long? maxBytes = null) : IImageDataset
{
    private readonly Image?[] _kept = new Image?[images.Count];
    private readonly long _limit = maxBytes ?? GC.GetGCMemoryInfo().TotalAvailableMemoryBytes / 3;
    private long _bytes;

    public int Count => images.Count;

    public IReadOnlyList<string> ClassNames => images.ClassNames;

    /// <summary>Bytes of pixels that are kept.</summary>
    public long Bytes => Interlocked.Read(ref _bytes);

    public int LabelOf(int index) => images.LabelOf(index);

    public IReadOnlyList<string> Unreadable => images.Unreadable;

    public string NameOf(int index) => images.NameOf(index);

    /// <inheritdoc/>
    public Image Load(int index, ImageScratch scratch, NeedOf needOf)
    {
        if (Volatile.Read(ref _kept[index]) is { } kept)
            return kept;
        var image = images.Load(index, scratch, ImageNeed.All);
        long size = image.Pixels.Length;
        if (Interlocked.Add(ref _bytes, size) > _limit)
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
