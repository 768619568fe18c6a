// SixLabors.ImageSharp 3.1 as far as we call it: signatures only, for compiling without the package.
using SixLabors.ImageSharp.Formats;
using SixLabors.ImageSharp.Formats.Png;
using SixLabors.ImageSharp.Metadata;
using SixLabors.ImageSharp.PixelFormats;

namespace SixLabors.ImageSharp
{
    public abstract class Image : IDisposable
    {
        public int Width => throw new NotSupportedException();

        public int Height => throw new NotSupportedException();

        public static ImageInfo Identify(DecoderOptions options, ReadOnlySpan<byte> buffer) => throw new NotSupportedException();

        public static Image<TPixel> Load<TPixel>(DecoderOptions options, ReadOnlySpan<byte> buffer) where TPixel : unmanaged, IPixel<TPixel> =>
            throw new NotSupportedException();

        public static Image<TPixel> LoadPixelData<TPixel>(ReadOnlySpan<TPixel> data, int width, int height) where TPixel : unmanaged, IPixel<TPixel> =>
            throw new NotSupportedException();

        public static Image<TPixel> LoadPixelData<TPixel>(ReadOnlySpan<byte> data, int width, int height) where TPixel : unmanaged, IPixel<TPixel> =>
            throw new NotSupportedException();

        public void Save(Stream stream, IImageEncoder encoder) => throw new NotSupportedException();

        public void Dispose() => GC.SuppressFinalize(this);
    }

    public sealed class Image<TPixel> : Image where TPixel : unmanaged, IPixel<TPixel>
    {
        public void CopyPixelDataTo(Span<TPixel> destination) => throw new NotSupportedException();

        public void CopyPixelDataTo(Span<byte> destination) => throw new NotSupportedException();
    }

    public class ImageInfo
    {
        public int Width => throw new NotSupportedException();

        public int Height => throw new NotSupportedException();

        public PixelTypeInfo PixelType => throw new NotSupportedException();

        public ImageMetadata Metadata => throw new NotSupportedException();
    }

    public static class MetadataExtensions
    {
        public static PngMetadata GetPngMetadata(this ImageMetadata source) => throw new NotSupportedException();
    }

    public readonly struct Size(int width, int height)
    {
        public int Width { get; } = width;

        public int Height { get; } = height;
    }
}

namespace SixLabors.ImageSharp.Metadata
{
    public sealed class ImageMetadata;
}

namespace SixLabors.ImageSharp.PixelFormats
{
    public interface IPixel<TSelf> where TSelf : unmanaged, IPixel<TSelf>;

    public struct Rgb24 : IPixel<Rgb24>;

    public struct L8 : IPixel<L8>;
}

namespace SixLabors.ImageSharp.Formats
{
    public interface IImageEncoder;

    public sealed class DecoderOptions
    {
        public uint MaxFrames { get; init; }

        public bool SkipMetadata { get; init; }

        public Size? TargetSize { get; init; }
    }

    public interface ISpecializedDecoderOptions
    {
        DecoderOptions GeneralOptions { get; init; }
    }

    public abstract class SpecializedImageDecoder<T> where T : ISpecializedDecoderOptions
    {
        public Image<TPixel> Decode<TPixel>(T options, Stream stream) where TPixel : unmanaged, IPixel<TPixel> => throw new NotSupportedException();
    }

    public class PixelTypeInfo
    {
        public int BitsPerPixel => throw new NotSupportedException();
    }
}

namespace SixLabors.ImageSharp.Formats.Jpeg
{
    public enum JpegEncodingColor : byte
    {
        YCbCrRatio420 = 0,
        YCbCrRatio444 = 1,
        YCbCrRatio422 = 2,
        YCbCrRatio411 = 3,
        YCbCrRatio410 = 4,
        Luminance = 5,
        Rgb = 6,
        Cmyk = 7,
        Ycck = 8,
    }

    public enum JpegDecoderResizeMode
    {
        Combined,
        IdctOnly,
        ScaleOnly,
    }

    public sealed class JpegDecoderOptions : ISpecializedDecoderOptions
    {
        public JpegDecoderResizeMode ResizeMode { get; init; }

        public DecoderOptions GeneralOptions { get; init; } = new();
    }

    public sealed class JpegDecoder : SpecializedImageDecoder<JpegDecoderOptions>
    {
        public static JpegDecoder Instance => throw new NotSupportedException();
    }

    public sealed class JpegEncoder : IImageEncoder
    {
        public int? Quality { get; init; }

        public JpegEncodingColor? ColorType { get; init; }
    }
}

namespace SixLabors.ImageSharp.Formats.Png
{
    public enum PngColorType : byte
    {
        Grayscale = 0,
        Rgb = 2,
        Palette = 3,
        GrayscaleWithAlpha = 4,
        RgbWithAlpha = 6,
    }

    public enum PngBitDepth : byte
    {
        Bit1 = 1,
        Bit2 = 2,
        Bit4 = 4,
        Bit8 = 8,
        Bit16 = 16,
    }

    public class PngMetadata
    {
        public PngColorType? ColorType { get; set; }

        public PngBitDepth? BitDepth { get; set; }
    }

    public sealed class PngEncoder : IImageEncoder
    {
        public PngColorType? ColorType { get; init; }

        public PngBitDepth? BitDepth { get; init; }
    }
}
