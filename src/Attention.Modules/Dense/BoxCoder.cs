using TorchSharp;
using static TorchSharp.torch;

namespace Attention.Modules.Dense;

/// <summary>
/// Boxes as differences to other boxes: of the centre in sizes of the other, of the sides in logarithms. Girshick et al. 2014
/// (arXiv:1311.2524), with the details of torchvision.
/// </summary>
/// <param name="weights">What the four differences (x, y, width, height) are multiplied with.</param>
public sealed class BoxCoder(double[] weights)
{
    /// <summary>The largest logarithm of a ratio of sides that is believed.</summary>
    private static readonly double most = Math.Log(1000.0 / 16);

    /// <summary>For proposals and one-stage detectors.</summary>
    public static BoxCoder Plain { get; } = new([1, 1, 1, 1]);

    /// <summary>For the second stage.</summary>
    public static BoxCoder Refining { get; } = new([10, 10, 5, 5]);

    /// <summary>The differences (N, 4) of boxes (N, 4) to others (N, 4).</summary>
    public Tensor Encode(Tensor boxes, Tensor others)
    {
        using var scope = NewDisposeScope();
        var (x, y, width, height) = Middle(others);
        var (toX, toY, toWidth, toHeight) = Middle(boxes);
        return scope.MoveToOuter(stack([
            weights[0] * (toX - x) / width,
            weights[1] * (toY - y) / height,
            weights[2] * (toWidth / width).log(),
            weights[3] * (toHeight / height).log()], 1));
    }

    /// <summary>The boxes (N, 4 C) that are meant by differences (N, 4 C), of C classes, to others (N, 4).</summary>
    public Tensor Decode(Tensor differences, Tensor others)
    {
        using var scope = NewDisposeScope();
        var (x, y, width, height) = Middle(others);
        (x, y, width, height) = (x.unsqueeze(1), y.unsqueeze(1), width.unsqueeze(1), height.unsqueeze(1));
        var parts = differences.reshape(differences.shape[0], -1, 4).unbind(-1);
        var (atX, atY) = (parts[0] / weights[0] * width + x, parts[1] / weights[1] * height + y);
        var halfWidth = (parts[2] / weights[2]).clamp(max: most).exp() * width * 0.5;
        var halfHeight = (parts[3] / weights[3]).clamp(max: most).exp() * height * 0.5;
        return scope.MoveToOuter(stack([atX - halfWidth, atY - halfHeight, atX + halfWidth, atY + halfHeight], 2).flatten(1));
    }

    private static (Tensor X, Tensor Y, Tensor Width, Tensor Height) Middle(Tensor boxes)
    {
        var sides = boxes.unbind(1);
        var (width, height) = (sides[2] - sides[0], sides[3] - sides[1]);
        return (sides[0] + 0.5 * width, sides[1] + 0.5 * height, width, height);
    }
}
