using Attention.Modules;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Attention.Models.Vision;

/// <summary>The kinds of block of a <see cref="VisionTransformer"/>, all (B, N, C) to the same; parameter names as in timm.</summary>
internal static class VitBlocks
{
    /// <summary>A block of the config's kind.</summary>
    /// <exception cref="UserError">There is no such kind, or it does not go with other options.</exception>
    public static Block Create(VitConfig config, AttentionSite site, double drop_path) => config.block switch
    {
        "standard" => new VitBlock(config, site, drop_path),
        "res_post_norm" => new ResPostNormBlock(config, site, drop_path),
        "parallel_things" => new ParallelThingsBlock(config, site, drop_path),
        "parallel_scaling" => new ParallelScalingBlock(config, drop_path),
        "differential_parallel_scaling" => new DifferentialParallelScalingBlock(config, site, drop_path),
        _ => throw new UserError($"block '{config.block}' is not known",
            "choose standard, res_post_norm, parallel_things, parallel_scaling or differential_parallel_scaling"),
    };

    /// <summary>The attention that the config asks for.</summary>
    public static HostedAttention Attention(VitConfig config, AttentionSite site) => new(config.attention ?? Own(config), site);

    private static AttentionConfig Own(VitConfig config) => config.attn_layer switch
    {
        "attn" => new SelfAttentionConfig
        {
            qkv_bias = config.qkv_bias,
            qk_norm = config.qk_norm,
            scale_norm = config.scale_attn_norm,
            proj_bias = config.proj_bias,
            attn_drop = config.attn_drop_rate,
            proj_drop = config.proj_drop_rate,
            norm_layer = config.norm_layer,
            norm_eps = config.norm_eps,
        },
        "diff" => new DifferentialAttentionConfig
        {
            qkv_bias = config.qkv_bias,
            qk_norm = config.qk_norm,
            scale_norm = config.scale_attn_norm,
            proj_bias = config.proj_bias,
            attn_drop = config.attn_drop_rate,
            proj_drop = config.proj_drop_rate,
            norm_layer = config.norm_layer,
            norm_eps = config.norm_eps,
        },
        _ => throw new UserError($"attn_layer '{config.attn_layer}' is not known", "choose attn or diff"),
    };

    /// <summary>The MLP that the config asks for.</summary>
    public static nn.Module<Tensor, Tensor> Mlp(VitConfig config)
    {
        int dim = config.embed_dim;
        long hidden = (long)(dim * config.mlp_ratio);
        nn.Module<Tensor, Tensor>? Scaled(long width) => config.scale_mlp_norm ? Norms.Create(config.norm_layer, width, config.norm_eps) : null;
        return config.mlp_layer switch
        {
            "mlp" => new Mlp(dim, hidden, config.act_layer, config.proj_drop_rate, bias: config.proj_bias, norm: Scaled(hidden)),
            "swiglu_packed" => new GluMlp(dim, hidden, drop: config.proj_drop_rate, norm: Scaled(hidden / 2), bias: config.proj_bias),
            "swiglu" => new SwiGlu(dim, hidden, config.proj_drop_rate, Scaled(hidden), config.proj_bias),
            _ => throw new UserError($"mlp_layer '{config.mlp_layer}' is not known", "choose mlp, swiglu_packed or swiglu"),
        };
    }

    public static nn.Module<Tensor, Tensor> Norm(VitConfig config) => Norms.Create(config.norm_layer, config.embed_dim, config.norm_eps);

    /// <summary>Refuses what the blocks with one projection for attention and MLP cannot have.</summary>
    /// <exception cref="UserError">The config has it.</exception>
    public static void CheckFused(VitConfig config)
    {
        if (config.attention is not null || config.attn_layer != "attn")
            throw new UserError($"block '{config.block}' makes attention and MLP from one projection, and takes no other attention", "leave attention out, or set block: standard");
        if (config.mlp_layer != "mlp" || config.scale_attn_norm || config.scale_mlp_norm)
            throw new UserError($"block '{config.block}' takes no mlp_layer, scale_attn_norm or scale_mlp_norm", "leave them out, or set block: standard");
    }
}

