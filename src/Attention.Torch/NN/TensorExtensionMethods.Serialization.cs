using static TorchSharp.torch;

namespace TorchSharp;

// TorchSharp's own format: type, number of dimensions and each of them as LEB128 numbers, then the elements in row-major order.
public static partial class TensorExtensionMethods
{
    private const int ChunkBytes = 1 << 20;

    /// <summary>The tensor as a parameter: the object given is empty afterwards.</summary>
    public static Modules.Parameter AsParameter(this Tensor tensor) => new(tensor);

    /// <summary>Writes the tensor in TorchSharp's own format.</summary>
    public static void Save(this Tensor tensor, BinaryWriter writer)
    {
        using (no_grad())
        {
            using var source = tensor.cpu();
            using var dense = source.contiguous();
            writer.WriteLeb128((long)dense.dtype);
            var shape = dense.shape;
            writer.WriteLeb128(shape.Length);
            foreach (var size in shape)
                writer.WriteLeb128(size);
            ForEachChunk(dense, chunk => writer.Write(chunk));
        }
    }

    /// <inheritdoc cref="Save(Tensor, BinaryWriter)"/>
    public static void Save(this Tensor tensor, Stream stream)
    {
        using var writer = new BinaryWriter(stream);
        tensor.Save(writer);
    }

    /// <inheritdoc cref="Save(Tensor, BinaryWriter)"/>
    public static void Save(this Tensor tensor, string location)
    {
        using var stream = File.Create(location);
        tensor.Save(stream);
    }

    /// <summary>Reads what <see cref="Save(Tensor, BinaryWriter)"/> has written into a tensor of the same type and shape.</summary>
    public static void Load(this Tensor tensor, BinaryReader reader, bool skip = false) => ReadInto(skip ? null : tensor, reader, "tensor");

    /// <summary>Reads what <see cref="Save(Tensor, BinaryWriter)"/> has written. With <paramref name="skip"/>, zeros of its shape.</summary>
    public static Tensor Load(BinaryReader reader, bool skip = false)
    {
        Tensor? tensor = null;
        Load(ref tensor, reader, skip);
        return tensor!;
    }

    /// <summary>Reads what <see cref="Save(Tensor, BinaryWriter)"/> has written into the tensor given, or into a new one.</summary>
    public static void Load(ref Tensor? tensor, BinaryReader reader, bool skip = false)
    {
        var (type, shape) = ReadHeader(reader);
        if (tensor is null)
            tensor = skip ? zeros(shape, type, CPU) : empty(shape, type, CPU);
        else if (!skip)
            CheckFits(tensor, type, shape, "tensor");
        ReadElements(skip ? null : tensor, reader, type, shape);
    }

    /// <summary>Reads a tensor into another, or over it where that is null. Errors name it <paramref name="key"/>.</summary>
    internal static void ReadInto(Tensor? tensor, BinaryReader reader, string key)
    {
        var (type, shape) = ReadHeader(reader);
        if (tensor is not null)
            CheckFits(tensor, type, shape, key);
        ReadElements(tensor, reader, type, shape);
    }

    private static void CheckFits(Tensor tensor, ScalarType type, long[] shape, string key)
    {
        if (tensor.dtype != type)
            throw new ArgumentException($"'{key}' is of type {tensor.dtype}, the file's is {type}");
        if (!shape.AsSpan().SequenceEqual(tensor.shape))
            throw new ArgumentException($"'{key}' has shape ({string.Join(", ", tensor.shape)}), the file's ({string.Join(", ", shape)})");
    }

    private static (ScalarType Type, long[] Shape) ReadHeader(BinaryReader reader)
    {
        var type = (ScalarType)reader.ReadLeb128();
        var shape = new long[reader.ReadLeb128()];
        for (int i = 0; i < shape.Length; i++)
            shape[i] = reader.ReadLeb128();
        return (type, shape);
    }

    private static void ReadElements(Tensor? tensor, BinaryReader reader, ScalarType type, long[] shape)
    {
        using var modes = no_grad();
        using var read = empty(shape, type, CPU);
        // A stream may give fewer bytes than asked for.
        ForEachChunk(read, chunk =>
        {
            for (int done = 0; done < chunk.Length;)
            {
                int count = reader.Read(chunk[done..]);
                done += count > 0 ? count : throw new EndOfStreamException("the file ends within a tensor");
            }
        });
        tensor?.copy_(read);
    }

    private delegate void ChunkAction(Span<byte> chunk);

    private static unsafe void ForEachChunk(Tensor dense, ChunkAction action)
    {
        long length = dense.numel() * dense.ElementSize;
        if (length == 0)
            return;
        var data = (byte*)dense.DataPointer();
        for (long start = 0; start < length; start += ChunkBytes)
            action(new Span<byte>(data + start, (int)Math.Min(ChunkBytes, length - start)));
    }

    // Seven bits a byte, the lowest first; the eighth says that more follow.
    internal static void WriteLeb128(this BinaryWriter writer, long value) => writer.Write7BitEncodedInt64(value);
    internal static long ReadLeb128(this BinaryReader reader) => reader.Read7BitEncodedInt64();
}
