using TorchSharp;
using static TorchSharp.torch;

namespace Attention.Data;

/// <summary>Images and labels of one step. Disposing it ends its tensors and gives its buffer to a later batch.</summary>
public sealed class ImageBatch : IDisposable
{
    private readonly BufferPool _pool;
    private PixelBuffer? _pixels;
    private Tensor? _images, _labels;

    internal ImageBatch(PixelBuffer pixels, int[] indices, long[] labels, (int Height, int Width) size, BufferPool pool)
    {
        (_pixels, _pool) = (pixels, pool);
        (Indices, Labels) = (indices, labels);
        (Height, Width) = size;
    }

    /// <summary>Number of images, B.</summary>
    public int Samples => Labels.Length;

    public int Height { get; }

    public int Width { get; }

    /// <summary>The images, (B, 3, H, W), without a tensor.</summary>
    /// <exception cref="ObjectDisposedException">The batch was disposed.</exception>
    public Span<float> Pixels =>
        (_pixels ?? throw new ObjectDisposedException(nameof(ImageBatch))).Values[..(Samples * 3 * Height * Width)];

    /// <summary>The labels, (B), without a tensor.</summary>
    public long[] Labels { get; }

    /// <summary>Which image of the data set each is, (B).</summary>
    public int[] Indices { get; }

    /// <summary>
    /// The images, (B, 3, H, W), float32 on the CPU. They lie over the batch's buffer, nothing is copied, and belong to no dispose
    /// scope.
    /// </summary>
    public Tensor images => _images ??= Share();

    /// <summary>The labels, (B), int64 on the CPU.</summary>
    public Tensor labels => _labels ??= tensor(Labels).DetachFromDisposeScope();

    public void Dispose()
    {
        _images?.Dispose();
        _labels?.Dispose();
        if (Interlocked.Exchange(ref _pixels, null) is { } pixels)
            _pool.GiveBack(pixels);
    }

    private Tensor Share()
    {
        using var flat = (_pixels ?? throw new ObjectDisposedException(nameof(ImageBatch))).Share(Pixels.Length);
        return flat.view(Samples, 3, Height, Width).DetachFromDisposeScope();
    }
}
