using System.Buffers.Binary;

namespace Attention.Data.Text;

/// <summary>Reads the fields of a protocol buffer message, and nothing beyond its end.</summary>
internal ref struct ProtoReader(ReadOnlySpan<byte> message, string file)
{
    private const int Varint = 0, Fixed64 = 1, Bytes = 2, Fixed32 = 5;
    private readonly string file = file;
    private ReadOnlySpan<byte> rest = message;
    private int wireType;

    /// <summary>The current field's number.</summary>
    public int Field { get; private set; }

    /// <summary>Goes to the next field; its value must then be read or skipped.</summary>
    public bool Next()
    {
        if (rest.IsEmpty)
            return false;
        ulong key = ReadVarint();
        (Field, wireType) = ((int)Math.Min(key >> 3, int.MaxValue), (int)(key & 7));
        return Field > 0 ? true : throw Broken();
    }

    public long Number() => wireType == Varint ? (long)ReadVarint() : throw Broken();

    public bool Flag() => Number() != 0;

    public float Single() => wireType == Fixed32 ? BinaryPrimitives.ReadSingleLittleEndian(Take(4)) : throw Broken();

    public ReadOnlySpan<byte> Span() => wireType == Bytes ? Take(ReadVarint()) : throw Broken();

    public void Skip()
    {
        switch (wireType)
        {
            case Varint: ReadVarint(); break;
            case Fixed64: Take(8); break;
            case Bytes: Take(ReadVarint()); break;
            case Fixed32: Take(4); break;
            default: throw Broken();
        }
    }

    private ulong ReadVarint()
    {
        ulong value = 0;
        for (int shift = 0; shift < 64 && !rest.IsEmpty; shift += 7)
        {
            byte part = rest[0];
            rest = rest[1..];
            value |= (ulong)(part & 0x7F) << shift;
            if (part < 0x80)
                return value;
        }
        throw Broken();
    }

    private ReadOnlySpan<byte> Take(ulong length)
    {
        if (length > (ulong)rest.Length)
            throw Broken();
        var taken = rest[..(int)length];
        rest = rest[(int)length..];
        return taken;
    }

    private readonly UserError Broken() => new($"'{file}' is no SentencePiece model, or is cut", "copy or download it again");
}
