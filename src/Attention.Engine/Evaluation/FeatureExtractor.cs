using Attention.Data;
using TorchSharp;
using static TorchSharp.torch;

namespace Attention.Engine.Evaluation;

public enum FeatureKind
{
    /// <summary>What the classifier takes: (C) for an image.</summary>
    Pooled,

    /// <summary>The coarsest feature map: (C, H, W) for an image.</summary>
    Patch,
}

/// <summary>Features of images with their names and labels.</summary>
/// <param name="Values">(N, C), or (N, C, H, W) for feature maps; float32 on the CPU.</param>
/// <param name="Names">Of the images, N.</param>
/// <param name="Labels">Of the images, N.</param>
/// <param name="ClassNames">Of the labels; empty where images have none.</param>
public sealed record ImageFeatures(Tensor Values, IReadOnlyList<string> Names, long[] Labels, IReadOnlyList<string> ClassNames) : IDisposable
{
    public void Dispose() => Values.Dispose();
}

/// <summary>Runs images through a model up to its classifier.</summary>
public static class FeatureExtractor
{
    /// <param name="classifier">The model.</param>
    /// <param name="images">The images.</param>
    /// <param name="kind">Which features.</param>
    /// <param name="warn">Told of images that cannot be read, which are left out.</param>
    /// <param name="cancellation">Ends it between batches.</param>
    /// <exception cref="UserError">No image could be read.</exception>
    public static ImageFeatures Run(ImageClassifier classifier, IImageDataset images, FeatureKind kind = FeatureKind.Pooled, Action<string>? warn = null, CancellationToken cancellation = default)
    {
        using var scope = NewDisposeScope();
        using var loader = classifier.Loader(images, warn);
        var (parts, names, labels) = (new List<Tensor>(), new List<string>(), new List<long>());
        foreach (var each in loader.Epoch(0, cancellation: cancellation))
        {
            using var batch = each;
            parts.Add(Features(classifier, batch, kind));
            names.AddRange(batch.Indices.Select(images.NameOf));
            labels.AddRange(batch.Labels);
        }
        if (parts.Count == 0)
            throw new UserError("none of the images could be read", "the warnings above say why");
        return new ImageFeatures(cat(parts, 0).MoveToOuterDisposeScope(), names, [.. labels], images.ClassNames);
    }

    private static Tensor Features(ImageClassifier classifier, ImageBatch batch, FeatureKind kind)
    {
        using var scope = NewDisposeScope();
        using var _ = inference_mode();
        var images = batch.images.to(classifier.Device);
        var model = classifier.Model;
        var features = kind == FeatureKind.Pooled
            ? model.forward_head(model.forward_features(images), pre_logits: true)
            : model.forward_intermediates(images, [model.feature_info.Count - 1])[0];
        return scope.MoveToOuter(features.to(ScalarType.Float32).cpu());
    }
}