/// <summary>Attention and MLP, each after a norm and added to its input.</summary>
internal sealed class VitBlock : Block
{
    private readonly nn.Module<Tensor, Tensor> norm1;
    private readonly nn.Module<Tensor, Tensor> attn;
    private readonly nn.Module<Tensor, Tensor> ls1;
    private readonly nn.Module<Tensor, Tensor> drop_path1;
    private readonly nn.Module<Tensor, Tensor> norm2;
    private readonly nn.Module<Tensor, Tensor> mlp;
    private readonly nn.Module<Tensor, Tensor> ls2;
    private readonly nn.Module<Tensor, Tensor> drop_path2;
    private readonly HostedAttention mixer;

    public VitBlock(VitConfig config, AttentionSite site, double drop_path) : base(nameof(VitBlock))
    {
        norm1 = VitBlocks.Norm(config);
        mixer = VitBlocks.Attention(config, site);
        attn = mixer.Module;
        ls1 = LayerScale.Of(config.embed_dim, config.init_values);
        drop_path1 = DropPath.Of(drop_path);
        norm2 = VitBlocks.Norm(config);
        mlp = VitBlocks.Mlp(config);
        ls2 = LayerScale.Of(config.embed_dim, config.init_values);
        drop_path2 = DropPath.Of(drop_path);
        RegisterComponents();
    }

    protected override Tensor Forward(Tensor x)
    {
        x = x + drop_path1.call(ls1.call(mixer.OnTokens(norm1.call(x))));
        return x + drop_path2.call(ls2.call(mlp.call(norm2.call(x))));
    }
}

/// <summary>
/// The norms after attention and MLP instead of before them: their weights are the layer scale.
/// Liu et al., Swin Transformer V2, 2022 (arXiv:2111.09883).
/// </summary>
internal sealed class ResPostNormBlock : Block
{
    private readonly nn.Module<Tensor, Tensor> attn;
    private readonly nn.Module<Tensor, Tensor> norm1;
    private readonly nn.Module<Tensor, Tensor> drop_path1;
    private readonly nn.Module<Tensor, Tensor> mlp;
    private readonly nn.Module<Tensor, Tensor> norm2;
    private readonly nn.Module<Tensor, Tensor> drop_path2;
    private readonly HostedAttention mixer;

    public ResPostNormBlock(VitConfig config, AttentionSite site, double drop_path) : base(nameof(ResPostNormBlock))
    {
        mixer = VitBlocks.Attention(config, site);
        attn = mixer.Module;
        norm1 = VitBlocks.Norm(config);
        drop_path1 = DropPath.Of(drop_path);
        mlp = VitBlocks.Mlp(config);
        norm2 = VitBlocks.Norm(config);
        drop_path2 = DropPath.Of(drop_path);
        RegisterComponents();
        if (config.init_values is { } start)
        {
            using var _ = no_grad();
            nn.init.constant_(norm1.get_parameter("weight")!, start);
            nn.init.constant_(norm2.get_parameter("weight")!, start);
        }
    }

    protected override Tensor Forward(Tensor x)
    {
        x = x + drop_path1.call(norm1.call(mixer.OnTokens(x)));
        return x + drop_path2.call(norm2.call(mlp.call(x)));
    }
}

/// <summary>
/// Two attentions side by side, then two MLPs: half the depth for the same parameters.
/// Touvron et al., Three things everyone should know about Vision Transformers, 2022 (arXiv:2203.09795).
/// </summary>
internal sealed class ParallelThingsBlock : Block
{
    private const int Branches = 2;

    private readonly ModuleList<AttentionBranch> attns;
    private readonly ModuleList<MlpBranch> ffns;

    public ParallelThingsBlock(VitConfig config, AttentionSite site, double drop_path) : base(nameof(ParallelThingsBlock))
    {
        attns = nn.ModuleList(Enumerable.Range(0, Branches).Select(_ => new AttentionBranch(config, site, drop_path)).ToArray());
        ffns = nn.ModuleList(Enumerable.Range(0, Branches).Select(_ => new MlpBranch(config, drop_path)).ToArray());
        RegisterComponents();
    }

    protected override Tensor Forward(Tensor x)
    {
        x = x + attns.Select(branch => branch.call(x)).Aggregate((sum, branch) => sum + branch);
        return x + ffns.Select(branch => branch.call(x)).Aggregate((sum, branch) => sum + branch);
    }

