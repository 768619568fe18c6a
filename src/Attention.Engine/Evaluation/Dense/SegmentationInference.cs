using Attention.Data;
using Attention.Engine.Configuration;
using Attention.Models.Dense;
using Attention.Modules.Dense;
using Attention.Torch;
using TorchSharp;
using static TorchSharp.torch;

namespace Attention.Engine.Evaluation.Dense;

/// <summary>How a model looks at images: whole, or at windows of them side by side; and at their mirror images too, where asked for.</summary>
/// <param name="model">Tells the class of each pixel.</param>
/// <param name="window">The windows; null for whole images.</param>
/// <param name="flip">Whether the probabilities of mirror images count as much.</param>
public sealed class SegmentationInference(SegmentationModel model, SlidingWindowConfig? window = null, bool flip = false)
{
    /// <summary>Logits of each pixel; with mirror images the logarithms of probabilities.</summary>
    /// <param name="images">Normalised images, (B, 3, H, W).</param>
    /// <returns>(B, num_classes, H, W), float32.</returns>
    public Tensor Logits(Tensor images)
    {
        using var scope = NewDisposeScope();
        var logits = Plain(images);
        // Mask2Former's scores are no logits, but their softmax is monotonous, which is all that counts here.
        return scope.MoveToOuter(flip ? ((logits.softmax(1) + Plain(images.flip(3)).flip(3).softmax(1)) / 2).log() : logits);
    }

    private Tensor Plain(Tensor images) => (window is null ? model.call(images) : OfWindows(images, window)).to(ScalarType.Float32);

    // As mmseg: windows begin every stride and at the far border, and the logits of a pixel are the mean of its windows'.
    private Tensor OfWindows(Tensor images, SlidingWindowConfig window)
    {
        var (height, width) = (images.shape[2], images.shape[3]);
        // An image smaller than a window gets zeros to the right and below, for models of one size.
        var padded = nn.functional.pad(images, [0, Math.Max(0, window.size - width), 0, Math.Max(0, window.size - height)]);
        var sum = zeros(images.shape[0], model.num_classes, padded.shape[2], padded.shape[3], device: images.device);
        var count = zeros(1, 1, padded.shape[2], padded.shape[3], device: images.device);
        foreach (long top in Starts(padded.shape[2], window))
            foreach (long left in Starts(padded.shape[3], window))
            {
                using var scope = NewDisposeScope();
                Tensor Part(Tensor map) => map.narrow(2, top, window.size).narrow(3, left, window.size);
                Part(sum).add_(model.call(Part(padded)));
                Part(count).add_(1);
            }
        return (sum / count).narrow(2, 0, height).narrow(3, 0, width);
    }

    /// <summary>Where windows begin along a side that has room for one at least.</summary>
    internal static IEnumerable<long> Starts(long side, SlidingWindowConfig window)
    {
        for (long start = 0; start + window.size < side; start += window.stride)
            yield return start;
        yield return side - window.size;
    }

    /// <summary>The class of each pixel of every image of a batch, at the images' original sizes.</summary>
    /// <param name="batch">The images.</param>
    /// <param name="device">Where the model is.</param>
    public IReadOnlyList<LabelMap> Classes(DenseBatch batch, Device device)
    {
        using var scope = NewDisposeScope();
        using var _ = inference_mode();
        var images = batch.images.to(device);
        // What an image is padded with would be seen: those of other sizes than the batch's go one by one.
        bool together = batch.Samples.All(sample => (sample.Height, sample.Width) == (batch.Height, batch.Width));
        var logits = together ? Logits(images) : null;
        return [.. batch.Samples.Select((sample, i) =>
        {
            using var inner = NewDisposeScope();
            var own = logits?.narrow(0, i, 1) ?? Logits(images.narrow(0, i, 1).narrow(2, 0, sample.Height).narrow(3, 0, sample.Width));
            var classes = MapResize.To(own, sample.OriginalHeight, sample.OriginalWidth).argmax(1).to(ScalarType.Byte).cpu().contiguous();
            return new LabelMap(sample.OriginalWidth, sample.OriginalHeight, classes.data<byte>().ToArray());
        })];
    }
}
