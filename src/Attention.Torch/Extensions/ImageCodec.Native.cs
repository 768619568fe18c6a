using System.Runtime.InteropServices;

namespace Attention.Torch;

/// <summary>The codecs of the system flavour: libjpeg-turbo, libpng and libwebp behind native/codecs.cpp.</summary>
public static partial class ImageCodec
{
    private const string Library = "attention_torch";

    private static ImageInfo ProbeHeader(ReadOnlySpan<byte> file)
    {
        Check(att_image_probe(file, file.Length, out var info));
        return new ImageInfo((ImageFormat)info.Format, info.Width, info.Height, info.Channels);
    }

    private static void DecodePixels(ReadOnlySpan<byte> file, ImageInfo info, Image into, int denominator, ImageNeed need)
    {
        into.Reshape((info.Width + denominator - 1) / denominator, (info.Height + denominator - 1) / denominator);
        var pixels = into.Pixels;
        Check(att_image_decode(file, file.Length, denominator, need.X, need.Y, need.Width, need.Height, pixels, pixels.Length));
    }

    private static void DecodeLabelPixels(ReadOnlySpan<byte> file, ImageInfo info, Span<byte> values) =>
        Check(att_image_decode_labels(file, file.Length, values, values.Length));

    private static unsafe byte[] Encode(ImageFormat format, ReadOnlySpan<byte> pixels, int width, int height, int channels, int quality)
    {
        long length = att_image_encode((int)format, pixels, width, height, channels, quality, out byte* encoded);
        Check(length);
        try
        {
            return new ReadOnlySpan<byte>(encoded, checked((int)length)).ToArray();
        }
        finally
        {
            att_image_free(encoded);
        }
    }

    private static void Check(long status)
    {
        if (status < 0)
            throw new ImageError(Marshal.PtrToStringUTF8(att_last_error()) ?? "unknown error of the image codecs");
    }

    [StructLayout(LayoutKind.Sequential)]
    private struct NativeInfo
    {
        public int Format, Width, Height, Channels, Bits;
    }

    [LibraryImport(Library)]
    private static partial int att_image_probe(ReadOnlySpan<byte> data, long length, out NativeInfo info);

    [LibraryImport(Library)]
    private static partial int att_image_decode(
        ReadOnlySpan<byte> data, long length, int denominator, int x, int y, int width, int height, Span<byte> pixels, long capacity);

    [LibraryImport(Library)]
    private static partial int att_image_decode_labels(ReadOnlySpan<byte> data, long length, Span<byte> values, long capacity);

    [LibraryImport(Library)]
    private static unsafe partial long att_image_encode(
        int format, ReadOnlySpan<byte> pixels, int width, int height, int channels, int quality, out byte* encoded);

    [LibraryImport(Library)]
    private static unsafe partial void att_image_free(byte* encoded);

    [LibraryImport(Library)]
    private static partial nint att_last_error();
}
