using System.Globalization;
using static TorchSharp.torch;

namespace TorchSharp;

/// <summary>Conversions, printing and saving of tensors.</summary>
public static partial class TensorExtensionMethods
{
    // --- text ------------------------------------------------------------------------------------

    public static string str(this Tensor tensor, string? fltFormat = null, int? width = null, string? newLine = null, CultureInfo? cultureInfo = null, TensorStringStyle style = TensorStringStyle.Default) =>
        tensor.ToString(style, fltFormat, width, cultureInfo, newLine);
    public static string jlstr(this Tensor tensor, string? fltFormat = null, int? width = null, string? newLine = null, CultureInfo? cultureInfo = null) =>
        tensor.ToString(TensorStringStyle.Julia, fltFormat, width, cultureInfo, newLine);
    public static string npstr(this Tensor tensor, string? fltFormat = "g5", int? width = 100, string? newLine = null, CultureInfo? cultureInfo = null) =>
        tensor.ToString(TensorStringStyle.Numpy, fltFormat, width, cultureInfo, newLine);
    public static string cstr(this Tensor tensor, string? fltFormat = "g5", int? width = 100, string? newLine = null, CultureInfo? cultureInfo = null) =>
        tensor.ToString(TensorStringStyle.CSharp, fltFormat, width, cultureInfo, newLine);
    public static string metastr(this Tensor tensor) => tensor.ToString(TensorStringStyle.Metadata);

    /// <summary>Writes the tensor to the console, and gives it back.</summary>
    public static Tensor print(this Tensor t, string? fltFormat = "g5", int? width = 100, string? newLine = null, CultureInfo? cultureInfo = null, TensorStringStyle style = TensorStringStyle.Default)
    {
        Console.WriteLine(t.ToString(style, fltFormat, width, cultureInfo, newLine));
        return t;
    }

    // --- numbers ---------------------------------------------------------------------------------

    public static bool ToBoolean(this Tensor value) => value.ToScalar().ToBoolean();
    public static byte ToByte(this Tensor value) => value.ToScalar().ToByte();
    public static sbyte ToSByte(this Tensor value) => value.ToScalar().ToSByte();
    public static short ToInt16(this Tensor value) => value.ToScalar().ToInt16();
    public static int ToInt32(this Tensor value) => value.ToScalar().ToInt32();
    public static long ToInt64(this Tensor value) => value.ToScalar().ToInt64();
    public static Half ToHalf(this Tensor value) => value.ToScalar().ToHalf();
    public static BFloat16 ToBFloat16(this Tensor value) => value.ToScalar().ToBFloat16();
    public static float ToSingle(this Tensor value) => value.ToScalar().ToSingle();
    public static double ToDouble(this Tensor value) => value.ToScalar().ToDouble();
    public static (float Real, float Imaginary) ToComplexFloat32(this Tensor value) => value.ToScalar().ToComplexFloat32();
    public static System.Numerics.Complex ToComplexFloat64(this Tensor value) => value.ToScalar().ToComplexFloat64();
    public static (float Real, float Imaginary) ToComplex32(this Tensor value) => value.ToScalar().ToComplexFloat32();
    public static System.Numerics.Complex ToComplex64(this Tensor value) => value.ToScalar().ToComplexFloat64();

    /// <summary>A copy of the array's elements as a tensor of the given shape.</summary>
    public static Tensor ToTensor<T>(this T[] rawArray, long[] dimensions, bool doCopy = false, bool requires_grad = false) => rawArray switch
    {
        byte[] array when typeof(T) == typeof(byte) => tensor(array, dimensions, requires_grad: requires_grad),
        sbyte[] array when typeof(T) == typeof(sbyte) => tensor(array, dimensions, requires_grad: requires_grad),
        short[] array when typeof(T) == typeof(short) => tensor(array, dimensions, requires_grad: requires_grad),
        int[] array when typeof(T) == typeof(int) => tensor(array, dimensions, requires_grad: requires_grad),
        long[] array when typeof(T) == typeof(long) => tensor(array, dimensions, requires_grad: requires_grad),
        float[] array => tensor(array, dimensions, requires_grad: requires_grad),
        double[] array => tensor(array, dimensions, requires_grad: requires_grad),
        bool[] array => tensor(array, dimensions, requires_grad: requires_grad),
        BFloat16[] array => tensor(array, dimensions, requires_grad: requires_grad),
        _ => throw new NotImplementedException($"a tensor cannot be made of {typeof(T).Name} elements"),
    };

    /// <summary>A tensor without dimensions that holds the number.</summary>
    public static Tensor ToTensor<T>(this T scalar, Device? device = null, bool requires_grad = false) where T : struct
    {
        if (requires_grad && scalar is not (float or double or BFloat16))
            throw new ArgumentException("only floating-point numbers can have gradients", nameof(requires_grad));
        return scalar switch
        {
            byte value => tensor(value, device, requires_grad),
            sbyte value => tensor(value, device, requires_grad),
            short value => tensor(value, device, requires_grad),
            int value => tensor(value, device, requires_grad),
            long value => tensor(value, null, device, requires_grad),
            float value => tensor(value, device, requires_grad),
            double value => tensor(value, null, device, requires_grad),
            BFloat16 value => tensor(value, null, device, requires_grad),
            _ => throw new NotImplementedException($"a tensor cannot be made of a {typeof(T).Name}"),
        };
    }

