using Attention.Torch.Native;
using TorchSharp;
using static TorchSharp.torch;

namespace Attention.Torch;

/// <summary>
/// The operators of native/dense_*.cpp, for float32 and float64 on the CPU. Each is null where it cannot be used: the caller then
/// computes it with libtorch's operators.
/// </summary>
public static class DenseKernels
{
    /// <summary>Non-maximum suppression: indices (K) of the boxes (N, 4) that stay, by falling score.</summary>
    public static Tensor? Suppress(Tensor boxes, Tensor scores, double threshold) =>
        Take(boxes, scores) ? Aten.Call("attention::nms", boxes, scores, threshold) : null;

    /// <summary>The same, where only boxes of one label suppress each other.</summary>
    public static Tensor? SuppressPerLabel(Tensor boxes, Tensor scores, Tensor labels, double threshold) =>
        Take(boxes, scores) && labels.device_type == DeviceType.CPU ? Aten.Call("attention::nms_per_label", boxes, scores, labels, threshold) : null;

    /// <summary>Regions (K, 5) of maps (B, C, H, W), by bilinear samples, to (K, C, height, width). Gradients reach the maps.</summary>
    /// <param name="maps">One or several.</param>
    /// <param name="regions">Index of the image, x0, y0, x1, y1.</param>
    /// <param name="levels">The map of each region (K); null where there is one map.</param>
    /// <param name="scales">Size of each map over that of the image.</param>
    /// <param name="height">Of the results.</param>
    /// <param name="width">Of the results.</param>
    /// <param name="samples">Along each side of a cell; 0 or less for as many as it is long.</param>
    /// <param name="aligned">Whether pixels have their centres at half numbers.</param>
    public static Tensor? CutRegions(Tensor[] maps, Tensor regions, Tensor? levels, double[] scales, int height, int width, int samples, bool aligned) =>
        Take(maps) && regions.device_type == DeviceType.CPU
            ? Aten.Call("attention::roi_align", maps, regions, levels, scales, height, width, samples, aligned)
            : null;

    /// <summary>Multi-scale deformable attention, with gradients of all three.</summary>
    /// <param name="value">(B, S, heads, D).</param>
    /// <param name="maps">Height and width of each map, one after the other.</param>
    /// <param name="locations">(B, N, heads, maps, points, 2), from 0 to 1.</param>
    /// <param name="weights">(B, N, heads, maps, points).</param>
    /// <returns>(B, N, heads * D)</returns>
    public static Tensor? AttendDeformably(Tensor value, long[] maps, Tensor locations, Tensor weights) =>
        Take(value, locations, weights) ? Aten.Call("attention::deformable_attention", value, maps, locations, weights) : null;

    /// <summary>Masks (N, 1, h, w), float32, resized to their boxes in images (N, 1, height, width). Without gradients.</summary>
    /// <param name="masks">With their border.</param>
    /// <param name="boxes">(N, 4), whole pixels, of which the last belong to the box.</param>
    /// <param name="height">Of the image.</param>
    /// <param name="width">Of the image.</param>
    public static Tensor? PasteMasks(Tensor masks, Tensor boxes, long height, long width) =>
        Take(masks) && masks.dtype == ScalarType.Float32 && !(masks.requires_grad && is_grad_enabled())
            ? Aten.Call("attention::paste_masks", masks, boxes, height, width)
            : null;

    private static bool Take(params ReadOnlySpan<Tensor> tensors)
    {
        if (!Kernels.AreOn || tensors[0].dtype is not (ScalarType.Float32 or ScalarType.Float64))
            return false;
        foreach (var each in tensors)
            if (each.device_type != DeviceType.CPU || each.dtype != tensors[0].dtype)
                return false;
        return true;
    }
}
