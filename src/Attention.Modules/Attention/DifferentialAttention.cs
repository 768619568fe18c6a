using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Attention.Modules;

/// <summary>What a <see cref="DifferentialAttention"/> is made from; the keys of <c>attention:</c> in a config.</summary>
public sealed record DifferentialAttentionConfig : MultiHeadConfig
{
    public bool qkv_bias { get; init; } = true;
    /// <summary>A norm on each half head's queries and keys.</summary>
    public bool qk_norm { get; init; }
    /// <summary>A norm before the projection.</summary>
    public bool scale_norm { get; init; }
    public bool proj_bias { get; init; } = true;
    /// <summary>Lambda from two learned numbers rather than from four vectors as in the paper.</summary>
    public bool dual_lambda { get; init; }
    /// <summary>Blocks before this one: lambda starts at 0.2 in the first and comes near 0.8 in deep ones. Null for the host's number.</summary>
    public int? depth { get; init; }
    public double attn_drop { get; init; }
    public double proj_drop { get; init; }
    /// <summary>layernorm or rmsnorm, for the optional norms.</summary>
    public string norm_layer { get; init; } = "layernorm";
    public double norm_eps { get; init; } = 1e-6;

    public override AttentionLayout Layout => AttentionLayout.Sequence;
    public override DifferentialAttention Create(AttentionSite site) =>
        new(site.Dim, this with { num_heads = num_heads ?? site.NumHeads, depth = depth ?? site.Index });
}

/// <summary>
/// Self-attention that subtracts one map from another: each head has two halves of queries and keys over the same values, and
/// what both attend to, noise, cancels. (B, N, C) to the same; parameter names as in timm's DiffAttention.
/// Ye et al., Differential Transformer, 2024 (arXiv:2410.05258).
/// </summary>
public sealed class DifferentialAttention : Block
{
    private readonly Parameter? lambda_a;
    private readonly Parameter? lambda_b;
    private readonly Parameter? lambda_q1;
    private readonly Parameter? lambda_k1;
    private readonly Parameter? lambda_q2;
    private readonly Parameter? lambda_k2;
    private readonly Linear qkv;
    private readonly nn.Module<Tensor, Tensor> q_norm;
    private readonly nn.Module<Tensor, Tensor> k_norm;
    private readonly nn.Module<Tensor, Tensor> norm;
    private readonly Linear proj;
    private readonly Dropout proj_drop;
    private readonly RmsNorm sub_norm;
    private readonly int num_heads;
    private readonly double lambdaStart;
    private readonly double attn_drop;

    public DifferentialAttention(long dim, DifferentialAttentionConfig config) : base(nameof(DifferentialAttention))
    {
        num_heads = config.HeadsFor(dim);
        long half = Differential.HalfHead(dim, num_heads);
        lambdaStart = Differential.LambdaStart(config.depth ?? 0);
        attn_drop = config.attn_drop;
        if (config.dual_lambda)
            (lambda_a, lambda_b) = (new Parameter(zeros([])), new Parameter(zeros([])));
        else
            (lambda_q1, lambda_k1, lambda_q2, lambda_k2) =
                (Differential.LambdaVector(half), Differential.LambdaVector(half), Differential.LambdaVector(half), Differential.LambdaVector(half));
        qkv = nn.Linear(dim, dim * 3, hasBias: config.qkv_bias);
        q_norm = config.qk_norm ? Norms.Create(config.norm_layer, half, config.norm_eps) : nn.Identity();
        k_norm = config.qk_norm ? Norms.Create(config.norm_layer, half, config.norm_eps) : nn.Identity();
        norm = config.scale_norm ? Norms.Create(config.norm_layer, dim, config.norm_eps) : nn.Identity();
        proj = nn.Linear(dim, dim, hasBias: config.proj_bias);
        proj_drop = nn.Dropout(config.proj_drop);
        sub_norm = new RmsNorm(2 * half, Differential.NormEps);
        RegisterComponents();
    }

