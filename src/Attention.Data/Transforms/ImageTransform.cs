using Attention.Torch;

namespace Attention.Data;

/// <summary>One step from a decoded image to the model's input, on bytes. Steps hold no state and serve all threads.</summary>
public abstract class ImageTransform
{
    /// <summary>Applies the step.</summary>
    /// <param name="input">Is not written to: it may be a cached image.</param>
    /// <param name="scratch">Gives the image that is returned, valid until the next but one is taken from it.</param>
    /// <param name="random">All randomness, so that the result depends on its keys alone.</param>
    public abstract Image Apply(Image input, ImageScratch scratch, ref SeededRandom random);

    /// <summary>The size (H, W) of all results, or null if it depends on the input's, which is given where it is known.</summary>
    public virtual (int Height, int Width)? SizeAfter((int Height, int Width)? before) => before;

    /// <summary>What this step, as the first one, reads of an image, and how large the image has to stay for all detail it can use.</summary>
    /// <param name="width">The image's width.</param>
    /// <param name="height">The image's height.</param>
    /// <param name="random">A copy of what <see cref="Apply"/> will be given.</param>
    public virtual ImageNeed Need(int width, int height, SeededRandom random) => ImageNeed.All(width, height);
}

/// <summary>The buffers of one thread that loads and transforms images.</summary>
public sealed class ImageScratch
{
    private readonly Image[] _images = [new(1, 1), new(1, 1)];
    private readonly Image _kept = new(1, 1);
    private float[] _sums = [];
    private int _next;

    /// <summary>Where files are read to.</summary>
    public byte[] File { get; set; } = [];

    /// <summary>Where images are decoded to.</summary>
    public Image Decoded { get; } = new(1, 1);

    /// <summary>A copy of an image that stays when others are taken, until the next one is kept.</summary>
    internal Image Keep(Image image)
    {
        _kept.Reshape(image.Width, image.Height);
        image.Pixels.CopyTo(_kept.Pixels);
        return _kept;
    }

    internal Span<float> Sums(int length)
    {
        if (_sums.Length < length)
            _sums = new float[length];
        return _sums.AsSpan(0, length);
    }

    /// <summary>The buffers for another image that is to be mixed into this one.</summary>
    internal ImageScratch Second => field ??= new ImageScratch();

    internal Image ResizeBetween { get; } = new(1, 1);

    internal ResizeWeights ResizeRows { get; } = new();

    internal ResizeWeights ResizeColumns { get; } = new();

    /// <summary>An image of the given size and undefined content, which is not the one given before.</summary>
    public Image Take(int width, int height)
    {
        var image = _images[_next ^= 1];
        image.Reshape(width, height);
        return image;
    }
}
