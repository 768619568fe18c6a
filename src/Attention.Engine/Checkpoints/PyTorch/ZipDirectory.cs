using System.Buffers.Binary;
using System.Text;

namespace Attention.Engine.Checkpoints.PyTorch;

/// <summary>A file in a zip file, stored as it is.</summary>
/// <param name="Name">Its path in the zip file; never one on the disk.</param>
/// <param name="Position">Its first byte, from the zip file's start.</param>
/// <param name="Length">Its bytes.</param>
/// <param name="Crc">Its CRC-32.</param>
/// <param name="IsStored">Whether its bytes are neither compressed nor encrypted.</param>
internal sealed record ZipEntry(string Name, long Position, long Length, uint Crc, bool IsStored);

/// <summary>
/// Where the files of a zip file lie, for reading them in place. Compressed ones are refused, which no state dict has: so
/// nothing can unfold to more than the file holds. Format: PKWARE's APPNOTE.TXT, with zip64.
/// </summary>
internal sealed class ZipDirectory
{
    private const uint EndSignature = 0x06054b50, End64Signature = 0x06064b50, Locator64Signature = 0x07064b50;
    private const uint CentralSignature = 0x02014b50, LocalSignature = 0x04034b50;
    private const int EndLength = 22, Locator64Length = 20, End64Length = 56, CentralLength = 46, LocalLength = 30;
    private const long MaxDirectory = 256 << 20;

    private readonly ByteSource source;
    private readonly Dictionary<string, ZipEntry> entries = [];

    public ZipDirectory(ByteSource source)
    {
        this.source = source;
        var (start, length, count) = FindDirectory();
        if (length > MaxDirectory || start < 0 || length < 0 || start > source.Length - length || count > (ulong)length / CentralLength)
            throw Broken($"its directory of {count} files would be at byte {start} with {length} bytes");
        ReadDirectory(source.Read(start, (int)length), (int)count, start);
        RefuseOverlaps();
    }

    /// <summary>The files' paths.</summary>
    public IReadOnlyCollection<string> Names => entries.Keys;

    /// <summary>A file to be read, or null where there is none of that path.</summary>
    /// <exception cref="UserError">It is compressed or encrypted.</exception>
    public ZipEntry? Find(string name) => entries.GetValueOrDefault(name) switch
    {
        null => null,
        { IsStored: true } entry => entry,
        _ => throw new UserError($"'{source.Path}' is not as PyTorch writes it: its file '{name}' is compressed or encrypted",
            "unpack it and pack it again as it is: zip -0 -r"),
    };

    private UserError Broken(string what) => new($"'{source.Path}' is not a whole zip file: {what}", "copy or download it again");

    private (long Start, long Length, ulong Count) FindDirectory()
    {
        // The end record is the last thing but for a comment of at most 64 KiB.
        int tailLength = (int)Math.Min(source.Length, EndLength + ushort.MaxValue);
        var tail = source.Read(source.Length - tailLength, tailLength);
        int end = tailLength - EndLength;
        while (end >= 0 && BinaryPrimitives.ReadUInt32LittleEndian(tail.AsSpan(end)) != EndSignature)
            end--;
        if (end < 0)
            throw Broken("it has no directory at its end: it is cut");
        var record = tail.AsSpan(end);
        ushort count = BinaryPrimitives.ReadUInt16LittleEndian(record[10..]);
        uint length = BinaryPrimitives.ReadUInt32LittleEndian(record[12..]);
        uint start = BinaryPrimitives.ReadUInt32LittleEndian(record[16..]);
        if (count != ushort.MaxValue && length != uint.MaxValue && start != uint.MaxValue)
            return (start, length, count);

        long locator = source.Length - tailLength + end - Locator64Length;
        if (locator < 0)
            throw Broken("its zip64 directory is missing");
        var pointer = source.Read(locator, Locator64Length);
        ulong end64 = BinaryPrimitives.ReadUInt64LittleEndian(pointer.AsSpan(8));
        if (BinaryPrimitives.ReadUInt32LittleEndian(pointer) != Locator64Signature || end64 > (ulong)Math.Max(0, source.Length - End64Length))
            throw Broken("its zip64 directory is missing");
        var record64 = source.Read((long)end64, End64Length).AsSpan();
        if (BinaryPrimitives.ReadUInt32LittleEndian(record64) != End64Signature)
            throw Broken("its zip64 directory is missing");
        return ((long)BinaryPrimitives.ReadUInt64LittleEndian(record64[48..]), (long)BinaryPrimitives.ReadUInt64LittleEndian(record64[40..]),
            BinaryPrimitives.ReadUInt64LittleEndian(record64[32..]));
    }

