using TorchSharp;
using static TorchSharp.torch;

namespace Attention.Modules.Dense;

/// <summary>
/// Boxes of set sizes and ratios at every place of feature maps, with the details of torchvision: corners are rounded, the first
/// anchor's centre is the image's corner, and the step is the image's size over the map's, rounded down.
/// </summary>
/// <param name="sizes">The roots of the areas, for each map.</param>
/// <param name="ratios">Height over width, for every map.</param>
public sealed class Anchors(double[][] sizes, double[] ratios)
{
    /// <summary>How many anchors a place of each map has.</summary>
    public IReadOnlyList<int> PerPlace { get; } = [.. sizes.Select(each => each.Length * ratios.Length)];

    /// <summary>The anchors (A, 4) of one place of a map around 0, 0: all sizes of the first ratio first.</summary>
    public Tensor Cell(int map)
    {
        using var scope = NewDisposeScope();
        var heights = tensor(ratios, dtype: ScalarType.Float32).sqrt().unsqueeze(1);
        var roots = tensor(sizes[map], dtype: ScalarType.Float32).unsqueeze(0);
        var (width, height) = ((1 / heights * roots).flatten(), (heights * roots).flatten());
        return scope.MoveToOuter((stack([-width, -height, width, height], 1) / 2).round());
    }

    /// <summary>All anchors (N, 4): map by map, row by row, place by place.</summary>
    /// <param name="image">H and W of the padded image.</param>
    /// <param name="maps">H and W of each map.</param>
    /// <param name="device">Where to.</param>
    public Tensor Of((long Height, long Width) image, IReadOnlyList<(long Height, long Width)> maps, Device? device = null)
    {
        using var scope = NewDisposeScope();
        var all = maps.Select((map, i) =>
        {
            var x = arange(map.Width, dtype: ScalarType.Float32) * (image.Width / map.Width);
            var y = arange(map.Height, dtype: ScalarType.Float32) * (image.Height / map.Height);
            var (rows, columns) = (y.repeat_interleave(map.Width), x.repeat(map.Height));
            return (stack([columns, rows, columns, rows], 1).unsqueeze(1) + Cell(i)).reshape(-1, 4);
        }).ToArray();
        return scope.MoveToOuter(cat(all).to(device ?? CPU));
    }
}
