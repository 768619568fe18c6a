using System.ComponentModel.DataAnnotations;

namespace Attention.Engine.Configuration;

/// <summary>The learning rate over the run: a linear warm-up, then the named curve.</summary>
[Part<CosineConfig>("cosine")]
[Part<LinearConfig>("linear")]
[Part<StepConfig>("step")]
[Part<PolynomialConfig>("polynomial")]
[Part<OneCycleConfig>("one_cycle")]
[Part<WsdConfig>("wsd")]
[Part<ConstantConfig>("constant")]
public abstract record ScheduleConfig
{
    /// <summary>Epochs over which the learning rate rises to the highest; fractions are allowed.</summary>
    [Range(0, double.PositiveInfinity)]
    public double warmup_epochs { get; init; }

    /// <summary>Where the warm-up starts from.</summary>
    [Range(0, double.PositiveInfinity)]
    public double warmup_lr { get; init; }

    /// <summary>The learning rate at the end of the run.</summary>
    [Range(0, double.PositiveInfinity)]
    public double min_lr { get; init; }

    /// <summary>Whether the rate changes with every step or with every epoch.</summary>
    public ScheduleUnit per { get; init; } = ScheduleUnit.Step;
}

public enum ScheduleUnit
{
    Step,
    Epoch,
}

/// <summary>Half a period of a cosine from the highest rate to the lowest (Loshchilov and Hutter, arXiv:1608.03983).</summary>
public sealed record CosineConfig : ScheduleConfig;

/// <summary>A line from the highest rate to the lowest.</summary>
public sealed record LinearConfig : ScheduleConfig;

/// <summary>The highest rate, multiplied by a factor every few epochs or at given ones, but never below the lowest.</summary>
public sealed record StepConfig : ScheduleConfig
{
    /// <summary>Epochs from one change to the next, where no milestones are given.</summary>
    [Range(1, int.MaxValue)]
    public int every { get; init; } = 30;

    /// <summary>Epochs, counted from 0, with whose start the rate changes.</summary>
    [Range(1, int.MaxValue)]
    public int[] milestones { get; init; } = [];

    /// <summary>The factor.</summary>
    [Range(0, 1, MinimumIsExclusive = true, MaximumIsExclusive = true)]
    public double gamma { get; init; } = 0.1;
}

/// <summary>A power of what is left of the run, from the highest rate to the lowest.</summary>
public sealed record PolynomialConfig : ScheduleConfig
{
    /// <summary>1 is a line; larger ones fall sooner.</summary>
    [Range(0, double.PositiveInfinity, MinimumIsExclusive = true)]
    public double power { get; init; } = 1;
}

/// <summary>
/// A cosine up to the highest rate and a cosine down (Smith and Topin, arXiv:1708.07120), as PyTorch's OneCycleLR. The rise is the
/// warm-up: it takes warmup_epochs where these are given.
/// </summary>
public sealed record OneCycleConfig : ScheduleConfig
{
    /// <summary>The share of the run in which the rate rises.</summary>
    [Range(0, 1, MinimumIsExclusive = true, MaximumIsExclusive = true)]
    public double rise { get; init; } = 0.3;

    /// <summary>The highest rate over the first one, where warmup_lr is 0.</summary>
    [Range(1, double.PositiveInfinity)]
    public double start_factor { get; init; } = 25;

    /// <summary>The first rate over the last one, where min_lr is 0.</summary>
    [Range(1, double.PositiveInfinity)]
    public double end_factor { get; init; } = 1e4;
}

/// <summary>
/// Warm-up, the highest rate, and a fall in the last part of the run: warmup, stable, decay (Hu et al., MiniCPM, arXiv:2404.06395).
/// </summary>
public sealed record WsdConfig : ScheduleConfig
{
    /// <summary>The share of the run in which the rate falls.</summary>
    [Range(0, 1, MinimumIsExclusive = true)]
    public double decay { get; init; } = 0.2;

    /// <summary>How it falls: on a line, by half a cosine, or by 1 - sqrt of the part that is done (Haegele et al., arXiv:2405.18392).</summary>
    public DecayShape shape { get; init; } = DecayShape.Linear;
}

public enum DecayShape
{
    Linear,
    Cosine,
    Sqrt,
}

/// <summary>The highest rate throughout.</summary>
public sealed record ConstantConfig : ScheduleConfig;