    private sealed class AttentionBranch : Block
    {
        private readonly nn.Module<Tensor, Tensor> norm;
        private readonly nn.Module<Tensor, Tensor> attn;
        private readonly nn.Module<Tensor, Tensor> ls;
        private readonly nn.Module<Tensor, Tensor> drop_path;
        private readonly HostedAttention mixer;

        public AttentionBranch(VitConfig config, AttentionSite site, double drop_path) : base(nameof(AttentionBranch))
        {
            norm = VitBlocks.Norm(config);
            mixer = VitBlocks.Attention(config, site);
            attn = mixer.Module;
            ls = LayerScale.Of(config.embed_dim, config.init_values);
            this.drop_path = DropPath.Of(drop_path);
            RegisterComponents();
        }

        protected override Tensor Forward(Tensor x) => drop_path.call(ls.call(mixer.OnTokens(norm.call(x))));
    }

    private sealed class MlpBranch : Block
    {
        private readonly nn.Module<Tensor, Tensor> norm;
        private readonly nn.Module<Tensor, Tensor> mlp;
        private readonly nn.Module<Tensor, Tensor> ls;
        private readonly nn.Module<Tensor, Tensor> drop_path;

        public MlpBranch(VitConfig config, double drop_path) : base(nameof(MlpBranch))
        {
            norm = VitBlocks.Norm(config);
            mlp = VitBlocks.Mlp(config);
            ls = LayerScale.Of(config.embed_dim, config.init_values);
            this.drop_path = DropPath.Of(drop_path);
            RegisterComponents();
        }

        protected override Tensor Forward(Tensor x) => drop_path.call(ls.call(mlp.call(norm.call(x))));
    }
}

/// <summary>
/// Attention and MLP side by side, from one norm and one projection.
/// Dehghani et al., Scaling Vision Transformers to 22 Billion Parameters, 2023 (arXiv:2302.05442).
/// </summary>
internal sealed class ParallelScalingBlock : Block
{
    private readonly Parameter? mlp_bias;
    private readonly nn.Module<Tensor, Tensor> in_norm;
    private readonly Linear in_proj;
    private readonly nn.Module<Tensor, Tensor> q_norm;
    private readonly nn.Module<Tensor, Tensor> k_norm;
    private readonly Dropout mlp_drop;
    private readonly nn.Module<Tensor, Tensor> mlp_act;
    private readonly Linear attn_out_proj;
    private readonly Linear mlp_out_proj;
    private readonly nn.Module<Tensor, Tensor> ls;
    private readonly nn.Module<Tensor, Tensor> drop_path;
    private readonly long hidden;
    private readonly int num_heads;
    private readonly double attn_drop;

    public ParallelScalingBlock(VitConfig config, double drop_path) : base(nameof(ParallelScalingBlock))
    {
        VitBlocks.CheckFused(config);
        int dim = config.embed_dim;
        num_heads = new SelfAttentionConfig { num_heads = config.num_heads }.HeadsFor(dim);
        hidden = (long)(dim * config.mlp_ratio);
        attn_drop = config.attn_drop_rate;
        // The projection's bias is that of queries, keys and values too; without it the MLP has its own.
        mlp_bias = config.qkv_bias ? null : new Parameter(zeros(hidden));
        in_norm = VitBlocks.Norm(config);
        in_proj = nn.Linear(dim, hidden + 3 * dim, hasBias: config.qkv_bias);
        q_norm = config.qk_norm ? Norms.Create(config.norm_layer, dim / num_heads, config.norm_eps) : nn.Identity();
        k_norm = config.qk_norm ? Norms.Create(config.norm_layer, dim / num_heads, config.norm_eps) : nn.Identity();
        mlp_drop = nn.Dropout(config.proj_drop_rate);
        mlp_act = Activations.Create(config.act_layer);
        attn_out_proj = nn.Linear(dim, dim, hasBias: config.proj_bias);
        mlp_out_proj = nn.Linear(hidden, dim, hasBias: config.proj_bias);
        ls = LayerScale.Of(dim, config.init_values);
        this.drop_path = DropPath.Of(drop_path);
        RegisterComponents();
    }

