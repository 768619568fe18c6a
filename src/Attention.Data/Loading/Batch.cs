using System.Runtime.InteropServices;
using TorchSharp;
using static TorchSharp.torch;

namespace Attention.Data.Loading;

/// <summary>Images and labels of one step. Dispose it to give its buffer to a later batch.</summary>
public sealed class Batch : IDisposable
{
    private readonly BufferPool _pool;
    private float[]? _images;

    internal Batch(float[] images, int[] indices, long[] labels, (int Height, int Width) size, BufferPool pool)
    {
        (_images, _pool) = (images, pool);
        (Indices, Labels) = (indices, labels);
        (Height, Width) = size;
    }

    /// <summary>Number of images, B.</summary>
    public int Count => Labels.Length;

    public int Height { get; }

    public int Width { get; }

    /// <summary>The images, (B, 3, H, W).</summary>
    /// <exception cref="ObjectDisposedException">The batch was disposed.</exception>
    public ReadOnlySpan<float> Images =>
        (_images ?? throw new ObjectDisposedException(nameof(Batch))).AsSpan(0, Count * 3 * Height * Width);

    /// <summary>The labels, (B).</summary>
    public long[] Labels { get; }

    /// <summary>Which image of the data set each is, (B).</summary>
    public int[] Indices { get; }

    /// <summary>Copies the batch into tensors: images (B, 3, H, W) of float32 and labels (B) of int64.</summary>
    public (Tensor Images, Tensor Labels) ToTensors(Device? device = null)
    {
        var images = empty([Count, 3, Height, Width], ScalarType.Float32);
        images.bytes = MemoryMarshal.AsBytes(MemoryMarshal.CreateSpan(ref MemoryMarshal.GetReference(Images), Images.Length));
        var labels = tensor(Labels);
        if (device is null || device.type == DeviceType.CPU)
            return (images, labels);
        using (images)
        using (labels)
            return (images.to(device), labels.to(device));
    }

    /// <summary>Gives the buffer back.</summary>
    public void Dispose()
    {
        if (Interlocked.Exchange(ref _images, null) is { } images)
            _pool.GiveBack(images);
    }
}
