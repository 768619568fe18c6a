using System.Buffers.Binary;
using System.Globalization;
using System.Text;
using Microsoft.Win32.SafeHandles;

namespace Attention.Data;

/// <summary>A file within a tar archive.</summary>
/// <param name="Name">Its path there. Nothing is ever written to it.</param>
/// <param name="Offset">Where its bytes begin in the archive.</param>
/// <param name="Length">How many they are.</param>
internal readonly record struct TarEntry(string Name, long Offset, long Length);

/// <summary>
/// Where the files of an uncompressed tar archive lie (POSIX ustar, with GNU's and pax's long names), so that each can be read by
/// itself. The headers alone are read.
/// </summary>
internal static class TarIndex
{
    private const int Block = 512;
    private const int LongestName = 64 * 1024;

    /// <summary>The files of an archive, and what is wrong with it where it is cut or damaged; what comes before that is given.</summary>
    /// <exception cref="IOException">The archive cannot be read.</exception>
    public static (List<TarEntry> Entries, string? Fault) Read(SafeFileHandle archive)
    {
        var entries = new List<TarEntry>();
        long end = RandomAccess.GetLength(archive);
        Span<byte> header = stackalloc byte[Block];
        string? longName = null;
        long? longSize = null;
        for (long at = 0; at < end;)
        {
            if (at + Block > end || RandomAccess.Read(archive, header, at) < Block)
                return (entries, "the archive is cut inside of a header");
            if (header.IndexOfAnyExcept((byte)0) < 0) // the end
                return (entries, null);
            if (!IsHeader(header) || SizeOf(header) is not { } size)
                return (entries, $"there is no valid header at byte {at}");
            char kind = (char)header[156];
            long body = at + Block;
            size = kind is '0' or '\0' or '7' ? longSize ?? size : size;
            bool cut = size > end - body;
            if (kind is 'L' or 'x')
            {
                if (cut || size > LongestName)
                    return (entries, cut ? "the archive is cut inside of a name" : $"a name of {size} bytes stands at byte {at}");
                var bytes = new byte[size];
                RandomAccess.Read(archive, bytes, body);
                if (kind == 'L')
                    longName = Text(bytes);
                else
                    (longName, longSize) = Pax(bytes, longName, longSize);
            }
            else if (kind != 'g')
            {
                if (kind is '0' or '\0' or '7')
                    entries.Add(new TarEntry(longName ?? NameOf(header), body, size));
                (longName, longSize) = (null, null);
            }
            if (cut)
                return (entries, "the archive is cut inside of a file");
            at = body + (size + Block - 1) / Block * Block;
        }
        return (entries, end == 0 ? "the archive is empty" : "the archive is cut: it has no end mark");
    }

    private static bool IsHeader(ReadOnlySpan<byte> header)
    {
        int sum = 0;
        for (int i = 0; i < Block; i++)
            sum += i is >= 148 and < 156 ? ' ' : header[i];
        return Octal(header.Slice(148, 8)) == sum;
    }

    // Sizes beyond 8 GB are written in binary.
    private static long? SizeOf(ReadOnlySpan<byte> header)
    {
        var field = header.Slice(124, 12);
        if ((field[0] & 0x80) == 0)
            return Octal(field);
        long size = BinaryPrimitives.ReadInt64BigEndian(field[4..]);
        return size >= 0 && size <= long.MaxValue / 2 ? size : null;
    }

    private static long? Octal(ReadOnlySpan<byte> field)
    {
        long value = 0;
        bool digits = false;
        foreach (byte character in field)
        {
            if (character is >= (byte)'0' and <= (byte)'7')
                (value, digits) = (value * 8 + character - '0', true);
            else if (character is not ((byte)' ' or 0))
                return null;
            else if (digits)
                break;
        }
        return value;
    }

    private static string NameOf(ReadOnlySpan<byte> header)
    {
        string name = Text(header[..100]), prefix = header.Slice(257, 5).SequenceEqual("ustar"u8) && header[263] == '0' ? Text(header.Slice(345, 155)) : "";
        return prefix.Length > 0 ? $"{prefix}/{name}" : name;
    }

    // Records such as "30 path=a/long/name\n", each with its own length in front.
    private static (string? Name, long? Size) Pax(ReadOnlySpan<byte> records, string? name, long? size)
    {
        while (records.IndexOf((byte)' ') is > 0 and var space
            && int.TryParse(records[..space], NumberStyles.None, CultureInfo.InvariantCulture, out int length) && length > space + 1 && length <= records.Length)
        {
            string record = Encoding.UTF8.GetString(records[(space + 1)..length]).TrimEnd('\n');
            if (record.StartsWith("path=", StringComparison.Ordinal))
                name = record[5..];
            else if (record.StartsWith("size=", StringComparison.Ordinal) && long.TryParse(record[5..], NumberStyles.None, CultureInfo.InvariantCulture, out long given))
                size = given;
            records = records[length..];
        }
        return (name, size);
    }

    private static string Text(ReadOnlySpan<byte> bytes) =>
        Encoding.UTF8.GetString(bytes.IndexOf((byte)0) is >= 0 and var end ? bytes[..end] : bytes);
}
