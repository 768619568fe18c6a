using Attention.Data;
using Attention.Models.Dense;
using TorchSharp;
using static TorchSharp.torch;

namespace Attention.Engine.Evaluation.Dense;

/// <summary>What a detector found in an image, without tensors.</summary>
/// <param name="Image">The image, by its place in the data set.</param>
/// <param name="Objects">The objects in the model's order; <see cref="CocoDetection.Label"/> is the model's label.</param>
public sealed record ImageObjects(int Image, IReadOnlyList<CocoDetection> Objects)
{
    // What is a pixel of the object, of a mask of probabilities.
    private const double MaskThreshold = 0.5;

    /// <param name="image">The image, by its place in the data set.</param>
    /// <param name="found">What the model gave for it.</param>
    public static ImageObjects Of(int image, Detections found)
    {
        using var scope = NewDisposeScope();
        var (boxes, scores) = (Numbers(found.boxes), Numbers(found.scores));
        var labels = found.labels.to(ScalarType.Int64).cpu().contiguous().data<long>().ToArray();
        var keypoints = found.keypoints is { } points ? Numbers(points) : [];
        int perObject = labels.Length == 0 ? 0 : keypoints.Length / labels.Length;
        return new(image, [.. labels.Select((label, i) => new CocoDetection(image, (int)label, scores[i])
        {
            Box = [boxes[4 * i], boxes[4 * i + 1], boxes[4 * i + 2] - boxes[4 * i], boxes[4 * i + 3] - boxes[4 * i + 1]],
            Mask = found.masks is { } masks ? Mask(masks[i]) : null,
            Keypoints = keypoints[(perObject * i)..(perObject * (i + 1))],
        })]);
    }

    private static RunLengthMask Mask(Tensor probabilities)
    {
        using var scope = NewDisposeScope();
        var mask = probabilities.is_floating_point() ? probabilities.ge(MaskThreshold) : probabilities;
        return RunLengthMask.FromMap(mask.to(ScalarType.Byte).cpu().contiguous().data<byte>().ToArray(), (int)mask.shape[0], (int)mask.shape[1]);
    }

    private static double[] Numbers(Tensor values) => values.to(ScalarType.Float64).cpu().contiguous().data<double>().ToArray();
}
