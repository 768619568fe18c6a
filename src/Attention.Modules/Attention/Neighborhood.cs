using TorchSharp;
using static TorchSharp.torch;

namespace Attention.Modules;

/// <summary>
/// The k x k neighbours of each position of a map, at some dilation: those around it, or at the border the nearest k that
/// there are, so that every position has as many. The plain form, which gathers them: k² copies of the map for a moment. Tables
/// are kept while the map's size stays.
/// </summary>
/// <param name="kernel">k, odd.</param>
/// <param name="dilation">Distance of neighbours; positions whose coordinates differ by other numbers do not meet.</param>
public sealed class Neighborhood(int kernel, int dilation = 1) : IDisposable
{
    private (long Height, long Width, Device Device)? size;
    private Tensor? places, offsets;

    /// <summary>The least side of a map.</summary>
    public int LeastSide => kernel * dilation;

    /// <summary>Dot products of queries and their neighbours' keys, (B, heads, N, d) each, row by row, to (B, heads, N, k²).</summary>
    public Tensor Scores(Tensor q, Tensor k, long height, long width)
    {
        using var scope = NewDisposeScope();
        FlopCounter.Add(q.numel() * kernel * kernel);
        return scope.MoveToOuter(matmul(Gather(k, height, width), q.unsqueeze(-1)).squeeze(-1));
    }

    /// <summary>Values of the neighbours (B, heads, N, d) added up by weights (B, heads, N, k²), to (B, heads, N, d).</summary>
    public Tensor Mix(Tensor weights, Tensor v, long height, long width)
    {
        using var scope = NewDisposeScope();
        FlopCounter.Add(v.numel() * kernel * kernel);
        return scope.MoveToOuter(matmul(weights.unsqueeze(-2), Gather(v, height, width)).squeeze(-2));
    }

    /// <summary>A bias for each relative position, (heads, 2k - 1, 2k - 1), as every position needs it: (heads, N, k²).</summary>
    public Tensor Bias(Tensor table, long height, long width)
    {
        using var scope = NewDisposeScope();
        Prepare(height, width, table.device);
        return scope.MoveToOuter(table.flatten(1).index_select(1, offsets!).view(table.shape[0], height * width, kernel * kernel));
    }

    // (B, heads, N, d) to (B, heads, N, k², d).
    private Tensor Gather(Tensor tokens, long height, long width)
    {
        Prepare(height, width, tokens.device);
        return tokens.index_select(2, places!).view(tokens.shape[0], tokens.shape[1], height * width, kernel * kernel, tokens.shape[3]);
    }

    private void Prepare(long height, long width, Device device)
    {
        if (size == (height, width, device))
            return;
        Dispose();
        var (rows, rowOffsets) = Along(height);
        var (columns, columnOffsets) = Along(width);
        var (place, offset) = (new long[height * width * kernel * kernel], new long[height * width * kernel * kernel]);
        for (long row = 0, i = 0; row < height; row++)
            for (long column = 0; column < width; column++)
                for (int down = 0; down < kernel; down++)
                    for (int across = 0; across < kernel; across++, i++)
                    {
                        place[i] = rows[row * kernel + down] * width + columns[column * kernel + across];
                        offset[i] = rowOffsets[row * kernel + down] * (2 * kernel - 1) + columnOffsets[column * kernel + across];
                    }
        places = tensor(place).to(device, copy: true).DetachFromDisposeScope();
        offsets = tensor(offset).to(device, copy: true).DetachFromDisposeScope();
        size = (height, width, device);
    }

    // The k neighbours of each position along an axis, and the entries of a table of relative positions.
    private (long[] Places, long[] Offsets) Along(long length)
    {
        var (neighbours, table) = (new long[length * kernel], new long[length * kernel]);
        for (long position = 0; position < length; position++)
        {
            long rest = position % dilation, index = position / dilation, group = (length - rest + dilation - 1) / dilation;
            long start = Math.Clamp(index - kernel / 2, 0, group - kernel);
            for (int i = 0; i < kernel; i++)
            {
                neighbours[position * kernel + i] = (start + i) * dilation + rest;
                table[position * kernel + i] = start + i - index + kernel - 1;
            }
        }
        return (neighbours, table);
    }

    public void Dispose()
    {
        places?.Dispose();
        offsets?.Dispose();
        (places, offsets, size) = (null, null, null);
    }
}
