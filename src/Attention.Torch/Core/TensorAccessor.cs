using System.Collections;
using System.Runtime.CompilerServices;
using static TorchSharp.torch;

namespace TorchSharp.Utils;

/// <summary>Reads and writes the elements of a tensor on the CPU, in row-major order, without copying the tensor.</summary>
public sealed class TensorAccessor<T> : IEnumerable<T>, IDisposable where T : unmanaged
{
    private readonly Tensor tensor;
    private readonly long[] shape;
    private readonly long[] strides;
    private readonly bool contiguous;

    internal TensorAccessor(Tensor tensor)
    {
        if (TypeOf(typeof(T)) != tensor.dtype)
            throw new ArgumentException($"the elements of the tensor are {tensor.dtype}, not {typeof(T).Name}");
        if (tensor.device_type != DeviceType.CPU)
            throw new InvalidOperationException($"reading elements needs a tensor on the CPU, not on {tensor.device}: call cpu() first");
        this.tensor = tensor;
        shape = tensor.shape;
        strides = tensor.stride();
        contiguous = tensor.is_contiguous();
        Count = tensor.numel();
    }

    public long Count { get; }
    public bool IsReadOnly => false;

    private unsafe T* Data => Count == 0 ? null : (T*)tensor.DataPointer();

    private long Offset(long index)
    {
        if ((ulong)index >= (ulong)Count)
            throw new IndexOutOfRangeException($"element {index} of a tensor with {Count}");
        if (contiguous)
            return index;
        long offset = 0;
        for (int dim = shape.Length - 1; dim >= 0; dim--)
        {
            (index, long position) = Math.DivRem(index, shape[dim]);
            offset += position * strides[dim];
        }
        return offset;
    }

    private long Offset(long[] indices)
    {
        if (indices.Length == 1)
            return Offset(indices[0]);
        if (indices.Length != shape.Length)
            throw new ArgumentException($"{indices.Length} indices for a tensor with {shape.Length} dimensions");
        long offset = 0;
        for (int dim = 0; dim < indices.Length; dim++)
        {
            if ((ulong)indices[dim] >= (ulong)shape[dim])
                throw new IndexOutOfRangeException($"index {indices[dim]} in dimension {dim} of size {shape[dim]}");
            offset += indices[dim] * strides[dim];
        }
        return offset;
    }

    /// <summary>One element: by all its indices, or by its row-major position.</summary>
    public unsafe T this[params long[] indices]
    {
        get => Data[Offset(indices)];
        set => Data[Offset(indices)] = value;
    }

    public unsafe T[] ToArray()
    {
        var array = new T[Count];
        CopyTo(array.AsSpan());
        return array;
    }

    /// <summary>An array with the tensor's dimensions; the element itself for a tensor with none.</summary>
    public Array ToNDArray()
    {
        var flat = ToArray();
        if (shape.Length <= 1)
            return flat;
        var array = Array.CreateInstance(typeof(T), shape);
        flat.AsSpan().CopyTo(System.Runtime.InteropServices.MemoryMarshal.CreateSpan(ref Unsafe.As<byte, T>(ref System.Runtime.InteropServices.MemoryMarshal.GetArrayDataReference(array)), flat.Length));
        return array;
    }

    public void CopyTo(T[] array, int arrayIndex = 0, long tensorIndex = 0) => CopyTo(array.AsSpan(), arrayIndex, tensorIndex);

    public unsafe void CopyTo(Span<T> array, int arrayIndex = 0, long tensorIndex = 0)
    {
        int count = (int)Math.Min(array.Length - arrayIndex, Count - tensorIndex);
        var data = Data;
        if (contiguous)
        {
            new ReadOnlySpan<T>(data + tensorIndex, count).CopyTo(array[arrayIndex..]);
            return;
        }
        for (int i = 0; i < count; i++)
            array[arrayIndex + i] = data[Offset(tensorIndex + i)];
    }

    public void CopyFrom(T[] array, int arrayIndex = 0, long tensorIndex = 0) => CopyFrom((ReadOnlySpan<T>)array, arrayIndex, tensorIndex);

    public unsafe void CopyFrom(ReadOnlySpan<T> array, int arrayIndex = 0, long tensorIndex = 0)
    {
        int count = (int)Math.Min(array.Length - arrayIndex, Count - tensorIndex);
        var data = Data;
        if (contiguous)
        {
            array.Slice(arrayIndex, count).CopyTo(new Span<T>(data + tensorIndex, count));
            return;
        }
        for (int i = 0; i < count; i++)
            data[Offset(tensorIndex + i)] = array[arrayIndex + i];
    }

    public IEnumerator<T> GetEnumerator()
    {
        for (long i = 0; i < Count; i++)
            yield return this[[i]];
    }

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();

    public static bool operator ==(TensorAccessor<T> left, TensorAccessor<T> right) => left.Equals(right);
    public static bool operator !=(TensorAccessor<T> left, TensorAccessor<T> right) => !left.Equals(right);

    /// <summary>Equal when both read the same elements of the same memory, or equal elements.</summary>
#pragma warning disable CS8765 // the official signature takes a non-null object
    public override bool Equals(object obj) => obj is TensorAccessor<T> other && Count == other.Count && this.SequenceEqual(other);
#pragma warning restore CS8765
    public override int GetHashCode() => tensor.GetHashCode();

    /// <summary>Nothing to free: the tensor stays its holder's.</summary>
    public void Dispose()
    {
    }
}
