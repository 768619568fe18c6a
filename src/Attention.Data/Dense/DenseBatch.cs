using TorchSharp;
using static TorchSharp.torch;

namespace Attention.Data;

/// <summary>
/// Images of several sizes in one tensor, with what is known of each. It has to be disposed, at the latest when its tensors are no
/// longer used, and its tensors with it: the buffer is used again.
/// </summary>
public sealed class DenseBatch : IDisposable
{
    private readonly BufferPool _pool;
    private PixelBuffer? _pixels;
    private Tensor? _images, _classes;

    internal DenseBatch(PixelBuffer pixels, int height, int width, IReadOnlyList<DenseSample> samples, BufferPool pool)
    {
        (_pixels, _pool) = (pixels, pool);
        (Height, Width, Samples) = (height, width, samples);
    }

    /// <summary>Of the largest image, rounded up to the loader's multiple.</summary>
    public int Height { get; }

    public int Width { get; }

    /// <summary>The images' sizes and annotations, (B).</summary>
    public IReadOnlyList<DenseSample> Samples { get; }

    /// <summary>The images, (B, 3, H, W), without a tensor.</summary>
    /// <exception cref="ObjectDisposedException">The batch was disposed.</exception>
    public Span<float> Pixels =>
        (_pixels ?? throw new ObjectDisposedException(nameof(DenseBatch))).Values[..(Samples.Count * 3 * Height * Width)];

    /// <summary>
    /// The images, (B, 3, H, W), float32 on the CPU, normalised; 0 to the right of each and below. They lie over the batch's buffer,
    /// nothing is copied, and belong to no dispose scope.
    /// </summary>
    public Tensor images => _images ??= ShareImages();

    /// <summary>The class of each pixel, (B, H, W), int64 on the CPU; 255 for none and beyond an image.</summary>
    /// <exception cref="InvalidOperationException">The data set has no such maps.</exception>
    public Tensor classes => _classes ??= CollateClasses();

    public void Dispose()
    {
        _images?.Dispose();
        _classes?.Dispose();
        if (Interlocked.Exchange(ref _pixels, null) is { } pixels)
            _pool.GiveBack(pixels);
    }

    private Tensor ShareImages()
    {
        using var flat = (_pixels ?? throw new ObjectDisposedException(nameof(DenseBatch))).Share(Pixels.Length);
        return flat.view(Samples.Count, 3, Height, Width).DetachFromDisposeScope();
    }

    private Tensor CollateClasses()
    {
        var maps = new byte[Samples.Count * Height * Width];
        for (int i = 0; i < Samples.Count; i++)
        {
            var sample = Samples[i];
            var map = sample.Classes ?? throw new InvalidOperationException($"image {sample.Index} has no classes of its pixels");
            PixelMaps.Window(map, sample.Height, sample.Width, 0, 0, Height, Width, LabelMapFolder.None).CopyTo(maps.AsSpan(i * Height * Width));
        }
        using var flat = tensor(maps);
        using var wide = flat.to(ScalarType.Int64);
        return wide.view(Samples.Count, Height, Width).DetachFromDisposeScope();
    }
}
