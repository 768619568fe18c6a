using System.ComponentModel.DataAnnotations;

namespace Attention.Data;

/// <summary>What shares one draw of mixup or cutmix.</summary>
public enum MixupMode
{
    /// <summary>The whole batch.</summary>
    Batch,

    /// <summary>An image and its partner, in both directions.</summary>
    Pair,

    /// <summary>Each image has its own.</summary>
    Elem,
}

/// <summary>
/// mixup (Zhang et al., arXiv:1710.09412) and CutMix (Yun et al., arXiv:1905.04899) of the images of a batch, with timm's options.
/// </summary>
public sealed record MixupConfig
{
    /// <summary>The share of each image is drawn from Beta(alpha, alpha); 0 for no mixup.</summary>
    [Range(0, double.PositiveInfinity)]
    public double mixup_alpha { get; init; } = 0.8;

    /// <summary>The share of the image around the pasted box is drawn from Beta(alpha, alpha); 0 for no CutMix.</summary>
    [Range(0, double.PositiveInfinity)]
    public double cutmix_alpha { get; init; } = 1;

    /// <summary>The sides of the pasted box as shares of the image's, from and to, in place of cutmix_alpha.</summary>
    [Range(0, 1)]
    public (double, double)? cutmix_minmax { get; init; }

    /// <summary>How likely a draw mixes at all.</summary>
    [Range(0, 1)]
    public double prob { get; init; } = 1;

    /// <summary>How likely CutMix is taken where both are on.</summary>
    [Range(0, 1)]
    public double switch_prob { get; init; } = 0.5;

    /// <summary>What shares one draw.</summary>
    public MixupMode mode { get; init; } = MixupMode.Batch;

    /// <summary>Whether the share of a label follows the box where the image's border cuts it.</summary>
    public bool correct_lam { get; init; } = true;

    /// <summary>The part of each target that is spread over all classes.</summary>
    [Range(0, 1, MaximumIsExclusive = true)]
    public double label_smoothing { get; init; } = 0.1;

    /// <summary>Whether CutMix is on.</summary>
    internal bool Cuts => cutmix_alpha > 0 || cutmix_minmax is not null;
}
