using Attention.Torch;

namespace Attention.Data;

/// <summary>Draws into an image; what lies outside of it is cut.</summary>
internal sealed class Pen(Image image)
{
    private readonly int _textScale = Math.Max(1, Math.Min(image.Width, image.Height) / 300);

    /// <summary>Of lines, in pixels, by the size of the image.</summary>
    public int Thickness { get; } = Math.Max(1, Math.Min(image.Width, image.Height) / 200);

    /// <summary>Mixes a pixel with a colour.</summary>
    public void Blend(int x, int y, Colour colour, double share)
    {
        var pixel = image[x, y];
        pixel[0] = Colours.Blend(pixel[0], colour.Red, (float)share);
        pixel[1] = Colours.Blend(pixel[1], colour.Green, (float)share);
        pixel[2] = Colours.Blend(pixel[2], colour.Blue, (float)share);
    }

    /// <summary>Fills a rectangle.</summary>
    public void Fill(int left, int top, int right, int bottom, Colour colour)
    {
        (left, right) = (Math.Clamp(left, 0, image.Width), Math.Clamp(right, 0, image.Width));
        for (int y = Math.Max(0, top); y < Math.Min(bottom, image.Height); y++)
            if (left < right)
                PixelMaps.Fill(image.Row(y)[(3 * left)..(3 * right)], colour);
    }

    /// <summary>Lays a translucent colour over a mask, (H, W), and a line along its border.</summary>
    public void Cover(byte[] mask, Colour colour, double opacity)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(mask.Length, image.Width * image.Height, nameof(mask));
        bool IsInside(int x, int y) => x >= 0 && y >= 0 && x < image.Width && y < image.Height && mask[y * image.Width + x] != 0;
        for (int i = 0; i < mask.Length; i++)
        {
            if (mask[i] == 0)
                continue;
            int x = i % image.Width, y = i / image.Width;
            bool isBorder = !(IsInside(x - 1, y) && IsInside(x + 1, y) && IsInside(x, y - 1) && IsInside(x, y + 1));
            Blend(x, y, colour, isBorder ? (1 + opacity) / 2 : opacity);
        }
    }

    /// <summary>Draws the border of a box of left, top, right and bottom, inside of it.</summary>
    public void Frame(float[] box, Colour colour)
    {
        int left = Place(box[0], image.Width), top = Place(box[1], image.Height);
        int right = Math.Max(left + 1, Place(box[2], image.Width)), bottom = Math.Max(top + 1, Place(box[3], image.Height));
        Fill(left, top, right, top + Thickness, colour);
        Fill(left, bottom - Thickness, right, bottom, colour);
        Fill(left, top, left + Thickness, bottom, colour);
        Fill(right - Thickness, top, right, bottom, colour);
    }

    /// <summary>Draws a line with round ends and smooth borders; a disc where it has no length.</summary>
    public void Line(float x0, float y0, float x1, float y1, float thickness, Colour colour)
    {
        float radius = thickness / 2;
        int left = Place(Math.Min(x0, x1) - radius - 1, image.Width), right = Place(Math.Max(x0, x1) + radius + 1, image.Width);
        int top = Place(Math.Min(y0, y1) - radius - 1, image.Height), bottom = Place(Math.Max(y0, y1) + radius + 1, image.Height);
        float dx = x1 - x0, dy = y1 - y0, squared = dx * dx + dy * dy;
        for (int y = Math.Max(0, top); y < Math.Min(bottom + 1, image.Height); y++)
            for (int x = Math.Max(0, left); x < Math.Min(right + 1, image.Width); x++)
            {
                float px = x + 0.5f - x0, py = y + 0.5f - y0;
                float along = squared > 0 ? Math.Clamp((px * dx + py * dy) / squared, 0, 1) : 0;
                float distance = MathF.Sqrt((px - along * dx) * (px - along * dx) + (py - along * dy) * (py - along * dy));
                float share = Math.Clamp(radius + 0.5f - distance, 0, 1);
                if (share > 0)
                    Blend(x, y, colour, share);
            }
    }

    /// <summary>Writes on a ground of the colour above a place, or below it where there is no room.</summary>
    public void Write(string text, float x, float y, Colour ground)
    {
        int width = (PixelFont.Advance * text.Length + 1) * _textScale, height = (PixelFont.Height + 2) * _textScale;
        int left = Math.Clamp(Place(x, image.Width), 0, Math.Max(0, image.Width - width));
        int top = Place(y, image.Height);
        top = top >= height ? top - height : Math.Clamp(top, 0, Math.Max(0, image.Height - height));
        Fill(left, top, left + width, top + height, ground);
        bool isLight = 299 * ground.Red + 587 * ground.Green + 114 * ground.Blue > 128_000;
        var ink = isLight ? Colour.Black : new Colour(255, 255, 255);
        for (int i = 0; i < text.Length; i++)
            for (int row = 0; row < PixelFont.Height; row++)
                for (int column = 0; column < PixelFont.Width; column++)
                    if (PixelFont.IsSet(text[i], column, row))
                    {
                        int px = left + (PixelFont.Advance * i + column + 1) * _textScale, py = top + (row + 1) * _textScale;
                        Fill(px, py, px + _textScale, py + _textScale, ink);
                    }
    }

    // Far outside is as good as just outside, and cannot overflow.
    private static int Place(float coordinate, int size) => (int)MathF.Round(Math.Clamp(coordinate, -size, 2 * size));
}
