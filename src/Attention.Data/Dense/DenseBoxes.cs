namespace Attention.Data;

/// <summary>Boxes of left, top, right and bottom.</summary>
internal static class DenseBoxes
{
    public static float[] Clip(float[] box, int height, int width) =>
        [Math.Clamp(box[0], 0, width), Math.Clamp(box[1], 0, height), Math.Clamp(box[2], 0, width), Math.Clamp(box[3], 0, height)];

    public static float[] Move(float[] box, float x, float y) => [box[0] + x, box[1] + y, box[2] + x, box[3] + y];

    public static bool IsEmpty(float[] box) => !(box[2] > box[0] && box[3] > box[1]);

    public static float Area(float[] box) => IsEmpty(box) ? 0 : (box[2] - box[0]) * (box[3] - box[1]);

    /// <summary>The smallest box around the pixels inside; empty where there are none.</summary>
    public static float[] Around(ReadOnlySpan<byte> mask, int height, int width)
    {
        int left = width, top = -1, right = 0, bottom = 0;
        for (int y = 0; y < height; y++)
        {
            var row = mask.Slice(y * width, width);
            int first = row.IndexOfAnyExcept((byte)0);
            if (first < 0)
                continue;
            left = Math.Min(left, first);
            right = Math.Max(right, row.LastIndexOfAnyExcept((byte)0) + 1);
            top = top < 0 ? y : top;
            bottom = y + 1;
        }
        return top < 0 ? [0, 0, 0, 0] : [left, top, right, bottom];
    }
}
