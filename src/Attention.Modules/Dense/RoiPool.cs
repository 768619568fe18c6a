using TorchSharp;
using static TorchSharp.torch;

namespace Attention.Modules.Dense;

/// <summary>
/// Cuts regions out of feature maps at a set size, by the largest value of each cell: Girshick, Fast R-CNN, 2015
/// (arXiv:1504.08083), with the details of torchvision.ops.roi_pool.
/// </summary>
public static class RoiPool
{
    /// <summary>The regions (K, C, h, w); 0 for cells without a position. Gradients reach the features.</summary>
    /// <param name="features">(B, C, H, W).</param>
    /// <param name="regions">(K, 5): index of the image, x0, y0, x1, y1 in the image.</param>
    /// <param name="size">h and w.</param>
    /// <param name="scale">Size of the map over that of the image.</param>
    public static Tensor Cut(Tensor features, Tensor regions, (int Height, int Width) size, double scale)
    {
        using var scope = NewDisposeScope();
        float[] numbers = regions.to(ScalarType.Float32).cpu().contiguous().data<float>().ToArray();
        float[] values = features.detach().to(ScalarType.Float32).cpu().contiguous().data<float>().ToArray();
        int channels = (int)features.shape[1], height = (int)features.shape[2], width = (int)features.shape[3], count = numbers.Length / 5;
        var places = new List<long>(count * channels * size.Height * size.Width);
        for (int k = 0; k < count; k++)
        {
            var region = numbers.AsSpan(5 * k, 5);
            var rows = Cells(region[2], region[4], (float)scale, size.Height, height);
            var columns = Cells(region[1], region[3], (float)scale, size.Width, width);
            for (int c = 0; c < channels; c++)
                foreach (var (top, bottom) in rows)
                    foreach (var (left, right) in columns)
                        places.Add(Largest(((int)region[0] * channels + c) * height * width, top, bottom, left, right));
        }
        var index = tensor(places, dtype: ScalarType.Int64, device: features.device);
        var cut = features.reshape(-1).index_select(0, index.clamp(min: 0)).masked_fill(index.lt(0), 0);
        return scope.MoveToOuter(cut.reshape(count, channels, size.Height, size.Width));

        long Largest(int map, int top, int bottom, int left, int right)
        {
            var (best, at) = (float.NegativeInfinity, -1L);
            for (int y = top; y < bottom; y++)
                for (int x = left; x < right; x++)
                    if (values[map + y * width + x] > best)
                        (best, at) = (values[map + y * width + x], map + y * width + x);
            return at;
        }
    }

    private static (int From, int To)[] Cells(float from, float to, float scale, int cells, int length)
    {
        int start = (int)MathF.Round(from * scale, MidpointRounding.AwayFromZero), end = (int)MathF.Round(to * scale, MidpointRounding.AwayFromZero);
        float cell = Math.Max(end - start + 1, 1) / (float)cells;
        return [.. Enumerable.Range(0, cells).Select(i => (Math.Clamp((int)MathF.Floor(i * cell) + start, 0, length), Math.Clamp((int)MathF.Ceiling((i + 1) * cell) + start, 0, length)))];
    }
}
