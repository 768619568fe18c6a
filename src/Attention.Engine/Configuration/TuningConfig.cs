using System.ComponentModel.DataAnnotations;

namespace Attention.Engine.Configuration;

/// <summary>An exponential running average of the weights (Polyak and Juditsky 1992).</summary>
public sealed record EmaConfig
{
    /// <summary>How much of the average stays at each step.</summary>
    [Range(0, 1, MinimumIsExclusive = true, MaximumIsExclusive = true)]
    public double decay { get; init; } = 0.9998;

    /// <summary>Whether less of it stays at first, so that the fresh weights do not linger.</summary>
    public bool warmup { get; init; } = true;

    /// <summary>How fast the warm-up ends: step n keeps 1 - n^-power, until that is the decay.</summary>
    [Range(0, 1, MinimumIsExclusive = true)]
    public double warmup_power { get; init; } = 2.0 / 3;
}

/// <summary>Low-rank adaptation (Hu et al., arXiv:2106.09685): each layer's weight gets alpha / rank * B A, and A and B are trained.</summary>
public sealed record LoraConfig
{
    /// <summary>Rows of A and columns of B.</summary>
    [Range(1, int.MaxValue)]
    public int rank { get; init; } = 8;

    /// <summary>How strongly the change counts: alpha / rank.</summary>
    [Range(0, double.PositiveInfinity, MinimumIsExclusive = true)]
    public double alpha { get; init; } = 16;

    /// <summary>Dropout of the inputs of A.</summary>
    [Range(0, 1, MaximumIsExclusive = true)]
    public double dropout { get; init; }

    /// <summary>The linear layers, by name with wildcards.</summary>
    public string[] targets { get; init; } = ["*.qkv", "*.q", "*.k", "*.v", "*.kv", "*.proj"];

    /// <summary>Parameters that are trained as well; the classifier is in any case.</summary>
    public string[] train { get; init; } = [];
}
