using Attention.Modules;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Attention.Models.Vision;

/// <summary>A PVT v2; fields as in timm.</summary>
public sealed record PvtConfig : AttentionHostConfig
{
    /// <summary>Blocks of each stage.</summary>
    public int[] depths { get; init; } = [3, 4, 6, 3];
    /// <summary>Channels of each stage.</summary>
    public int[] embed_dims { get; init; } = [64, 128, 320, 512];
    /// <summary>Heads of each stage.</summary>
    public int[] num_heads { get; init; } = [1, 2, 5, 8];
    /// <summary>Positions of a side that one key stands for, at each stage.</summary>
    public int[] sr_ratios { get; init; } = [8, 4, 2, 1];
    /// <summary>Width of the MLP in units of the channels, at each stage.</summary>
    public double[] mlp_ratios { get; init; } = [8, 8, 4, 4];
    public bool qkv_bias { get; init; } = true;
    /// <summary>Attention of linear cost: keys from a 7x7 average.</summary>
    public bool linear { get; init; }
    public double norm_eps { get; init; } = 1e-6;
    public double proj_drop_rate { get; init; }
    public double attn_drop_rate { get; init; }
}

/// <summary>Patches that overlap, by a strided convolution, and a norm. (B, C, H, W) to (B, H', W', C').</summary>
internal sealed class OverlapPatchEmbed : Block
{
    private readonly Conv2d proj;
    private readonly LayerNorm norm;

    public OverlapPatchEmbed(int in_chans, int embed_dim, int patch_size, int stride) : base(nameof(OverlapPatchEmbed))
    {
        proj = nn.Conv2d(in_chans, embed_dim, kernel_size: patch_size, stride: stride, padding: patch_size / 2);
        norm = nn.LayerNorm(embed_dim);
        RegisterComponents();
    }

    protected override Tensor Forward(Tensor x) => norm.call(proj.call(x).permute(0, 2, 3, 1));
}

/// <summary>An MLP with a depthwise convolution in its hidden layer, which tells positions apart. (B, H, W, C) to the same.</summary>
internal sealed class ConvolutionalMlp : Block
{
    private readonly Linear fc1;
    private readonly nn.Module<Tensor, Tensor> relu;
    private readonly Conv2d dwconv;
    private readonly GELU act;
    private readonly Linear fc2;
    private readonly Dropout drop;

    public ConvolutionalMlp(int dim, int hidden, bool extra_relu, double drop_rate) : base(nameof(ConvolutionalMlp))
    {
        fc1 = nn.Linear(dim, hidden);
        relu = extra_relu ? nn.ReLU() : nn.Identity();
        dwconv = nn.Conv2d(hidden, hidden, kernel_size: 3, padding: 1, groups: hidden);
        act = nn.GELU();
        fc2 = nn.Linear(hidden, dim);
        drop = nn.Dropout(drop_rate);
        RegisterComponents();
    }

    protected override Tensor Forward(Tensor x)
    {
        x = dwconv.call(relu.call(fc1.call(x)).permute(0, 3, 1, 2)).permute(0, 2, 3, 1);
        return drop.call(fc2.call(drop.call(act.call(x))));
    }
}

/// <summary>Attention to a coarser map and an MLP. (B, H, W, C) to the same.</summary>
internal sealed class PvtBlock : Block
{
    private readonly LayerNorm norm1;
    private readonly nn.Module<Tensor, Tensor> attn;
    private readonly nn.Module<Tensor, Tensor> drop_path1;
    private readonly LayerNorm norm2;
    private readonly ConvolutionalMlp mlp;
    private readonly nn.Module<Tensor, Tensor> drop_path2;
    private readonly HostedAttention mixer;

    public PvtBlock(PvtConfig config, int stage, int index, double drop_path) : base(nameof(PvtBlock))
    {
        int dim = config.embed_dims[stage];
        norm1 = nn.LayerNorm(dim, config.norm_eps);
        mixer = new HostedAttention(config.attention ?? new SpatialReductionAttentionConfig
        {
            sr_ratio = config.sr_ratios[stage],
            linear = config.linear,
            qkv_bias = config.qkv_bias,
            attn_drop = config.attn_drop_rate,
            proj_drop = config.proj_drop_rate,
        }, config.Site(dim, config.num_heads[stage], 4 << stage, index));
        attn = mixer.Module;
        drop_path1 = DropPath.Of(drop_path);
        norm2 = nn.LayerNorm(dim, config.norm_eps);
        mlp = new ConvolutionalMlp(dim, (int)(dim * config.mlp_ratios[stage]), config.linear, config.proj_drop_rate);
        drop_path2 = DropPath.Of(drop_path);
        RegisterComponents();
    }

    protected override Tensor Forward(Tensor x)
    {
        x = x + drop_path1.call(mixer.OnMap(norm1.call(x)));
        return x + drop_path2.call(mlp.call(norm2.call(x)));
    }
}

