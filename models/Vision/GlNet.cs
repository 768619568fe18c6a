using Attention.Modules;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Attention.Models.Vision;

/// <summary>A GLNet; fields as in the authors' repository.</summary>
public sealed record GlNetConfig : AttentionHostConfig
{
    /// <summary>Blocks of each stage.</summary>
    public int[] depth { get; init; } = [4, 4, 18, 4];
    /// <summary>Channels of each stage.</summary>
    public int[] embed_dim { get; init; } = [64, 128, 256, 512];
    /// <summary>Width of the MLP in units of the channels, at each stage.</summary>
    public double[] mlp_ratios { get; init; } = [3, 3, 3, 3];
    /// <summary>Channels of a head.</summary>
    public int head_dim { get; init; } = 32;
    /// <summary>Blocks of each stage: glmix, mha (on tokens), mha_nchw (with convolutions), or glmix.mha_nchw for both in turn.</summary>
    public string[] mixing_modes { get; init; } = ["glmix", "glmix", "glmix.mha_nchw", "mha_nchw"];
    /// <summary>Side of the depthwise convolution of the local branch.</summary>
    public int local_dw_ks { get; init; } = 5;
    /// <summary>Slots start as means of the map (ada_avgpool) or are learned (param).</summary>
    public string slot_init { get; init; } = "ada_avgpool";
    public int num_slots { get; init; } = 64;
    /// <summary>Side of the convolution for positions; 0 for none.</summary>
    public int cpe_ks { get; init; } = 3;
    /// <summary>A depthwise convolution in the MLP.</summary>
    public bool mlp_dw { get; init; } = true;
    /// <summary>ovlp for steps down by convolutions that overlap, non_ovlp for patches.</summary>
    public string downsample_style { get; init; } = "ovlp";
    /// <summary>proj.norm or norm.proj: which comes first in a step down.</summary>
    public string transition_layout { get; init; } = "proj.norm";
    /// <summary>Where learned factors of a block's branches start; -1 for none.</summary>
    public double layerscale { get; init; } = -1;
}

/// <summary>What the two kinds of blocks have in common.</summary>
internal static class GlNetParts
{
    public static nn.Module<Tensor, Tensor> Scale(long[] shape, double start) => start > 0 ? new GlNetScale(shape, start) : nn.Identity();

    /// <summary>Attention between all positions, or another in its place.</summary>
    public static HostedAttention Attention(GlNetConfig config, int stage, int index)
    {
        int dim = config.embed_dim[stage], heads = Math.Max(1, dim / config.head_dim);
        var site = config.Site(dim, heads, 4 << stage, index);
        return config.attention is { } chosen ? new HostedAttention(chosen, site) : new HostedAttention(new PackedAttention(dim, heads), AttentionLayout.Sequence, site);
    }
}

/// <summary>Learned factors of the channels. (...) to the same.</summary>
internal sealed class GlNetScale : Block
{
    private readonly Parameter gamma;

    public GlNetScale(long[] shape, double start) : base(nameof(GlNetScale))
    {
        gamma = new Parameter(full(shape, start));
        RegisterComponents();
    }

    protected override Tensor Forward(Tensor x) => gamma * x;
}

/// <summary>
/// Mixing, global and local by slots or by attention, and an MLP, with positions by a convolution. (B, C, H, W) to the same.
/// </summary>
internal sealed class GlNetMapBlock : Block
{
    private readonly Conv2d? pos_conv;
    private readonly Parameter? slot_scale;
    private readonly Parameter? init_slots;
    private readonly PackedAttention? relation_mha;
    private readonly Sequential? feature_conv;
    private readonly nn.Module<Tensor, Tensor>? mha_op;
    private readonly LayerNorm2d norm1;
    private readonly LayerNorm2d norm2;
    private readonly Sequential mlp;
    private readonly nn.Module<Tensor, Tensor> drop_path;
    private readonly nn.Module<Tensor, Tensor> ls1;
    private readonly nn.Module<Tensor, Tensor> ls2;
    private readonly HostedAttention? mixer;
    private readonly int side;

