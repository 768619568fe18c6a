using System.Collections;
using System.Numerics;
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
        if (Unsafe.SizeOf<T>() != tensor.ElementSize)
            throw new ArgumentException($"a tensor of {tensor.dtype} has elements of {tensor.ElementSize} bytes, {typeof(T).Name} has {Unsafe.SizeOf<T>()}");
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

    /// <summary>The one element of a CPU tensor, converted to <typeparamref name="T"/>.</summary>
    internal static unsafe T ReadOne(Tensor tensor)
    {
        var data = tensor.DataPointer();
        if (tensor.dtype is ScalarType.ComplexFloat32 or ScalarType.ComplexFloat64)
        {
            var (real, imaginary) = tensor.dtype == ScalarType.ComplexFloat32
                ? (((float*)data)[0], ((float*)data)[1])
                : (((double*)data)[0], ((double*)data)[1]);
            if (typeof(T) == typeof(Complex))
                return (T)(object)new Complex(real, imaginary);
            if (typeof(T) == typeof((float, float)))
                return (T)(object)((float)real, (float)imaginary);
            throw new ArgumentException($"a {tensor.dtype} element is no {typeof(T).Name}");
        }
        var value = tensor.dtype switch
        {
            ScalarType.Bool => *(bool*)data ? 1 : 0,
            ScalarType.Byte => *(byte*)data,
            ScalarType.Int8 => *(sbyte*)data,
            ScalarType.Int16 => *(short*)data,
            ScalarType.Int32 => *(int*)data,
            ScalarType.Int64 => *(long*)data,
            _ => 0L,
        };
        bool integral = tensor.dtype is ScalarType.Bool or <= ScalarType.Int64;
        double real64 = integral ? value : tensor.dtype switch
        {
            ScalarType.Float64 => *(double*)data,
            ScalarType.Float32 => *(float*)data,
            ScalarType.Float16 => (double)*(Half*)data,
            ScalarType.BFloat16 => (*(BFloat16*)data).ToSingle(),
            _ => throw new ArgumentException($"an element of {tensor.dtype} cannot be read"),
        };
        if (!integral)
            value = (long)real64;
        return default(T) switch
        {
            bool => (T)(object)(real64 != 0),
            byte => (T)(object)(byte)value,
            sbyte => (T)(object)(sbyte)value,
            short => (T)(object)(short)value,
            int => (T)(object)(int)value,
            long => (T)(object)value,
            float => (T)(object)(float)real64,
            double => (T)(object)real64,
            Half => (T)(object)(Half)real64,
            BFloat16 => (T)(object)new BFloat16((float)real64),
            _ => throw new ArgumentException($"a {tensor.dtype} element is no {typeof(T).Name}"),
        };
    }
}
