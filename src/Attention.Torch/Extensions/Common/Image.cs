namespace Attention.Torch;

/// <summary>An image in memory: interleaved RGB bytes, rows from top to bottom, (H, W, 3).</summary>
public sealed class Image
{
    private byte[] _buffer;

    /// <summary>An image of undefined content.</summary>
    public Image(int width, int height)
    {
        _buffer = [];
        Reshape(width, height);
    }

    /// <summary>An image over existing bytes, which are not copied.</summary>
    /// <exception cref="ArgumentException">pixels holds fewer than width * height * 3 bytes.</exception>
    public Image(int width, int height, byte[] pixels)
    {
        if (pixels.Length < (long)width * height * 3)
            throw new ArgumentException($"{pixels.Length} bytes are too few for {width} x {height} RGB pixels", nameof(pixels));
        (_buffer, Width, Height) = (pixels, width, height);
    }

    public int Width { get; private set; }

    public int Height { get; private set; }

    /// <summary>Width * Height * 3 bytes.</summary>
    public Span<byte> Pixels => _buffer.AsSpan(0, Width * Height * 3);

    /// <summary>The three bytes of one pixel.</summary>
    public Span<byte> this[int x, int y] => _buffer.AsSpan((y * Width + x) * 3, 3);

    /// <summary>Row y, Width * 3 bytes.</summary>
    public Span<byte> Row(int y) => _buffer.AsSpan(y * Width * 3, Width * 3);

    /// <summary>Gives the image another size and leaves its content undefined. Reuses the buffer where it is large enough.</summary>
    public void Reshape(int width, int height)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(width);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(height);
        int length = checked(width * height * 3);
        if (_buffer.Length < length)
            _buffer = GC.AllocateUninitializedArray<byte>(length);
        (Width, Height) = (width, height);
    }

    /// <summary>A copy with a buffer of its own, exactly as large as needed.</summary>
    public Image Clone() => new(Width, Height, Pixels.ToArray());
}

/// <summary>A map of one byte per pixel, such as the class of each pixel, (H, W).</summary>
public sealed record LabelMap(int Width, int Height, byte[] Values)
{
    public byte this[int x, int y] => Values[y * Width + x];
}

/// <summary>Image files that are read.</summary>
public enum ImageFormat
{
    Jpeg = 1,
    Png = 2,
    WebP = 3,
}

/// <summary>What the header of an image file says.</summary>
/// <param name="Format">The format by its first bytes, whatever the file's name.</param>
/// <param name="Width">Pixels per row.</param>
/// <param name="Height">Number of rows.</param>
/// <param name="Channels">As stored: 1 grey or palette, 2 grey and alpha, 3 colour, 4 colour and alpha, or CMYK.</param>
public readonly record struct ImageInfo(ImageFormat Format, int Width, int Height, int Channels);

/// <summary>An image that cannot be read or written; the message says why.</summary>
public sealed class ImageError(string message, Exception? inner = null)
    : UserError(message, "replace the file by a valid JPEG, PNG or WebP image, or remove it", inner);
