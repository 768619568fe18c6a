using System.Collections.Concurrent;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using TorchSharp;
using static TorchSharp.torch;

namespace Attention.Data;

/// <summary>
/// Memory for the images of a batch, which does not move: tensors lie over it, and workers write to it without libtorch. It is the
/// garbage collector's, or page-locked, from where CUDA copies several times faster.
/// </summary>
internal sealed unsafe class PixelBuffer : IDisposable
{
    private readonly float[]? _managed;
    private readonly Tensor? _locked;
    private readonly float* _start;

    private PixelBuffer(int length, float[]? managed, Tensor? locked, void* start)
    {
        (Length, _managed, _locked) = (length, managed, locked);
        _start = (float*)start;
    }

    public static PixelBuffer Managed(int length)
    {
        var array = GC.AllocateUninitializedArray<float>(length, pinned: true);
        return new(length, array, null, Unsafe.AsPointer(ref MemoryMarshal.GetArrayDataReference(array)));
    }

    public static PixelBuffer PageLocked(int length)
    {
        using var scope = NewDisposeScope();
        var locked = zeros(length, ScalarType.Float32).pin_memory().DetachFromDisposeScope();
        return new(length, null, locked, Unsafe.AsPointer(ref MemoryMarshal.GetReference(locked.bytes)));
    }

    public int Length { get; }

    public Span<float> Values => new(_start, Length);

    /// <summary>A tensor over the first values.</summary>
    public Tensor Share(int count) => _locked is not null ? _locked.narrow(0, 0, count) : frombuffer(_managed!, ScalarType.Float32, count);

    public void Dispose() => _locked?.Dispose();
}

/// <summary>Buffers of batches that were disposed, for later ones.</summary>
/// <param name="pageLocked">Whether <see cref="Reserve"/> makes page-locked ones.</param>
internal sealed class BufferPool(bool pageLocked)
{
    private readonly ConcurrentBag<PixelBuffer> _free = [];
    private int _reserved;

    /// <summary>Makes page-locked buffers ahead, on the thread that computes: workers do not call libtorch.</summary>
    public void Reserve(int count, int length)
    {
        for (; pageLocked && _reserved < count; _reserved++)
            _free.Add(PixelBuffer.PageLocked(length));
    }

    /// <summary>A buffer of at least the given length and undefined content.</summary>
    public PixelBuffer Take(int length)
    {
        if (!_free.TryTake(out var buffer))
            return PixelBuffer.Managed(length);
        if (buffer.Length >= length)
            return buffer;
        buffer.Dispose();
        return PixelBuffer.Managed(length);
    }

    public void GiveBack(PixelBuffer buffer) => _free.Add(buffer);

    public void Clear()
    {
        while (_free.TryTake(out var buffer))
            buffer.Dispose();
    }
}