    private void ReadDirectory(ReadOnlySpan<byte> directory, int count, long directoryStart)
    {
        for (int i = 0; i < count; i++)
        {
            if (directory.Length < CentralLength || BinaryPrimitives.ReadUInt32LittleEndian(directory) != CentralSignature)
                throw Broken($"file {i} of {count} in its directory is malformed");
            int nameLength = BinaryPrimitives.ReadUInt16LittleEndian(directory[28..]);
            int extraLength = BinaryPrimitives.ReadUInt16LittleEndian(directory[30..]);
            int commentLength = BinaryPrimitives.ReadUInt16LittleEndian(directory[32..]);
            int total = CentralLength + nameLength + extraLength + commentLength;
            if (directory.Length < total)
                throw Broken($"file {i} of {count} in its directory is malformed");
            var name = Encoding.UTF8.GetString(directory.Slice(CentralLength, nameLength));
            AddEntry(name, directory[..CentralLength], directory.Slice(CentralLength + nameLength, extraLength), directoryStart);
            directory = directory[total..];
        }
    }

    private void AddEntry(string name, ReadOnlySpan<byte> central, ReadOnlySpan<byte> extra, long directoryStart)
    {
        int flags = BinaryPrimitives.ReadUInt16LittleEndian(central[8..]);
        int method = BinaryPrimitives.ReadUInt16LittleEndian(central[10..]);
        uint crc = BinaryPrimitives.ReadUInt32LittleEndian(central[16..]);
        ulong packed = BinaryPrimitives.ReadUInt32LittleEndian(central[20..]);
        ulong length = BinaryPrimitives.ReadUInt32LittleEndian(central[24..]);
        ulong local = BinaryPrimitives.ReadUInt32LittleEndian(central[42..]);
        ReadZip64(name, extra, ref length, ref packed, ref local);
        bool isStored = (flags & 1) == 0 && method == 0;
        if (isStored && packed != length || local > (ulong)directoryStart || packed > (ulong)directoryStart)
            throw Broken($"its file '{name}' would be {packed} bytes at byte {local}, its data ends at byte {directoryStart}");

        if ((long)local + LocalLength > directoryStart)
            throw Broken($"its file '{name}' has no header");
        var header = source.Read((long)local, LocalLength);
        if (BinaryPrimitives.ReadUInt32LittleEndian(header) != LocalSignature)
            throw Broken($"its file '{name}' has no header");
        long position = (long)local + LocalLength + BinaryPrimitives.ReadUInt16LittleEndian(header.AsSpan(26)) + BinaryPrimitives.ReadUInt16LittleEndian(header.AsSpan(28));
        if (position + (long)packed > directoryStart)
            throw Broken($"its file '{name}' of {packed} bytes ends behind its data");
        if (!entries.TryAdd(name, new ZipEntry(name, position, (long)packed, crc, isStored)))
            throw Broken($"it has two files '{name}'");
    }

    // The 64-bit values stand in the extra field, in this order, for each that is all ones in the record.
    private void ReadZip64(string name, ReadOnlySpan<byte> extra, ref ulong length, ref ulong packed, ref ulong local)
    {
        while (extra.Length >= 4)
        {
            int size = BinaryPrimitives.ReadUInt16LittleEndian(extra[2..]);
            if (extra.Length < 4 + size)
                throw Broken($"its file '{name}' has a malformed extra field");
            if (BinaryPrimitives.ReadUInt16LittleEndian(extra) == 1)
            {
                var values = extra.Slice(4, size);
                Take(ref values, ref length);
                Take(ref values, ref packed);
                Take(ref values, ref local);
            }
            extra = extra[(4 + size)..];
        }
    }

    private static void Take(ref ReadOnlySpan<byte> values, ref ulong value)
    {
        if (value != uint.MaxValue || values.Length < 8)
            return;
        value = BinaryPrimitives.ReadUInt64LittleEndian(values);
        values = values[8..];
    }

    private void RefuseOverlaps()
    {
        ZipEntry? before = null;
        foreach (var entry in entries.Values.Where(entry => entry.Length > 0).OrderBy(entry => entry.Position))
        {
            if (before is not null && entry.Position < before.Position + before.Length)
                throw Broken($"its files '{before.Name}' and '{entry.Name}' overlap");
            before = entry;
        }
    }

    /// <summary>Reads a small file whole and checks its sum.</summary>
    public byte[] Read(ZipEntry entry, int limit)
    {
        if (entry.Length > limit)
            throw Broken($"its file '{entry.Name}' of {entry.Length} bytes is over the limit of {limit}");
        var bytes = source.Read(entry.Position, (int)entry.Length);
        if (Crc32(bytes) != entry.Crc)
            throw Broken($"its file '{entry.Name}' is not what was written: its checksum differs");
        return bytes;
    }

    private static uint Crc32(ReadOnlySpan<byte> bytes)
    {
        Span<uint> table = stackalloc uint[256];
        for (uint i = 0; i < 256; i++)
        {
            uint value = i;
            for (int bit = 0; bit < 8; bit++)
                value = (value & 1) != 0 ? value >> 1 ^ 0xEDB88320 : value >> 1;
            table[(int)i] = value;
        }
        uint crc = uint.MaxValue;
        foreach (byte b in bytes)
            crc = table[(int)((crc ^ b) & 0xFF)] ^ crc >> 8;
        return ~crc;
    }
}
