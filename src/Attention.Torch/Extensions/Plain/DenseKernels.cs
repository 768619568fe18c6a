using static TorchSharp.torch;

namespace Attention.Torch;

/// <summary>The official package has none of these operators.</summary>
public static class DenseKernels
{
    public static Tensor? Suppress(Tensor boxes, Tensor scores, double threshold) => null;

    public static Tensor? SuppressPerLabel(Tensor boxes, Tensor scores, Tensor labels, double threshold) => null;

    public static Tensor? CutRegions(Tensor[] maps, Tensor regions, Tensor? levels, double[] scales, int height, int width, int samples, bool aligned) => null;

    public static Tensor? AttendDeformably(Tensor value, long[] maps, Tensor locations, Tensor weights) => null;

    public static Tensor? PasteMasks(Tensor masks, Tensor boxes, long height, long width) => null;
}
