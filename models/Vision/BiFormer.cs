using Attention.Modules;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Attention.Models.Vision;

/// <summary>A BiFormer; fields as in the authors' repository.</summary>
public sealed record BiFormerConfig : AttentionHostConfig
{
    /// <summary>Blocks of each stage.</summary>
    public int[] depth { get; init; } = [2, 2, 8, 2];
    /// <summary>Channels of each stage.</summary>
    public int[] embed_dim { get; init; } = [64, 128, 256, 512];
    /// <summary>Width of the MLP in units of the channels.</summary>
    public double mlp_ratio { get; init; } = 3;
    /// <summary>Channels of a head where attention is routed.</summary>
    public int head_dim { get; init; } = 32;
    /// <summary>Regions along a side of the map.</summary>
    public int n_win { get; init; } = 7;
    /// <summary>Regions that each region attends to, at each stage; 0 for attention to the whole map (the authors' -2).</summary>
    public int[] topks { get; init; } = [1, 4, 16, 0];
    /// <summary>Side of the depthwise convolutions beside the attention.</summary>
    public int side_dwconv { get; init; } = 5;
    /// <summary>The plan of Swin-T, for comparison: patches instead of overlapping convolutions, and no position convolutions.</summary>
    public bool swin_layout { get; init; }
}

/// <summary>Positions by a depthwise convolution, attention and MLP. (B, C, H, W) to the same, or (B, H, W, C) in Swin's layout.</summary>
internal sealed class BiFormerBlock : Block
{
    private readonly Conv2d? pos_embed;
    private readonly LayerNorm norm1;
    private readonly nn.Module<Tensor, Tensor> attn;
    private readonly LayerNorm norm2;
    private readonly Sequential mlp;
    private readonly nn.Module<Tensor, Tensor> drop_path;
    private readonly HostedAttention mixer;

    public BiFormerBlock(BiFormerConfig config, int stage, int index, double drop) : base(nameof(BiFormerBlock))
    {
        int dim = config.embed_dim[stage];
        int hidden = (int)(dim * config.mlp_ratio);
        pos_embed = config.swin_layout ? null : nn.Conv2d(dim, dim, kernel_size: 3, padding: 1, groups: dim);
        norm1 = nn.LayerNorm(dim, 1e-6);
        mixer = new HostedAttention(config.attention ?? Own(config, stage), config.Site(dim, dim / config.head_dim, 4 << stage, index));
        attn = mixer.Module;
        norm2 = nn.LayerNorm(dim, 1e-6);
        // The authors' full model keeps a place for a convolution, which moves the number of the last layer.
        mlp = config.swin_layout
            ? nn.Sequential(nn.Linear(dim, hidden), nn.GELU(), nn.Linear(hidden, dim))
            : nn.Sequential(nn.Linear(dim, hidden), nn.Identity(), nn.GELU(), nn.Linear(hidden, dim));
        drop_path = DropPath.Of(drop);
        RegisterComponents();
    }

    // The authors' attention to the whole map has 8 heads at any width.
    private static AttentionConfig Own(BiFormerConfig config, int stage) => config.topks[stage] == 0
        ? new EnhancedSelfAttentionConfig { num_heads = 8, side_dwconv = config.side_dwconv }
        : new BiLevelRoutingAttentionConfig { n_win = config.n_win, topk = config.topks[stage], side_dwconv = config.side_dwconv };

    protected override Tensor Forward(Tensor x)
    {
        if (pos_embed is not null)
            x = (x + pos_embed.call(x)).permute(0, 2, 3, 1);
        x = x + drop_path.call(mixer.OnMap(norm1.call(x)));
        x = x + drop_path.call(mlp.call(norm2.call(x)));
        return pos_embed is null ? x : x.permute(0, 3, 1, 2);
    }
}

/// <summary>The blocks of a stage in Swin's layout. (B, C, H, W) to the same.</summary>
internal sealed class BiFormerLayer : Block
{
    private readonly Sequential blocks;

    public BiFormerLayer(Sequential blocks) : base(nameof(BiFormerLayer))
    {
        this.blocks = blocks;
        RegisterComponents();
    }

    protected override Tensor Forward(Tensor x) => blocks.call(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2);
}

/// <summary>A step down and its stage; they belong to the model, under the reference's names.</summary>
internal sealed class BiFormerStage(nn.Module<Tensor, Tensor> down, nn.Module<Tensor, Tensor> blocks) : Block(nameof(BiFormerStage))
{
    protected override Tensor Forward(Tensor x) => blocks.call(down.call(x));
}

