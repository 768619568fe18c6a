namespace Attention.Data;

/// <summary>What is known of an image of a <see cref="DenseBatch"/>.</summary>
public sealed class DenseSample
{
    /// <summary>Which image of the data set it is.</summary>
    public int Index { get; init; }

    /// <summary>Of the image as the model gets it, without what pads it to the size of its batch.</summary>
    public int Height { get; init; }

    public int Width { get; init; }

    /// <summary>Of the image as it was read.</summary>
    public int OriginalHeight { get; init; }

    public int OriginalWidth { get; init; }

    /// <summary>In pixels of the image as the model gets it.</summary>
    public IReadOnlyList<DenseObject> Objects { get; init; } = [];

    /// <summary>The class of each pixel, (H, W), 255 for none; null where the data set has no such maps.</summary>
    public byte[]? Classes { get; init; }
}
