using Attention.Modules;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Attention.Models.Vision;

/// <summary>A DaViT; fields as in timm.</summary>
public sealed record DaVitConfig : AttentionHostConfig
{
    /// <summary>Blocks of each stage; each has one of every type of attention.</summary>
    public int[] depths { get; init; } = [1, 1, 3, 1];
    /// <summary>Channels of each stage.</summary>
    public int[] embed_dims { get; init; } = [96, 192, 384, 768];
    /// <summary>Heads, and groups of channels, of each stage.</summary>
    public int[] num_heads { get; init; } = [3, 6, 12, 24];
    /// <summary>The attention of a block's halves, in order: spatial (within windows) or channel.</summary>
    public string[] attn_types { get; init; } = ["spatial", "channel"];
    /// <summary>Side of the windows.</summary>
    public int window_size { get; init; } = 7;
    /// <summary>Width of the MLP in units of the channels.</summary>
    public double mlp_ratio { get; init; } = 4;
    public bool qkv_bias { get; init; } = true;
    /// <summary>GELU after the position convolutions.</summary>
    public bool cpe_act { get; init; }
    /// <summary>Side of the convolutions between the stages.</summary>
    public int down_kernel_size { get; init; } = 2;
    /// <summary>Channel attention as in Florence-2: <see cref="ChannelGroupAttentionConfig.v2"/>.</summary>
    public bool channel_attn_v2 { get; init; }
    /// <summary>A block's halves have names in the state dict rather than numbers, as in Florence-2.</summary>
    public bool named_blocks { get; init; }
    /// <summary>The final norm before pooling rather than after it.</summary>
    public bool head_norm_first { get; init; }
    public double norm_eps { get; init; } = 1e-5;
}

/// <summary>Positions from a depthwise convolution, added to the map. (B, H, W, C) to the same.</summary>
internal sealed class DaVitPositions : Block
{
    private readonly Conv2d proj;
    private readonly nn.Module<Tensor, Tensor> act;

    public DaVitPositions(int dim, bool act) : base(nameof(DaVitPositions))
    {
        proj = nn.Conv2d(dim, dim, kernel_size: 3, padding: 1, groups: dim);
        this.act = act ? nn.GELU() : nn.Identity();
        RegisterComponents();
    }

    protected override Tensor Forward(Tensor x) => x + act.call(proj.call(x.permute(0, 3, 1, 2)).permute(0, 2, 3, 1));
}

/// <summary>Positions, attention, positions again, and an MLP. (B, C, H, W) to the same.</summary>
internal sealed class DaVitBlock : Block
{
    private readonly DaVitPositions cpe1;
    private readonly LayerNorm norm1;
    private readonly nn.Module<Tensor, Tensor> attn;
    private readonly nn.Module<Tensor, Tensor> drop_path1;
    private readonly DaVitPositions cpe2;
    private readonly LayerNorm norm2;
    private readonly Mlp mlp;
    private readonly nn.Module<Tensor, Tensor> drop_path2;
    private readonly HostedAttention mixer;

    public DaVitBlock(DaVitConfig config, int stage, int index, string attn_type, double drop_path) : base(nameof(DaVitBlock))
    {
        int dim = config.embed_dims[stage];
        var site = config.Site(dim, config.num_heads[stage], 4 << stage, index);
        cpe1 = new DaVitPositions(dim, config.cpe_act);
        norm1 = nn.LayerNorm(dim, config.norm_eps);
        mixer = config.attention is { } chosen ? new HostedAttention(chosen, site) : new HostedAttention(Own(config, site, attn_type), AttentionLayout.Map, site);
        attn = mixer.Module;
        drop_path1 = DropPath.Of(drop_path);
        cpe2 = new DaVitPositions(dim, config.cpe_act);
        norm2 = nn.LayerNorm(dim, config.norm_eps);
        mlp = new Mlp(dim, (long)(dim * config.mlp_ratio));
        drop_path2 = DropPath.Of(drop_path);
        RegisterComponents();
    }