    protected override Tensor Forward(Tensor x)
    {
        long dim = x.shape[2];
        var parts = in_proj.call(in_norm.call(x)).split([hidden, dim, dim, dim], -1);
        var attended = ScaledDotProduct.Attend(q_norm.call(Heads(parts[1])), k_norm.call(Heads(parts[2])), Heads(parts[3]), dropout: training ? attn_drop : 0);
        var activated = mlp_drop.call(mlp_act.call(mlp_bias is null ? parts[0] : parts[0] + mlp_bias));
        return x + drop_path.call(ls.call(attn_out_proj.call(attended.transpose(1, 2).reshape(x.shape)) + mlp_out_proj.call(activated)));
    }

    // (B, N, C) to (B, heads, N, C / heads).
    private Tensor Heads(Tensor x) => x.reshape(x.shape[0], x.shape[1], num_heads, x.shape[2] / num_heads).transpose(1, 2);
}

/// <summary>
/// The same with differential attention, and one projection of attention and MLP at the end.
/// Ye et al., Differential Transformer, 2024 (arXiv:2410.05258).
/// </summary>
internal sealed class DifferentialParallelScalingBlock : Block
{
    private readonly Parameter? mlp_bias;
    private readonly Parameter lambda_q1;
    private readonly Parameter lambda_k1;
    private readonly Parameter lambda_q2;
    private readonly Parameter lambda_k2;
    private readonly nn.Module<Tensor, Tensor> in_norm;
    private readonly Linear in_proj;
    private readonly nn.Module<Tensor, Tensor> q_norm;
    private readonly nn.Module<Tensor, Tensor> k_norm;
    private readonly RmsNorm sub_norm;
    private readonly Dropout mlp_drop;
    private readonly nn.Module<Tensor, Tensor> mlp_act;
    private readonly Linear out_proj;
    private readonly nn.Module<Tensor, Tensor> ls;
    private readonly nn.Module<Tensor, Tensor> drop_path;
    private readonly long hidden;
    private readonly int num_heads;
    private readonly double lambdaStart;
    private readonly double attn_drop;

    public DifferentialParallelScalingBlock(VitConfig config, AttentionSite site, double drop_path) : base(nameof(DifferentialParallelScalingBlock))
    {
        VitBlocks.CheckFused(config);
        int dim = config.embed_dim;
        num_heads = config.num_heads;
        long half = Differential.HalfHead(dim, num_heads);
        hidden = (long)(dim * config.mlp_ratio);
        lambdaStart = Differential.LambdaStart(site.Index);
        attn_drop = config.attn_drop_rate;
        mlp_bias = config.qkv_bias ? null : new Parameter(zeros(hidden));
        (lambda_q1, lambda_k1, lambda_q2, lambda_k2) =
            (Differential.LambdaVector(half), Differential.LambdaVector(half), Differential.LambdaVector(half), Differential.LambdaVector(half));
        in_norm = VitBlocks.Norm(config);
        in_proj = nn.Linear(dim, hidden + 3 * dim, hasBias: config.qkv_bias);
        q_norm = config.qk_norm ? Norms.Create(config.norm_layer, half, config.norm_eps) : nn.Identity();
        k_norm = config.qk_norm ? Norms.Create(config.norm_layer, half, config.norm_eps) : nn.Identity();
        sub_norm = new RmsNorm(2 * half, Differential.NormEps);
        mlp_drop = nn.Dropout(config.proj_drop_rate);
        mlp_act = Activations.Create(config.act_layer);
        out_proj = nn.Linear(dim + hidden, dim, hasBias: config.proj_bias);
        ls = LayerScale.Of(dim, config.init_values);
        this.drop_path = DropPath.Of(drop_path);
        RegisterComponents();
    }

    protected override Tensor Forward(Tensor x)
    {
        long dim = x.shape[2];
        var parts = in_proj.call(in_norm.call(x)).split([hidden, dim, dim, dim], -1);
        var (q, k) = (q_norm.call(Differential.Halves(parts[1], num_heads)), k_norm.call(Differential.Halves(parts[2], num_heads)));
        var lambda = Differential.Lambda(lambda_q1, lambda_k1, lambda_q2, lambda_k2, lambdaStart);
        var attended = Differential.Attend(q, k, parts[3], lambda, sub_norm, lambdaStart, training ? attn_drop : 0);
        var activated = mlp_drop.call(mlp_act.call(mlp_bias is null ? parts[0] : parts[0] + mlp_bias));
        return x + drop_path.call(ls.call(out_proj.call(cat([attended, activated], -1))));
    }
}
