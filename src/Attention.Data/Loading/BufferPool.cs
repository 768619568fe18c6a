using System.Collections.Concurrent;

namespace Attention.Data;

/// <summary>Buffers of batches that were disposed, for later ones.</summary>
internal sealed class BufferPool
{
    private readonly ConcurrentBag<float[]> _free = [];

    /// <summary>A buffer of exactly the given length and undefined content. It does not move: tensors lie over it.</summary>
    public float[] Take(int length) =>
        _free.TryTake(out var buffer) && buffer.Length == length ? buffer : GC.AllocateUninitializedArray<float>(length, pinned: true);

    public void GiveBack(float[] buffer) => _free.Add(buffer);

    public void Clear() => _free.Clear();
}
