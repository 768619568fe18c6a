using Attention.Modules;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Attention.Models.Vision;

/// <summary>A Twins; fields as in timm.</summary>
public sealed record TwinsConfig : AttentionHostConfig
{
    public int patch_size { get; init; } = 4;
    /// <summary>Channels of each stage.</summary>
    public int[] embed_dims { get; init; } = [64, 128, 256, 512];
    /// <summary>Heads of each stage.</summary>
    public int[] num_heads { get; init; } = [2, 4, 8, 16];
    /// <summary>Width of the MLP in units of the channels, at each stage.</summary>
    public double[] mlp_ratios { get; init; } = [4, 4, 4, 4];
    /// <summary>Blocks of each stage.</summary>
    public int[] depths { get; init; } = [2, 2, 10, 4];
    /// <summary>Positions of a side that one key of the global attention stands for, at each stage.</summary>
    public int[] sr_ratios { get; init; } = [8, 4, 2, 1];
    /// <summary>Side of the windows in every other block, at each stage; null where all blocks attend globally.</summary>
    public int[]? wss { get; init; } = [7, 7, 7, 7];
    public double norm_eps { get; init; } = 1e-6;
    public double proj_drop_rate { get; init; }
    public double attn_drop_rate { get; init; }
}

/// <summary>Attention, within windows or to a coarser map, and an MLP. (B, H, W, C) to the same.</summary>
internal sealed class TwinsBlock : Block
{
    private readonly LayerNorm norm1;
    private readonly nn.Module<Tensor, Tensor> attn;
    private readonly nn.Module<Tensor, Tensor> drop_path1;
    private readonly LayerNorm norm2;
    private readonly Mlp mlp;
    private readonly nn.Module<Tensor, Tensor> drop_path2;
    private readonly HostedAttention mixer;

    public TwinsBlock(TwinsConfig config, int stage, int index, double drop_path) : base(nameof(TwinsBlock))
    {
        int dim = config.embed_dims[stage];
        norm1 = nn.LayerNorm(dim, config.norm_eps);
        var site = config.Site(dim, config.num_heads[stage], config.patch_size << stage, index);
        mixer = config.attention is { } chosen ? new HostedAttention(chosen, site) : new HostedAttention(Own(config, stage, index), AttentionLayout.Map, site);
        attn = mixer.Module;
        drop_path1 = DropPath.Of(drop_path);
        norm2 = nn.LayerNorm(dim, config.norm_eps);
        mlp = new Mlp(dim, (long)(dim * config.mlp_ratios[stage]), drop: config.proj_drop_rate);
        drop_path2 = DropPath.Of(drop_path);
        RegisterComponents();
    }

    // Windows keep their size where the map is smaller, and are padded.
    private static nn.Module<Tensor, Tensor> Own(TwinsConfig config, int stage, int index) => config.wss is { } windows && index % 2 == 0
        ? new WindowAttention(config.embed_dims[stage], new WindowAttentionConfig
        {
            num_heads = config.num_heads[stage],
            window_size = windows[stage],
            relative_bias = false,
            attn_drop = config.attn_drop_rate,
            proj_drop = config.proj_drop_rate,
        })
        : new SpatialReductionAttention(config.embed_dims[stage], new SpatialReductionAttentionConfig
        {
            num_heads = config.num_heads[stage],
            sr_ratio = config.sr_ratios[stage],
            attn_drop = config.attn_drop_rate,
            proj_drop = config.proj_drop_rate,
        });

    protected override Tensor Forward(Tensor x)
    {
        x = x + drop_path1.call(mixer.OnMap(norm1.call(x)));
        return x + drop_path2.call(mlp.call(norm2.call(x)));
    }
}

/// <summary>Patches of a map, and a norm. (B, C, H, W) to (B, H/patch, W/patch, C').</summary>
internal sealed class TwinsPatchEmbed : Block
{
    private readonly Conv2d proj;
    private readonly LayerNorm norm;

    public TwinsPatchEmbed(int in_chans, int embed_dim, int patch_size) : base(nameof(TwinsPatchEmbed))
    {
        proj = nn.Conv2d(in_chans, embed_dim, kernel_size: patch_size, stride: patch_size);
        norm = nn.LayerNorm(embed_dim);
        RegisterComponents();
    }

    protected override Tensor Forward(Tensor x) => norm.call(proj.call(x).permute(0, 2, 3, 1));
}

/// <summary>
/// Positions from a depthwise convolution, added to the map. (B, H, W, C) to the same.
/// Chu et al., Conditional Positional Encodings for Vision Transformers, 2021 (arXiv:2102.10882).
/// </summary>
internal sealed class PositionConvolution : Block
{
    private readonly Sequential proj;

    public PositionConvolution(int dim) : base(nameof(PositionConvolution))
    {
        proj = nn.Sequential(nn.Conv2d(dim, dim, kernel_size: 3, padding: 1, groups: dim));
        RegisterComponents();
    }

    protected override Tensor Forward(Tensor x) => x + proj.call(x.permute(0, 3, 1, 2)).permute(0, 2, 3, 1);
}

/// <summary>A stage's parts in their order; they belong to the model, under the reference's names.</summary>
internal sealed class TwinsStage(TwinsPatchEmbed embed, Dropout drop, ModuleList<nn.Module<Tensor, Tensor>> blocks, PositionConvolution position, bool first)
    : Block(nameof(TwinsStage))
{
    protected override Tensor Forward(Tensor x)
    {
        x = drop.call(embed.call(first ? x : x.permute(0, 3, 1, 2)));
        for (int i = 0; i < blocks.Count; i++)
        {
            x = blocks[i].call(x);
            if (i == 0)
                x = position.call(x);
        }
        return x;
    }
}

