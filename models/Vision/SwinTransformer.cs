using Attention.Modules;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Attention.Models.Vision;

/// <summary>A Swin Transformer; fields as in timm.</summary>
public sealed record SwinConfig : AttentionHostConfig
{
    public int patch_size { get; init; } = 4;
    /// <summary>Channels of the first stage; each further one has twice as many.</summary>
    public int embed_dim { get; init; } = 96;
    /// <summary>Blocks of each stage.</summary>
    public int[] depths { get; init; } = [2, 2, 6, 2];
    /// <summary>Heads of each stage.</summary>
    public int[] num_heads { get; init; } = [3, 6, 12, 24];
    /// <summary>Side of the windows of each stage, or of all: where the map is not larger, the map is the window.</summary>
    public int[] window_size { get; init; } = [7];
    /// <summary>Width of the MLP in units of the channels.</summary>
    public double mlp_ratio { get; init; } = 4;
    public bool qkv_bias { get; init; } = true;
    public double norm_eps { get; init; } = 1e-5;
    public double proj_drop_rate { get; init; }
    public double attn_drop_rate { get; init; }
}

/// <summary>Attention within windows and an MLP, each after a norm and added to its input. (B, H, W, C) to the same.</summary>
internal sealed class SwinBlock : Block
{
    private readonly LayerNorm norm1;
    private readonly nn.Module<Tensor, Tensor> attn;
    private readonly nn.Module<Tensor, Tensor> drop_path1;
    private readonly LayerNorm norm2;
    private readonly Mlp mlp;
    private readonly nn.Module<Tensor, Tensor> drop_path2;
    private readonly HostedAttention mixer;

    public SwinBlock(SwinConfig config, AttentionSite site, int window, double drop_path) : base(nameof(SwinBlock))
    {
        long dim = site.Dim;
        norm1 = nn.LayerNorm(dim, config.norm_eps);
        mixer = new HostedAttention(config.attention ?? new WindowAttentionConfig
        {
            window_size = window,
            qkv_bias = config.qkv_bias,
            attn_drop = config.attn_drop_rate,
            proj_drop = config.proj_drop_rate,
        }, site);
        attn = mixer.Module;
        drop_path1 = DropPath.Of(drop_path);
        norm2 = nn.LayerNorm(dim, config.norm_eps);
        mlp = new Mlp(dim, (long)(dim * config.mlp_ratio), drop: config.proj_drop_rate);
        drop_path2 = DropPath.Of(drop_path);
        RegisterComponents();
    }

    protected override Tensor Forward(Tensor x)
    {
        x = x + drop_path1.call(mixer.OnMap(norm1.call(x)));
        return x + drop_path2.call(mlp.call(norm2.call(x)));
    }
}

/// <summary>Merges each 2x2 tokens to one. (B, H, W, C) to (B, H/2, W/2, out_dim); odd sides are padded.</summary>
internal sealed class PatchMerging : Block
{
    private readonly LayerNorm norm;
    private readonly Linear reduction;

    public PatchMerging(int dim, int out_dim, double norm_eps) : base(nameof(PatchMerging))
    {
        norm = nn.LayerNorm(4 * dim, norm_eps);
        reduction = nn.Linear(4 * dim, out_dim, hasBias: false);
        RegisterComponents();
    }

    protected override Tensor Forward(Tensor x) => reduction.call(norm.call(Gather(x)));

    /// <summary>(B, H, W, C) to (B, H/2, W/2, 4C): of each 2x2 tokens the first column, then the second.</summary>
    internal static Tensor Gather(Tensor x)
    {
        x = Windows.Pad(x, 2, 2);
        var (batch, height, width, dim) = (x.shape[0], x.shape[1] / 2, x.shape[2] / 2, x.shape[3]);
        return x.reshape(batch, height, 2, width, 2, dim).permute(0, 1, 3, 4, 2, 5).reshape(batch, height, width, 4 * dim);
    }
}

/// <summary>A step down, except at the first, and blocks with windows shifted in every second.</summary>
internal sealed class SwinStage : Block
{
    private readonly nn.Module<Tensor, Tensor> downsample;
    private readonly Sequential blocks;

    public SwinStage(SwinConfig config, int stage, double[] drop_path) : base(nameof(SwinStage))
    {
        int dim = config.embed_dim << stage;
        int window = config.window_size.Length == 1 ? config.window_size[0] : config.window_size[stage];
        downsample = stage > 0 ? new PatchMerging(dim / 2, dim, config.norm_eps) : nn.Identity();
        blocks = nn.Sequential(drop_path.Select((rate, i) =>
            (nn.Module<Tensor, Tensor>)new SwinBlock(config, config.Site(dim, config.num_heads[stage], config.patch_size << stage, i), window, rate)));
        RegisterComponents();
    }