/// <summary>A step down, except at the first, blocks and a norm. Gives (B, C, H, W).</summary>
internal sealed class PvtStage : Block
{
    private readonly OverlapPatchEmbed? downsample;
    private readonly Sequential blocks;
    private readonly LayerNorm norm;

    public PvtStage(PvtConfig config, int stage, double[] drop_path) : base(nameof(PvtStage))
    {
        downsample = stage > 0 ? new OverlapPatchEmbed(config.embed_dims[stage - 1], config.embed_dims[stage], patch_size: 3, stride: 2) : null;
        blocks = nn.Sequential(drop_path.Select((rate, i) => (nn.Module<Tensor, Tensor>)new PvtBlock(config, stage, i, rate)));
        norm = nn.LayerNorm(config.embed_dims[stage], config.norm_eps);
        RegisterComponents();
    }

    protected override Tensor Forward(Tensor x) =>
        norm.call(blocks.call(downsample is null ? x : downsample.call(x))).permute(0, 3, 1, 2).contiguous();
}

/// <summary>
/// Pyramid Vision Transformer, version 2: Wang et al., Improved Baselines with Pyramid Vision Transformer, 2022
/// (arXiv:2106.13797). Parameter names as in timm's pvt_v2.py.
/// </summary>
public sealed class PyramidVisionTransformer : StagedModel
{
    private readonly OverlapPatchEmbed patch_embed;
    private readonly ModuleList<nn.Module<Tensor, Tensor>> stages;
    private readonly Dropout head_drop;
    private nn.Module<Tensor, Tensor> head;

    private readonly PvtConfig config;
    private int classes;

    public PyramidVisionTransformer(PvtConfig config) : base(nameof(PyramidVisionTransformer))
    {
        this.config = config;
        int count = config.depths.Length;
        if (new[] { config.embed_dims.Length, config.num_heads.Length, config.sr_ratios.Length, config.mlp_ratios.Length }.Any(length => length != count))
            throw new UserError($"depths has {count} stages, other fields have another number", "give embed_dims, num_heads, sr_ratios and mlp_ratios one number for each stage");
        patch_embed = new OverlapPatchEmbed(config.in_chans, config.embed_dims[0], patch_size: 7, stride: 4);
        var rates = DropPath.StageRates(config.drop_path_rate, config.depths);
        stages = nn.ModuleList(rates.Select((rate, stage) => (nn.Module<Tensor, Tensor>)new PvtStage(config, stage, rate)).ToArray());
        head_drop = nn.Dropout(config.drop_rate);
        classes = config.num_classes;
        head = Linears.Classifier(num_features, classes);
        RegisterComponents();
        Linears.Initialise(this);
        Convolutions.Initialise(this);
    }

    public override int num_classes => classes;
    protected override IReadOnlyList<nn.Module<Tensor, Tensor>> Stages => [.. stages];
    protected override IReadOnlyList<int> Depths => config.depths;
    protected override IReadOnlyList<int> Channels => config.embed_dims;

    protected override Tensor Stem(Tensor images) => patch_embed.call(images);

    public override Tensor forward_head(Tensor x, bool pre_logits = false)
    {
        using var scope = NewDisposeScope();
        x = head_drop.call(x.mean([2, 3]));
        return scope.MoveToOuter(pre_logits ? x : head.call(x));
    }

    public override void reset_classifier(int num_classes)
    {
        classes = num_classes;
        this.Replace(nameof(head), ref head, Linears.Classifier(num_features, num_classes));
    }

    // --- variants --------------------------------------------------------------------------------

    private static readonly PvtConfig B2 = new() { crop_pct = 0.9 };

    /// <summary>The variants, by timm's names.</summary>
    public static ModelFamily<PvtConfig> Family { get; } = new()
    {
        Name = "PVT v2",
        Reference = "Wang et al., PVT v2: Improved Baselines with Pyramid Vision Transformer, 2022 (arXiv:2106.13797)",
        Build = config => new PyramidVisionTransformer(config),
        Table = new Dictionary<string, PvtConfig>
        {
            ["pvt_v2_b0"] = B2 with { depths = [2, 2, 2, 2], embed_dims = [32, 64, 160, 256] },
            ["pvt_v2_b1"] = B2 with { depths = [2, 2, 2, 2] },
            ["pvt_v2_b2"] = B2,
            ["pvt_v2_b3"] = B2 with { depths = [3, 4, 18, 3] },
            ["pvt_v2_b4"] = B2 with { depths = [3, 8, 27, 3] },
            ["pvt_v2_b5"] = B2 with { depths = [3, 6, 40, 3], mlp_ratios = [4, 4, 4, 4] },
            ["pvt_v2_b2_li"] = B2 with { linear = true },
        },
    };
}
