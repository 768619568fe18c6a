using TorchSharp;
using static TorchSharp.torch;

namespace Attention.Modules.Dense;

/// <summary>COCO's similarity of poses (OKS): 1 where all labelled keypoints agree, falling with distance as Gaussians do.</summary>
/// <param name="sigmas">The spread of each keypoint, relative to the root of the object's area.</param>
public sealed class KeypointSimilarity(params double[] sigmas)
{
    private const double Epsilon = 1e-6;

    /// <summary>Of COCO's 17 keypoints.</summary>
    public static KeypointSimilarity Coco { get; } =
        new(.026, .025, .025, .035, .035, .079, .079, .072, .072, .062, .062, .107, .107, .087, .087, .089, .089);

    /// <summary>Of CrowdPose's 14 keypoints.</summary>
    public static KeypointSimilarity CrowdPose { get; } =
        new(.079, .079, .072, .072, .062, .062, .107, .107, .087, .087, .089, .089, .079, .079);

    /// <summary>Poses (..., K, 2) and others (..., K, 2), of which some keypoints are labelled, (..., K) of 0 and 1, with areas (...): (...).</summary>
    public Tensor Of(Tensor poses, Tensor others, Tensor labelled, Tensor areas)
    {
        using var scope = NewDisposeScope();
        var variances = tensor(sigmas.Select(sigma => (float)(4 * sigma * sigma)).ToArray()).to(poses.device);
        var distance = (poses - others).square().sum(-1) / (areas.unsqueeze(-1) * variances * 2);
        return scope.MoveToOuter(((-distance).exp() * labelled).sum(-1) / (labelled.sum(-1) + Epsilon));
    }
}
