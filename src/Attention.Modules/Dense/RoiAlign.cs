using System.Numerics;
using Attention.Torch;
using TorchSharp;
using static TorchSharp.torch;

namespace Attention.Modules.Dense;

/// <summary>
/// Cuts regions out of feature maps at a set size, by bilinear samples: He et al., Mask R-CNN, 2017 (arXiv:1703.06870), with the
/// details of torchvision.ops.roi_align. A region's samples stand on a grid, so that a region is a product with two small matrices, one
/// for the rows and one for the columns.
/// </summary>
public static class RoiAlign
{
    /// <summary>The regions (K, C, h, w). Gradients reach the features, not the regions.</summary>
    /// <param name="features">(B, C, H, W).</param>
    /// <param name="regions">(K, 5): index of the image, x0, y0, x1, y1 in the image.</param>
    /// <param name="size">h and w.</param>
    /// <param name="scale">Size of the map over that of the image.</param>
    /// <param name="samples">Samples along each side of a cell; 0 or less for as many as the cell is long.</param>
    /// <param name="aligned">Whether pixels have their centres at half numbers; else regions are at least one cell of the map large.</param>
    public static Tensor Cut(Tensor features, Tensor regions, (int Height, int Width) size, double scale, int samples = -1, bool aligned = false)
    {
        using var scope = NewDisposeScope();
        var wide = Widened(features);
        var cut = DenseKernels.CutRegions([wide], regions, null, [scale], size.Height, size.Width, samples, aligned)
            ?? CutPlainly(wide, regions, size, scale, samples, aligned);
        return scope.MoveToOuter(cut.to(features.dtype));
    }

    /// <summary>As torchvision under autocast, types of 16 bits are computed in float32.</summary>
    internal static Tensor Widened(Tensor features) => features.dtype == ScalarType.Float64 ? features : features.to(ScalarType.Float32);

    private static Tensor CutPlainly(Tensor features, Tensor regions, (int Height, int Width) size, double scale, int samples, bool aligned)
    {
        using var scope = NewDisposeScope();
        var plan = features.dtype == ScalarType.Float64
            ? Plan(regions.to(ScalarType.Float64).cpu().contiguous().data<double>().ToArray(), features, size, scale, samples, aligned)
            : Plan(regions.to(ScalarType.Float32).cpu().contiguous().data<float>().ToArray(), features, size, (float)scale, samples, aligned);
        return scope.MoveToOuter(CutFunction.apply(features, plan, size));
    }

    private static Region[] Plan<T>(T[] regions, Tensor features, (int Height, int Width) size, T scale, int samples, bool aligned) where T : unmanaged, IBinaryFloatingPointIeee754<T>
    {
        var plan = new Region[regions.Length / 5];
        var half = T.One / (T.One + T.One);
        for (int k = 0; k < plan.Length; k++)
        {
            var region = regions.AsSpan(5 * k, 5);
            var offset = aligned ? half : T.Zero;
            Axis Of(T from, T to, int cells, long length) => AxisWeights.Of(from * scale - offset, to * scale - offset, cells, (int)length, samples, !aligned);
            plan[k] = new Region(int.CreateChecked(region[0]), Of(region[2], region[4], size.Height, features.shape[2]), Of(region[1], region[3], size.Width, features.shape[3]));
        }
        return plan;
    }

    private readonly record struct Region(int Image, Axis Rows, Axis Columns)
    {
        public bool IsEmpty => Rows.Length == 0 || Columns.Length == 0;

        public Tensor In(Tensor maps) => maps[Image].narrow(1, Rows.Start, Rows.Length).narrow(2, Columns.Start, Columns.Length);
    }

    private sealed class CutFunction : autograd.SingleTensorFunction<CutFunction>
    {
        public override string Name => "RoiAlign";

