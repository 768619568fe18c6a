using System.Buffers.Binary;
using SixLabors.ImageSharp.Formats;
using SixLabors.ImageSharp.Formats.Jpeg;
using SixLabors.ImageSharp.Formats.Png;
using SixLabors.ImageSharp.PixelFormats;
using Sharp = SixLabors.ImageSharp;

namespace Attention.Torch;

/// <summary>The codecs of the official-packages flavour: SixLabors.ImageSharp.</summary>
public static partial class ImageCodec
{
    private static readonly DecoderOptions FirstFrame = new() { MaxFrames = 1, SkipMetadata = true };

    private static ImageInfo ProbeHeader(ReadOnlySpan<byte> file)
    {
        if (file.IsEmpty)
            throw new ImageError("the file is empty");
        var format = FormatOf(file);
        var info = Guarded(file, bytes => Sharp.Image.Identify(FirstFrame, bytes));
        return new ImageInfo(format, info.Width, info.Height, ChannelsOf(format, info));
    }

    private static void DecodePixels(ReadOnlySpan<byte> file, ImageInfo info, Image into, int denominator, ImageNeed need)
    {
        RequireEnd(file, info.Format);
        using var decoded = denominator == 1
            ? Guarded(file, static bytes => Sharp.Image.Load<Rgb24>(FirstFrame, bytes))
            : Guarded(file, bytes => LoadScaled(bytes, info, denominator));
        into.Reshape(decoded.Width, decoded.Height);
        decoded.CopyPixelDataTo(into.Pixels);
    }

    /// <summary>ImageSharp fills the missing part of a cut file with grey and says nothing: look for the end of the image first.</summary>
    private static void RequireEnd(ReadOnlySpan<byte> file, ImageFormat format)
    {
        bool ends = format switch
        {
            ImageFormat.Jpeg => file.LastIndexOf<byte>([0xFF, 0xD9]) >= 0,
            ImageFormat.Png => file.LastIndexOf("IEND"u8) >= 0,
            _ => BinaryPrimitives.ReadUInt32LittleEndian(file[4..]) + 8L <= file.Length, // the length in WebP's RIFF header
        };
        if (!ends)
            throw new ImageError($"truncated {(format == ImageFormat.WebP ? "WebP" : format.ToString().ToUpperInvariant())}: the file ends before its image does");
    }

    private static Sharp.Image<Rgb24> LoadScaled(ReadOnlySpan<byte> file, ImageInfo info, int denominator)
    {
        var size = new Sharp.Size((info.Width + denominator - 1) / denominator, (info.Height + denominator - 1) / denominator);
        var options = new JpegDecoderOptions
        {
            GeneralOptions = new DecoderOptions { MaxFrames = 1, SkipMetadata = true, TargetSize = size },
            ResizeMode = JpegDecoderResizeMode.IdctOnly,
        };
        using var stream = new MemoryStream(file.ToArray(), writable: false);
        return JpegDecoder.Instance.Decode<Rgb24>(options, stream);
    }

    private static void DecodeLabelPixels(ReadOnlySpan<byte> file, ImageInfo info, Span<byte> values)
    {
        // ImageSharp stretches fewer bits to 8 and looks palettes up: the stored values are gone then.
        var header = Guarded(file, bytes => Sharp.Image.Identify(FirstFrame, bytes));
        if (info.Format != ImageFormat.Png || info.Channels != 1)
            throw new ImageError("a label map has to be a PNG of one channel and at most 8 bits");
        var png = Sharp.MetadataExtensions.GetPngMetadata(header.Metadata);
        if (png.ColorType != PngColorType.Grayscale || png.BitDepth != PngBitDepth.Bit8)
            throw new ImageError("this build (Torch=nuget) reads label maps of 8-bit grey only, no palettes and no other depths");
        using var decoded = Guarded(file, bytes => Sharp.Image.Load<L8>(FirstFrame, bytes));
        decoded.CopyPixelDataTo(values);
    }

    private static byte[] Encode(ImageFormat format, ReadOnlySpan<byte> pixels, int width, int height, int channels, int quality)
    {
        using Sharp.Image image = channels == 1
            ? Sharp.Image.LoadPixelData<L8>(pixels, width, height)
            : Sharp.Image.LoadPixelData<Rgb24>(pixels, width, height);
        using var stream = new MemoryStream();
        if (format == ImageFormat.Jpeg)
            image.Save(stream, new JpegEncoder { Quality = quality, ColorType = JpegEncodingColor.YCbCrRatio420 });
        else
            image.Save(stream, new PngEncoder
            {
                ColorType = channels == 1 ? PngColorType.Grayscale : PngColorType.Rgb,
                BitDepth = PngBitDepth.Bit8,
            });
        return stream.ToArray();
    }

    private static ImageFormat FormatOf(ReadOnlySpan<byte> file)
    {
        if (file.StartsWith<byte>([0xFF, 0xD8, 0xFF]))
            return ImageFormat.Jpeg;
        if (file.StartsWith<byte>([0x89, (byte)'P', (byte)'N', (byte)'G']))
            return ImageFormat.Png;
        if (file.Length >= 12 && file.StartsWith("RIFF"u8) && file[8..12].SequenceEqual("WEBP"u8))
            return ImageFormat.WebP;
        string start = string.Join(' ', file[..Math.Min(4, file.Length)].ToArray().Select(b => b.ToString("X2")));
        throw new ImageError($"not a JPEG, PNG or WebP image: it starts with the bytes {start}");
    }

    private static int ChannelsOf(ImageFormat format, Sharp.ImageInfo info) => format switch
    {
        ImageFormat.Png => Sharp.MetadataExtensions.GetPngMetadata(info.Metadata).ColorType switch
        {
            PngColorType.Grayscale or PngColorType.Palette => 1,
            PngColorType.GrayscaleWithAlpha => 2,
            PngColorType.RgbWithAlpha => 4,
            _ => 3,
        },
        ImageFormat.Jpeg => info.PixelType.BitsPerPixel / 8,
        _ => info.PixelType.BitsPerPixel >= 32 ? 4 : 3,
    };

    private delegate T Reader<T>(ReadOnlySpan<byte> file);

    private static T Guarded<T>(ReadOnlySpan<byte> file, Reader<T> read)
    {
        try
        {
            return read(file);
        }
        catch (Exception e) when (e is not (OutOfMemoryException or ImageError))
        {
            // Damaged files make ImageSharp throw exceptions of its own and of the runtime, a null reference among them.
            throw new ImageError($"corrupt image: {e.Message}", e);
        }
    }
}
