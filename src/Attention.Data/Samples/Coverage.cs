using System.Numerics;

namespace Attention.Data.Samples;

/// <summary>
/// Anti-aliased polygon filling by exact areas: each pixel gets the share of it that lies inside. Every edge adds its signed
/// area to the pixels that it passes and its height to the pixel behind; a running sum along the row completes the rest.
/// </summary>
internal sealed class Coverage(int width, int height)
{
    // Two more per row, so that edges on the right border need no test.
    private readonly int _stride = width + 2;
    private readonly float[] _areas = new float[(width + 2) * height];
    private readonly float[] _filled = new float[width * height];

    public int Width { get; } = width;

    public int Height { get; } = height;

    /// <summary>
    /// Fills closed contours and returns the coverage of each pixel in [0, 1], (H, W), valid until the next call. Overlapping
    /// contours of one direction unite, a contour of the other direction cuts a hole.
    /// </summary>
    public ReadOnlySpan<float> Fill(params ReadOnlySpan<Vector2[]> contours)
    {
        Array.Clear(_areas);
        foreach (var contour in contours)
            for (int i = 0; i < contour.Length; i++)
                AddEdge(contour[i], contour[(i + 1) % contour.Length]);
        for (int y = 0; y < Height; y++)
        {
            float sum = 0;
            for (int x = 0; x < Width; x++)
            {
                sum += _areas[y * _stride + x];
                _filled[y * Width + x] = Math.Min(Math.Abs(sum), 1);
            }
        }
        return _filled;
    }

    private void AddEdge(Vector2 from, Vector2 to)
    {
        if (from.Y == to.Y)
            return;
        float direction = 1;
        if (from.Y > to.Y)
            (from, to, direction) = (to, from, -1);
        float slope = (to.X - from.X) / (to.Y - from.Y);
        int last = Math.Min(Height, (int)Math.Ceiling(to.Y));
        for (int row = Math.Max(0, (int)Math.Floor(from.Y)); row < last; row++)
        {
            float top = Math.Max(row, from.Y), bottom = Math.Min(row + 1, to.Y);
            if (bottom > top)
                AddToRow(row, from.X + (top - from.Y) * slope, from.X + (bottom - from.Y) * slope, direction * (bottom - top));
        }
    }

    /// <summary>Adds a piece of an edge that runs from x0 to x1 within one row and covers the given signed height of it.</summary>
    private void AddToRow(int row, float x0, float x1, float height)
    {
        if (x0 > x1)
            (x0, x1) = (x1, x0);
        float perPixel = x1 > x0 ? height / (x1 - x0) : 0;
        float x = x0;
        do
        {
            // The next piece ends at a column's border; all that lies outside the canvas is one piece.
            float end = x < 0 ? Math.Min(x1, 0) : x >= Width ? x1 : Math.Min(x1, MathF.Floor(x) + 1);
            float part = x1 > x0 ? perPixel * (end - x) : height;
            float middle = Math.Clamp((x + end) / 2, 0, Width);
            int column = Math.Min((int)middle, Width);
            _areas[row * _stride + column] += part * (column + 1 - middle);
            _areas[row * _stride + column + 1] += part * (middle - column);
            x = end;
        }
        while (x < x1);
    }
}
