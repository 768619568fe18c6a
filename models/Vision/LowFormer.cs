using Attention.Modules;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Attention.Models.Vision;

/// <summary>A LowFormer; fields as in the authors' repository.</summary>
public sealed record LowFormerConfig : AttentionHostConfig
{
    /// <summary>Channels of the stem and of each stage.</summary>
    public int[] width_list { get; init; } = [16, 32, 64, 128, 256];
    /// <summary>Blocks of the stem and of each stage; the last two have a step down besides.</summary>
    public int[] depth_list { get; init; } = [0, 1, 1, 5, 5];
    /// <summary>Width of a block's hidden layer in units of its channels.</summary>
    public int expand_ratio { get; init; } = 4;
    /// <summary>Wider steps down: 6 times the channels.</summary>
    public bool bigit { get; init; }
    /// <summary>Wider still: also the blocks of the stem.</summary>
    public bool huge_model { get; init; }
    /// <summary>A wider head.</summary>
    public bool bighead { get; init; }
    /// <summary>Blocks without attention.</summary>
    public bool noattention { get; init; }
    /// <summary>Blocks whose attention has neither norm nor MLP.</summary>
    public bool mlpremoved { get; init; }
    /// <summary>Attention at the map's own resolution.</summary>
    public bool nostrideatt { get; init; }
}

/// <summary>A convolution, a norm where there is one, and an activation where there is one. (B, C, H, W) to (B, C', H/stride, W/stride).</summary>
internal sealed class LowFormerConv : Block
{
    private readonly Conv2d conv;
    private readonly BatchNorm2d? norm;
    private readonly Hardswish? act;

    public LowFormerConv(int inputs, int outputs, int kernel, int stride = 1, int groups = 1, bool bias = false, bool norm = true, bool act = true) : base(nameof(LowFormerConv))
    {
        conv = nn.Conv2d(inputs, outputs, kernel_size: kernel, stride: stride, padding: kernel / 2, groups: groups, bias: bias);
        this.norm = norm ? nn.BatchNorm2d(outputs) : null;
        this.act = act ? nn.Hardswish() : null;
        RegisterComponents();
    }

    protected override Tensor Forward(Tensor x)
    {
        x = conv.call(x);
        x = norm is null ? x : norm.call(x);
        return act is null ? x : act.call(x);
    }
}

/// <summary>A wide 3x3 convolution and a 1x1. (B, C, H, W) to (B, C', H/stride, W/stride).</summary>
internal sealed class FusedMBConv : Block
{
    private readonly LowFormerConv spatial_conv;
    private readonly LowFormerConv point_conv;

    public FusedMBConv(int inputs, int outputs, int expand, int stride = 1, bool bias = false) : base(nameof(FusedMBConv))
    {
        spatial_conv = new LowFormerConv(inputs, inputs * expand, kernel: 3, stride, bias: bias);
        point_conv = new LowFormerConv(inputs * expand, outputs, kernel: 1, act: false);
        RegisterComponents();
    }

    protected override Tensor Forward(Tensor x) => point_conv.call(spatial_conv.call(x));
}

/// <summary>A 1x1, a depthwise 3x3 and a 1x1 convolution, with a norm after the last alone. (B, C, H, W) to the same.</summary>
internal sealed class LowFormerMBConv : Block
{
    private readonly LowFormerConv inverted_conv;
    private readonly LowFormerConv depth_conv;
    private readonly LowFormerConv point_conv;

    public LowFormerMBConv(int dim, int expand) : base(nameof(LowFormerMBConv))
    {
        int hidden = dim * expand;
        inverted_conv = new LowFormerConv(dim, hidden, kernel: 1, bias: true, norm: false);
        depth_conv = new LowFormerConv(hidden, hidden, kernel: 3, groups: hidden, bias: true, norm: false);
        point_conv = new LowFormerConv(hidden, dim, kernel: 1, act: false);
        RegisterComponents();
    }

    protected override Tensor Forward(Tensor x) => point_conv.call(depth_conv.call(inverted_conv.call(x)));
}

/// <summary>A branch (main) and, where it keeps the shape, its input added. (B, C, H, W) to the same or to what the branch gives.</summary>
internal sealed class LowFormerResidual : Block
{
    private readonly nn.Module<Tensor, Tensor> main;
    private readonly bool shortcut;

