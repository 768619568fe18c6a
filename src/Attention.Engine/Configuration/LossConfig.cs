using System.ComponentModel.DataAnnotations;

namespace Attention.Engine.Configuration;

/// <summary>What is minimised. Targets are classes, or with mixup and cutmix a share of each class.</summary>
[Part<CrossEntropyConfig>("cross_entropy")]
[Part<BinaryCrossEntropyConfig>("bce")]
[Part<FocalConfig>("focal")]
[Part<PixelLossConfig>("pixels")]
public abstract record LossConfig
{
    /// <summary>The weight of each class, in the order of their names; empty for the same weight.</summary>
    [Range(0, double.PositiveInfinity)]
    public double[] class_weights { get; init; } = [];

    /// <summary>Whether each class weighs as much as its training images are few, with a mean of 1 over the images.</summary>
    public bool balance_classes { get; init; }

    /// <summary>The share of the target that is spread over all classes (Szegedy et al., arXiv:1512.00567); mixup has its own.</summary>
    [Range(0, 1, MaximumIsExclusive = true)]
    public double label_smoothing { get; init; }
}

/// <summary>Cross-entropy of the predicted classes.</summary>
public sealed record CrossEntropyConfig : LossConfig;

/// <summary>Every class for itself is there or not (Beyer et al., arXiv:2006.07159; Wightman et al., arXiv:2110.00476).</summary>
public sealed record BinaryCrossEntropyConfig : LossConfig
{
    /// <summary>Shares above it become 1, others 0; null leaves them.</summary>
    [Range(0, 1, MaximumIsExclusive = true)]
    public double? target_threshold { get; init; }

    /// <summary>Whether the losses of an image's classes are added rather than averaged.</summary>
    public bool sum_classes { get; init; }
}

/// <summary>Cross-entropy that counts less what is predicted well already (Lin et al., arXiv:1708.02002).</summary>
public sealed record FocalConfig : LossConfig
{
    /// <summary>How much less; 0 is plain cross-entropy.</summary>
    [Range(0, double.PositiveInfinity)]
    public double gamma { get; init; } = 2;
}

/// <summary>What the class of each pixel costs: cross-entropy, Dice loss, or a sum of both.</summary>
public sealed record PixelLossConfig : LossConfig
{
    /// <summary>What the cross-entropy counts.</summary>
    [Range(0, double.PositiveInfinity)]
    public double cross_entropy { get; init; } = 1;

    /// <summary>What the Dice loss counts (Milletari et al., arXiv:1606.04797).</summary>
    [Range(0, double.PositiveInfinity)]
    public double dice { get; init; } = 1;

    /// <summary>Whether the cross-entropy is averaged over all pixels, as mmseg does, rather than over those that have a class.</summary>
    public bool average_all { get; init; }
}

/// <summary>
/// Learning from a teacher's answers beside the labels: (1 - weight) of the loss and weight of the distance to the teacher
/// (Hinton et al., arXiv:1503.02531; Touvron et al., arXiv:2012.12877).
/// </summary>
public sealed record DistillationConfig
{
    /// <summary>A model of the registry and any fields of its record; it sees the images that the student sees.</summary>
    [Required]
    public NamedPart teacher { get; init; } = null!;

    /// <summary>The teacher's weights: a .safetensors, .pth, .pt or .bin file, or a folder with one.</summary>
    [Required]
    public string checkpoint { get; init; } = null!;

    /// <summary>Whether the teacher's most likely class is learnt, or all its probabilities.</summary>
    public DistillationKind kind { get; init; } = DistillationKind.Soft;

    /// <summary>The teacher's share of the loss.</summary>
    [Range(0, 1, MinimumIsExclusive = true)]
    public double weight { get; init; } = 0.5;

    /// <summary>Logits are divided by it before they become probabilities, for soft answers.</summary>
    [Range(0, double.PositiveInfinity, MinimumIsExclusive = true)]
    public double temperature { get; init; } = 1;
}

public enum DistillationKind
{
    Hard,
    Soft,
}
