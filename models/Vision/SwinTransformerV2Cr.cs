using Attention.Modules;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Attention.Models.Vision;

/// <summary>A Swin Transformer V2 in Christoph Reich's form; fields as in timm.</summary>
public sealed record SwinV2CrConfig : AttentionHostConfig
{
    public int patch_size { get; init; } = 4;
    /// <summary>Channels of the first stage; each further one has twice as many.</summary>
    public int embed_dim { get; init; } = 96;
    /// <summary>Blocks of each stage.</summary>
    public int[] depths { get; init; } = [2, 2, 6, 2];
    /// <summary>Heads of each stage.</summary>
    public int[] num_heads { get; init; } = [3, 6, 12, 24];
    /// <summary>Side of the windows; null for the first map's over window_ratio.</summary>
    public int? window_size { get; init; }
    public int window_ratio { get; init; } = 8;
    /// <summary>Width of the MLP in units of the channels.</summary>
    public double mlp_ratio { get; init; } = 4;
    /// <summary>Start of the weights of the norms that end the branches; null for 1.</summary>
    public double? init_values { get; init; } = 0;
    /// <summary>A further norm after every so many blocks of a stage; 0 for none.</summary>
    public int extra_norm_period { get; init; }
    /// <summary>A further norm at the end of every stage rather than of the last alone.</summary>
    public bool extra_norm_stage { get; init; }
    public double norm_eps { get; init; } = 1e-5;
    public double proj_drop_rate { get; init; }
    public double attn_drop_rate { get; init; }

    internal int Window => window_size ?? img_size / patch_size / window_ratio;
    internal bool HasExtraNorm(int stage, int block) => extra_norm_period > 0 && (block + 1) % extra_norm_period == 0
        || block + 1 == depths[stage] && (extra_norm_stage || stage + 1 == depths.Length);
}

/// <summary>A small network from offsets to a bias for each head. (P, 2) to (P, heads).</summary>
internal sealed class PositionNetwork : Block
{
    private readonly Linear fc1;
    private readonly ReLU act;
    private readonly Dropout drop1;
    private readonly Linear fc2;

    public PositionNetwork(int hidden, int heads) : base(nameof(PositionNetwork))
    {
        fc1 = nn.Linear(2, hidden);
        act = nn.ReLU();
        drop1 = nn.Dropout(0.125);
        fc2 = nn.Linear(hidden, heads);
        RegisterComponents();
    }

    protected override Tensor Forward(Tensor x) => fc2.call(drop1.call(act.call(fc1.call(x))));
}

/// <summary>
/// Cosine attention within windows whose bias a network makes from the logarithms of the offsets. (B, H, W, C) to the same.
/// </summary>
internal sealed class LogOffsetWindowAttention : WindowedAttention
{
    // Scores may be scaled by at most 100.
    private static readonly double LargestLogitScale = Math.Log(100);

    private readonly Parameter logit_scale;
    private readonly Linear qkv;
    private readonly Linear proj;
    private readonly Dropout proj_drop;
    private readonly PositionNetwork meta_mlp;
    private readonly Tensor relative_coordinates_log;
    private readonly int num_heads;
    private readonly double attn_drop;

    public LogOffsetWindowAttention(SwinV2CrConfig config, AttentionSite site, int window, int shift)
        : base(nameof(LogOffsetWindowAttention), window, shift)
    {
        num_heads = site.NumHeads;
        attn_drop = config.attn_drop_rate;
        qkv = nn.Linear(site.Dim, 3 * site.Dim);
        proj = nn.Linear(site.Dim, site.Dim);
        proj_drop = nn.Dropout(config.proj_drop_rate);
        meta_mlp = new PositionNetwork(384, num_heads);
        logit_scale = new Parameter(full(num_heads, Math.Log(10)));
        relative_coordinates_log = Offsets(window);
        register_buffer(nameof(relative_coordinates_log), relative_coordinates_log, persistent: false);
        RegisterComponents();
    }

    // (window⁴, 2): sign(d) log(1 + |d|) of rows and columns, for each pair of tokens.
    private static Tensor Offsets(int window)
    {
        int tokens = window * window;
        static float Log(int offset) => (float)(Math.Sign(offset) * Math.Log(1 + Math.Abs(offset)));
        var table = new float[tokens * tokens * 2];
        for (int i = 0; i < tokens; i++)
            for (int j = 0; j < tokens; j++)
            {
                int at = 2 * (i * tokens + j);
                (table[at], table[at + 1]) = (Log(i / window - j / window), Log(i % window - j % window));
            }
        return tensor(table, [tokens * tokens, 2]);
    }