    public LowFormerResidual(nn.Module<Tensor, Tensor> main, bool shortcut = true) : base(nameof(LowFormerResidual))
    {
        (this.main, this.shortcut) = (main, shortcut);
        RegisterComponents();
    }

    protected override Tensor Forward(Tensor x) => shortcut ? x + main.call(x) : main.call(x);
}

/// <summary>Attention, after a norm where there is one, added to its input. (B, C, H, W) to the same.</summary>
internal sealed class LowFormerAttentionResidual : Block
{
    /// <summary>Channels of the map for one head, for an attention in this one's place.</summary>
    private const int HeadDim = 32;

    // The attention, or a norm and the attention under the numbers that the state dict has.
    private readonly nn.Module main;
    private readonly HostedAttention mixer;

    public LowFormerAttentionResidual(LowFormerConfig config, int stage, int index) : base(nameof(LowFormerAttentionResidual))
    {
        int dim = config.width_list[stage];
        mixer = new HostedAttention(config.attention ?? new LowResolutionAttentionConfig { att_stride = stage == 3 && !config.nostrideatt ? 2 : 1 },
            config.Site(dim, Math.Max(1, dim / HeadDim), 2 << stage, index));
        main = config.mlpremoved ? mixer.Module : nn.ModuleList(nn.GroupNorm(1, dim), mixer.Module);
        RegisterComponents();
    }

    protected override Tensor Forward(Tensor x)
    {
        var normed = main is ModuleList<nn.Module<Tensor, Tensor>> pair ? pair[0].call(x) : x;
        return x + mixer.OnMap(normed.permute(0, 2, 3, 1)).permute(0, 3, 1, 2);
    }
}

/// <summary>Attention and an MLP, as far as the model has them, and a convolution. (B, C, H, W) to the same.</summary>
internal sealed class LowFormerBlock : Block
{
    /// <summary>From so many channels on the convolution is depthwise.</summary>
    private const int WideFrom = 256;

    private readonly Sequential total;

    public LowFormerBlock(LowFormerConfig config, int stage, int index) : base(nameof(LowFormerBlock))
    {
        int dim = config.width_list[stage];
        nn.Module<Tensor, Tensor> local = dim < WideFrom ? new FusedMBConv(dim, dim, config.expand_ratio, bias: true) : new LowFormerMBConv(dim, config.expand_ratio);
        total = nn.Sequential(Context(config, stage, index, dim), new LowFormerResidual(local));
        RegisterComponents();
    }

    private static nn.Module<Tensor, Tensor> Context(LowFormerConfig config, int stage, int index, int dim)
    {
        if (config.noattention && config.attention is null)
            return nn.Identity();
        var attention = new LowFormerAttentionResidual(config, stage, index);
        if (config.mlpremoved)
            return attention;
        var mlp = nn.Sequential(nn.GroupNorm(1, dim), nn.Conv2d(dim, 4 * dim, kernel_size: 1), nn.GELU(), nn.Conv2d(4 * dim, dim, kernel_size: 1));
        return nn.Sequential(attention, new LowFormerResidual(mlp));
    }

    protected override Tensor Forward(Tensor x) => total.call(x);
}

/// <summary>Operations one after the other (op_list); there may be none.</summary>
internal sealed class LowFormerOps : Block
{
    private readonly ModuleList<nn.Module<Tensor, Tensor>> op_list;

    public LowFormerOps(IEnumerable<nn.Module<Tensor, Tensor>> operations) : base(nameof(LowFormerOps))
    {
        op_list = nn.ModuleList(operations.ToArray());
        RegisterComponents();
    }

    protected override Tensor Forward(Tensor x) => op_list.Aggregate(x.alias(), (result, operation) => operation.call(result));
}

/// <summary>A linear layer, with a norm and an activation where it is no classifier. (B, C) to (B, C').</summary>
internal sealed class LowFormerLinear : Block
{
    private nn.Module<Tensor, Tensor> linear;
    private readonly LayerNorm? norm;
    private readonly Hardswish? act;

    public LowFormerLinear(nn.Module<Tensor, Tensor> linear, int? normed = null) : base(nameof(LowFormerLinear))
    {
        this.linear = linear;
        if (normed is { } dim)
            (norm, act) = (nn.LayerNorm(dim), nn.Hardswish());
        RegisterComponents();
    }

