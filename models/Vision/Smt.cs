using Attention.Modules;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Attention.Models.Vision;

/// <summary>An SMT; fields as in the authors' repository.</summary>
public sealed record SmtConfig : AttentionHostConfig
{
    /// <summary>Channels of each stage.</summary>
    public int[] embed_dims { get; init; } = [64, 128, 256, 512];
    /// <summary>Kernel sizes of the modulation at each stage.</summary>
    public int[] ca_num_heads { get; init; } = [4, 4, 4, -1];
    /// <summary>Heads of the attention at each stage.</summary>
    public int[] sa_num_heads { get; init; } = [-1, -1, 8, 16];
    /// <summary>Width of the MLP in units of the channels, at each stage.</summary>
    public double[] mlp_ratios { get; init; } = [8, 6, 4, 2];
    /// <summary>Blocks of each stage.</summary>
    public int[] depths { get; init; } = [2, 2, 8, 1];
    /// <summary>1 where a stage has modulation, 0 where it has attention; the third stage has both in turn.</summary>
    public int[] ca_attentions { get; init; } = [1, 1, 1, 0];
    public bool qkv_bias { get; init; } = true;
    /// <summary>Learned factors of both branches of a block.</summary>
    public bool use_layerscale { get; init; }
    public double layerscale_value { get; init; } = 1e-4;
    /// <summary>Side of the stem's first convolution: 3 or 7.</summary>
    public int head_conv { get; init; } = 3;
    /// <summary>Width of the modulation's mixing layer in units of the channels.</summary>
    public int expand_ratio { get; init; } = 2;
    public double proj_drop_rate { get; init; }
    public double attn_drop_rate { get; init; }
}

/// <summary>Attention over the whole map, with a depthwise convolution of the values added. (B, H, W, C) to the same.</summary>
internal sealed class SmtAttention : Block
{
    private readonly Linear q;
    private readonly Linear kv;
    private readonly Conv2d local_conv;
    private readonly Linear proj;
    private readonly Dropout proj_drop;

    private readonly int num_heads;
    private readonly double attn_drop;

    public SmtAttention(SmtConfig config, int stage) : base(nameof(SmtAttention))
    {
        int dim = config.embed_dims[stage];
        (num_heads, attn_drop) = (config.sa_num_heads[stage], config.attn_drop_rate);
        if (num_heads < 1 || dim % num_heads != 0)
            throw new UserError($"{dim} channels do not divide into sa_num_heads {num_heads}", "choose a number of heads that divides the channels");
        q = nn.Linear(dim, dim, hasBias: config.qkv_bias);
        kv = nn.Linear(dim, 2 * dim, hasBias: config.qkv_bias);
        local_conv = nn.Conv2d(dim, dim, kernel_size: 3, padding: 1, groups: dim);
        proj = nn.Linear(dim, dim);
        proj_drop = nn.Dropout(config.proj_drop_rate);
        RegisterComponents();
    }

    protected override Tensor Forward(Tensor x)
    {
        var parts = kv.call(x).chunk(2, -1);
        Tensor Heads(Tensor t) => t.flatten(1, 2).unflatten(-1, num_heads, -1).transpose(1, 2);
        var attended = ScaledDotProduct.Attend(Heads(q.call(x)), Heads(parts[0]), Heads(parts[1]), dropout: training ? attn_drop : 0);
        var local = local_conv.call(parts[1].permute(0, 3, 1, 2)).permute(0, 2, 3, 1);
        return proj_drop.call(proj.call(attended.transpose(1, 2).reshape(x.shape) + local));
    }
}

/// <summary>Modulation or attention, and an MLP, each after a norm and added to its input. (B, H, W, C) to the same.</summary>
internal sealed class SmtBlock : Block
{
    private readonly LayerNorm norm1;
    private readonly nn.Module<Tensor, Tensor> attn;
    private readonly nn.Module<Tensor, Tensor> drop_path;
    private readonly LayerNorm norm2;
    private readonly DepthwiseMlp mlp;
    private readonly Parameter? gamma_1;
    private readonly Parameter? gamma_2;
    private readonly HostedAttention mixer;

    /// <summary>Channels of a head, for an attention in the modulation's place.</summary>
    private const int HeadDim = 32;

