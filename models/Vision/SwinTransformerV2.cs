using Attention.Modules;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Attention.Models.Vision;

/// <summary>A Swin Transformer V2; fields as in timm.</summary>
public sealed record SwinV2Config : AttentionHostConfig
{
    public int patch_size { get; init; } = 4;
    /// <summary>Channels of the first stage; each further one has twice as many.</summary>
    public int embed_dim { get; init; } = 96;
    /// <summary>Blocks of each stage.</summary>
    public int[] depths { get; init; } = [2, 2, 6, 2];
    /// <summary>Heads of each stage.</summary>
    public int[] num_heads { get; init; } = [3, 6, 12, 24];
    /// <summary>Side of the windows; where the map is not larger, the map is the window.</summary>
    public int window_size { get; init; } = 8;
    /// <summary>Side of the windows of each stage with which the weights were trained; 0 for this model's own.</summary>
    public int[] pretrained_window_sizes { get; init; } = [0, 0, 0, 0];
    /// <summary>Width of the MLP in units of the channels.</summary>
    public double mlp_ratio { get; init; } = 4;
    public double norm_eps { get; init; } = 1e-5;
    public double proj_drop_rate { get; init; }
    public double attn_drop_rate { get; init; }
}

/// <summary>Cosine attention within windows and an MLP, each with a norm after it. (B, H, W, C) to the same.</summary>
internal sealed class SwinV2Block : Block
{
    private readonly nn.Module<Tensor, Tensor> attn;
    private readonly LayerNorm norm1;
    private readonly nn.Module<Tensor, Tensor> drop_path1;
    private readonly Mlp mlp;
    private readonly LayerNorm norm2;
    private readonly nn.Module<Tensor, Tensor> drop_path2;
    private readonly HostedAttention mixer;

    public SwinV2Block(SwinV2Config config, int stage, int index, double drop_path) : base(nameof(SwinV2Block))
    {
        int dim = config.embed_dim << stage;
        mixer = new HostedAttention(config.attention ?? new ContinuousWindowAttentionConfig
        {
            window_size = config.window_size,
            pretrained_window_size = config.pretrained_window_sizes[stage],
            attn_drop = config.attn_drop_rate,
            proj_drop = config.proj_drop_rate,
        }, config.Site(dim, config.num_heads[stage], config.patch_size << stage, index));
        attn = mixer.Module;
        norm1 = nn.LayerNorm(dim, config.norm_eps);
        drop_path1 = DropPath.Of(drop_path);
        mlp = new Mlp(dim, (long)(dim * config.mlp_ratio), drop: config.proj_drop_rate);
        norm2 = nn.LayerNorm(dim, config.norm_eps);
        drop_path2 = DropPath.Of(drop_path);
        RegisterComponents();
    }

    /// <summary>Both norms start at zero, so that the block starts as the identity.</summary>
    public void StartAsIdentity()
    {
        nn.init.zeros_(norm1.weight!);
        nn.init.zeros_(norm2.weight!);
    }

    protected override Tensor Forward(Tensor x)
    {
        x = x + drop_path1.call(norm1.call(mixer.OnMap(x)));
        return x + drop_path2.call(norm2.call(mlp.call(x)));
    }
}

/// <summary>Merges each 2x2 tokens to one, the norm last. (B, H, W, C) to (B, H/2, W/2, out_dim).</summary>
internal sealed class PatchMergingV2 : Block
{
    private readonly Linear reduction;
    private readonly LayerNorm norm;

    public PatchMergingV2(int dim, int out_dim, double norm_eps) : base(nameof(PatchMergingV2))
    {
        reduction = nn.Linear(4 * dim, out_dim, hasBias: false);
        norm = nn.LayerNorm(out_dim, norm_eps);
        RegisterComponents();
    }

    protected override Tensor Forward(Tensor x) => norm.call(reduction.call(PatchMerging.Gather(x)));
}

/// <summary>A step down, except at the first, and blocks with windows shifted in every second.</summary>
internal sealed class SwinV2Stage : Block
{
    private readonly nn.Module<Tensor, Tensor> downsample;
    private readonly Sequential blocks;

    public SwinV2Stage(SwinV2Config config, int stage, double[] drop_path) : base(nameof(SwinV2Stage))
    {
        int dim = config.embed_dim << stage;
        downsample = stage > 0 ? new PatchMergingV2(dim / 2, dim, config.norm_eps) : nn.Identity();
        blocks = nn.Sequential(drop_path.Select((rate, i) => (nn.Module<Tensor, Tensor>)new SwinV2Block(config, stage, i, rate)));
        RegisterComponents();
    }

    protected override Tensor Forward(Tensor x) => blocks.call(downsample.call(x));
}

