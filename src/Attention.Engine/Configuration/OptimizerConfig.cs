using System.ComponentModel.DataAnnotations;

namespace Attention.Engine.Configuration;

/// <summary>A rule that moves the weights.</summary>
[Part<AdamWConfig>("adamw")]
[Part<AdamConfig>("adam")]
[Part<SgdConfig>("sgd")]
[Part<LambConfig>("lamb")]
[Part<LionConfig>("lion")]
[Part<AdafactorConfig>("adafactor")]
[Part<MuonConfig>("muon")]
public abstract record OptimizerConfig
{
    /// <summary>The highest learning rate of the run.</summary>
    [Range(0, double.PositiveInfinity, MinimumIsExclusive = true)]
    public double lr { get; init; } = 1e-3;

    /// <summary>How much weights shrink each step, in units of the learning rate; norms, biases and what the model names are left out.</summary>
    [Range(0, double.PositiveInfinity)]
    public double weight_decay { get; init; } = 0.05;

    /// <summary>More parameters without weight decay, by name with wildcards: ["*.relative_position_bias_table"].</summary>
    public string[] no_decay { get; init; } = [];

    /// <summary>The learning rate of a layer over that of the layer above it, as in fine-tuning: 0.75; null for the same everywhere.</summary>
    [Range(0, 1, MinimumIsExclusive = true)]
    public double? layer_decay { get; init; }
}

/// <summary>Adam with decoupled weight decay (Loshchilov and Hutter, arXiv:1711.05101).</summary>
public sealed record AdamWConfig : OptimizerConfig
{
    /// <summary>Decay of the running means of the gradient and of its square.</summary>
    [Range(0, 1, MaximumIsExclusive = true)]
    public (double, double) betas { get; init; } = (0.9, 0.999);

    /// <summary>Added to the denominator.</summary>
    [Range(0, double.PositiveInfinity)]
    public double eps { get; init; } = 1e-8;
}

/// <summary>Adam, with weight decay as part of the gradient (Kingma and Ba, arXiv:1412.6980).</summary>
public sealed record AdamConfig : OptimizerConfig
{
    /// <summary>Decay of the running means of the gradient and of its square.</summary>
    [Range(0, 1, MaximumIsExclusive = true)]
    public (double, double) betas { get; init; } = (0.9, 0.999);

    /// <summary>Added to the denominator.</summary>
    [Range(0, double.PositiveInfinity)]
    public double eps { get; init; } = 1e-8;
}

/// <summary>Stochastic gradient descent with momentum; weight decay is part of the gradient.</summary>
public sealed record SgdConfig : OptimizerConfig, IValidatableObject
{
    /// <summary>Factor of the sum of past gradients.</summary>
    [Range(0, 1, MaximumIsExclusive = true)]
    public double momentum { get; init; } = 0.9;

    /// <summary>How much less than 1 a new gradient counts in that sum.</summary>
    [Range(0, 1)]
    public double dampening { get; init; }

    /// <summary>Whether to look one step of momentum ahead.</summary>
    public bool nesterov { get; init; }

    IEnumerable<ValidationResult> IValidatableObject.Validate(ValidationContext context)
    {
        if (nesterov && (momentum == 0 || dampening != 0))
            yield return new("'nesterov' needs a momentum and no dampening\nset momentum above 0 and dampening to 0, or remove nesterov", ["nesterov"]);
    }
}

/// <summary>Adam's step scaled to the norm of each parameter, for large batches (You et al., arXiv:1904.00962).</summary>
public sealed record LambConfig : OptimizerConfig
{
    /// <summary>Decay of the running means of the gradient and of its square.</summary>
    [Range(0, 1, MaximumIsExclusive = true)]
    public (double, double) betas { get; init; } = (0.9, 0.999);

    /// <summary>Added to the denominator.</summary>
    [Range(0, double.PositiveInfinity)]
    public double eps { get; init; } = 1e-6;

    /// <summary>The largest norm that all gradients together may have; null for no limit.</summary>
    [Range(0, double.PositiveInfinity, MinimumIsExclusive = true)]
    public double? max_grad_norm { get; init; } = 1;

    /// <summary>Whether no parameter's step is scaled up (LAMBC).</summary>
    public bool trust_clip { get; init; }
}

/// <summary>Steps by the sign of the momentum (Chen et al., arXiv:2302.06675): a tenth of AdamW's lr, ten times its weight decay.</summary>
public sealed record LionConfig : OptimizerConfig
{
    /// <summary>Weight of the momentum in the direction of a step, and its decay.</summary>
    [Range(0, 1, MaximumIsExclusive = true)]
    public (double, double) betas { get; init; } = (0.9, 0.99);
}

/// <summary>Adam with a factored second moment, for small memory (Shazeer and Stern, arXiv:1804.04235).</summary>
public sealed record AdafactorConfig : OptimizerConfig
{
    /// <summary>The power of the step by which the running means forget.</summary>
    [Range(-1, 0, MaximumIsExclusive = true)]
    public double decay_rate { get; init; } = -0.8;

    /// <summary>Added to the squared gradients.</summary>
    [Range(0, double.PositiveInfinity)]
    public double eps { get; init; } = 1e-30;

    /// <summary>The largest root mean square of a parameter's step, in units of the learning rate.</summary>
    [Range(0, double.PositiveInfinity, MinimumIsExclusive = true)]
    public double clip_threshold { get; init; } = 1;
}

/// <summary>Orthogonalised momentum for matrices, AdamW for the rest (Jordan et al. 2024; Liu et al., arXiv:2502.16982).</summary>
public sealed record MuonConfig : OptimizerConfig
{
    /// <summary>Decay of the running mean of a matrix's gradient.</summary>
    [Range(0, 1, MaximumIsExclusive = true)]
    public double momentum { get; init; } = 0.95;

    /// <summary>Whether to look one step of momentum ahead.</summary>
    public bool nesterov { get; init; }

    /// <summary>AdamW's, for vectors and narrow matrices.</summary>
    [Range(0, 1, MaximumIsExclusive = true)]
    public (double, double) betas { get; init; } = (0.9, 0.95);

    /// <summary>Matrices that are left to AdamW, by name with wildcards; null for the embeddings and the head of a language model.</summary>
    public string[]? adamw { get; init; }

    /// <summary>The least norm of a matrix, and AdamW's addition to the denominator.</summary>
    [Range(0, double.PositiveInfinity)]
    public double eps { get; init; } = 1e-7;
}