    // Windows keep their size where the map is smaller, and are padded. Channel attention takes maps as they are.
    private static nn.Module<Tensor, Tensor> Own(DaVitConfig config, AttentionSite site, string attn_type) => attn_type switch
    {
        "spatial" => new WindowAttention(site.Dim, new WindowAttentionConfig
        {
            num_heads = site.NumHeads,
            window_size = config.window_size,
            shift_size = 0,
            qkv_bias = config.qkv_bias,
            relative_bias = false,
        }),
        "channel" => new ChannelGroupAttention(site.Dim, new ChannelGroupAttentionConfig
        {
            num_heads = site.NumHeads,
            qkv_bias = config.qkv_bias,
            v2 = config.channel_attn_v2,
        }),
        _ => throw new UserError($"attn_types has '{attn_type}', which is not known", "choose spatial and channel"),
    };

    protected override Tensor Forward(Tensor x)
    {
        x = cpe1.call(x.permute(0, 2, 3, 1));
        x = cpe2.call(x + drop_path1.call(mixer.OnMap(norm1.call(x))));
        x = x + drop_path2.call(mlp.call(norm2.call(x)));
        return x.permute(0, 3, 1, 2);
    }
}

/// <summary>
/// An overlapping convolution to a quarter of the size, and a norm. (B, C, H, W) to (B, C', H/4, W/4); sides that 4 does not
/// divide are padded.
/// </summary>
internal sealed class DaVitStem : Block
{
    private readonly Conv2d conv;
    private readonly LayerNorm2d norm;

    public DaVitStem(DaVitConfig config) : base(nameof(DaVitStem))
    {
        conv = nn.Conv2d(config.in_chans, config.embed_dims[0], kernel_size: 7, stride: 4, padding: 3);
        norm = new LayerNorm2d(config.embed_dims[0], config.norm_eps);
        RegisterComponents();
    }

    protected override Tensor Forward(Tensor x) => norm.call(conv.call(DaVitDownsample.Pad(x, 4)));
}

/// <summary>A norm and a convolution to half the size. (B, C, H, W) to (B, C', H/2, W/2).</summary>
internal sealed class DaVitDownsample : Block
{
    private readonly LayerNorm2d norm;
    private readonly Conv2d conv;
    private readonly int kernel;

    public DaVitDownsample(int in_chs, int out_chs, int kernel, double norm_eps) : base(nameof(DaVitDownsample))
    {
        this.kernel = kernel;
        norm = new LayerNorm2d(in_chs, norm_eps);
        conv = nn.Conv2d(in_chs, out_chs, kernel_size: kernel, stride: 2, padding: kernel % 2 == 0 ? 0 : kernel / 2);
        RegisterComponents();
    }

    protected override Tensor Forward(Tensor x)
    {
        x = norm.call(x);
        return conv.call(kernel % 2 == 0 ? Pad(x, kernel) : x);
    }

    /// <summary>Zeros at the bottom and right, to multiples of <paramref name="side"/>.</summary>
    internal static Tensor Pad(Tensor x, long side)
    {
        long bottom = (side - x.shape[2] % side) % side, right = (side - x.shape[3] % side) % side;
        return bottom == 0 && right == 0 ? x : nn.functional.pad(x, [0, right, 0, bottom]);
    }
}

/// <summary>A step down, except at the first, and blocks that alternate the types of attention.</summary>
internal sealed class DaVitStage : Block
{
    private readonly nn.Module<Tensor, Tensor> downsample;
    private readonly Sequential blocks;

    public DaVitStage(DaVitConfig config, int stage, double[] drop_path) : base(nameof(DaVitStage))
    {
        downsample = stage == 0 ? nn.Identity()
            : new DaVitDownsample(config.embed_dims[stage - 1], config.embed_dims[stage], config.down_kernel_size, config.norm_eps);
        blocks = nn.Sequential(drop_path.Select((rate, index) => (nn.Module<Tensor, Tensor>)nn.Sequential(config.attn_types.Select((type, i) =>
            (config.named_blocks ? $"{type}_block" : $"{i}", (nn.Module<Tensor, Tensor>)new DaVitBlock(config, stage, index, type, rate))))));
        RegisterComponents();
    }