    protected override Tensor AttendWithin(Tensor windows, long height, long width)
    {
        var (batch, count, tokens, dim) = (windows.shape[0], windows.shape[1], windows.shape[2], windows.shape[3]);
        var parts = qkv.call(windows).reshape(batch, count, tokens, 3, num_heads, dim / num_heads).permute(3, 0, 1, 4, 2, 5).unbind(0);
        var q = nn.functional.normalize(parts[0], dim: -1) * logit_scale.clamp_max(LargestLogitScale).exp().view(-1, 1, 1);
        var bias = meta_mlp.call(relative_coordinates_log).t().reshape(num_heads, tokens, tokens);
        var attended = ScaledDotProduct.Attend(q, nn.functional.normalize(parts[1], dim: -1), parts[2], WithMask(bias, height, width),
            scale: 1, dropout: training ? attn_drop : 0);
        return proj_drop.call(proj.call(attended.transpose(2, 3).reshape(batch, count, tokens, dim)));
    }
}

/// <summary>Attention and MLP, each with a norm after it, and in some blocks a norm of all. (B, H, W, C) to the same.</summary>
internal sealed class SwinV2CrBlock : Block
{
    private readonly nn.Module<Tensor, Tensor> attn;
    private readonly LayerNorm norm1;
    private readonly nn.Module<Tensor, Tensor> drop_path1;
    private readonly Mlp mlp;
    private readonly LayerNorm norm2;
    private readonly nn.Module<Tensor, Tensor> drop_path2;
    private readonly nn.Module<Tensor, Tensor> norm3;
    private readonly HostedAttention mixer;

    public SwinV2CrBlock(SwinV2CrConfig config, int stage, int index, double drop_path) : base(nameof(SwinV2CrBlock))
    {
        int dim = config.embed_dim << stage;
        var site = config.Site(dim, config.num_heads[stage], config.patch_size << stage, index);
        mixer = config.attention is { } chosen ? new HostedAttention(chosen, site) : new HostedAttention(Own(config, site), AttentionLayout.Map, site);
        attn = mixer.Module;
        norm1 = nn.LayerNorm(dim, config.norm_eps);
        drop_path1 = DropPath.Of(drop_path);
        mlp = new Mlp(dim, (long)(dim * config.mlp_ratio), drop: config.proj_drop_rate);
        norm2 = nn.LayerNorm(dim, config.norm_eps);
        drop_path2 = DropPath.Of(drop_path);
        norm3 = config.HasExtraNorm(stage, index) ? nn.LayerNorm(dim, config.norm_eps) : nn.Identity();
        RegisterComponents();
        if (config.init_values is { } start)
        {
            nn.init.constant_(norm1.weight!, start);
            nn.init.constant_(norm2.weight!, start);
        }
    }

    private static LogOffsetWindowAttention Own(SwinV2CrConfig config, AttentionSite site)
    {
        bool whole = site.Height <= config.Window;
        return new LogOffsetWindowAttention(config, site, whole ? site.Height : config.Window, whole || site.Index % 2 == 0 ? 0 : config.Window / 2);
    }

    protected override Tensor Forward(Tensor x)
    {
        x = x + drop_path1.call(norm1.call(mixer.OnMap(x)));
        x = x + drop_path2.call(norm2.call(mlp.call(x)));
        return norm3.call(x);
    }
}

/// <summary>A step down, except at the first, and blocks. (B, C, H, W) to (B, C', H', W').</summary>
internal sealed class SwinV2CrStage : Block
{
    private readonly nn.Module<Tensor, Tensor> downsample;
    private readonly Sequential blocks;

    public SwinV2CrStage(SwinV2CrConfig config, int stage, double[] drop_path) : base(nameof(SwinV2CrStage))
    {
        int dim = config.embed_dim << stage;
        downsample = stage > 0 ? new PatchMerging(dim / 2, dim, config.norm_eps) : nn.Identity();
        blocks = nn.Sequential(drop_path.Select((rate, i) => (nn.Module<Tensor, Tensor>)new SwinV2CrBlock(config, stage, i, rate)));
        RegisterComponents();
    }

    protected override Tensor Forward(Tensor x) => blocks.call(downsample.call(x.permute(0, 2, 3, 1))).permute(0, 3, 1, 2);
}

/// <summary>Patches and a norm. Images to (B, C, H / patch, W / patch).</summary>
internal sealed class SwinV2CrPatchEmbed : Block
{
    private readonly Conv2d proj;
    private readonly LayerNorm norm;

    public SwinV2CrPatchEmbed(SwinV2CrConfig config) : base(nameof(SwinV2CrPatchEmbed))
    {
        proj = nn.Conv2d(config.in_chans, config.embed_dim, kernel_size: config.patch_size, stride: config.patch_size);
        norm = nn.LayerNorm(config.embed_dim, config.norm_eps);
        RegisterComponents();
    }

    protected override Tensor Forward(Tensor x) => norm.call(proj.call(x).permute(0, 2, 3, 1)).permute(0, 3, 1, 2);
}

