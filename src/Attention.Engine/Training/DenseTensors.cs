using Attention.Data;
using Attention.Models.Dense;
using TorchSharp;
using static TorchSharp.torch;

namespace Attention.Engine.Training;

/// <summary>The images and objects of a batch as detectors take them, on their device. Whoever asks for tensors disposes them.</summary>
internal static class DenseTensors
{
    public static PaddedImages Images(DenseBatch batch, Device device) => new(
        batch.images.to(device),
        [.. batch.Samples.Select(sample => new ImageSize(sample.Height, sample.Width))],
        [.. batch.Samples.Select(sample => new ImageSize(sample.OriginalHeight, sample.OriginalWidth))]);

    /// <summary>The objects of an image but its crowds. Masks and keypoints are there where every object has them.</summary>
    public static ObjectTargets Targets(DenseSample sample, Device device)
    {
        var objects = sample.Objects.Where(each => !each.IsCrowd).ToArray();
        long count = objects.Length;
        int perObject = objects.Length == 0 ? 0 : objects.Max(each => each.Keypoints?.Length ?? 0);
        return new(
            tensor(objects.SelectMany(each => each.Box).ToArray(), [count, 4], device: device),
            tensor(objects.Select(each => (long)each.Label).ToArray(), device: device))
        {
            areas = tensor(objects.Select(each => each.Area).ToArray(), device: device),
            masks = objects.Any(each => each.Mask is null) ? null
                : tensor(objects.SelectMany(each => each.Mask!).ToArray(), [count, sample.Height, sample.Width], device: device),
            keypoints = perObject == 0 ? null
                : tensor(objects.SelectMany(each => each.Keypoints ?? new float[perObject]).ToArray(), [count, perObject / 3, 3], device: device),
        };
    }

    public static void Dispose(ObjectTargets targets)
    {
        foreach (var each in new[] { targets.boxes, targets.labels, targets.areas, targets.masks, targets.keypoints })
            each?.Dispose();
    }
}