/// <summary>
/// BiFormer: Zhu et al., Vision Transformer with Bi-Level Routing Attention, 2023 (arXiv:2303.08810). Parameter names as in
/// the authors' repository, rayleizhu/BiFormer.
/// </summary>
public sealed class BiFormer : StagedModel
{
    private readonly ModuleList<Sequential> downsample_layers;
    private readonly ModuleList<nn.Module<Tensor, Tensor>> stages;
    private readonly BatchNorm2d norm;
    private readonly Dropout head_drop;
    private nn.Module<Tensor, Tensor> head;

    private readonly BiFormerConfig config;
    private readonly BiFormerStage[] steps;
    private int classes;

    public BiFormer(BiFormerConfig config) : base(nameof(BiFormer))
    {
        this.config = config;
        int count = config.depth.Length;
        if (config.embed_dim.Length != count || config.topks.Length != count)
            throw new UserError($"depth has {count} stages, embed_dim {config.embed_dim.Length}, topks {config.topks.Length}", "give each one number for each stage");
        var rates = DropPath.StageRates(config.drop_path_rate, config.depth);
        var all = Enumerable.Range(0, count).ToArray();
        downsample_layers = nn.ModuleList(all.Select(stage => StepDown(config, stage)).ToArray());
        stages = nn.ModuleList(all.Select(stage => Blocks(config, stage, rates[stage])).ToArray());
        norm = nn.BatchNorm2d(num_features);
        head_drop = nn.Dropout(config.drop_rate);
        classes = config.num_classes;
        head = Linears.Classifier(num_features, classes);
        steps = [.. all.Select(stage => new BiFormerStage(downsample_layers[stage], stages[stage]))];
        RegisterComponents();
        Linears.Initialise(this);
    }

    public override int num_classes => classes;
    protected override IReadOnlyList<nn.Module<Tensor, Tensor>> Stages => steps;
    protected override IReadOnlyList<int> Depths => config.depth;
    protected override IReadOnlyList<int> Channels => config.embed_dim;

    private static nn.Module<Tensor, Tensor> Blocks(BiFormerConfig config, int stage, double[] rates)
    {
        var blocks = nn.Sequential(rates.Select((rate, i) => (nn.Module<Tensor, Tensor>)new BiFormerBlock(config, stage, i, rate)));
        return config.swin_layout ? new BiFormerLayer(blocks) : blocks;
    }

    private static Sequential StepDown(BiFormerConfig config, int stage)
    {
        int dim = config.embed_dim[stage];
        int before = stage == 0 ? config.in_chans : config.embed_dim[stage - 1];
        static Conv2d Half(int inputs, int outputs) => nn.Conv2d(inputs, outputs, kernel_size: 3, stride: 2, padding: 1);
        return (config.swin_layout, stage) switch
        {
            (true, 0) => nn.Sequential(nn.Conv2d(before, dim, kernel_size: 4, stride: 4), nn.BatchNorm2d(dim)),
            (true, _) => nn.Sequential(nn.BatchNorm2d(before), nn.Conv2d(before, dim, kernel_size: 2, stride: 2)),
            (false, 0) => nn.Sequential(Half(before, dim / 2), nn.BatchNorm2d(dim / 2), nn.GELU(), Half(dim / 2, dim), nn.BatchNorm2d(dim)),
            (false, _) => nn.Sequential(Half(before, dim), nn.BatchNorm2d(dim)),
        };
    }

    public override int layer_of(string parameter)
    {
        // A step down goes with the first block after it.
        var parts = parameter.Split('.');
        return parts[0] == "downsample_layers" && parts[1] != "0" ? base.layer_of($"stages.{parts[1]}.0.") : base.layer_of(parameter);
    }

    protected override Tensor Stem(Tensor images) => images.alias();

    protected override Tensor AfterStages(Tensor x) => norm.call(x);

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

    private static readonly BiFormerConfig Tiny = new();
    private static readonly BiFormerConfig Small = Tiny with { depth = [4, 4, 18, 4] };

    /// <summary>The variants, by the authors' names.</summary>
    public static ModelFamily<BiFormerConfig> Family { get; } = new()
    {
        Name = "BiFormer",
        Reference = "Zhu et al., BiFormer: Vision Transformer with Bi-Level Routing Attention, 2023 (arXiv:2303.08810)",
        Build = config => new BiFormer(config),
        Table = new Dictionary<string, BiFormerConfig>
        {
            ["biformer_tiny"] = Tiny,
            ["biformer_small"] = Small,
            ["biformer_base"] = Small with { embed_dim = [96, 192, 384, 768] },
            ["biformer_stl"] = Tiny with { depth = [2, 2, 6, 2], embed_dim = [96, 192, 384, 768], mlp_ratio = 4, swin_layout = true },
        },
    };
}
