using System.Buffers.Binary;

namespace Attention.Torch;

/// <summary>
/// How a camera was held: the EXIF orientation, 1 (upright) to 8, as in the standard CIPA DC-008. Values above 4 swap width and
/// height.
/// </summary>
internal static class Orientation
{
    private const ushort Tag = 0x0112;

    /// <summary>The orientation that an image file states; 1 where it says nothing or something senseless.</summary>
    public static int Of(ReadOnlySpan<byte> file, ImageFormat format)
    {
        var exif = format switch
        {
            ImageFormat.Jpeg => JpegExif(file),
            ImageFormat.Png => PngExif(file),
            _ => WebPExif(file),
        };
        return InTiff(exif.StartsWith("Exif\0\0"u8) ? exif[6..] : exif);
    }

    /// <summary>Turns an image upright.</summary>
    public static void Apply(int orientation, Image image)
    {
        if (orientation == 1)
            return;
        var stored = image.Clone();
        if (orientation > 4)
            image.Reshape(stored.Height, stored.Width);
        bool mirrored = orientation is 2 or 3 or 7 or 8, turnedOver = orientation is 3 or 4 or 6 or 7;
        for (int y = 0; y < image.Height; y++)
        {
            var row = image.Row(y);
            for (int x = 0; x < image.Width; x++)
            {
                var (column, line) = orientation > 4 ? (y, x) : (x, y);
                if (mirrored)
                    column = stored.Width - 1 - column;
                if (turnedOver)
                    line = stored.Height - 1 - line;
                stored[column, line].CopyTo(row[(3 * x)..]);
            }
        }
    }

    private static ReadOnlySpan<byte> JpegExif(ReadOnlySpan<byte> file)
    {
        for (int at = 2; at + 4 <= file.Length && file[at] == 0xFF && file[at + 1] != 0xDA;)
        {
            if (file[at + 1] == 0xFF) // a fill byte
            {
                at++;
                continue;
            }
            int length = file[at + 1] is 0x01 or (>= 0xD0 and <= 0xD8) ? 0 : BinaryPrimitives.ReadUInt16BigEndian(file[(at + 2)..]);
            var segment = file.Slice(at + 2, Math.Min(length, file.Length - at - 2));
            if (file[at + 1] == 0xE1 && segment.Length > 8 && segment[2..].StartsWith("Exif\0\0"u8))
                return segment[2..];
            at += 2 + length;
        }
        return [];
    }

    private static ReadOnlySpan<byte> PngExif(ReadOnlySpan<byte> file)
    {
        for (long at = 8; at + 12 <= file.Length;)
        {
            var chunk = file[(int)at..];
            uint length = BinaryPrimitives.ReadUInt32BigEndian(chunk);
            if (chunk[4..].StartsWith("IDAT"u8))
                break;
            if (chunk[4..].StartsWith("eXIf"u8) && length <= chunk.Length - 8)
                return chunk.Slice(8, (int)length);
            at += 12L + length;
        }
        return [];
    }

    private static ReadOnlySpan<byte> WebPExif(ReadOnlySpan<byte> file)
    {
        for (long at = 12; at + 8 <= file.Length;)
        {
            var chunk = file[(int)at..];
            uint length = BinaryPrimitives.ReadUInt32LittleEndian(chunk[4..]);
            if (chunk.StartsWith("EXIF"u8))
                return chunk.Slice(8, (int)Math.Min(length, chunk.Length - 8));
            at += 8L + length + (length & 1);
        }
        return [];
    }

    private static int InTiff(ReadOnlySpan<byte> tiff)
    {
        if (tiff.Length < 14 || !(tiff.StartsWith("II*\0"u8) || tiff.StartsWith("MM\0*"u8)))
            return 1;
        bool little = tiff[0] == 'I';
        uint directory = little ? BinaryPrimitives.ReadUInt32LittleEndian(tiff[4..]) : BinaryPrimitives.ReadUInt32BigEndian(tiff[4..]);
        if (directory > tiff.Length - 2)
            return 1;
        int entries = Short(tiff[(int)directory..], little);
        var rest = tiff[((int)directory + 2)..];
        for (int i = 0; i < entries && rest.Length >= 12; i++, rest = rest[12..])
            if (Short(rest, little) == Tag)
                return Short(rest[8..], little) is >= 1 and <= 8 and var orientation ? orientation : 1;
        return 1;
    }

    private static int Short(ReadOnlySpan<byte> bytes, bool little) =>
        little ? BinaryPrimitives.ReadUInt16LittleEndian(bytes) : BinaryPrimitives.ReadUInt16BigEndian(bytes);
}