    public SmtBlock(SmtConfig config, int stage, int index, double drop) : base(nameof(SmtBlock))
    {
        int dim = config.embed_dims[stage];
        norm1 = nn.LayerNorm(dim, 1e-6);
        int heads = config.sa_num_heads[stage] > 0 ? config.sa_num_heads[stage] : Math.Max(1, dim / HeadDim);
        var site = config.Site(dim, heads, 4 << stage, index);
        bool modulates = config.ca_attentions[stage] == 1 && !(stage == 2 && index % 2 == 1);
        mixer = config.attention is { } chosen ? new HostedAttention(chosen, site)
            : modulates ? new HostedAttention(new ScaleAwareModulationConfig
            {
                num_scales = config.ca_num_heads[stage],
                expand_ratio = config.expand_ratio,
                qkv_bias = config.qkv_bias,
                proj_drop = config.proj_drop_rate,
            }, site)
            : new HostedAttention(new SmtAttention(config, stage), AttentionLayout.Map, site);
        attn = mixer.Module;
        drop_path = DropPath.Of(drop);
        norm2 = nn.LayerNorm(dim, 1e-6);
        mlp = new DepthwiseMlp(dim, (long)(dim * config.mlp_ratios[stage]), config.proj_drop_rate, residual: true);
        if (config.use_layerscale)
            (gamma_1, gamma_2) = (new Parameter(full(dim, config.layerscale_value)), new Parameter(full(dim, config.layerscale_value)));
        RegisterComponents();
    }

    private static Tensor Scaled(Parameter? gamma, Tensor x) => gamma is null ? x : gamma * x;

    protected override Tensor Forward(Tensor x)
    {
        x = x + drop_path.call(Scaled(gamma_1, mixer.OnMap(norm1.call(x))));
        return x + drop_path.call(Scaled(gamma_2, mlp.call(norm2.call(x))));
    }
}

/// <summary>Two strided convolutions and a norm. (B, C, H, W) to (B, H/4, W/4, C').</summary>
internal sealed class SmtStem : Block
{
    private readonly Sequential conv;
    private readonly LayerNorm norm;

    public SmtStem(int in_chans, int dim, int kernel) : base(nameof(SmtStem))
    {
        conv = nn.Sequential(
            nn.Conv2d(in_chans, dim, kernel_size: kernel, stride: 2, padding: kernel == 7 ? 3 : 1, bias: false),
            nn.BatchNorm2d(dim),
            nn.ReLU(),
            nn.Conv2d(dim, dim, kernel_size: 2, stride: 2));
        norm = nn.LayerNorm(dim);
        RegisterComponents();
    }

    protected override Tensor Forward(Tensor x) => norm.call(conv.call(x).permute(0, 2, 3, 1));
}

/// <summary>
/// SMT: Lin et al., Scale-Aware Modulation Meet Transformer, 2023 (arXiv:2307.08579). Parameter names as in the authors'
/// repository, AFeng-x/SMT. Images of any size are taken.
/// </summary>
public sealed class Smt(SmtConfig config) : PyramidModel(nameof(Smt), config, config.depths, config.embed_dims,
    stage => stage == 0
        ? new SmtStem(config.in_chans, config.embed_dims[0], config.head_conv)
        : new OverlapPatchEmbed(config.embed_dims[stage - 1], config.embed_dims[stage], patch_size: 3, stride: 2),
    (stage, index, rate) => new SmtBlock(config, stage, index, rate),
    stage => nn.LayerNorm(config.embed_dims[stage], 1e-6))
{
    // --- variants --------------------------------------------------------------------------------

    private static readonly SmtConfig Tiny = new() { mlp_ratios = [4, 4, 4, 2] };
    private static readonly SmtConfig Base = new() { depths = [4, 6, 28, 2], head_conv = 7 };

    /// <summary>The variants, by the authors' names.</summary>
    public static ModelFamily<SmtConfig> Family { get; } = new()
    {
        Name = "SMT",
        Reference = "Lin et al., Scale-Aware Modulation Meet Transformer, 2023 (arXiv:2307.08579)",
        Build = config => new Smt(config),
        Table = new Dictionary<string, SmtConfig>
        {
            ["smt_t"] = Tiny,
            ["smt_s"] = Tiny with { depths = [3, 4, 18, 2] },
            ["smt_b"] = Base,
            ["smt_l"] = Base with { embed_dims = [96, 192, 384, 768], depths = [4, 6, 28, 4] },
        },
    };
}