    public void Reset(nn.Module<Tensor, Tensor> replacement) => this.Replace(nameof(linear), ref linear, replacement);

    protected override Tensor Forward(Tensor x) => norm is null ? linear.call(x) : act!.call(norm.call(linear.call(x)));
}

/// <summary>A convolution, the mean, a linear layer and the classifier. (B, C, H, W) to (B, num_classes).</summary>
internal sealed class LowFormerHead : Block
{
    private readonly ModuleList<nn.Module<Tensor, Tensor>> op_list;

    public LowFormerHead(int dim, int hidden, int features, LowFormerConfig config) : base(nameof(LowFormerHead))
    {
        op_list = nn.ModuleList<nn.Module<Tensor, Tensor>>(
            new LowFormerConv(dim, hidden, kernel: 1),
            new GlobalPool(),
            new LowFormerLinear(nn.Linear(hidden, features, hasBias: false), normed: features),
            new LowFormerLinear(Linears.Classifier(features, config.num_classes)));
        RegisterComponents();
    }

    /// <summary>The features that the classifier takes.</summary>
    public Tensor Features(Tensor x)
    {
        using var scope = NewDisposeScope();
        return scope.MoveToOuter(op_list[2].call(op_list[1].call(op_list[0].call(x))));
    }

    public void Reset(nn.Module<Tensor, Tensor> classifier) => ((LowFormerLinear)op_list[3]).Reset(classifier);

    protected override Tensor Forward(Tensor x) => op_list[3].call(Features(x));
}

/// <summary>The stem and the stages under the authors' names; the model calls them.</summary>
internal sealed class LowFormerBackbone : nn.Module
{
    private readonly LowFormerOps input_stem;
    private readonly ModuleList<LowFormerOps> stages;

    public LowFormerBackbone(LowFormerOps stem, IEnumerable<LowFormerOps> stages) : base(nameof(LowFormerBackbone))
    {
        input_stem = stem;
        this.stages = nn.ModuleList(stages.ToArray());
        RegisterComponents();
    }

    public LowFormerOps Stem => input_stem;
    public IReadOnlyList<LowFormerOps> Stages => [.. stages];
}

/// <summary>
/// LowFormer: Nottebaum et al., LowFormer: Hardware Efficient Design for Convolutional Transformer Backbones, 2024
/// (arXiv:2409.03460), and the edge variants of its journal extension. Parameter names as in the authors' repository,
/// altair199797/LowFormer. Images of any size are taken.
/// </summary>
public sealed class LowFormer : StagedModel
{
    /// <summary>The first stage with attention, where a stage's step down comes besides its blocks.</summary>
    private const int FirstAttention = 3;

    private readonly LowFormerBackbone backbone;
    private readonly LowFormerHead head;

    private readonly LowFormerConfig config;
    private readonly int features;
    private int classes;

    public LowFormer(LowFormerConfig config) : base(nameof(LowFormer))
    {
        this.config = config;
        if (config.width_list.Length != config.depth_list.Length)
            throw new UserError($"width_list has {config.width_list.Length} entries, depth_list {config.depth_list.Length}", "give each one for the stem and one for each stage");
        backbone = new LowFormerBackbone(Stem(config), Enumerable.Range(1, config.depth_list.Length - 1).Select(stage => Stage(config, stage)));
        int hidden = config.bighead ? 2304 : 1536;
        features = config.bighead ? 2560 : 1600;
        classes = config.num_classes;
        head = new LowFormerHead(config.width_list[^1], hidden, features, config);
        RegisterComponents();
        Linears.Initialise(this);
        Convolutions.Initialise(this);
    }

    private static LowFormerOps Stem(LowFormerConfig config)
    {
        int dim = config.width_list[0];
        var blocks = Enumerable.Range(0, config.depth_list[0]).Select(_ => new LowFormerResidual(new FusedMBConv(dim, dim, config.huge_model ? 4 : 2)));
        return new LowFormerOps([new LowFormerConv(config.in_chans, dim, kernel: 3, stride: 2), .. blocks]);
    }

