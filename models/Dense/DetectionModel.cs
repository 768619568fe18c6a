using TorchSharp;
using static TorchSharp.torch;

namespace Attention.Models.Dense;

/// <summary>The objects of one image that a model learns to find, in pixels of the image as the model gets it.</summary>
/// <param name="boxes">Left, top, right and bottom of each, (N, 4), float32.</param>
/// <param name="labels">The class of each, from 0, (N), int64.</param>
public sealed record ObjectTargets(Tensor boxes, Tensor labels)
{
    /// <summary>The pixels of each, (N, H, W), uint8 of 0 and 1.</summary>
    public Tensor? masks { get; init; }

    /// <summary>x, y and visibility (0 not labelled, 1 hidden, 2 visible) of each one's keypoints, (N, K, 3), float32.</summary>
    public Tensor? keypoints { get; init; }

    /// <summary>The area of each, in pixels, (N), float32.</summary>
    public Tensor? areas { get; init; }
}

/// <summary>What a model found in one image, in pixels of the original image, the surest first.</summary>
/// <param name="boxes">Left, top, right and bottom of each, (N, 4).</param>
/// <param name="scores">How sure the model is of each, (N).</param>
/// <param name="labels">The class of each, from 0, (N), int64.</param>
public sealed record Detections(Tensor boxes, Tensor scores, Tensor labels)
{
    /// <summary>The probability of each pixel of the original image to belong to the object, (N, H, W).</summary>
    public Tensor? masks { get; init; }

    /// <summary>x, y and a score of each one's keypoints, (N, K, 3).</summary>
    public Tensor? keypoints { get; init; }
}

/// <summary>What a model tells of an object.</summary>
[Flags]
public enum DetectionKinds
{
    Boxes = 1,
    Masks = 2,
    Keypoints = 4,
}

/// <summary>What every model has that finds objects in images; families add their own fields.</summary>
public abstract record DetectionModelConfig : DenseModelConfig
{
    /// <summary>
    /// The number that the class of label 0 has in COCO's files, for weights whose labels are such numbers, as torchvision's and
    /// DETR's are. Null where a label is the place of the class in the file's list.
    /// </summary>
    public int? first_category { get; init; }

    /// <summary>What the shorter side of an image is resized to, in pixels, unless the data's transforms say otherwise.</summary>
    public int min_size { get; init; } = 800;

    /// <summary>What the longer side may have at most then.</summary>
    public int max_size { get; init; } = 1333;
}

/// <summary>The contract of every model that finds objects in images.</summary>
public abstract class DetectionModel(string name) : nn.Module(name), ILayeredModel
{
    private BackboneLayers? layers;

    /// <summary>What it tells of an object.</summary>
    public abstract DetectionKinds Finds { get; }

    /// <summary>The losses of a batch by name, already weighted: their sum is what is minimised.</summary>
    /// <param name="images">The batch.</param>
    /// <param name="targets">The objects of each image; an image may have none.</param>
    public abstract IReadOnlyDictionary<string, Tensor> Losses(PaddedImages images, IReadOnlyList<ObjectTargets> targets);

    /// <summary>What is found in each image of a batch. The model should be in evaluation mode.</summary>
    public abstract IReadOnlyList<Detections> Detect(PaddedImages images);

    public IReadOnlySet<string> no_weight_decay => Layers.NoWeightDecay;
    public int num_layers => Layers.Count;
    public int layer_of(string parameter) => Layers.Of(parameter);

    private BackboneLayers Layers => layers ??= new(this);
}
