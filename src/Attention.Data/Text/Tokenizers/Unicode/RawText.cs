using System.Buffers;
using System.Text;
using System.Text.Unicode;

namespace Attention.Data.Text;

/// <summary>
/// Bytes as a string and back without loss, for steps that work on characters: a byte that is no UTF-8 becomes the lone
/// surrogate U+DC00 + byte, which no valid text holds (Python's <c>surrogateescape</c>).
/// </summary>
internal static class RawText
{
    private const char Escape = '\uDC00';

    public static string FromUtf8(ReadOnlySpan<byte> bytes)
    {
        if (Utf8.IsValid(bytes))
            return Encoding.UTF8.GetString(bytes);
        var text = new StringBuilder(bytes.Length);
        Span<char> units = stackalloc char[2];
        for (int i = 0; i < bytes.Length;)
        {
            if (Rune.DecodeFromUtf8(bytes[i..], out var rune, out int size) == OperationStatus.Done)
            {
                text.Append(units[..rune.EncodeToUtf16(units)]);
                i += size;
            }
            else
                text.Append(EscapeByte(bytes[i++]));
        }
        return text.ToString();
    }

    public static char EscapeByte(byte value) => (char)(Escape + value);

    /// <summary>Whether a unit at this place stands for a byte.</summary>
    public static bool IsEscape(ReadOnlySpan<char> text, int index) =>
        text[index] is >= '\uDC80' and <= '\uDCFF' && (index == 0 || !char.IsHighSurrogate(text[index - 1]));

    public static byte[] ToUtf8(ReadOnlySpan<char> text)
    {
        var bytes = new byte[Encoding.UTF8.GetMaxByteCount(text.Length)];
        int count = 0;
        while (!text.IsEmpty)
        {
            int plain = 0;
            while (plain < text.Length && !IsEscape(text, plain))
                plain++;
            count += Encoding.UTF8.GetBytes(text[..plain], bytes.AsSpan(count));
            if (plain < text.Length)
                bytes[count++] = (byte)(text[plain++] - Escape);
            text = text[plain..];
        }
        return bytes[..count];
    }

    /// <summary>The code point at an index and the index after it; a lone surrogate is one of its own.</summary>
    public static int Next(ReadOnlySpan<char> text, ref int index)
    {
        char unit = text[index++];
        return char.IsHighSurrogate(unit) && index < text.Length && char.IsLowSurrogate(text[index])
            ? char.ConvertToUtf32(unit, text[index++]) : unit;
    }

    public static void Append(StringBuilder text, int codePoint)
    {
        if (codePoint < 0x10000)
            text.Append((char)codePoint);
        else
            text.Append((char)(0xD800 + (codePoint - 0x10000 >> 10))).Append((char)(0xDC00 + (codePoint & 0x3FF)));
    }
}
