using Attention.Torch;

namespace Attention.Data;

/// <summary>Moves maps of one byte for each pixel, (H, W), and images.</summary>
internal static class PixelMaps
{
    /// <summary>Takes the nearest pixel, at floor(place * in / out) in single precision, as PyTorch does.</summary>
    public static byte[] Resize(byte[] map, int height, int width, int newHeight, int newWidth)
    {
        var result = GC.AllocateUninitializedArray<byte>(newHeight * newWidth);
        int[] columns = Nearest(width, newWidth), rows = Nearest(height, newHeight);
        for (int y = 0; y < newHeight; y++)
        {
            var from = map.AsSpan(rows[y] * width, width);
            var to = result.AsSpan(y * newWidth, newWidth);
            for (int x = 0; x < to.Length; x++)
                to[x] = from[columns[x]];
        }
        return result;
    }

    /// <summary>Mirrors left and right.</summary>
    public static byte[] Flip(byte[] map, int height, int width)
    {
        byte[] result = [.. map];
        for (int y = 0; y < height; y++)
            result.AsSpan(y * width, width).Reverse();
        return result;
    }

    /// <summary>A part of a map, which may reach beyond it.</summary>
    public static byte[] Window(byte[] map, int height, int width, int left, int top, int newHeight, int newWidth, byte outside)
    {
        var result = new byte[newHeight * newWidth];
        if (outside != 0)
            Array.Fill(result, outside);
        var (from, to) = Common(left, width, newWidth);
        for (int y = Math.Max(0, -top); y < Math.Min(newHeight, height - top) && from < to; y++)
            map.AsSpan((y + top) * width + left + from, to - from).CopyTo(result.AsSpan(y * newWidth + from));
        return result;
    }

    /// <summary>Fills an image with what lies at (left, top) of another; a colour where that is outside.</summary>
    public static void Copy(Image image, int left, int top, Image into, Colour outside)
    {
        var (from, to) = Common(left, image.Width, into.Width);
        for (int y = 0; y < into.Height; y++)
        {
            bool isInside = y + top >= 0 && y + top < image.Height && from < to;
            var row = into.Row(y);
            if (isInside)
                image.Row(y + top)[(3 * (left + from))..(3 * (left + to))].CopyTo(row[(3 * from)..]);
            Fill(row[..(isInside ? 3 * from : row.Length)], outside);
            if (isInside)
                Fill(row[(3 * to)..], outside);
        }
    }

    /// <summary>Which columns of a window that begins at a place lie inside.</summary>
    private static (int From, int To) Common(int start, int length, int window) => (Math.Max(0, -start), Math.Min(window, length - start));

    /// <summary>Fills pixels with a colour.</summary>
    public static void Fill(Span<byte> pixels, Colour colour)
    {
        for (int i = 0; i < pixels.Length; i += 3)
            (pixels[i], pixels[i + 1], pixels[i + 2]) = (colour.Red, colour.Green, colour.Blue);
    }

    private static int[] Nearest(int from, int to)
    {
        float step = (float)from / to;
        return [.. Enumerable.Range(0, to).Select(i => Math.Min((int)(i * step), from - 1))];
    }
}
