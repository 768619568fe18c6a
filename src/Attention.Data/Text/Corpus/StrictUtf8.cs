using System.Buffers;
using System.Text;
using System.Text.Unicode;

namespace Attention.Data.Text;

/// <summary>Refuses text that is no UTF-8, and says where.</summary>
internal static class StrictUtf8
{
    /// <param name="bytes">A part of a file.</param>
    /// <param name="file">The file.</param>
    /// <param name="offset">Where the part begins in it.</param>
    /// <param name="atEnd">Whether the file ends with it.</param>
    /// <exception cref="UserError">It is no UTF-8.</exception>
    public static void Require(ReadOnlySpan<byte> bytes, string file, long offset, bool atEnd)
    {
        if (Utf8.IsValid(bytes))
            return;
        int at = 0, size;
        OperationStatus status;
        while ((status = Rune.DecodeFromUtf8(bytes[at..], out _, out size)) == OperationStatus.Done)
            at += size;
        if (status == OperationStatus.NeedMoreData && atEnd)
            throw new UserError($"'{file}' is cut in the middle of a character: byte {offset + at} begins one of {Length(bytes[at])} bytes, but only {Count(size, "is", "are")} there",
                "get the whole file, or remove these bytes");
        throw new UserError($"'{file}' is no UTF-8: byte {offset + at} is 0x{bytes[at]:X2}, which begins no character{(size > 1 ? $" with the {size - 1} after it" : "")}",
            "convert it, for example with: iconv -f LATIN1 -t UTF-8");
    }

    /// <summary>Bytes at the end that may be the beginning of a character.</summary>
    public static int Unfinished(ReadOnlySpan<byte> bytes)
    {
        for (int length = 1; length <= Math.Min(3, bytes.Length); length++)
            if (Rune.DecodeFromUtf8(bytes[^length..], out _, out int size) == OperationStatus.NeedMoreData && size == length)
                return length;
        return 0;
    }

    private static int Length(byte first) => first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;

    private static string Count(int count, string one, string many) => $"{count} {(count == 1 ? one : many)}";
}