    private static LowFormerOps Stage(LowFormerConfig config, int stage)
    {
        int dim = config.width_list[stage], depth = config.depth_list[stage], before = Before(config, stage);
        bool attends = stage >= FirstAttention;
        bool wide = attends ? config.bigit || config.huge_model && stage < 4 : config.bigit || config.huge_model;
        var down = new LowFormerResidual(new FusedMBConv(before, dim, wide ? 6 : config.expand_ratio, stride: 2), shortcut: false);
        if (attends)
            return new LowFormerOps([down, .. Enumerable.Range(0, depth).Select(i => new LowFormerBlock(config, stage, i))]);
        var further = Enumerable.Range(1, Math.Max(depth - 1, 0)).Select(_ => new LowFormerResidual(new FusedMBConv(dim, dim, config.expand_ratio)));
        return new LowFormerOps(depth == 0 ? [] : [down, .. further]);
    }

    // Channels before a stage: an early stage without blocks does nothing.
    private static int Before(LowFormerConfig config, int stage)
    {
        int before = stage - 1;
        while (before is > 0 and < FirstAttention && config.depth_list[before] == 0)
            before--;
        return config.width_list[before];
    }

    public override int num_classes => classes;
    public override int num_features => features;
    protected override IReadOnlyList<nn.Module<Tensor, Tensor>> Stages => backbone.Stages;
    protected override IReadOnlyList<int> Depths => [.. config.depth_list.Skip(1).Select((depth, i) => depth + (i + 1 >= FirstAttention ? 1 : 0))];
    protected override IReadOnlyList<int> Channels => [.. Enumerable.Range(1, config.depth_list.Length - 1).Select(stage => Before(config, stage + 1))];
    protected override string StageName(int stage) => $"backbone.stages.{stage}";

    public override IReadOnlyList<FeatureInfo> feature_info
    {
        get
        {
            var strides = Depths.Aggregate(new List<int> { 2 }, (all, depth) => [.. all, depth > 0 ? 2 * all[^1] : all[^1]]);
            return [.. Channels.Select((channels, i) => new FeatureInfo(StageName(i), channels, strides[i + 1]))];
        }
    }

    public override int layer_of(string parameter) => base.layer_of(parameter.Replace(".op_list.", ".blocks.", StringComparison.Ordinal));

    protected override Tensor Stem(Tensor images) => backbone.Stem.call(images);

    public override Tensor forward_head(Tensor x, bool pre_logits = false) => pre_logits ? head.Features(x) : head.call(x);

    public override void reset_classifier(int num_classes)
    {
        classes = num_classes;
        head.Reset(Linears.Classifier(features, num_classes));
    }

    // --- variants --------------------------------------------------------------------------------

    private static readonly LowFormerConfig B1 = new() { bigit = true, crop_pct = 0.95 };
    private static readonly LowFormerConfig B3 = B1 with { width_list = [32, 64, 128, 256, 512], depth_list = [1, 2, 3, 6, 6], huge_model = true };
    private static readonly LowFormerConfig E3 = B3 with { mlpremoved = true };

    /// <summary>The variants, by the names of the authors' configs.</summary>
    public static ModelFamily<LowFormerConfig> Family { get; } = new()
    {
        Name = "LowFormer",
        Reference = "Nottebaum et al., LowFormer: Hardware Efficient Design for Convolutional Transformer Backbones, 2024 (arXiv:2409.03460)",
        Build = config => new LowFormer(config),
        Table = new Dictionary<string, LowFormerConfig>
        {
            ["lowformer_b0"] = B1 with { depth_list = [0, 1, 1, 3, 4], bigit = false },
            ["lowformer_b1"] = B1,
            ["lowformer_b15"] = B1 with { width_list = [20, 40, 80, 160, 320], depth_list = [0, 1, 1, 6, 6], bighead = true },
            ["lowformer_b2"] = B1 with { width_list = [24, 48, 96, 192, 384], depth_list = [0, 0, 0, 6, 6], bighead = true },
            ["lowformer_b3"] = B3,
            ["lowformer_e1"] = B1 with { width_list = [20, 40, 80, 160, 320], depth_list = [0, 1, 1, 4, 4], bighead = true, noattention = true, mlpremoved = true },
            ["lowformer_e2"] = E3 with { depth_list = [1, 2, 3, 4, 4], noattention = true },
            ["lowformer_e3"] = E3,
        },
    };
}
