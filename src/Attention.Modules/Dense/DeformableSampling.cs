using Attention.Torch;
using TorchSharp;
using static TorchSharp.torch;

namespace Attention.Modules.Dense;

/// <summary>Operators that read feature maps at places that were computed.</summary>
public static class DeformableSampling
{
    /// <summary>
    /// Multi-scale deformable attention: of each head, the weighted sum of values at a few places of several maps. Zhu et al., Deformable
    /// DETR, 2021 (arXiv:2010.04159).
    /// </summary>
    /// <param name="value">(B, S, heads, D), the places of all maps one after the other.</param>
    /// <param name="maps">H and W of each map; S is the sum of H * W.</param>
    /// <param name="locations">(B, N, heads, maps, points, 2): x and y from 0 to 1 over the map.</param>
    /// <param name="weights">(B, N, heads, maps, points).</param>
    /// <returns>(B, N, heads * D), of the values' type; computed at least in float32.</returns>
    public static Tensor Attend(Tensor value, IReadOnlyList<(long Height, long Width)> maps, Tensor locations, Tensor weights)
    {
        using var scope = NewDisposeScope();
        var type = new[] { value, locations, weights }.Any(each => each.dtype == ScalarType.Float64) ? ScalarType.Float64 : ScalarType.Float32;
        var (wideValue, wideLocations, wideWeights) = (value.to(type), locations.to(type), weights.to(type));
        var sum = DenseKernels.AttendDeformably(wideValue, [.. maps.SelectMany(map => new[] { map.Height, map.Width })], wideLocations, wideWeights)
            ?? AttendPlainly(wideValue, maps, wideLocations, wideWeights);
        return scope.MoveToOuter(sum.to(value.dtype));
    }

    private static Tensor AttendPlainly(Tensor value, IReadOnlyList<(long Height, long Width)> maps, Tensor locations, Tensor weights)
    {
        using var scope = NewDisposeScope();
        var (batch, heads, depth) = (value.shape[0], value.shape[2], value.shape[3]);
        var (queries, points) = (locations.shape[1], locations.shape[4]);
        var perMap = value.split([.. maps.Select(map => map.Height * map.Width)], 1);
        var grids = 2 * locations - 1;
        var sampled = maps.Select((map, i) =>
        {
            var plane = perMap[i].permute(0, 2, 3, 1).reshape(batch * heads, depth, map.Height, map.Width);
            var grid = grids.select(3, i).transpose(1, 2).flatten(0, 1);
            return nn.functional.grid_sample(plane, grid, align_corners: false);
        }).ToArray();
        var weight = weights.transpose(1, 2).reshape(batch * heads, 1, queries, maps.Count * points);
        var sum = (cat(sampled, -1) * weight).sum(-1);
        return scope.MoveToOuter(sum.reshape(batch, heads * depth, queries).transpose(1, 2).contiguous());
    }

    /// <summary>
    /// Deformable convolution: Dai et al. 2017 (arXiv:1703.06211); with a mask, its second version, Zhu et al. 2019 (arXiv:1811.11168).
    /// Outside the map all is 0.
    /// </summary>
    /// <param name="x">(B, C, H, W).</param>
    /// <param name="offset">(B, groups of offsets * h * w * 2, H', W'): y and x, in positions of the map.</param>
    /// <param name="weight">(C', C / groups, h, w).</param>
    /// <param name="bias">(C') or null.</param>
    /// <param name="mask">(B, groups of offsets * h * w, H', W') or null.</param>
    /// <param name="stride">Of the kernel.</param>
    /// <param name="padding">On each side.</param>
    /// <param name="dilation">Of the kernel.</param>
    /// <returns>(B, C', H', W').</returns>
    public static Tensor Convolve(Tensor x, Tensor offset, Tensor weight, Tensor? bias = null, Tensor? mask = null, int stride = 1, int padding = 0, int dilation = 1)
    {
        using var scope = NewDisposeScope();
        var (batch, channels, height, width) = (x.shape[0], x.shape[1], x.shape[2], x.shape[3]);
        var (kernelHeight, kernelWidth) = (weight.shape[2], weight.shape[3]);
        long kernel = kernelHeight * kernelWidth, groups = channels / weight.shape[1], offsetGroups = offset.shape[1] / (2 * kernel);
        var (outHeight, outWidth) = (offset.shape[2], offset.shape[3]);

        // Each kernel point's place at each output, (kernel, H', W').
        Tensor Places(long count, long kernelSize, bool isRow)
        {
            var starts = arange(count, dtype: x.dtype, device: x.device) * stride - padding;
            var points = arange(kernelSize, dtype: x.dtype, device: x.device) * dilation;
            points = isRow ? points.repeat_interleave(kernelWidth) : points.repeat(kernelHeight);
            return points.reshape(kernel, 1, 1) + (isRow ? starts.unsqueeze(1) : starts.unsqueeze(0));
        }
        var moved = offset.reshape(batch * offsetGroups, kernel, 2, outHeight, outWidth);
        var row = moved.select(2, 0) + Places(outHeight, kernelHeight, isRow: true);
        var column = moved.select(2, 1) + Places(outWidth, kernelWidth, isRow: false);
        var grid = stack([(2 * column + 1) / width - 1, (2 * row + 1) / height - 1], -1).flatten(2, 3);
        var planes = x.reshape(batch * offsetGroups, channels / offsetGroups, height, width);
        var columns = nn.functional.grid_sample(planes, grid, align_corners: false);
        if (mask is not null)
            columns = columns * mask.reshape(batch * offsetGroups, 1, kernel, outHeight * outWidth);
        columns = columns.reshape(batch, groups, channels / groups * kernel, outHeight * outWidth);
        var output = weight.reshape(groups, weight.shape[0] / groups, -1).matmul(columns).reshape(batch, weight.shape[0], outHeight, outWidth);
        return scope.MoveToOuter(bias is null ? output : output + bias.reshape(-1, 1, 1));
    }
}