/// <summary>
/// Swin Transformer V2 (Liu et al., 2022, arXiv:2111.09883) as Christoph Reich wrote it before the authors' code was public.
/// Parameter names as in timm's swin_transformer_v2_cr.py.
/// </summary>
public sealed class SwinTransformerV2Cr : StagedModel
{
    private readonly SwinV2CrPatchEmbed patch_embed;
    private readonly Sequential stages;
    private readonly ClassifierHead head;

    private readonly SwinV2CrConfig config;
    private int classes;

    public SwinTransformerV2Cr(SwinV2CrConfig config) : base(nameof(SwinTransformerV2Cr))
    {
        this.config = config;
        if (config.num_heads.Length != config.depths.Length)
            throw new UserError($"depths has {config.depths.Length} stages, num_heads {config.num_heads.Length}", "give each one number for each stage");
        if (config.Window < 1)
            throw new UserError($"img_size {config.img_size} leaves no window of a whole token", "give a larger img_size, or window_size");
        patch_embed = new SwinV2CrPatchEmbed(config);
        var rates = DropPath.StageRates(config.drop_path_rate, config.depths);
        stages = nn.Sequential(rates.Select((rate, stage) => (nn.Module<Tensor, Tensor>)new SwinV2CrStage(config, stage, rate)));
        classes = config.num_classes;
        head = new ClassifierHead(num_features, classes, config.drop_rate, channels_last: false);
        RegisterComponents();
    }

    public override int num_classes => classes;
    protected override IReadOnlyList<nn.Module<Tensor, Tensor>> Stages => [.. stages.children().Cast<nn.Module<Tensor, Tensor>>()];
    protected override IReadOnlyList<int> Depths => config.depths;
    protected override IReadOnlyList<int> Channels => [.. config.depths.Select((_, stage) => config.embed_dim << stage)];
    protected override int FirstStride => config.patch_size;

    protected override Tensor Stem(Tensor images) => patch_embed.call(images);

    public override Tensor forward_head(Tensor x, bool pre_logits = false) => pre_logits ? head.Pool(x) : head.call(x);

    public override void reset_classifier(int num_classes) => head.Reset(classes = num_classes);

    // --- variants --------------------------------------------------------------------------------

    private static readonly SwinV2CrConfig Tiny = new() { crop_pct = 0.9 };
    private static readonly SwinV2CrConfig Small = Tiny with { depths = [2, 2, 18, 2] };
    private static readonly SwinV2CrConfig Base = Small with { embed_dim = 128, num_heads = [4, 8, 16, 32] };
    private static readonly SwinV2CrConfig Large = Small with { embed_dim = 192, num_heads = [6, 12, 24, 48] };
    private static readonly SwinV2CrConfig Huge = Small with { embed_dim = 352, num_heads = [8, 16, 32, 64], extra_norm_period = 6 };
    private static readonly SwinV2CrConfig Giant = Tiny with { embed_dim = 512, depths = [2, 2, 42, 2], num_heads = [16, 32, 64, 128], extra_norm_period = 6 };
    private static SwinV2CrConfig Wide(SwinV2CrConfig config) => config with { img_size = 384, crop_pct = 1 };
    private static SwinV2CrConfig Normed(SwinV2CrConfig config) => config with { extra_norm_stage = true };

    /// <summary>The variants, by timm's names.</summary>
    public static ModelFamily<SwinV2CrConfig> Family { get; } = new()
    {
        Name = "Swin V2 CR",
        Reference = "Liu et al., Swin Transformer V2: Scaling Up Capacity and Resolution, 2022 (arXiv:2111.09883)",
        Build = config => new SwinTransformerV2Cr(config),
        Table = new Dictionary<string, SwinV2CrConfig>
        {
            ["swinv2_cr_tiny_384"] = Wide(Tiny),
            ["swinv2_cr_tiny_224"] = Tiny,
            ["swinv2_cr_tiny_ns_224"] = Normed(Tiny),
            ["swinv2_cr_small_384"] = Wide(Small),
            ["swinv2_cr_small_224"] = Small,
            ["swinv2_cr_small_ns_224"] = Normed(Small),
            ["swinv2_cr_small_ns_256"] = Normed(Small) with { img_size = 256, crop_pct = 1 },
            ["swinv2_cr_base_384"] = Wide(Base),
            ["swinv2_cr_base_224"] = Base,
            ["swinv2_cr_base_ns_224"] = Normed(Base),
            ["swinv2_cr_large_384"] = Wide(Large),
            ["swinv2_cr_large_224"] = Large,
            ["swinv2_cr_huge_384"] = Wide(Huge) with { num_heads = [11, 22, 44, 88] },
            ["swinv2_cr_huge_224"] = Huge,
            ["swinv2_cr_giant_384"] = Wide(Giant),
            ["swinv2_cr_giant_224"] = Giant,
        },
    };
}