        public override Tensor forward(autograd.AutogradContext ctx, params object[] vars)
        {
            var (features, plan, size) = ((Tensor)vars[0], (Region[])vars[1], ((int Height, int Width))vars[2]);
            ctx.save_data(nameof(plan), plan);
            ctx.save_data("shape", features.shape);
            using var scope = NewDisposeScope();
            var cut = features.new_zeros([plan.Length, features.shape[1], size.Height, size.Width]);
            for (int k = 0; k < plan.Length; k++)
            {
                if (plan[k].IsEmpty)
                    continue;
                using var step = NewDisposeScope();
                var (rows, columns) = (plan[k].Rows.Matrix(features), plan[k].Columns.Matrix(features));
                cut[k].copy_(rows.matmul(plan[k].In(features).matmul(columns.t())));
            }
            return scope.MoveToOuter(cut);
        }

        public override List<Tensor> backward(autograd.AutogradContext ctx, Tensor grad_output)
        {
            var plan = (Region[])ctx.get_data("plan");
            using var scope = NewDisposeScope();
            var grad = grad_output.new_zeros((long[])ctx.get_data("shape"));
            for (int k = 0; k < plan.Length; k++)
            {
                if (plan[k].IsEmpty)
                    continue;
                using var step = NewDisposeScope();
                var (rows, columns) = (plan[k].Rows.Matrix(grad), plan[k].Columns.Matrix(grad));
                plan[k].In(grad).add_(rows.t().matmul(grad_output[k].matmul(columns)));
            }
            return [scope.MoveToOuter(grad), null!, null!];
        }
    }
}

/// <summary>What each cell of one side of a region takes of the positions of a map.</summary>
/// <param name="Start">The first position that is used.</param>
/// <param name="Length">How many; 0 where there are no samples.</param>
/// <param name="Weights">(cells, Length).</param>
internal readonly record struct Axis(int Start, int Length, double[] Weights)
{
    public Tensor Matrix(Tensor like) => tensor(Weights, dtype: like.dtype, device: like.device).reshape(-1, Length);
}

internal static class AxisWeights
{
    /// <param name="start">Of the region, on the map.</param>
    /// <param name="end">Of the region, on the map.</param>
    /// <param name="cells">Into how many parts the region is cut.</param>
    /// <param name="length">Of the map.</param>
    /// <param name="samples">In each cell; 0 or less for as many as it is long.</param>
    /// <param name="atLeastOne">Whether a smaller region counts as one position large.</param>
    public static Axis Of<T>(T start, T end, int cells, int length, int samples, bool atLeastOne) where T : unmanaged, IBinaryFloatingPointIeee754<T>
    {
        var size = atLeastOne ? T.Max(end - start, T.One) : end - start;
        var cell = size / T.CreateChecked(cells);
        int count = samples > 0 ? samples : int.CreateSaturating(T.Ceiling(cell));
        var half = T.One / (T.One + T.One);
        var whole = new double[cells * length];
        var (first, last) = (length, -1);
        for (int i = 0; i < cells; i++)
            for (int s = 0; s < count; s++)
            {
                var at = start + T.CreateChecked(i) * cell + (T.CreateChecked(s) + half) * cell / T.CreateChecked(count);
                if (!(at >= -T.One && at <= T.CreateChecked(length)))
                    continue;
                at = T.Max(at, T.Zero);
                int low = Math.Min(int.CreateTruncating(at), length - 1);
                int high = Math.Min(low + 1, length - 1);
                double beyond = low == length - 1 ? 0 : double.CreateChecked(at - T.CreateChecked(low));
                whole[i * length + low] += (1 - beyond) / count;
                whole[i * length + high] += beyond / count;
                (first, last) = (Math.Min(first, low), Math.Max(last, high));
            }
        if (last < 0)
            return new Axis(0, 0, []);
        int used = last - first + 1;
        return new Axis(first, used, [.. Enumerable.Range(0, cells).SelectMany(i => whole.AsSpan(i * length + first, used).ToArray())]);
    }
}
