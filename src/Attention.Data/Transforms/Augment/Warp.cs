using Attention.Torch;

namespace Attention.Data;

/// <summary>A colour of bytes.</summary>
public readonly record struct Colour(byte Red, byte Green, byte Blue)
{
    public static Colour Black => default;
}

/// <summary>
/// A map from the result's coordinates to the image's: (x, y) of the result comes from (a x + b y + c, d x + e y + f).
/// </summary>
internal readonly record struct AffineMap(double A, double B, double C, double D, double E, double F)
{
    public static AffineMap ShearX(double factor) => new(1, factor, 0, 0, 1, 0);

    public static AffineMap ShearY(double factor) => new(1, 0, 0, factor, 1, 0);

    /// <summary>What is at (x, y) comes to (0, 0).</summary>
    public static AffineMap Shift(double x, double y) => new(1, 0, x, 0, 1, y);

    /// <summary>A turn about the middle, counter-clockwise.</summary>
    public static AffineMap Turn(double degrees, int width, int height)
    {
        // Pillow rounds as well, so that right angles map whole pixels to whole pixels.
        double angle = -degrees * Math.PI / 180, cos = Math.Round(Math.Cos(angle), 15), sin = Math.Round(Math.Sin(angle), 15);
        double x = width / 2.0, y = height / 2.0;
        return new(cos, sin, cos * -x + sin * -y + x, -sin, cos, -sin * -x + cos * -y + y);
    }
}

/// <summary>How a warped image is read between pixels.</summary>
internal enum WarpFilter
{
    Nearest,
    Bilinear,
    Bicubic,
}

/// <summary>Pillow's <c>Image.transform(size, AFFINE, ...)</c>, to the byte.</summary>
internal static class Warp
{
    /// <summary>Warps; what comes from outside of the image is filled.</summary>
    public static void Apply(Image input, Image output, AffineMap map, WarpFilter filter, Colour fill)
    {
        output.Reshape(input.Width, input.Height);
        if (filter == WarpFilter.Nearest)
            Nearest(input, output, map, fill);
        else
            for (int y = 0; y < output.Height; y++)
                for (int x = 0; x < output.Width; x++)
                {
                    double fromX = map.A * (x + 0.5) + map.B * (y + 0.5) + map.C, fromY = map.D * (x + 0.5) + map.E * (y + 0.5) + map.F;
                    var pixel = output.Row(y).Slice(3 * x, 3);
                    if (fromX < 0 || fromX >= input.Width || fromY < 0 || fromY >= input.Height)
                        (pixel[0], pixel[1], pixel[2]) = fill;
                    else if (filter == WarpFilter.Bilinear)
                        Bilinear(input, fromX - 0.5, fromY - 0.5, pixel);
                    else
                        Bicubic(input, fromX - 0.5, fromY - 0.5, pixel);
                }
    }

    /// <summary>Turns about the middle, counter-clockwise (Pillow's <c>Image.rotate</c>).</summary>
    public static void Rotate(Image input, Image output, double degrees, WarpFilter filter, Colour fill)
    {
        degrees -= 360 * Math.Floor(degrees / 360);
        if (degrees == 0)
        {
            output.Reshape(input.Width, input.Height);
            input.Pixels.CopyTo(output.Pixels);
            return;
        }
        Apply(input, output, AffineMap.Turn(degrees, input.Width, input.Height), filter, fill);
    }

    // In fixed point with 16 fractional bits.
    private static void Nearest(Image input, Image output, AffineMap map, Colour fill)
    {
        static int Fixed(double value) => (int)Math.Floor(value * 65536.0 + 0.5);
        int stepX = Fixed(map.A), stepXDown = Fixed(map.B), stepY = Fixed(map.D), stepYDown = Fixed(map.E);
        int startX = Fixed(map.C + map.A * 0.5 + map.B * 0.5), startY = Fixed(map.F + map.D * 0.5 + map.E * 0.5);
        for (int y = 0; y < output.Height; y++, startX += stepXDown, startY += stepYDown)
        {
            var to = output.Row(y);
            for (int x = 0, atX = startX, atY = startY; x < output.Width; x++, atX += stepX, atY += stepY)
            {
                int column = atX >> 16, row = atY >> 16;
                if ((uint)column < (uint)input.Width && (uint)row < (uint)input.Height)
                    input.Row(row).Slice(3 * column, 3).CopyTo(to[(3 * x)..]);
                else
                    (to[3 * x], to[3 * x + 1], to[3 * x + 2]) = fill;
            }
        }
    }

    private static void Bilinear(Image input, double x, double y, Span<byte> pixel)
    {
        int column = (int)Math.Floor(x), row = (int)Math.Floor(y);
        double right = x - column, below = y - row;
        int x0 = 3 * Math.Clamp(column, 0, input.Width - 1), x1 = 3 * Math.Clamp(column + 1, 0, input.Width - 1);
        ReadOnlySpan<byte> upper = input.Row(Math.Clamp(row, 0, input.Height - 1));
        var lower = row + 1 < input.Height ? input.Row(row + 1) : upper;
        for (int c = 0; c < 3; c++)
        {
            double first = upper[x0 + c] + (upper[x1 + c] - upper[x0 + c]) * right;
            double second = lower[x0 + c] + (lower[x1 + c] - lower[x0 + c]) * right;
            pixel[c] = (byte)(first + (second - first) * below);
        }
    }

    private static void Bicubic(Image input, double x, double y, Span<byte> pixel)
    {
        int column = (int)Math.Floor(x), row = (int)Math.Floor(y);
        double right = x - column, below = y - row;
        column--;
        row--;
        Span<int> at = [Column(column), Column(column + 1), Column(column + 2), Column(column + 3)];
        Span<double> lines = stackalloc double[4];
        for (int c = 0; c < 3; c++)
        {
            for (int i = 0; i < 4; i++)
            {
                // A row outside of the image repeats the one before.
                if (i > 0 && (row + i < 0 || row + i >= input.Height))
                {
                    lines[i] = lines[i - 1];
                    continue;
                }
                ReadOnlySpan<byte> line = input.Row(Math.Clamp(row + i, 0, input.Height - 1));
                lines[i] = Cubic(line[at[0] + c], line[at[1] + c], line[at[2] + c], line[at[3] + c], right);
            }
            pixel[c] = (byte)Math.Clamp(Cubic(lines[0], lines[1], lines[2], lines[3], below), 0, 255);
        }

        int Column(int index) => 3 * Math.Clamp(index, 0, input.Width - 1);
    }

    // Keys' cubic with a = -1.
    private static double Cubic(double a, double b, double c, double d, double t) =>
        b + t * (-a + c + t * (2 * (a - b) + c - d + t * (-a + b - c + d)));
}