    public GlNetMapBlock(GlNetConfig config, int stage, int index, bool mixes, double drop) : base(nameof(GlNetMapBlock))
    {
        int dim = config.embed_dim[stage], hidden = (int)(config.mlp_ratios[stage] * dim);
        pos_conv = config.cpe_ks > 0 ? nn.Conv2d(dim, dim, kernel_size: config.cpe_ks, padding: config.cpe_ks / 2, groups: dim) : null;
        (norm1, norm2) = (new LayerNorm2d(dim), new LayerNorm2d(dim));
        mixes &= config.attention is null;
        if (mixes)
        {
            slot_scale = GlobalLocalMix.ScaleOf(dim);
            side = GlobalLocalMix.SideOf(config.num_slots);
            init_slots = config.slot_init == "param" ? new Parameter(randn(1, config.num_slots, dim) * 0.02) : null;
            relation_mha = new PackedAttention(dim, Math.Max(1, dim / config.head_dim));
            feature_conv = GlobalLocalMix.LocalBranch(dim, config.local_dw_ks);
        }
        else
        {
            mixer = GlNetParts.Attention(config, stage, index);
            mha_op = mixer.Module;
        }
        mlp = nn.Sequential(nn.Conv2d(dim, hidden, kernel_size: 1), config.mlp_dw ? new DepthwiseShortcut(hidden) : nn.Identity(), nn.GELU(),
            nn.Conv2d(hidden, dim, kernel_size: 1));
        drop_path = DropPath.Of(drop);
        ls1 = GlNetParts.Scale(mixes ? [1, dim, 1, 1] : [dim], config.layerscale);
        ls2 = GlNetParts.Scale([1, dim, 1, 1], config.layerscale);
        RegisterComponents();
    }

    protected override Tensor Forward(Tensor x)
    {
        // As the authors have it, slots start from the block's input, before its position and norm.
        var slots = relation_mha is null ? null : init_slots ?? GlobalLocalMix.Slots(x, side);
        if (pos_conv is not null)
            x = x + pos_conv.call(x);
        var normed = norm1.call(x);
        x = x + drop_path.call(slots is null
            ? ls1.call(mixer!.OnMap(normed.permute(0, 2, 3, 1))).permute(0, 3, 1, 2)
            : ls1.call(GlobalLocalMix.Mix(normed, slots, slot_scale!, relation_mha!) + feature_conv!.call(normed)));
        return x + drop_path.call(ls2.call(mlp.call(norm2.call(x))));
    }
}

/// <summary>Attention and an MLP without convolutions. (B, H, W, C) to the same.</summary>
internal sealed class GlNetTokenBlock : Block
{
    private readonly LayerNorm norm1;
    private readonly nn.Module<Tensor, Tensor> mha_op;
    private readonly LayerNorm norm2;
    private readonly Sequential mlp;
    private readonly nn.Module<Tensor, Tensor> drop_path;
    private readonly nn.Module<Tensor, Tensor> ls1;
    private readonly nn.Module<Tensor, Tensor> ls2;
    private readonly HostedAttention mixer;

    public GlNetTokenBlock(GlNetConfig config, int stage, int index, double drop) : base(nameof(GlNetTokenBlock))
    {
        int dim = config.embed_dim[stage], hidden = (int)(config.mlp_ratios[stage] * dim);
        norm1 = nn.LayerNorm(dim, 1e-6);
        mixer = GlNetParts.Attention(config, stage, index);
        mha_op = mixer.Module;
        norm2 = nn.LayerNorm(dim, 1e-6);
        mlp = nn.Sequential(nn.Linear(dim, hidden), nn.GELU(), nn.Linear(hidden, dim));
        drop_path = DropPath.Of(drop);
        ls1 = GlNetParts.Scale([dim], config.layerscale);
        ls2 = GlNetParts.Scale([dim], config.layerscale);
        RegisterComponents();
    }

    protected override Tensor Forward(Tensor x)
    {
        x = x + drop_path.call(ls1.call(mixer.OnMap(norm1.call(x))));
        return x + drop_path.call(ls2.call(mlp.call(norm2.call(x))));
    }
}

/// <summary>The blocks of a stage. (B, C, H, W) to the same.</summary>
internal sealed class GlNetStage : Block
{
    private readonly Sequential blocks;
    private readonly bool tokens;

    public GlNetStage(GlNetConfig config, int stage, double[] rates) : base(nameof(GlNetStage))
    {
        var mode = config.mixing_modes[stage];
        if (mode is not ("glmix" or "mha" or "mha_nchw" or "glmix.mha_nchw"))
            throw new UserError($"mixing mode '{mode}' is not known", "choose glmix, mha, mha_nchw or glmix.mha_nchw");
        tokens = mode == "mha";
        blocks = nn.Sequential(rates.Select((rate, i) => tokens ? (nn.Module<Tensor, Tensor>)new GlNetTokenBlock(config, stage, i, rate)
            : new GlNetMapBlock(config, stage, i, mode == "glmix" || mode == "glmix.mha_nchw" && i % 2 == 0, rate)));
        RegisterComponents();
    }

    protected override Tensor Forward(Tensor x) => tokens ? blocks.call(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2) : blocks.call(x);
}

