using TorchSharp;
using static TorchSharp.torch;

namespace Attention.Engine.Verification;

/// <summary>
/// What a dense recording is compared with: a model, or a part without parameters, that gives its tensors under the recording's paths.
/// </summary>
public abstract class DenseSystem : IDisposable
{
    /// <summary>The model whose state has the recording's names; it is filled before <see cref="Compute"/>. Null for parts without parameters.</summary>
    public virtual nn.Module? Model => null;

    /// <summary>
    /// Computes what was recorded, forward and backward. Every tensor and loss of the recording has to be there under its path;
    /// what else stands in the recording as plain numbers is compared where there is a tensor of its path.
    /// </summary>
    public abstract IReadOnlyDictionary<string, Tensor> Compute();

    /// <summary>What a module gave, as the reference lays it out.</summary>
    public virtual Tensor Feature(string path, Tensor found) => found;

    /// <summary>Whether nothing here is compared with a tensor of the recording; asked after <see cref="Compute"/>.</summary>
    public virtual bool LeavesOut(string path) => false;

    /// <summary>The gradient of a parameter after <see cref="Compute"/>, for the list of gradients at a path; null where none reaches it.</summary>
    public virtual Tensor? Gradient(string path, string parameter) => Model?.get_parameter(parameter)?.grad;

    public virtual void Dispose()
    {
        Model?.Dispose();
        GC.SuppressFinalize(this);
    }
}

/// <summary>The systems that dense recordings are known of.</summary>
internal static class DenseSystems
{
    // What a recording's system begins with, and what is compared with it.
    private static readonly (string System, Func<DenseRecording, DenseSystem> Open)[] known =
    [
        ("mmseg.models.decode_heads.", recording => new RecordedSegmentationHead(recording)),
        ("detectron2.modeling.meta_arch.semantic_seg.SemSegFPNHead", recording => new RecordedSegmentationHead(recording)),
        ("target fcn_resnet50", recording => new RecordedSegmentationLosses(recording)),
        ("facebookresearch/Mask2Former", recording => new Mask2FormerSystem(recording)),
        ("torchvision.models.detection.retinanet", recording => new RecordedRetinaNet(recording)),
        ("torchvision.models.detection", recording => new RecordedRcnn(recording)),
        ("cases", recording => new DenseOperators(recording)),
        ("rpn roi_heads mask_head retinanet", recording => new DetectorStages(recording)),
        ("Michel-liu/GroupPose", recording => new GroupPoseSystem(recording)),
        ("fundamentalvision/Deformable-DETR", recording => new DeformableDetrSystem(recording)),
        ("facebookresearch/detr", recording => new PlainDetrSystem(recording)),
    ];

    /// <summary>The system of a recording.</summary>
    /// <exception cref="UserError">It is not known.</exception>
    public static DenseSystem Open(DenseRecording recording)
    {
        foreach (var (system, open) in known)
            if (recording.System.StartsWith(system, StringComparison.Ordinal))
                return open(recording);
        throw new UserError($"no port of '{recording.System}' to compare", "it may have come with a newer version");
    }
}