    protected override Tensor Forward(Tensor x) => blocks.call(downsample.call(x));
}

/// <summary>
/// Swin Transformer: Liu et al., Hierarchical Vision Transformer using Shifted Windows, 2021 (arXiv:2103.14030), and the
/// searched S3 variants: Chen et al., 2021 (arXiv:2111.14725). Parameter names as in timm's swin_transformer.py.
/// Images of any size that the patches divide are taken; windows are padded.
/// </summary>
public sealed class SwinTransformer : StagedModel
{
    private readonly PatchEmbed patch_embed;
    private readonly ModuleList<nn.Module<Tensor, Tensor>> layers;
    private readonly LayerNorm norm;
    private readonly ClassifierHead head;

    private readonly SwinConfig config;
    private int classes;

    public SwinTransformer(SwinConfig config) : base(nameof(SwinTransformer))
    {
        this.config = config;
        Check(config);
        patch_embed = new PatchEmbed(config.img_size, config.patch_size, config.in_chans, config.embed_dim, flatten: false, norm_eps: config.norm_eps);
        var rates = DropPath.StageRates(config.drop_path_rate, config.depths);
        layers = nn.ModuleList(rates.Select((rate, stage) => (nn.Module<Tensor, Tensor>)new SwinStage(config, stage, rate)).ToArray());
        norm = nn.LayerNorm(num_features, config.norm_eps);
        classes = config.num_classes;
        head = new ClassifierHead(num_features, classes, config.drop_rate, channels_last: true);
        RegisterComponents();
        Linears.Initialise(this);
    }

    public override int num_classes => classes;
    protected override IReadOnlyList<nn.Module<Tensor, Tensor>> Stages => [.. layers];
    protected override IReadOnlyList<int> Depths => config.depths;
    protected override IReadOnlyList<int> Channels => [.. config.depths.Select((_, stage) => config.embed_dim << stage)];
    protected override int FirstStride => config.patch_size;
    protected override bool ChannelsLast => true;
    protected override string StageName(int stage) => $"layers.{stage}";

    public override IReadOnlySet<string> no_weight_decay =>
        named_parameters().Select(p => p.name).Where(name => name.EndsWith("relative_position_bias_table", StringComparison.Ordinal)).ToHashSet();

    private static void Check(SwinConfig config)
    {
        if (config.num_heads.Length != config.depths.Length || config.window_size.Length != 1 && config.window_size.Length != config.depths.Length)
            throw new UserError($"depths has {config.depths.Length} stages, num_heads {config.num_heads.Length}, window_size {config.window_size.Length}",
                "give num_heads one number for each stage, and window_size one for each or one for all");
    }

    protected override Tensor Stem(Tensor images) => patch_embed.call(images);

    protected override Tensor AfterStages(Tensor x) => norm.call(x);

    public override Tensor forward_head(Tensor x, bool pre_logits = false) => pre_logits ? head.Pool(x) : head.call(x);

    public override void reset_classifier(int num_classes) => head.Reset(classes = num_classes);

    // --- variants --------------------------------------------------------------------------------

    private static readonly SwinConfig Tiny = new() { drop_path_rate = 0.1, crop_pct = 0.9 };
    private static readonly SwinConfig Small = Tiny with { depths = [2, 2, 18, 2] };
    private static readonly SwinConfig Base = Small with { embed_dim = 128, num_heads = [4, 8, 16, 32] };
    private static readonly SwinConfig Large = Small with { embed_dim = 192, num_heads = [6, 12, 24, 48] };
    private static SwinConfig Wide(SwinConfig config) => config with { img_size = 384, window_size = [12], crop_pct = 1 };

    /// <summary>The variants, by timm's names.</summary>
    public static ModelFamily<SwinConfig> Family { get; } = new()
    {
        Name = "Swin",
        Reference = "Liu et al., Swin Transformer: Hierarchical Vision Transformer using Shifted Windows, 2021 (arXiv:2103.14030)",
        Build = config => new SwinTransformer(config),
        Table = new Dictionary<string, SwinConfig>
        {
            ["swin_tiny_patch4_window7_224"] = Tiny,
            ["swin_small_patch4_window7_224"] = Small,
            ["swin_base_patch4_window7_224"] = Base,
            ["swin_base_patch4_window12_384"] = Wide(Base),
            ["swin_large_patch4_window7_224"] = Large,
            ["swin_large_patch4_window12_384"] = Wide(Large),
            ["swin_s3_tiny_224"] = Tiny with { window_size = [7, 7, 14, 7] },
            ["swin_s3_small_224"] = Small with { window_size = [14, 14, 14, 7] },
            ["swin_s3_base_224"] = Tiny with { depths = [2, 2, 30, 2], window_size = [7, 7, 14, 7] },
        },
    };
}
