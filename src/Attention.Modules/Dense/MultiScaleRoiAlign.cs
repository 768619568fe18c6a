using Attention.Torch;
using TorchSharp;
using static TorchSharp.torch;

namespace Attention.Modules.Dense;

/// <summary>
/// Cuts each region out of the map of a pyramid that fits its size: Lin et al., Feature Pyramid Networks, 2017 (arXiv:1612.03144), with
/// the details of torchvision.ops.MultiScaleRoIAlign.
/// </summary>
/// <param name="size">Rows and columns of the result.</param>
/// <param name="samples">Samples along each side of a cell.</param>
public sealed class MultiScaleRoiAlign(int size, int samples)
{
    // A region of 224 x 224 pixels, the size that networks are pretrained with, belongs to the fourth level, of stride 16.
    private const double CanonicalSize = 224, CanonicalLevel = 4, Epsilon = 1e-6;

    /// <summary>The map (K), from 0, to which each region (K, 4) belongs.</summary>
    /// <param name="regions">(K, 4), in pixels.</param>
    /// <param name="least">Level of the first map: the logarithm of its stride.</param>
    /// <param name="most">Level of the last one.</param>
    public static Tensor LevelOf(Tensor regions, int least, int most)
    {
        using var scope = NewDisposeScope();
        var level = (CanonicalLevel + (Boxes.Area(regions).sqrt() / CanonicalSize).log2() + Epsilon).floor();
        return scope.MoveToOuter((level.clamp(least, most) - least).to(ScalarType.Int64));
    }

    /// <summary>The regions (K, C, size, size) of all images.</summary>
    /// <param name="maps">Maps (B, C, H, W) from the finest on.</param>
    /// <param name="regions">For each image (K, 4), in pixels.</param>
    /// <param name="tallest">Height of the tallest image, without padding.</param>
    public Tensor Cut(IReadOnlyList<Tensor> maps, IReadOnlyList<Tensor> regions, long tallest)
    {
        using var scope = NewDisposeScope();
        double[] scales = [.. maps.Select(map => Math.Pow(2, Math.Round(Math.Log2((double)map.shape[2] / tallest))))];
        var boxes = cat([.. regions]);
        var images = cat([.. regions.Select((each, i) => full([each.shape[0], 1], i, dtype: boxes.dtype, device: boxes.device))]);
        var all = cat([images, boxes], 1);
        var level = LevelOf(boxes, (int)-Math.Log2(scales[0]), (int)-Math.Log2(scales[^1]));
        if (DenseKernels.CutRegions([.. maps.Select(RoiAlign.Widened)], all, level, scales, size, size, samples, aligned: false) is { } cut)
            return scope.MoveToOuter(cut.to(maps[0].dtype));
        var (parts, places) = (new List<Tensor>(), new List<Tensor>());
        for (int i = 0; i < maps.Count; i++)
        {
            var here = level.eq(i).nonzero().squeeze(1);
            if (here.shape[0] == 0)
                continue;
            places.Add(here);
            parts.Add(RoiAlign.Cut(maps[i], all.index_select(0, here), (size, size), scales[i], samples));
        }
        if (parts.Count == 0)
            return scope.MoveToOuter(maps[0].new_zeros([0, maps[0].shape[1], size, size]));
        return scope.MoveToOuter(cat([.. parts]).index_select(0, cat([.. places]).argsort()));
    }
}
