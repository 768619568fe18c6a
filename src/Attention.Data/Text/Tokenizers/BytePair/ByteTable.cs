using System.Buffers.Binary;
using System.Numerics;
using System.Runtime.CompilerServices;

namespace Attention.Data.Text;

/// <summary>Byte strings as keys, looked up by spans.</summary>
internal sealed class ByteComparer : IEqualityComparer<byte[]>, IAlternateEqualityComparer<ReadOnlySpan<byte>, byte[]>
{
    public static ByteComparer Instance { get; } = new();

    /// <summary>A dictionary with byte strings as keys.</summary>
    public static Dictionary<byte[], T> Dictionary<T>(int capacity = 0) => new(capacity, Instance);

    public byte[] Create(ReadOnlySpan<byte> alternate) => alternate.ToArray();

    public bool Equals(byte[]? first, byte[]? second) => first.AsSpan().SequenceEqual(second);

    public bool Equals(ReadOnlySpan<byte> alternate, byte[] other) => alternate.SequenceEqual(other);

    public int GetHashCode(byte[] bytes) => GetHashCode(bytes.AsSpan());

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public int GetHashCode(ReadOnlySpan<byte> bytes)
    {
        const ulong factor = 0x9E3779B97F4A7C15;
        ulong hash = (ulong)bytes.Length * factor;
        while (bytes.Length >= 8)
        {
            hash = (BitOperations.RotateLeft(hash, 5) ^ BinaryPrimitives.ReadUInt64LittleEndian(bytes)) * factor;
            bytes = bytes[8..];
        }
        ulong rest = 0;
        foreach (byte value in bytes)
            rest = rest << 8 | value;
        hash = (BitOperations.RotateLeft(hash, 5) ^ rest) * factor;
        return (int)(hash >> 32);
    }
}