/// <summary>
/// GLNet: Zhu et al., Revisiting the Integration of Convolution and Attention for Vision Backbone, 2024 (arXiv:2411.14429).
/// Parameter names as in the authors' repository, rayleizhu/GLMix. Images of any size are taken.
/// </summary>
public sealed class GlNet : StagedModel
{
    private readonly ModuleList<Sequential> downsample_layers;
    private readonly ModuleList<GlNetStage> stages;
    private readonly BatchNorm2d norm;
    private readonly Dropout head_drop;
    private nn.Module<Tensor, Tensor> head;

    private readonly GlNetConfig config;
    private readonly LayerStep[] steps;
    private int classes;

    public GlNet(GlNetConfig config) : base(nameof(GlNet))
    {
        this.config = config;
        if (new[] { config.embed_dim.Length, config.mlp_ratios.Length, config.mixing_modes.Length }.Any(length => length != config.depth.Length))
            throw new UserError($"depth has {config.depth.Length} stages, other fields have another number", "give embed_dim, mlp_ratios and mixing_modes one entry for each stage");
        var rates = DropPath.StageRates(config.drop_path_rate, config.depth);
        downsample_layers = nn.ModuleList(config.depth.Select((_, stage) => StepDown(config, stage)).ToArray());
        stages = nn.ModuleList(rates.Select((rate, stage) => new GlNetStage(config, stage, rate)).ToArray());
        norm = nn.BatchNorm2d(num_features);
        head_drop = nn.Dropout(config.drop_rate);
        classes = config.num_classes;
        head = Linears.Classifier(num_features, classes);
        steps = [.. stages.Select((stage, i) => new LayerStep(downsample_layers[i], stage))];
        RegisterComponents();
        Linears.Initialise(this);
    }

    private static Sequential StepDown(GlNetConfig config, int stage)
    {
        int dim = config.embed_dim[stage], before = stage == 0 ? config.in_chans : config.embed_dim[stage - 1];
        bool overlaps = config.downsample_style == "ovlp";
        if (stage > 0)
        {
            var convolution = overlaps ? Half(before, dim) : nn.Conv2d(before, dim, kernel_size: 2, stride: 2);
            return config.transition_layout == "proj.norm" ? nn.Sequential(convolution, nn.BatchNorm2d(dim)) : nn.Sequential(nn.BatchNorm2d(before), convolution);
        }
        // The authors keep a place for a norm of the image, which moves the numbers.
        return overlaps
            ? nn.Sequential(nn.Identity(), Half(before, dim / 2), nn.BatchNorm2d(dim / 2), nn.GELU(), Half(dim / 2, dim), nn.BatchNorm2d(dim))
            : nn.Sequential(nn.Conv2d(before, dim, kernel_size: 4, stride: 4), nn.BatchNorm2d(dim));
    }

    private static Conv2d Half(int inputs, int outputs) => nn.Conv2d(inputs, outputs, kernel_size: 3, stride: 2, padding: 1);

    public override int num_classes => classes;
    protected override IReadOnlyList<nn.Module<Tensor, Tensor>> Stages => steps;
    protected override IReadOnlyList<int> Depths => config.depth;
    protected override IReadOnlyList<int> Channels => config.embed_dim;

    public override int layer_of(string parameter)
    {
        // A step down goes with the first block after it.
        var parts = parameter.Split('.');
        return parts[0] == nameof(downsample_layers) && parts[1] != "0" ? base.layer_of($"stages.{parts[1]}.0.") : base.layer_of(parameter);
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

    private static readonly GlNetConfig Small = new();

    // Swin-T's layout, for comparison.
    private static readonly GlNetConfig SwinLayout = new()
    {
        depth = [2, 2, 6, 2],
        embed_dim = [96, 192, 384, 768],
        mlp_ratios = [4, 4, 4, 4],
        mixing_modes = ["glmix", "glmix", "glmix", "mha"],
        cpe_ks = 0,
        mlp_dw = false,
        downsample_style = "non_ovlp",
        transition_layout = "norm.proj",
    };

    /// <summary>The variants, by the authors' names.</summary>
    public static ModelFamily<GlNetConfig> Family { get; } = new()
    {
        Name = "GLNet",
        Reference = "Zhu et al., Revisiting the Integration of Convolution and Attention for Vision Backbone, 2024 (arXiv:2411.14429)",
        Build = config => new GlNet(config),
        Table = new Dictionary<string, GlNetConfig>
        {
            ["glnet_stl"] = SwinLayout,
            ["glnet_stl_paramslot"] = SwinLayout with { slot_init = "param" },
            ["glnet_4g"] = Small,
            ["glnet_9g"] = Small with { embed_dim = [96, 192, 384, 768] },
            ["glnet_16g"] = Small with { embed_dim = [128, 256, 512, 1024], layerscale = 1e-4 },
        },
    };
}
