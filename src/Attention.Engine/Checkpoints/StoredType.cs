using System.Buffers.Binary;
using System.Runtime.InteropServices;
using TorchSharp;
using static TorchSharp.torch;

namespace Attention.Engine.Checkpoints;

/// <summary>
/// How a file keeps a tensor's elements: as a type that tensors here have, or as one of a few that they lack and that are
/// widened, exactly, to one that they have.
/// </summary>
/// <param name="Name">The type as PyTorch writes it: <c>float32</c>, <c>float8_e4m3fn</c>.</param>
/// <param name="Bytes">Of an element in the file.</param>
/// <param name="Type">Of the tensor that is read.</param>
internal sealed record StoredType(string Name, int Bytes, ScalarType Type)
{
    private delegate void Widening(ReadOnlySpan<byte> stored, Span<byte> widened);

    private Widening? Widen { get; init; }

    /// <summary>Whether the file's bytes are a tensor's.</summary>
    public bool IsPlain => Widen is null;

    public static readonly StoredType
        Float8E4M3 = new("float8_e4m3fn", 1, ScalarType.Float16) { Widen = Looked([.. Enumerable.Range(0, 256).Select(each => Float8((byte)each, mantissaBits: 3, bias: 7))]) },
        Float8E5M2 = new("float8_e5m2", 1, ScalarType.Float16) { Widen = Looked([.. Enumerable.Range(0, 256).Select(each => BitConverter.UInt16BitsToHalf((ushort)(each << 8)))]) },
        Float8E8M0 = new("float8_e8m0fnu", 1, ScalarType.Float32) { Widen = Looked([.. Enumerable.Range(0, 256).Select(each => each == 255 ? float.NaN : MathF.ScaleB(1, each - 127))]) },
        UInt16 = new("uint16", 2, ScalarType.Int32) { Widen = (stored, widened) => Each<int>(stored, 2, widened, each => BinaryPrimitives.ReadUInt16LittleEndian(each)) },
        UInt32 = new("uint32", 4, ScalarType.Int64) { Widen = (stored, widened) => Each<long>(stored, 4, widened, each => BinaryPrimitives.ReadUInt32LittleEndian(each)) },
        UInt64 = new("uint64", 8, ScalarType.Int64) { Widen = (stored, widened) => Each<long>(stored, 8, widened, each => checked((long)BinaryPrimitives.ReadUInt64LittleEndian(each))) };

    /// <summary>A type that tensors have.</summary>
    public static StoredType Of(ScalarType type) => new(NameOf(type), (int)type.ElementSize(), type);

    private static string NameOf(ScalarType type) => type switch
    {
        ScalarType.Byte => "uint8",
        ScalarType.ComplexFloat32 => "complex64",
        ScalarType.ComplexFloat64 => "complex128",
        _ => type.ToString().ToLowerInvariant(),
    };

    /// <summary>Turns elements of the file into those of a tensor.</summary>
    /// <exception cref="OverflowException">One is beyond the tensor's type.</exception>
    public void Convert(ReadOnlySpan<byte> stored, Span<byte> widened) => Widen!(stored, widened);

    private static Widening Looked<T>(T[] values) where T : unmanaged => (stored, widened) =>
    {
        var target = MemoryMarshal.Cast<byte, T>(widened);
        for (int i = 0; i < stored.Length; i++)
            target[i] = values[stored[i]];
    };

    private delegate T Reading<T>(ReadOnlySpan<byte> element);

    private static void Each<T>(ReadOnlySpan<byte> stored, int bytes, Span<byte> widened, Reading<T> read) where T : unmanaged
    {
        var target = MemoryMarshal.Cast<byte, T>(widened);
        for (int i = 0; i < target.Length; i++)
            target[i] = read(stored.Slice(i * bytes, bytes));
    }

    // The finite variant: no infinities, and only the largest pattern is NaN (Micikevicius et al., arXiv:2209.05433).
    private static Half Float8(byte bits, int mantissaBits, int bias)
    {
        int exponent = (bits & 0x7f) >> mantissaBits, mantissa = bits & (1 << mantissaBits) - 1;
        if ((bits & 0x7f) == 0x7f)
            return Half.NaN;
        double magnitude = exponent == 0
            ? Math.ScaleB(mantissa, 1 - bias - mantissaBits)
            : Math.ScaleB((1 << mantissaBits) + mantissa, exponent - bias - mantissaBits);
        return (Half)((bits & 0x80) == 0 ? magnitude : -magnitude);
    }
}
