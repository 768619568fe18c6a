using static TorchSharp.torch;

namespace TorchSharp;

/// <summary>
/// TorchSharp's own format of a tensor in a file: type, number of dimensions and each of them as LEB128 numbers, then the
/// elements in row-major order.
/// </summary>
internal static class TensorFormat
{
    private const int ChunkBytes = 1 << 20;

    internal static void Write(Tensor tensor, BinaryWriter writer)
    {
        using var modes = no_grad();
        using var source = tensor.cpu();
        using var dense = source.contiguous();
        writer.Write7BitEncodedInt64((long)dense.dtype);
        var shape = dense.shape;
        writer.Write7BitEncodedInt64(shape.Length);
        foreach (var size in shape)
            writer.Write7BitEncodedInt64(size);
        ForEachChunk(dense, chunk => writer.Write(chunk));
    }

    /// <summary>Reads a tensor into another, or over it where that is null. Errors name it <paramref name="key"/>.</summary>
    internal static void ReadInto(Tensor? tensor, BinaryReader reader, string key)
    {
        var type = (ScalarType)reader.Read7BitEncodedInt64();
        long dimensions = reader.Read7BitEncodedInt64();
        if (!Enum.IsDefined(type) || dimensions is < 0 or > 64)
            throw new InvalidDataException($"'{key}' is no tensor in TorchSharp's format");
        var shape = new long[dimensions];
        for (int i = 0; i < shape.Length; i++)
            shape[i] = reader.Read7BitEncodedInt64();
        if (tensor is not null && tensor.dtype != type)
            throw new ArgumentException($"'{key}' is of type {tensor.dtype}, the file's is {type}");
        if (tensor is not null && !shape.AsSpan().SequenceEqual(tensor.shape))
            throw new ArgumentException($"'{key}' has shape ({string.Join(", ", tensor.shape)}), the file's ({string.Join(", ", shape)})");

        using var modes = no_grad();
        using var read = empty(shape, type, CPU);
        // A stream may give fewer bytes than asked for.
        ForEachChunk(read, chunk =>
        {
            for (int done = 0; done < chunk.Length;)
            {
                int count = reader.Read(chunk[done..]);
                done += count > 0 ? count : throw new EndOfStreamException($"the file ends within '{key}'");
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
}
