using System.Buffers.Binary;
using System.Numerics;
using System.Runtime.InteropServices;

namespace Attention.Data.Text;

/// <summary>
/// The first 64 bytes of a shard, all numbers little-endian. After them come the tokens (2 or 4 bytes each), a bit for each token
/// where answers are told apart (8 to a byte, the first in the lowest), padding to a multiple of 8, and the end of each document
/// as a number of tokens (8 bytes each).
/// <code>
///  0  8  "ATTNTOK1"
///  8  4  bytes of a token: 2 or 4
/// 12  4  1 where answers are told apart, else 0
/// 16  8  tokens
/// 24  8  documents
/// 32  4  tokens of the vocabulary
/// 36  4  the token that ends each document, or -1
/// 40  4  CRC-32C of all that follows the header
/// 44 16  zero
/// 60  4  CRC-32C of the 60 bytes before
/// </code>
/// </summary>
internal readonly record struct TokenShardHeader(int Width, bool HasAnswers, long Tokens, long Documents, int VocabularySize, int EndOfText, uint Checksum)
{
    public const int Size = 64;
    private const long Most = 1L << 48;

    public long TokenBytes => Tokens * Width;
    public long AnswerBytes => HasAnswers ? (Tokens + 7) / 8 : 0;
    public long EndsAt => (Size + TokenBytes + AnswerBytes + 7) / 8 * 8;
    public long FileSize => EndsAt + 8 * Documents;

    /// <summary>2 bytes where they are enough.</summary>
    public static int WidthFor(int vocabularySize) => vocabularySize <= 1 << 16 ? 2 : 4;

    public void Write(Span<byte> header)
    {
        header.Clear();
        "ATTNTOK1"u8.CopyTo(header);
        BinaryPrimitives.WriteInt32LittleEndian(header[8..], Width);
        BinaryPrimitives.WriteInt32LittleEndian(header[12..], HasAnswers ? 1 : 0);
        BinaryPrimitives.WriteInt64LittleEndian(header[16..], Tokens);
        BinaryPrimitives.WriteInt64LittleEndian(header[24..], Documents);
        BinaryPrimitives.WriteInt32LittleEndian(header[32..], VocabularySize);
        BinaryPrimitives.WriteInt32LittleEndian(header[36..], EndOfText);
        BinaryPrimitives.WriteUInt32LittleEndian(header[40..], Checksum);
        BinaryPrimitives.WriteUInt32LittleEndian(header[60..], Crc(0, header[..60]));
    }

    /// <summary>The header, or what is wrong with it.</summary>
    public static (TokenShardHeader Header, string? Fault) Read(ReadOnlySpan<byte> header)
    {
        if (!header.StartsWith("ATTNTOK1"u8))
            return (default, "is no token shard: it does not begin with ATTNTOK1");
        if (BinaryPrimitives.ReadUInt32LittleEndian(header[60..]) != Crc(0, header[..60]))
            return (default, "is damaged: its header does not match its checksum");
        var read = new TokenShardHeader(
            BinaryPrimitives.ReadInt32LittleEndian(header[8..]), header[12] == 1,
            BinaryPrimitives.ReadInt64LittleEndian(header[16..]), BinaryPrimitives.ReadInt64LittleEndian(header[24..]),
            BinaryPrimitives.ReadInt32LittleEndian(header[32..]), BinaryPrimitives.ReadInt32LittleEndian(header[36..]),
            BinaryPrimitives.ReadUInt32LittleEndian(header[40..]));
        bool sensible = read.Width is 2 or 4 && read.Tokens is >= 0 and < Most && read.Documents is >= 0 and < Most
            && read.VocabularySize > 0 && read.EndOfText >= -1 && read.EndOfText < read.VocabularySize;
        return (read, sensible ? null : "is damaged: its header has senseless numbers");
    }

    /// <summary>CRC-32C, going on from the sum of what came before.</summary>
    public static uint Crc(uint sum, ReadOnlySpan<byte> bytes)
    {
        uint crc = ~sum;
        var words = MemoryMarshal.Cast<byte, ulong>(bytes);
        foreach (ulong word in words)
            crc = BitOperations.Crc32C(crc, word);
        foreach (byte value in bytes[(8 * words.Length)..])
            crc = BitOperations.Crc32C(crc, value);
        return ~crc;
    }
}
