using Attention.Modules;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Attention.Models.Vision;

/// <summary>A GC ViT; fields as in timm.</summary>
public sealed record GcVitConfig : AttentionHostConfig
{
    /// <summary>Channels of the first stage; each further one has twice as many.</summary>
    public int embed_dim { get; init; } = 64;
    /// <summary>Blocks of each stage.</summary>
    public int[] depths { get; init; } = [3, 4, 19, 5];
    /// <summary>Heads of each stage.</summary>
    public int[] num_heads { get; init; } = [2, 4, 8, 16];
    /// <summary>Windows of each stage along a side of the image, in pixels of the image per token of the window.</summary>
    public int[] window_ratio { get; init; } = [32, 32, 16, 32];
    /// <summary>Side of the windows of each stage, in tokens, instead of by <see cref="window_ratio"/>; null for that.</summary>
    public int[]? window_size { get; init; }
    /// <summary>Width of the MLP in units of the channels.</summary>
    public double mlp_ratio { get; init; } = 3;
    public bool qkv_bias { get; init; } = true;
    /// <summary>Start of the layer scales; null for a model without them.</summary>
    public double? layer_scale { get; init; }
    /// <summary>
    /// As timm does: the batch's global queries are dealt to its windows in turn, so that a window may get those of another
    /// image. False gives each window its own image's, as the authors' code does.
    /// </summary>
    public bool tile_queries { get; init; } = true;
    public double norm_eps { get; init; } = 1e-5;
    public double proj_drop_rate { get; init; }
    public double attn_drop_rate { get; init; }
}

/// <summary>Convolutions and a halving between two norms. (B, C, H, W) to (B, C', H/2, W/2).</summary>
internal sealed class GcVitDownsample : Block
{
    private readonly LayerNorm2d norm1;
    private readonly GatedConvBlock conv_block;
    private readonly Conv2d reduction;
    private readonly LayerNorm2d norm2;

    public GcVitDownsample(int dim, int out_dim, double norm_eps) : base(nameof(GcVitDownsample))
    {
        norm1 = new LayerNorm2d(dim, norm_eps);
        conv_block = new GatedConvBlock(dim);
        reduction = nn.Conv2d(dim, out_dim, kernel_size: 3, stride: 2, padding: 1, bias: false);
        norm2 = new LayerNorm2d(out_dim, norm_eps);
        RegisterComponents();
    }

    protected override Tensor Forward(Tensor x) => norm2.call(reduction.call(conv_block.call(norm1.call(x))));
}

/// <summary>An image to a map of a quarter of its sides. (B, in_chans, H, W) to (B, C, H/4, W/4).</summary>
internal sealed class GcVitStem : Block
{
    private readonly Conv2d conv1;
    private readonly GcVitDownsample down;

    public GcVitStem(int in_chans, int dim, double norm_eps) : base(nameof(GcVitStem))
    {
        conv1 = nn.Conv2d(in_chans, dim, kernel_size: 3, stride: 2, padding: 1);
        down = new GcVitDownsample(dim, dim, norm_eps);
        RegisterComponents();
    }

    protected override Tensor Forward(Tensor x) => down.call(conv1.call(x));
}

/// <summary>Attention within windows, by queries of their own or of the whole map, and an MLP. (B, H, W, C) to the same.</summary>
internal sealed class GcVitBlock : nn.Module<Tensor, Tensor?, Tensor>
{
    private readonly LayerNorm norm1;
    private readonly nn.Module attn;
    private readonly nn.Module<Tensor, Tensor> ls1;
    private readonly nn.Module<Tensor, Tensor> drop_path1;
    private readonly LayerNorm norm2;
    private readonly Mlp mlp;
    private readonly nn.Module<Tensor, Tensor> ls2;
    private readonly nn.Module<Tensor, Tensor> drop_path2;
    private readonly HostedAttention? mixer;

    public GcVitBlock(GcVitConfig config, AttentionSite site, int window, double drop_path) : base(nameof(GcVitBlock))
    {
        long dim = site.Dim;
        norm1 = nn.LayerNorm(dim, config.norm_eps);
        mixer = config.attention is { } chosen ? new HostedAttention(chosen, site) : null;
        attn = mixer?.Module ?? (nn.Module)new GlobalQueryAttention(dim, new GlobalContextAttentionConfig
        {
            num_heads = site.NumHeads,
            window_size = window,
            use_global = site.Index % 2 != 0,
            tile_queries = config.tile_queries,
            qkv_bias = config.qkv_bias,
            attn_drop = config.attn_drop_rate,
            proj_drop = config.proj_drop_rate,
        });
        ls1 = LayerScale.Of(dim, config.layer_scale);
        drop_path1 = DropPath.Of(drop_path);
        norm2 = nn.LayerNorm(dim, config.norm_eps);
        mlp = new Mlp(dim, (long)(dim * config.mlp_ratio), drop: config.proj_drop_rate);
        ls2 = LayerScale.Of(dim, config.layer_scale);
        drop_path2 = DropPath.Of(drop_path);
        RegisterComponents();
    }

    public override Tensor forward(Tensor x, Tensor? queries)
    {
        using var scope = NewDisposeScope();
        x = x + drop_path1.call(ls1.call(Attend(norm1.call(x), queries)));
        return scope.MoveToOuter(x + drop_path2.call(ls2.call(mlp.call(norm2.call(x)))));
    }

    private Tensor Attend(Tensor x, Tensor? queries) => mixer is not null ? mixer.OnMap(x) : ((GlobalQueryAttention)attn).call(x, queries!);
}