    // --- shapes ----------------------------------------------------------------------------------

    /// <summary>The number of elements of a shape.</summary>
    public static long TotalSize(this IEnumerable<long> shape) => shape.Aggregate(1L, (product, size) => product * size);

    public static ReadOnlySpan<int> IntShape(this Tensor tensor) => Array.ConvertAll(tensor.shape, size => (int)size);

    /// <summary>Bytes of one element.</summary>
    public static int ElementSize(this ScalarType type) => type switch
    {
        ScalarType.Byte or ScalarType.Int8 or ScalarType.Bool or ScalarType.QInt8 or ScalarType.QUInt8 => 1,
        ScalarType.Int16 or ScalarType.Float16 or ScalarType.BFloat16 => 2,
        ScalarType.Int32 or ScalarType.Float32 or ScalarType.QInt32 => 4,
        ScalarType.Int64 or ScalarType.Float64 or ScalarType.ComplexFloat32 => 8,
        ScalarType.ComplexFloat64 => 16,
        _ => throw new NotImplementedException($"{type}"),
    };

    // --- TorchSharp's binary format: type, number of dimensions and sizes as LEB128 numbers, then the elements' bytes ---

    public static void Save(this Tensor tensor, BinaryWriter writer)
    {
        using var source = TensorStream.OnCpu(tensor);
        writer.Write7BitEncodedInt64((long)source.dtype);
        writer.Write7BitEncodedInt64(source.ndim);
        foreach (var size in source.shape)
            writer.Write7BitEncodedInt64(size);
        writer.Flush();
        source.WriteBytesToStream(writer.BaseStream);
    }

    public static void Save(this Tensor tensor, Stream stream)
    {
        using var writer = new BinaryWriter(stream);
        tensor.Save(writer);
    }

    public static void Save(this Tensor tensor, string location)
    {
        using var stream = File.Create(location);
        tensor.Save(stream);
    }

    /// <summary>Reads elements into a tensor of the same type and shape; with <paramref name="skip"/>, passes over them.</summary>
    /// <exception cref="ArgumentException">The saved tensor has another type or shape.</exception>
    public static void Load(this Tensor tensor, BinaryReader reader, bool skip = false)
    {
        var (type, shape) = TensorStream.ReadHeader(reader);
        if (type != tensor.dtype)
            throw new ArgumentException($"the saved tensor has elements of {type}, the one to load into of {tensor.dtype}");
        TensorStream.ReadElements(tensor, type, shape, reader, skip);
    }

    /// <summary>Reads a tensor; with <paramref name="skip"/>, gives zeros of its shape.</summary>
    public static Tensor Load(BinaryReader reader, bool skip = false)
    {
        Tensor? tensor = null;
        Load(ref tensor, reader, skip);
        return tensor!;
    }

    /// <summary>Reads elements into the tensor, which is made where it is null.</summary>
    public static void Load(ref Tensor? tensor, BinaryReader reader, bool skip = false)
    {
        var (type, shape) = TensorStream.ReadHeader(reader);
        tensor ??= skip ? zeros(shape, type, CPU) : empty(shape, type, CPU);
        TensorStream.ReadElements(tensor, type, shape, reader, skip);
    }
}

/// <summary>The parts of TorchSharp's binary format.</summary>
internal static class TensorStream
{
    internal static Tensor OnCpu(Tensor tensor)
    {
        using var scope = NewDisposeScope();
        using var none = no_grad();
        return tensor.cpu().contiguous().MoveToOuterDisposeScope();
    }

    internal static (ScalarType Type, long[] Shape) ReadHeader(BinaryReader reader)
    {
        var type = (ScalarType)reader.Read7BitEncodedInt64();
        long dims = reader.Read7BitEncodedInt64();
        if (!Enum.IsDefined(type) || dims is < 0 or > 64)
            throw new InvalidDataException("this is no tensor in TorchSharp's format");
        var shape = new long[dims];
        for (int i = 0; i < dims; i++)
            shape[i] = reader.Read7BitEncodedInt64();
        return (type, shape);
    }

    internal static void ReadElements(Tensor tensor, ScalarType type, long[] shape, BinaryReader reader, bool skip)
    {
        if (skip)
        {
            reader.BaseStream.Seek(shape.TotalSize() * type.ElementSize(), SeekOrigin.Current);
            return;
        }
        if (!tensor.shape.AsSpan().SequenceEqual(shape))
            throw new ArgumentException($"the saved tensor has shape ({string.Join(", ", shape)}), the one to load into ({string.Join(", ", tensor.shape)})");
        using var none = no_grad();
        if (tensor.device_type == DeviceType.CPU && tensor.is_contiguous() && tensor.dtype == type)
        {
            tensor.ReadBytesFromStream(reader.BaseStream);
            return;
        }
        using var elements = empty(shape, type, CPU);
        elements.ReadBytesFromStream(reader.BaseStream);
        tensor.copy_(elements);
    }
}
