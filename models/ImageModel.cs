using Attention.Modules;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Attention.Models;

/// <summary>What every image model's config has; families add their own fields.</summary>
public abstract record ImageModelConfig
{
    /// <summary>Side of the square input, in pixels.</summary>
    public int img_size { get; init; } = 224;
    /// <summary>Channels of the input.</summary>
    public int in_chans { get; init; } = 3;
    /// <summary>Classes of the head; 0 for none, so that the model gives pooled features.</summary>
    public int num_classes { get; init; } = 1000;
    /// <summary>Dropout before the classifier.</summary>
    public double drop_rate { get; init; }
    /// <summary>Stochastic depth of the last block; earlier blocks have less, in a line from 0.</summary>
    public double drop_path_rate { get; init; }
    /// <summary>Share of the resized image that evaluation's centre crop keeps.</summary>
    public double crop_pct { get; init; } = 0.875;
    /// <summary>How evaluation resizes: bicubic or bilinear.</summary>
    public string interpolation { get; init; } = "bicubic";
    /// <summary>What is subtracted from each channel of a pixel in [0, 1].</summary>
    public double[] mean { get; init; } = [0.485, 0.456, 0.406];
    /// <summary>What each channel is divided by after that.</summary>
    public double[] std { get; init; } = [0.229, 0.224, 0.225];
}

/// <summary>The config of a family whose attention can be any other.</summary>
public abstract record AttentionHostConfig : ImageModelConfig, IAttentionHost
{
    /// <summary>
    /// An attention by name in place of the family's own, in every block: <c>attention: {name: bi_level_routing, topk: 2}</c>.
    /// Null for the family's own.
    /// </summary>
    public AttentionConfig? attention { get; init; }

    /// <summary>The place of a block whose map has one position for every <paramref name="stride"/> pixels of a side.</summary>
    internal AttentionSite Site(int dim, int num_heads, int stride, int index, int prefix_tokens = 0) =>
        new(dim, num_heads, img_size / stride, img_size / stride, index, prefix_tokens);
}

/// <summary>One of a backbone's feature maps.</summary>
/// <param name="Module">The module whose output it is, as the state dict names it.</param>
/// <param name="Channels">Its channels.</param>
/// <param name="Stride">Input pixels per feature, along each side.</param>
public sealed record FeatureInfo(string Module, int Channels, int Stride);

/// <summary>
/// The contract of every image model: images (B, in_chans, H, W) to logits (B, num_classes), in two halves that can be
/// called alone.
/// </summary>
public abstract class ImageModel(string name) : nn.Module<Tensor, Tensor>(name), ILayeredModel
{
    /// <summary>Classes of the head; 0 where there is none.</summary>
    public abstract int num_classes { get; }

    /// <summary>Channels of the features that the head takes.</summary>
    public abstract int num_features { get; }

    /// <summary>The feature maps that <see cref="forward_intermediates"/> gives, from fine to coarse.</summary>
    public abstract IReadOnlyList<FeatureInfo> feature_info { get; }

    /// <summary>Whether images of the config's img_size alone are taken.</summary>
    public virtual bool fixed_input_size => false;

    /// <summary>The features before the head: tokens (B, N, C) or a map, as the family has it.</summary>
    public abstract Tensor forward_features(Tensor x);

    /// <summary>Features to logits (B, num_classes); with <paramref name="pre_logits"/> to the pooled features (B, C).</summary>
    public abstract Tensor forward_head(Tensor x, bool pre_logits = false);

    /// <summary>Feature maps (B, C, H, W) by their index in <see cref="feature_info"/>; all of them for null.</summary>
    public abstract Tensor[] forward_intermediates(Tensor x, IReadOnlyList<int>? indices = null);

    /// <summary>A new classifier, freshly initialised; 0 classes for none.</summary>
    public abstract void reset_classifier(int num_classes);

    public virtual IReadOnlySet<string> no_weight_decay => new HashSet<string>();
    public abstract int num_layers { get; }
    public abstract int layer_of(string parameter);

    /// <summary>What the head sees of tokens (B, prefix + N, C): the first (token) or the mean of those of the map (avg), (B, C); else all.</summary>
    private protected static Tensor PoolTokens(Tensor tokens, string global_pool, int prefix_tokens) => global_pool switch
    {
        "token" => tokens[.., 0],
        "avg" => tokens.slice(1, prefix_tokens, tokens.shape[1], 1).mean([1]),
        _ => tokens,
    };

    /// <exception cref="ArgumentException">Images (B, C, H, W) are not square of that side.</exception>
    private protected static void RequireSize(Tensor images, int img_size)
    {
        if (images.shape[2] != img_size || images.shape[3] != img_size)
            throw new ArgumentException($"the model takes images of {img_size}x{img_size}, not {images.shape[2]}x{images.shape[3]}: set img_size");
    }

    public override Tensor forward(Tensor input)
    {
        using var scope = NewDisposeScope();
        return scope.MoveToOuter(forward_head(forward_features(input)));
    }
}
