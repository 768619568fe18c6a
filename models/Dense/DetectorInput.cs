using TorchSharp;
using static TorchSharp.torch;

namespace Attention.Models.Dense;

/// <summary>Images of any size as torchvision's detectors take them: normalised, then resized, then put side by side.</summary>
/// <param name="min_size">Pixels of the shorter side.</param>
/// <param name="max_size">The most pixels of the longer side.</param>
/// <param name="mean">What is subtracted from each channel of a pixel in [0, 1].</param>
/// <param name="std">What each channel is divided by after that.</param>
public sealed class DetectorInput(int min_size, int max_size, double[] mean, double[] std)
{
    // Height and width of a batch are multiples of it.
    private const int Multiple = 32;

    /// <summary>The batch of images (3, H, W) in [0, 1].</summary>
    public PaddedImages Prepare(IReadOnlyList<Tensor> images)
    {
        using var scope = NewDisposeScope();
        var (means, stds) = (tensor(mean, dtype: ScalarType.Float32).view(-1, 1, 1), tensor(std, dtype: ScalarType.Float32).view(-1, 1, 1));
        var resized = images.Select(image => Resize((image - means.to(image.device)) / stds.to(image.device))).ToArray();
        int Padded(Func<ImageSize, int> side) => (resized.Max(image => side(SizeOf(image))) + Multiple - 1) / Multiple * Multiple;
        var pixels = images[0].new_zeros([images.Count, images[0].shape[0], Padded(size => size.height), Padded(size => size.width)]);
        for (int i = 0; i < resized.Length; i++)
            pixels[i].narrow(1, 0, resized[i].shape[1]).narrow(2, 0, resized[i].shape[2]).copy_(resized[i]);
        return new(scope.MoveToOuter(pixels), [.. resized.Select(SizeOf)], [.. images.Select(SizeOf)]);
    }

    /// <summary>Objects of an image of one size in the same image of another.</summary>
    public static ObjectTargets Resize(ObjectTargets targets, ImageSize from, ImageSize to) => targets with
    {
        boxes = DenseLayers.Resize(targets.boxes, from, to),
        masks = targets.masks is not { } masks ? null
            : nn.functional.interpolate(masks.unsqueeze(1).to(ScalarType.Float32), [to.height, to.width], mode: InterpolationMode.Nearest).squeeze(1).to(ScalarType.Byte),
    };

    /// <summary>The size that an image gets.</summary>
    public ImageSize Fit(ImageSize size)
    {
        // In float32 and by the reciprocal, as torch divides a number by a tensor.
        float scale = MathF.Min(min_size * (1f / Math.Min(size.height, size.width)), max_size * (1f / Math.Max(size.height, size.width)));
        return new((int)Math.Floor(size.height * (double)scale), (int)Math.Floor(size.width * (double)scale));
    }

    private static ImageSize SizeOf(Tensor image) => new((int)image.shape[1], (int)image.shape[2]);

    private Tensor Resize(Tensor image)
    {
        var size = Fit(SizeOf(image));
        return nn.functional.interpolate(image.unsqueeze(0), [size.height, size.width], mode: InterpolationMode.Bilinear, align_corners: false).squeeze(0);
    }
}