/// <summary>
/// Twins: Chu et al., Revisiting the Design of Spatial Attention in Vision Transformers, 2021 (arXiv:2104.13840). SVT
/// alternates windows and a coarser map, PCPVT has the coarser map alone. Parameter names as in timm's twins.py.
/// </summary>
public sealed class Twins : StagedModel
{
    private readonly ModuleList<TwinsPatchEmbed> patch_embeds;
    private readonly ModuleList<Dropout> pos_drops;
    private readonly ModuleList<ModuleList<nn.Module<Tensor, Tensor>>> blocks;
    private readonly ModuleList<PositionConvolution> pos_block;
    private readonly LayerNorm norm;
    private readonly Dropout head_drop;
    private nn.Module<Tensor, Tensor> head;

    private readonly TwinsConfig config;
    private readonly TwinsStage[] stages;
    private int classes;

    public Twins(TwinsConfig config) : base(nameof(Twins))
    {
        this.config = config;
        int count = config.depths.Length;
        if (new[] { config.embed_dims.Length, config.num_heads.Length, config.sr_ratios.Length, config.mlp_ratios.Length, config.wss?.Length ?? count }.Any(length => length != count))
            throw new UserError($"depths has {count} stages, other fields have another number", "give embed_dims, num_heads, sr_ratios, mlp_ratios and wss one number for each stage");
        var rates = DropPath.StageRates(config.drop_path_rate, config.depths);
        var all = Enumerable.Range(0, count).ToArray();
        patch_embeds = nn.ModuleList(all.Select(i => new TwinsPatchEmbed(
            i == 0 ? config.in_chans : config.embed_dims[i - 1], config.embed_dims[i], i == 0 ? config.patch_size : 2)).ToArray());
        pos_drops = nn.ModuleList(all.Select(_ => nn.Dropout(config.proj_drop_rate)).ToArray());
        blocks = nn.ModuleList(all.Select(stage =>
            nn.ModuleList(rates[stage].Select((rate, i) => (nn.Module<Tensor, Tensor>)new TwinsBlock(config, stage, i, rate)).ToArray())).ToArray());
        pos_block = nn.ModuleList(config.embed_dims.Select(dim => new PositionConvolution(dim)).ToArray());
        norm = nn.LayerNorm(num_features, config.norm_eps);
        head_drop = nn.Dropout(config.drop_rate);
        classes = config.num_classes;
        head = Linears.Classifier(num_features, classes);
        stages = [.. all.Select(i => new TwinsStage(patch_embeds[i], pos_drops[i], blocks[i], pos_block[i], first: i == 0))];
        RegisterComponents();
        Linears.Initialise(this);
        Convolutions.Initialise(this);
    }

    public override int num_classes => classes;
    protected override IReadOnlyList<nn.Module<Tensor, Tensor>> Stages => stages;
    protected override IReadOnlyList<int> Depths => config.depths;
    protected override IReadOnlyList<int> Channels => config.embed_dims;
    protected override int FirstStride => config.patch_size;
    protected override bool ChannelsLast => true;
    protected override string StageName(int stage) => $"blocks.{stage}";

    public override IReadOnlySet<string> no_weight_decay =>
        named_parameters().Select(p => p.name).Where(name => name.StartsWith("pos_block.", StringComparison.Ordinal)).ToHashSet();

    public override int layer_of(string parameter)
    {
        // What embeds and places a stage's tokens goes with its first block.
        var parts = parameter.Split('.');
        return parts[0] is "patch_embeds" or "pos_block" && parts[1] != "0" ? base.layer_of($"blocks.{parts[1]}.0.") : base.layer_of(parameter);
    }

    protected override Tensor Stem(Tensor images) => images.alias();

    protected override Tensor AfterStages(Tensor x) => norm.call(x);

    public override Tensor forward_head(Tensor x, bool pre_logits = false)
    {
        using var scope = NewDisposeScope();
        x = head_drop.call(x.mean([1, 2]));
        return scope.MoveToOuter(pre_logits ? x : head.call(x));
    }

    public override void reset_classifier(int num_classes)
    {
        classes = num_classes;
        this.Replace(nameof(head), ref head, Linears.Classifier(num_features, num_classes));
    }

    // --- variants --------------------------------------------------------------------------------

    private static readonly TwinsConfig Svt = new() { crop_pct = 0.9 };
    private static readonly TwinsConfig Pcpvt = Svt with
    {
        depths = [3, 4, 6, 3],
        embed_dims = [64, 128, 320, 512],
        num_heads = [1, 2, 5, 8],
        mlp_ratios = [8, 8, 4, 4],
        wss = null,
    };

    /// <summary>The variants, by timm's names.</summary>
    public static ModelFamily<TwinsConfig> Family { get; } = new()
    {
        Name = "Twins",
        Reference = "Chu et al., Twins: Revisiting the Design of Spatial Attention in Vision Transformers, 2021 (arXiv:2104.13840)",
        Build = config => new Twins(config),
        Table = new Dictionary<string, TwinsConfig>
        {
            ["twins_pcpvt_small"] = Pcpvt,
            ["twins_pcpvt_base"] = Pcpvt with { depths = [3, 4, 18, 3] },
            ["twins_pcpvt_large"] = Pcpvt with { depths = [3, 8, 27, 3] },
            ["twins_svt_small"] = Svt,
            ["twins_svt_base"] = Svt with { depths = [2, 2, 18, 2], embed_dims = [96, 192, 384, 768], num_heads = [3, 6, 12, 24] },
            ["twins_svt_large"] = Svt with { depths = [2, 2, 18, 2], embed_dims = [128, 256, 512, 1024], num_heads = [4, 8, 16, 32] },
        },
    };
}