    protected override Tensor Forward(Tensor x) => blocks.call(downsample.call(x));
}

/// <summary>
/// DaViT: Ding et al., Dual Attention Vision Transformers, 2022 (arXiv:2204.03645), with the towers of Florence-2 (Xiao et
/// al., 2023, arXiv:2311.06242). Parameter names as in timm's davit.py. Images of any size are taken.
/// </summary>
public sealed class DaVit : StagedModel
{
    private readonly DaVitStem stem;
    private readonly ModuleList<DaVitStage> stages;
    private readonly nn.Module<Tensor, Tensor> norm_pre;
    private readonly ClassifierHead head;

    private readonly DaVitConfig config;
    private int classes;

    public DaVit(DaVitConfig config) : base(nameof(DaVit))
    {
        this.config = config;
        int count = config.depths.Length;
        if (config.embed_dims.Length != count || config.num_heads.Length != count)
            throw new UserError($"depths has {count} stages, embed_dims {config.embed_dims.Length}, num_heads {config.num_heads.Length}", "give each one number for each stage");
        stem = new DaVitStem(config);
        stages = nn.ModuleList(DropPath.StageRates(config.drop_path_rate, config.depths).Select((rates, stage) => new DaVitStage(config, stage, rates)).ToArray());
        norm_pre = config.head_norm_first ? new LayerNorm2d(num_features, config.norm_eps) : nn.Identity();
        classes = config.num_classes;
        head = new ClassifierHead(num_features, classes, config.drop_rate, channels_last: false, norm_eps: config.head_norm_first ? null : config.norm_eps);
        RegisterComponents();
        Linears.Initialise(this);
    }

    public override int num_classes => classes;
    protected override IReadOnlyList<nn.Module<Tensor, Tensor>> Stages => [.. stages];
    protected override IReadOnlyList<int> Depths => config.depths;
    protected override IReadOnlyList<int> Channels => config.embed_dims;

    protected override Tensor Stem(Tensor images) => stem.call(images);

    protected override Tensor AfterStages(Tensor x) => norm_pre.call(x);

    public override Tensor forward_head(Tensor x, bool pre_logits = false) => pre_logits ? head.Pool(x) : head.call(x);

    public override void reset_classifier(int num_classes) => head.Reset(classes = num_classes);

    // --- variants --------------------------------------------------------------------------------

    private static readonly DaVitConfig Tiny = new() { crop_pct = 0.95 };
    private static readonly DaVitConfig Small = Tiny with { depths = [1, 1, 9, 1] };
    private static readonly DaVitConfig Base = Small with { embed_dims = [128, 256, 512, 1024], num_heads = [4, 8, 16, 32] };
    private static readonly DaVitConfig Huge = Small with { embed_dims = [256, 512, 1024, 2048], num_heads = [8, 16, 32, 64] };
    private static DaVitConfig Florence(DaVitConfig config) => config with
    {
        img_size = 768,
        num_classes = 0,
        window_size = 12,
        down_kernel_size = 3,
        channel_attn_v2 = true,
        named_blocks = true,
    };

    /// <summary>The variants, by timm's names.</summary>
    public static ModelFamily<DaVitConfig> Family { get; } = new()
    {
        Name = "DaViT",
        Reference = "Ding et al., DaViT: Dual Attention Vision Transformers, 2022 (arXiv:2204.03645)",
        Build = config => new DaVit(config),
        Table = new Dictionary<string, DaVitConfig>
        {
            ["davit_tiny"] = Tiny,
            ["davit_small"] = Small,
            ["davit_base"] = Base,
            ["davit_large"] = Small with { embed_dims = [192, 384, 768, 1536], num_heads = [6, 12, 24, 48] },
            ["davit_huge"] = Huge,
            ["davit_giant"] = Small with { depths = [1, 1, 12, 3], embed_dims = [384, 768, 1536, 3072], num_heads = [12, 24, 48, 96] },
            ["davit_base_fl"] = Florence(Base),
            ["davit_huge_fl"] = Florence(Huge),
        },
    };
}
