using Attention.Data;
using Attention.Engine.Configuration;
using Attention.Models.Dense;

namespace Attention.Engine.Data;

/// <summary>Opens data sets for detectors.</summary>
public static class DetectionData
{
    /// <summary>What is read to measure a detector: all images. What is in them is judged by the annotations themselves.</summary>
    public static CocoObjectsOptions Measuring { get; } = new() { Masks = false, Keypoints = false };

    /// <summary>Opens both parts; images without objects train nothing and are left out there.</summary>
    /// <param name="config">The data set.</param>
    /// <param name="finds">What the detector tells of an object.</param>
    /// <param name="say">Is told what takes time.</param>
    /// <param name="warn">Is told what was left out, and why.</param>
    /// <param name="cancellation">Ends rendering.</param>
    /// <exception cref="UserError">The data are missing, or do not have what the detector tells.</exception>
    public static (CocoObjects Train, CocoObjects Held) Open(
        ImageDataConfig config, DetectionKinds finds, Action<string> say, Action<string> warn, CancellationToken cancellation)
    {
        var targets = finds.HasFlag(DetectionKinds.Keypoints) ? DenseTargets.Keypoints : DenseTargets.Objects;
        var training = new CocoObjectsOptions { Masks = finds.HasFlag(DetectionKinds.Masks), Keypoints = targets == DenseTargets.Keypoints, EmptyImages = false };
        var (train, held) = DenseData.Open(config, targets, training, Measuring, say, warn, cancellation);
        return ((CocoObjects)train, (CocoObjects)held);
    }
}
