using TorchSharp;
using static TorchSharp.torch;

namespace Attention.Modules;

/// <summary>A map cut into windows that do not overlap, and back.</summary>
public static class Windows
{
    /// <summary>(B, H, W, C) to (B, windows, height * width, C); H and W must be multiples of the window's sides.</summary>
    public static Tensor Partition(Tensor x, long height, long width)
    {
        var (batch, down, across, dim) = (x.shape[0], x.shape[1] / height, x.shape[2] / width, x.shape[3]);
        return x.reshape(batch, down, height, across, width, dim).permute(0, 1, 3, 2, 4, 5).reshape(batch, down * across, height * width, dim);
    }

    /// <summary>The inverse of <see cref="Partition"/>: (B, windows, height * width, C) to (B, H, W, C).</summary>
    public static Tensor Merge(Tensor windows, long height, long width, long mapHeight, long mapWidth)
    {
        var (batch, down, across, dim) = (windows.shape[0], mapHeight / height, mapWidth / width, windows.shape[^1]);
        return windows.reshape(batch, down, across, height, width, dim).permute(0, 1, 3, 2, 4, 5).reshape(batch, mapHeight, mapWidth, dim);
    }

    /// <summary>
    /// Grid cells instead of neighbours: each group takes every (H / height)-th row and (W / width)-th column.
    /// (B, H, W, C) to (B, groups, height * width, C).
    /// </summary>
    public static Tensor PartitionGrid(Tensor x, long height, long width)
    {
        var (batch, down, across, dim) = (x.shape[0], x.shape[1] / height, x.shape[2] / width, x.shape[3]);
        return x.reshape(batch, height, down, width, across, dim).permute(0, 2, 4, 1, 3, 5).reshape(batch, down * across, height * width, dim);
    }

    /// <summary>The inverse of <see cref="PartitionGrid"/>.</summary>
    public static Tensor MergeGrid(Tensor groups, long height, long width, long mapHeight, long mapWidth)
    {
        var (batch, down, across, dim) = (groups.shape[0], mapHeight / height, mapWidth / width, groups.shape[^1]);
        return groups.reshape(batch, down, across, height, width, dim).permute(0, 3, 1, 4, 2, 5).reshape(batch, mapHeight, mapWidth, dim);
    }

    /// <summary>Pads a map (B, H, W, C) with zeros at the bottom and right to multiples of the window's sides.</summary>
    public static Tensor Pad(Tensor x, long height, long width)
    {
        long bottom = (height - x.shape[1] % height) % height;
        long right = (width - x.shape[2] % width) % width;
        return bottom == 0 && right == 0 ? x : nn.functional.pad(x, [0, 0, 0, right, 0, bottom]);
    }

    /// <summary>The means of each 2x2 positions: (B, H, W, C) to (B, H/2, W/2, C); an odd last row or column is left out.</summary>
    public static Tensor Halve(Tensor x) => nn.functional.avg_pool2d(x.permute(0, 3, 1, 2), 2).permute(0, 2, 3, 1);

    /// <summary>
    /// Which entry of a table of (2 height - 1) (2 width - 1) relative positions belongs to each pair of a window's tokens,
    /// (height * width, height * width), row by row.
    /// </summary>
    public static Tensor RelativePositionIndex(int height, int width)
    {
        int tokens = height * width;
        var index = new long[tokens * tokens];
        for (int i = 0; i < tokens; i++)
            for (int j = 0; j < tokens; j++)
                index[i * tokens + j] = (i / width - j / width + height - 1) * (2 * width - 1) + i % width - j % width + width - 1;
        return tensor(index, [tokens, tokens]);
    }

    /// <summary>
    /// Added to the scores of a map's windows after a cyclic shift: -100 between tokens that were no neighbours before it,
    /// else 0. (windows, window², window²).
    /// </summary>
    public static Tensor ShiftMask(long mapHeight, long mapWidth, int window, int shift)
    {
        using var scope = NewDisposeScope();
        // A shifted map has up to three regions along each side: untouched, cut by the last window's border, wrapped around.
        float Region(long i, long size) => i < size - window ? 0 : i < size - shift ? 1 : 2;
        var regions = new float[mapHeight * mapWidth];
        for (long row = 0; row < mapHeight; row++)
            for (long column = 0; column < mapWidth; column++)
                regions[row * mapWidth + column] = 3 * Region(row, mapHeight) + Region(column, mapWidth);
        var windows = Partition(tensor(regions, [1, mapHeight, mapWidth, 1]), window, window).reshape(-1, window * window);
        var differ = windows.unsqueeze(1).ne(windows.unsqueeze(2));
        return scope.MoveToOuter(differ.to(ScalarType.Float32) * -100);
    }
}