/// <summary>A step down, except at the first, the global queries, and blocks that use them in turn. (B, C, H, W) to (B, C', H', W').</summary>
internal sealed class GcVitStage : Block
{
    private readonly nn.Module<Tensor, Tensor> downsample;
    private readonly GlobalQuery? global_block;
    private readonly ModuleList<GcVitBlock> blocks;
    private readonly nn.Module<Tensor, Tensor> norm;

    public GcVitStage(GcVitConfig config, int stage, double[] drop_path) : base(nameof(GcVitStage))
    {
        int dim = config.embed_dim << stage;
        int window = config.window_size?[stage] ?? config.img_size / config.window_ratio[stage];
        downsample = stage == 0 ? nn.Identity() : new GcVitDownsample(dim / 2, dim, config.norm_eps);
        global_block = config.attention is null ? new GlobalQuery(dim, GlobalQuery.LevelsFor(config.img_size / 4 >> stage, window)) : null;
        blocks = nn.ModuleList(drop_path.Select((rate, i) => new GcVitBlock(config, config.Site(dim, config.num_heads[stage], 4 << stage, i), window, rate)).ToArray());
        norm = stage == config.depths.Length - 1 ? nn.LayerNorm(dim, config.norm_eps) : nn.Identity();
        RegisterComponents();
    }

    protected override Tensor Forward(Tensor x)
    {
        x = downsample.call(x);
        var queries = global_block?.call(x).permute(0, 2, 3, 1);
        x = x.permute(0, 2, 3, 1);
        foreach (var block in blocks)
            x = block.call(x, queries);
        return norm.call(x).permute(0, 3, 1, 2);
    }
}

/// <summary>
/// GC ViT: Hatamizadeh et al., Global Context Vision Transformers, 2023 (arXiv:2206.09959). Windows see the whole map by
/// queries that all of them share. Parameter names as in timm's gcvit.py. Images of any size are taken: where they are not
/// of img_size, maps are padded to windows and the queries averaged to one.
/// </summary>
public sealed class GcVit : StagedModel
{
    private readonly GcVitStem stem;
    private readonly ModuleList<nn.Module<Tensor, Tensor>> stages;
    private readonly ClassifierHead head;

    private readonly GcVitConfig config;
    private int classes;

    public GcVit(GcVitConfig config) : base(nameof(GcVit))
    {
        this.config = config;
        Check(config);
        stem = new GcVitStem(config.in_chans, config.embed_dim, config.norm_eps);
        var rates = DropPath.StageRates(config.drop_path_rate, config.depths);
        stages = nn.ModuleList(rates.Select((rate, stage) => (nn.Module<Tensor, Tensor>)new GcVitStage(config, stage, rate)).ToArray());
        classes = config.num_classes;
        head = new ClassifierHead(num_features, classes, config.drop_rate, channels_last: false);
        RegisterComponents();
        Linears.Initialise(this);
    }

    public override int num_classes => classes;
    protected override IReadOnlyList<nn.Module<Tensor, Tensor>> Stages => [.. stages];
    protected override IReadOnlyList<int> Depths => config.depths;
    protected override IReadOnlyList<int> Channels => [.. config.depths.Select((_, stage) => config.embed_dim << stage)];

    public override IReadOnlySet<string> no_weight_decay =>
        named_parameters().Select(p => p.name).Where(name => name.EndsWith("relative_position_bias_table", StringComparison.Ordinal)).ToHashSet();

    private static void Check(GcVitConfig config)
    {
        int count = config.depths.Length;
        if (config.num_heads.Length != count || (config.window_size ?? config.window_ratio).Length != count)
            throw new UserError($"depths has {count} stages, num_heads {config.num_heads.Length}, window_size or window_ratio {(config.window_size ?? config.window_ratio).Length}",
                "give each one number for each stage");
        if (config.window_size is null && config.window_ratio.Any(ratio => config.img_size < ratio))
            throw new UserError($"img_size {config.img_size} leaves no window of {config.window_ratio.Max()} pixels to a token", "choose a larger img_size, or give window_size");
    }

    protected override Tensor Stem(Tensor images) => stem.call(images);

    public override Tensor forward_head(Tensor x, bool pre_logits = false) => pre_logits ? head.Pool(x) : head.call(x);

    public override void reset_classifier(int num_classes) => head.Reset(classes = num_classes);

    // --- variants --------------------------------------------------------------------------------

    private static readonly GcVitConfig Tiny = new();

    /// <summary>The variants, by timm's names.</summary>
    public static ModelFamily<GcVitConfig> Family { get; } = new()
    {
        Name = "GC ViT",
        Reference = "Hatamizadeh et al., Global Context Vision Transformers, 2023 (arXiv:2206.09959)",
        Build = config => new GcVit(config),
        Table = new Dictionary<string, GcVitConfig>
        {
            ["gcvit_xxtiny"] = Tiny with { depths = [2, 2, 6, 2] },
            ["gcvit_xtiny"] = Tiny with { depths = [3, 4, 6, 5] },
            ["gcvit_tiny"] = Tiny,
            ["gcvit_small"] = Tiny with { num_heads = [3, 6, 12, 24], embed_dim = 96, mlp_ratio = 2, layer_scale = 1e-5 },
            ["gcvit_base"] = Tiny with { num_heads = [4, 8, 16, 32], embed_dim = 128, mlp_ratio = 2, layer_scale = 1e-5 },
        },
    };
}
