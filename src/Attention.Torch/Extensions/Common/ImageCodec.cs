namespace Attention.Torch;

/// <summary>
/// Reads JPEG, PNG and WebP, writes JPEG and PNG. Pixels come out as Pillow's <c>convert("RGB")</c> gives them: grey is
/// repeated, palettes are looked up, 16 bits are rounded to 8, CMYK is converted, alpha is dropped. Unlike there, what a camera
/// noted of how it was held is followed, unless the caller declines.
/// All members may be called from several threads at once.
/// </summary>
public static partial class ImageCodec
{
    /// <summary>Images of more pixels are refused by their header, as Pillow refuses them.</summary>
    public const long DefaultMaxPixels = 178_956_970;

    /// <summary>Reads the header of an image file. Decodes nothing.</summary>
    /// <exception cref="ImageError">The bytes are no image, or its header is cut off or corrupt.</exception>
    public static ImageInfo Probe(ReadOnlySpan<byte> file) => ProbeHeader(file);

    /// <summary>Decodes an image file to RGB.</summary>
    /// <param name="file">The whole file.</param>
    /// <param name="minSide">
    /// 0 decodes at full size. A larger value lets a JPEG be decoded at 1/2, 1/4 or 1/8 of its size, which is several times
    /// faster, as long as its shorter side keeps at least that many pixels.
    /// </param>
    /// <param name="maxPixels">Refuse an image whose header claims more pixels, before anything is allocated for them.</param>
    /// <exception cref="ImageError">The file is unknown, cut off, corrupt or too large.</exception>
    public static Image Decode(ReadOnlySpan<byte> file, int minSide = 0, long maxPixels = DefaultMaxPixels)
    {
        var image = new Image(1, 1);
        Decode(file, image, minSide, maxPixels);
        return image;
    }

    /// <summary>Decodes into an image that is reshaped, so that its buffer serves many files.</summary>
    /// <inheritdoc cref="Decode(ReadOnlySpan{byte}, int, long)"/>
    public static void Decode(ReadOnlySpan<byte> file, Image into, int minSide = 0, long maxPixels = DefaultMaxPixels) =>
        Decode(file, into, (width, height) => ImageNeed.All(width, height) with { MinSide = minSide }, maxPixels);

    /// <summary>Decodes what is needed of an image. The result has the whole image's size; its other pixels may be undefined.</summary>
    /// <param name="file">The whole file.</param>
    /// <param name="into">Takes the image.</param>
    /// <param name="needOf">What is needed.</param>
    /// <param name="maxPixels">Refuse an image whose header claims more pixels, before anything is allocated for them.</param>
    /// <param name="upright">Whether the EXIF orientation is followed; Pillow and timm leave the image as it is stored.</param>
    /// <exception cref="ImageError">The file is unknown, cut off, corrupt or too large.</exception>
    public static void Decode(ReadOnlySpan<byte> file, Image into, NeedOf needOf, long maxPixels = DefaultMaxPixels, bool upright = true)
    {
        var info = ProbeHeader(file);
        RequireSize(info, maxPixels);
        int orientation = upright ? Orientation.Of(file, info.Format) : 1;
        bool swaps = orientation > 4;
        var (width, height) = swaps ? (info.Height, info.Width) : (info.Width, info.Height);
        var need = needOf(width, height);
        int denominator = Denominator(info, need.MinSide);
        if (denominator > 1)
            need = needOf((width + denominator - 1) / denominator, (height + denominator - 1) / denominator);
        if (orientation != 1) // rare enough to decode all
            need = ImageNeed.All((info.Width + denominator - 1) / denominator, (info.Height + denominator - 1) / denominator);
        DecodePixels(file, info, into, denominator, need);
        Orientation.Apply(orientation, into);
    }

    /// <summary>
    /// Decodes a PNG of class indices: palette indices or grey levels as they are stored, (H, W). The official-packages flavour
    /// reads 8-bit grey only.
    /// </summary>
    /// <exception cref="ImageError">The file is not a PNG of one channel and at most 8 bits, or it is cut off, corrupt or too large.</exception>
    public static LabelMap DecodeLabels(ReadOnlySpan<byte> file, long maxPixels = DefaultMaxPixels)
    {
        var info = ProbeHeader(file);
        RequireSize(info, maxPixels);
        var values = GC.AllocateUninitializedArray<byte>(info.Width * info.Height);
        DecodeLabelPixels(file, info, values);
        return new LabelMap(info.Width, info.Height, values);
    }

    /// <summary>Encodes an image as JPEG with chroma at half resolution.</summary>
    /// <param name="image">The image.</param>
    /// <param name="quality">1 (smallest) to 100 (best).</param>
    public static byte[] EncodeJpeg(Image image, int quality = 90)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(quality, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(quality, 100);
        return Encode(ImageFormat.Jpeg, image.Pixels, image.Width, image.Height, 3, quality);
    }

    /// <summary>Encodes an image as PNG without loss.</summary>
    public static byte[] EncodePng(Image image) => Encode(ImageFormat.Png, image.Pixels, image.Width, image.Height, 3, 0);

    /// <summary>Encodes a map of one byte per pixel as a grey PNG, which <see cref="DecodeLabels"/> reads back.</summary>
    /// <exception cref="ArgumentException">The map does not hold width * height values.</exception>
    public static byte[] EncodePng(LabelMap map)
    {
        if (map.Width <= 0 || map.Height <= 0 || map.Values.Length != (long)map.Width * map.Height)
            throw new ArgumentException($"{map.Values.Length} values are no map of {map.Width} x {map.Height}", nameof(map));
        return Encode(ImageFormat.Png, map.Values, map.Width, map.Height, 1, 0);
    }

    /// <summary>1, 2, 4 or 8: the part of the size at which an image is decoded.</summary>
    private static int Denominator(ImageInfo info, int minSide)
    {
        int denominator = 1;
        if (info.Format == ImageFormat.Jpeg && minSide > 0)
            while (denominator < 8 && Math.Min(info.Width, info.Height) >= (long)minSide * denominator * 2)
                denominator *= 2;
        return denominator;
    }

    private static void RequireSize(ImageInfo info, long maxPixels)
    {
        // 3 bytes per pixel have to fit a .NET array, whatever the caller allows.
        long limit = Math.Min(maxPixels, Array.MaxLength / 3);
        if ((long)info.Width * info.Height > limit)
            throw new ImageError($"the image is too large: {info.Width} x {info.Height} pixels, {limit} are allowed");
    }
}
