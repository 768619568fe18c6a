using Attention.Torch;
using TorchSharp;
using static TorchSharp.torch;

namespace Attention.Modules.Dense;

/// <summary>Masks of objects, which a network gives at a set size, back in the image. The details are torchvision's.</summary>
public static class MaskPasting
{
    // A border of zeros, so that the mask fades at the box and not before.
    private const int Border = 1;

    /// <summary>Masks (N, 1, H, W) in an image, probabilities as they come, 0 outside the boxes.</summary>
    /// <param name="masks">(N, 1, M, M).</param>
    /// <param name="boxes">(N, 4), in pixels.</param>
    /// <param name="height">H.</param>
    /// <param name="width">W.</param>
    public static Tensor Paste(Tensor masks, Tensor boxes, long height, long width)
    {
        using var scope = NewDisposeScope();
        var padded = nn.functional.pad(masks, [Border, Border, Border, Border]);
        var enlarged = Enlarged(boxes, (double)padded.shape[3] / masks.shape[3]);
        return scope.MoveToOuter(DenseKernels.PasteMasks(padded, enlarged, height, width) ?? PastePlainly(padded, enlarged, height, width));
    }

    private static Tensor PastePlainly(Tensor padded, Tensor boxes, long height, long width)
    {
        using var scope = NewDisposeScope();
        var pasted = padded.new_zeros([padded.shape[0], 1, height, width]);
        long[] corners = boxes.cpu().contiguous().data<long>().ToArray();
        for (int n = 0; n < padded.shape[0]; n++)
        {
            using var step = NewDisposeScope();
            var (x0, y0, x1, y1) = (corners[4 * n], corners[4 * n + 1], corners[4 * n + 2], corners[4 * n + 3]);
            // The last corner belongs to the box.
            var (wide, tall) = (Math.Max(x1 - x0 + 1, 1), Math.Max(y1 - y0 + 1, 1));
            var (left, top, right, bottom) = (Math.Max(x0, 0), Math.Max(y0, 0), Math.Min(x1 + 1, width), Math.Min(y1 + 1, height));
            if (left >= right || top >= bottom)
                continue;
            var mask = nn.functional.interpolate(padded.narrow(0, n, 1), [tall, wide], mode: InterpolationMode.Bilinear, align_corners: false);
            pasted.narrow(0, n, 1).narrow(2, top, bottom - top).narrow(3, left, right - left)
                .copy_(mask.narrow(2, top - y0, bottom - top).narrow(3, left - x0, right - left));
        }
        return scope.MoveToOuter(pasted);
    }

    /// <summary>Boxes around the same centres, with the border, in whole pixels toward 0.</summary>
    public static Tensor Enlarged(Tensor boxes, double scale)
    {
        using var scope = NewDisposeScope();
        var (low, high) = (boxes.narrow(1, 0, 2), boxes.narrow(1, 2, 2));
        var (half, centre) = ((high - low) * 0.5 * scale, (high + low) * 0.5);
        return scope.MoveToOuter(cat([centre - half, centre + half], 1).to(ScalarType.Int64));
    }

    /// <summary>What a network should give for boxes: the parts of 0/1 masks at a set size, as fractions (N, size, size).</summary>
    /// <param name="masks">(objects, H, W), 0 or 1.</param>
    /// <param name="boxes">(N, 4), in pixels.</param>
    /// <param name="matches">(N): the object of each box.</param>
    /// <param name="size">Rows and columns.</param>
    public static Tensor Targets(Tensor masks, Tensor boxes, Tensor matches, int size)
    {
        using var scope = NewDisposeScope();
        var regions = cat([matches.to(boxes.dtype).unsqueeze(1), boxes], 1);
        return scope.MoveToOuter(RoiAlign.Cut(masks.unsqueeze(1).to(boxes.dtype), regions, (size, size), 1).squeeze(1));
    }
}