/// <summary>
/// Swin Transformer V2: Liu et al., Scaling Up Capacity and Resolution, 2022 (arXiv:2111.09883). Parameter names as in timm's
/// swin_transformer_v2.py. Images of any size that the patches divide are taken; windows are padded.
/// </summary>
public sealed class SwinTransformerV2 : StagedModel
{
    private readonly PatchEmbed patch_embed;
    private readonly ModuleList<nn.Module<Tensor, Tensor>> layers;
    private readonly LayerNorm norm;
    private readonly ClassifierHead head;

    private readonly SwinV2Config config;
    private int classes;

    public SwinTransformerV2(SwinV2Config config) : base(nameof(SwinTransformerV2))
    {
        this.config = config;
        if (config.num_heads.Length != config.depths.Length || config.pretrained_window_sizes.Length != config.depths.Length)
            throw new UserError(
                $"depths has {config.depths.Length} stages, num_heads {config.num_heads.Length}, pretrained_window_sizes {config.pretrained_window_sizes.Length}",
                "give each one number for each stage");
        patch_embed = new PatchEmbed(config.img_size, config.patch_size, config.in_chans, config.embed_dim, flatten: false, norm_eps: config.norm_eps);
        var rates = DropPath.StageRates(config.drop_path_rate, config.depths);
        layers = nn.ModuleList(rates.Select((rate, stage) => (nn.Module<Tensor, Tensor>)new SwinV2Stage(config, stage, rate)).ToArray());
        norm = nn.LayerNorm(num_features, config.norm_eps);
        classes = config.num_classes;
        head = new ClassifierHead(num_features, classes, config.drop_rate, channels_last: true);
        RegisterComponents();
        Linears.Initialise(this);
        using var _ = no_grad();
        foreach (var block in modules().OfType<SwinV2Block>())
            block.StartAsIdentity();
    }

    public override int num_classes => classes;
    protected override IReadOnlyList<nn.Module<Tensor, Tensor>> Stages => [.. layers];
    protected override IReadOnlyList<int> Depths => config.depths;
    protected override IReadOnlyList<int> Channels => [.. config.depths.Select((_, stage) => config.embed_dim << stage)];
    protected override int FirstStride => config.patch_size;
    protected override bool ChannelsLast => true;
    protected override string StageName(int stage) => $"layers.{stage}";

    public override IReadOnlySet<string> no_weight_decay => named_parameters().Select(p => p.name)
        .Where(name => name.Contains(".cpb_mlp.", StringComparison.Ordinal) || name.EndsWith(".logit_scale", StringComparison.Ordinal)).ToHashSet();

    protected override Tensor Stem(Tensor images) => patch_embed.call(images);

    protected override Tensor AfterStages(Tensor x) => norm.call(x);

    public override Tensor forward_head(Tensor x, bool pre_logits = false) => pre_logits ? head.Pool(x) : head.call(x);

    public override void reset_classifier(int num_classes) => head.Reset(classes = num_classes);

    // --- variants --------------------------------------------------------------------------------

    private static readonly SwinV2Config Tiny = new() { img_size = 256, drop_path_rate = 0.1, crop_pct = 0.9 };
    private static readonly SwinV2Config Small = Tiny with { depths = [2, 2, 18, 2] };
    private static readonly SwinV2Config Base = Small with { embed_dim = 128, num_heads = [4, 8, 16, 32] };
    private static readonly SwinV2Config Large = Small with { embed_dim = 192, num_heads = [6, 12, 24, 48] };
    private static SwinV2Config At192(SwinV2Config config) => config with { img_size = 192, window_size = 12 };
    private static SwinV2Config From192(SwinV2Config config, int size) =>
        config with { img_size = size, window_size = size / 16, pretrained_window_sizes = [12, 12, 12, 6], crop_pct = size == 384 ? 1 : 0.9 };

    /// <summary>The variants, by timm's names.</summary>
    public static ModelFamily<SwinV2Config> Family { get; } = new()
    {
        Name = "Swin V2",
        Reference = "Liu et al., Swin Transformer V2: Scaling Up Capacity and Resolution, 2022 (arXiv:2111.09883)",
        Build = config => new SwinTransformerV2(config),
        Table = new Dictionary<string, SwinV2Config>
        {
            ["swinv2_tiny_window8_256"] = Tiny,
            ["swinv2_tiny_window16_256"] = Tiny with { window_size = 16 },
            ["swinv2_small_window8_256"] = Small,
            ["swinv2_small_window16_256"] = Small with { window_size = 16 },
            ["swinv2_base_window8_256"] = Base,
            ["swinv2_base_window16_256"] = Base with { window_size = 16 },
            ["swinv2_base_window12_192"] = At192(Base) with { num_classes = 21841 },
            ["swinv2_base_window12to16_192to256"] = From192(Base, 256),
            ["swinv2_base_window12to24_192to384"] = From192(Base, 384),
            ["swinv2_large_window12_192"] = At192(Large) with { num_classes = 21841 },
            ["swinv2_large_window12to16_192to256"] = From192(Large, 256),
            ["swinv2_large_window12to24_192to384"] = From192(Large, 384),
        },
    };
}