    protected override Tensor Forward(Tensor x)
    {
        var parts = qkv.call(x).chunk(3, -1);
        var (q, k) = (q_norm.call(Differential.Halves(parts[0], num_heads)), k_norm.call(Differential.Halves(parts[1], num_heads)));
        var attended = Differential.Attend(q, k, parts[2], Lambda(), sub_norm, lambdaStart, training ? attn_drop : 0);
        return proj_drop.call(proj.call(norm.call(attended)));
    }

    private Tensor Lambda() => lambda_a is not null
        ? lambda_a.exp() - lambda_b!.exp() + lambdaStart
        : Differential.Lambda(lambda_q1!, lambda_k1!, lambda_q2!, lambda_k2!, lambdaStart);
}

/// <summary>Differential attention as a function, for modules that have projections of their own.</summary>
public static class Differential
{
    /// <summary>Epsilon of the norm of each head's result.</summary>
    public const double NormEps = 1e-5;

    /// <summary>Channels of a half head.</summary>
    /// <exception cref="UserError">The heads have no halves.</exception>
    public static long HalfHead(long dim, int num_heads) => dim % (2 * num_heads) == 0 ? dim / (2 * num_heads)
        : throw new UserError($"{dim} channels do not divide into the halves of num_heads {num_heads}", "differential attention needs heads of an even width: choose num_heads for that");

    /// <summary>Where lambda starts, by the blocks before.</summary>
    public static double LambdaStart(int depth) => 0.8 - 0.6 * Math.Exp(-0.3 * depth);

    /// <summary>A new one of the four vectors that make lambda.</summary>
    public static Parameter LambdaVector(long dim) => new(randn(dim) * 0.1);

    /// <summary>exp(q1 · k1) - exp(q2 · k2) + start: a number.</summary>
    public static Tensor Lambda(Tensor q1, Tensor k1, Tensor q2, Tensor k2, double start) =>
        (q1 * k1).sum().exp() - (q2 * k2).sum().exp() + start;

    /// <summary>(B, N, C) to half heads (B, 2 * H, N, C / 2H).</summary>
    public static Tensor Halves(Tensor x, int num_heads) =>
        x.reshape(x.shape[0], x.shape[1], 2 * num_heads, x.shape[2] / (2 * num_heads)).transpose(1, 2);

    /// <summary>The first map's result less lambda times the second's, normed by head and scaled by 1 - start.</summary>
    /// <param name="q">Queries (B, 2 * H, N, d): the halves of a head are neighbours.</param>
    /// <param name="k">Keys, the same.</param>
    /// <param name="v">Values (B, N, 2 * H * d).</param>
    /// <param name="lambda">A number.</param>
    /// <param name="sub_norm">The norm of a head's result, over 2 * d.</param>
    /// <param name="start">Where lambda starts.</param>
    /// <param name="dropout">Rate at which weights are dropped; 0 outside training.</param>
    /// <returns>(B, N, 2 * H * d)</returns>
    public static Tensor Attend(Tensor q, Tensor k, Tensor v, Tensor lambda, RmsNorm sub_norm, double start, double dropout = 0)
    {
        using var scope = NewDisposeScope();
        var (batch, heads, tokens, half) = (q.shape[0], q.shape[1] / 2, q.shape[2], q.shape[3]);
        var values = v.reshape(batch, tokens, heads, 2 * half).transpose(1, 2);
        var queries = q.reshape(batch, heads, 2, tokens, half).unbind(2);
        var keys = k.reshape(batch, heads, 2, tokens, half).unbind(2);
        var signal = ScaledDotProduct.Attend(queries[0], keys[0], values, dropout: dropout);
        var noise = ScaledDotProduct.Attend(queries[1], keys[1], values, dropout: dropout);
        var clean = sub_norm.call(signal - lambda.to(signal.dtype) * noise) * (1 - start);
        return scope.MoveToOuter(clean.transpose(1, 2).reshape(batch, tokens, 2 * heads * half));
    }
}
