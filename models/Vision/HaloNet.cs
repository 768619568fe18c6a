using Attention.Modules;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Attention.Models.Vision;

/// <summary>A ResNet with attention in place of some of its 3x3 convolutions: HaloNet, BoTNet, LambdaResNet.</summary>
public sealed record HaloNetConfig : AttentionHostConfig
{
    /// <summary>The blocks of each stage, a letter each: c with a convolution, a with attention.</summary>
    public string[] blocks { get; init; } = ["cc", "cc", "ca", "aa"];
    /// <summary>Channels of each stage.</summary>
    public int[] channels { get; init; } = [256, 512, 1024, 2048];
    /// <summary>Step of the first block of each stage: 1 or 2.</summary>
    public int[] strides { get; init; } = [1, 2, 2, 2];
    /// <summary>Channels of the convolution or attention inside of a block, in units of those of its output.</summary>
    public double[] bottle_ratio { get; init; } = [0.25, 0.25, 0.25, 0.25];
    /// <summary>Whether it is in units of those of its input instead.</summary>
    public bool bottle_in { get; init; }
    /// <summary>Channels of a group of the convolutions; 0 for one group.</summary>
    public int group_size { get; init; }
    /// <summary>The attention of each stage, or one for all.</summary>
    public AttentionConfig[] self_attn { get; init; } = [new HaloAttentionConfig { num_heads = 8 }];
    /// <summary>Heads of an attention that does not say it.</summary>
    public int num_heads { get; init; } = 8;
    /// <summary>Attention over channels in blocks with convolutions: "", se or eca.</summary>
    public string attn_layer { get; init; } = "";
    /// <summary>Hidden channels of se, in units of the channels.</summary>
    public double attn_ratio { get; init; } = 1.0 / 16;
    /// <summary>tiered: three 3x3 convolutions; 7x7, 3x3: one.</summary>
    public string stem_type { get; init; } = "tiered";
    public int stem_chs { get; init; } = 64;
    /// <summary>A max pool of stride 2 after the stem.</summary>
    public bool stem_pool { get; init; } = true;
    /// <summary>A 1x1 convolution as the shortcut of blocks that change channels or size; without, they have none.</summary>
    public bool downsample { get; init; } = true;
    /// <summary>No activation after the shortcut is added.</summary>
    public bool linear_out { get; init; }
    /// <summary>Channels of a last 1x1 convolution; 0 for none.</summary>
    public int num_features { get; init; }
    public string act_layer { get; init; } = "relu";
}

/// <summary>A convolution without bias, a batch norm and an activation. (B, C, H, W) to (B, C', H/stride, W/stride).</summary>
internal sealed class ConvNormAct : Block
{
    private readonly Conv2d conv;
    private readonly BatchNorm2d bn;
    private readonly nn.Module<Tensor, Tensor>? act;

    public ConvNormAct(int inputs, int outputs, int kernel_size, string act_layer, int stride = 1, int groups = 1) : base(nameof(ConvNormAct))
    {
        conv = nn.Conv2d(inputs, outputs, kernel_size: kernel_size, stride: stride, padding: (stride - 1 + kernel_size - 1) / 2, groups: groups, bias: false);
        bn = nn.BatchNorm2d(outputs);
        act = act_layer == "" ? null : Activations.Create(act_layer);
        RegisterComponents();
    }

    public BatchNorm2d Norm => bn;

    protected override Tensor Forward(Tensor x)
    {
        x = bn.call(conv.call(x));
        return act is null ? x : act.call(x);
    }
}

/// <summary>What blocks with convolutions and with attention share: a residual branch through fewer channels, and back.</summary>
internal abstract class HaloNetBlock : Block
{
    private readonly nn.Module<Tensor, Tensor>? shortcut;
    private readonly ConvNormAct conv1_1x1;
    private readonly ConvNormAct conv3_1x1;
    private readonly nn.Module<Tensor, Tensor> drop_path;
    private readonly nn.Module<Tensor, Tensor> act;

    protected HaloNetBlock(string name, HaloNetConfig config, int inputs, int outputs, int middle, int stride, double drop) : base(name)
    {
        shortcut = inputs == outputs && stride == 1 ? nn.Identity()
            : config.downsample ? new ConvNormAct(inputs, outputs, 1, "", stride) : null;
        conv1_1x1 = new ConvNormAct(inputs, middle, 1, config.act_layer);
        conv3_1x1 = new ConvNormAct(middle, outputs, 1, "");
        drop_path = DropPath.Of(drop);
        act = config.linear_out ? nn.Identity() : Activations.Create(config.act_layer);
        // So that the block starts as its shortcut.
        if (shortcut is not null)
            nn.init.zeros_(conv3_1x1.Norm.weight);
        if (shortcut is not null)
            register_module(nameof(shortcut), shortcut);
        register_module(nameof(conv1_1x1), conv1_1x1);
        register_module(nameof(conv3_1x1), conv3_1x1);
        register_module(nameof(drop_path), drop_path);
        register_module(nameof(act), act);
    }

    /// <summary>(B, middle, H, W) to (B, middle, H/stride, W/stride).</summary>
    protected abstract Tensor Middle(Tensor x);

    protected sealed override Tensor Forward(Tensor input)
    {
        var x = drop_path.call(conv3_1x1.call(Middle(conv1_1x1.call(input))));
        return act.call(shortcut is null ? x : x + shortcut.call(input));
    }
}

/// <summary>A ResNet's bottleneck. (B, C, H, W) to (B, C', H/stride, W/stride).</summary>
internal sealed class HaloNetConvolution : HaloNetBlock
{
    private readonly ConvNormAct conv2_kxk;
    private readonly nn.Module<Tensor, Tensor> attn;

    public HaloNetConvolution(HaloNetConfig config, int inputs, int outputs, int middle, int stride, double drop)
        : base(nameof(HaloNetConvolution), config, inputs, outputs, middle, stride, drop)
    {
        conv2_kxk = new ConvNormAct(middle, middle, 3, config.act_layer, stride, config.group_size == 0 ? 1 : middle / config.group_size);
        attn = config.attn_layer switch
        {
            "se" => new SqueezeExcitation(middle, Convolutions.MakeDivisible(middle * config.attn_ratio, round_limit: 0)),
            "eca" => new EfficientChannelAttention(middle),
            "" => nn.Identity(),
            _ => throw new UserError($"attn_layer '{config.attn_layer}' is not known", "choose \"\", se or eca"),
        };
        RegisterComponents();
    }

    protected override Tensor Middle(Tensor x) => attn.call(conv2_kxk.call(x));
}

/// <summary>A bottleneck around an attention. (B, C, H, W) to (B, C', H/stride, W/stride).</summary>
internal sealed class HaloNetAttention : HaloNetBlock
{
    private readonly nn.Module<Tensor, Tensor> self_attn;
    private readonly BatchNorm2d post_attn;
    private readonly nn.Module<Tensor, Tensor> post_act;
    private readonly HostedAttention mixer;
    private readonly bool pool;

    public HaloNetAttention(HaloNetConfig config, AttentionConfig own, int inputs, int outputs, int stride, AttentionSite site, double drop)
        : base(nameof(HaloNetAttention), config, inputs, outputs, (int)site.Dim, stride, drop)
    {
        var chosen = config.attention ?? own;
        // Halo attention can step down with its queries; others, and what replaces them, are pooled.
        pool = stride == 2 && chosen is not HaloAttentionConfig;
        mixer = new HostedAttention(chosen is HaloAttentionConfig halo ? halo with { stride = stride } : chosen, site);
        self_attn = mixer.Module;
        post_attn = nn.BatchNorm2d(site.Dim);
        post_act = Activations.Create(config.act_layer);
        RegisterComponents();
    }

    protected override Tensor Middle(Tensor x)
    {
        x = mixer.OnMap(x.permute(0, 2, 3, 1));
        return post_act.call(post_attn.call((pool ? Windows.Halve(x) : x).permute(0, 3, 1, 2)));
    }
}

/// <summary>
/// HaloNet: Vaswani et al., Scaling Local Self-Attention for Parameter Efficient Visual Backbones, 2021 (arXiv:2103.12731);
/// BoTNet: Srinivas et al., Bottleneck Transformers for Visual Recognition, 2021 (arXiv:2101.11605); LambdaNetworks: Bello,
/// 2021 (arXiv:2102.08602). Names and variants as in timm's byoanet.py. Images of any size are taken: blocks are padded,
/// embeddings of positions resized.
/// </summary>
public sealed class HaloNet : StagedModel
{
    private readonly nn.Module<Tensor, Tensor> stem;
    private readonly ModuleList<nn.Module<Tensor, Tensor>> stages;
    private readonly nn.Module<Tensor, Tensor> final_conv;
    private readonly ClassifierHead head;

    private readonly HaloNetConfig config;
    private int classes;

    public HaloNet(HaloNetConfig config) : base(nameof(HaloNet))
    {
        this.config = config;
        Check(config);
        stem = NewStem(config);
        var rates = DropPath.StageRates(config.drop_path_rate, Depths);
        stages = nn.ModuleList(rates.Select((rate, stage) => (nn.Module<Tensor, Tensor>)NewStage(config, stage, rate)).ToArray());
        final_conv = config.num_features > 0 ? new ConvNormAct(config.channels[^1], config.num_features, 1, config.act_layer) : nn.Identity();
        classes = config.num_classes;
        head = new ClassifierHead(num_features, classes, config.drop_rate, channels_last: false);
        RegisterComponents();
        InitialiseWeights();
    }

    public override int num_classes => classes;
    public override int num_features => config.num_features > 0 ? config.num_features : config.channels[^1];
    protected override IReadOnlyList<nn.Module<Tensor, Tensor>> Stages => [.. stages];
    protected override IReadOnlyList<int> Depths => [.. config.blocks.Select(stage => stage.Length)];
    protected override IReadOnlyList<int> Channels => config.channels;
    protected override int FirstStride => StemStride(config) * config.strides[0];

    private static void Check(HaloNetConfig config)
    {
        int count = config.blocks.Length;
        if (config.channels.Length != count || config.strides.Length != count || config.bottle_ratio.Length != count || config.self_attn.Length != 1 && config.self_attn.Length != count)
            throw new UserError($"blocks has {count} stages, channels {config.channels.Length}, strides {config.strides.Length}, bottle_ratio {config.bottle_ratio.Length}, self_attn {config.self_attn.Length}",
                "give each one entry for each stage, and self_attn one for each or one for all");
        if (config.blocks.FirstOrDefault(stage => stage.Length == 0 || stage.Any(letter => letter is not ('c' or 'a'))) is { } wrong)
            throw new UserError($"blocks '{wrong}' of a stage are not known", "write a c for a block with a convolution and an a for one with attention");
    }

    // A stem without a pool strides in the last of its convolutions instead, where it has several.
    private static int StemStride(HaloNetConfig config) => config.stem_type == "tiered" || config.stem_pool ? 4 : 2;

    private static nn.Module<Tensor, Tensor> NewStem(HaloNetConfig config)
    {
        var (width, act) = (config.stem_chs, config.act_layer);
        ConvNormAct Convolution(int inputs, int outputs, int kernel, int stride) => new(inputs, outputs, kernel, act, stride);
        var parts = new List<(string, nn.Module<Tensor, Tensor>)>();
        switch (config.stem_type)
        {
            case "tiered":
                parts.Add(("conv1", Convolution(config.in_chans, 3 * width / 8, 3, 2)));
                parts.Add(("conv2", Convolution(3 * width / 8, width / 2, 3, 1)));
                parts.Add(("conv3", Convolution(width / 2, width, 3, config.stem_pool ? 1 : 2)));
                break;
            case "7x7" or "3x3":
                var only = Convolution(config.in_chans, width, config.stem_type == "7x7" ? 7 : 3, 2);
                if (!config.stem_pool)
                    return only;
                parts.Add(("conv1", only));
                break;
            default:
                throw new UserError($"stem_type '{config.stem_type}' is not known", "choose tiered, 7x7 or 3x3");
        }
        if (config.stem_pool)
            parts.Add(("pool", nn.MaxPool2d(3, stride: 2, padding: 1)));
        return nn.Sequential(parts);
    }

    private Sequential NewStage(HaloNetConfig config, int stage, double[] rates)
    {
        var own = config.self_attn.Length == 1 ? config.self_attn[0] : config.self_attn[stage];
        int inputs = stage == 0 ? config.stem_chs : config.channels[stage - 1];
        int outputs = config.channels[stage];
        // Attention of a block that steps down works on the map before the step.
        int pixels = stage == 0 ? StemStride(config) : FirstStride << (stage - 1);
        var blocks = new List<nn.Module<Tensor, Tensor>>();
        foreach (char letter in config.blocks[stage])
        {
            var (index, stride) = (blocks.Count, blocks.Count == 0 ? config.strides[stage] : 1);
            int middle = Convolutions.MakeDivisible((config.bottle_in ? inputs : outputs) * config.bottle_ratio[stage]);
            blocks.Add(letter == 'c'
                ? new HaloNetConvolution(config, inputs, outputs, middle, stride, rates[index])
                : new HaloNetAttention(config, own, inputs, outputs, stride, config.Site(middle, config.num_heads, pixels, index), rates[index]));
            (inputs, pixels) = (outputs, pixels * stride);
        }
        return nn.Sequential(blocks);
    }

    // Attention modules start themselves.
    private void InitialiseWeights()
    {
        using var _ = no_grad();
        Convolutions.Initialise(stem);
        Convolutions.Initialise(final_conv);
        foreach (var module in stages.modules().Where(module => module is ConvNormAct or SqueezeExcitation))
            Convolutions.Initialise(module);
    }

    public override int layer_of(string parameter) =>
        parameter.StartsWith("final_conv.", StringComparison.Ordinal) ? num_layers - 1 : base.layer_of(parameter);

    protected override Tensor Stem(Tensor images) => stem.call(images);

    protected override Tensor AfterStages(Tensor x) => final_conv.call(x);

    public override Tensor forward_head(Tensor x, bool pre_logits = false) => pre_logits ? head.Pool(x) : head.call(x);

    public override void reset_classifier(int num_classes) => head.Reset(classes = num_classes);

    // --- variants --------------------------------------------------------------------------------

    private static HaloAttentionConfig Halo(int halo, int block = 8, int heads = 8) => new() { num_heads = heads, block_size = block, halo_size = halo };
    private static readonly BottleneckAttentionConfig Bottleneck = new() { num_heads = 4 };
    private static LambdaLayerConfig Lambda(int? r) => new() { num_heads = 4, r = r };

    private static readonly HaloNetConfig R26 = new() { img_size = 256, crop_pct = 0.95 };
    private static readonly HaloNetConfig R26Next = R26 with { group_size = 16, act_layer = "silu", attn_layer = "eca" };
    private static readonly HaloNetConfig R33 = R26 with
    {
        blocks = ["cc", "cca", "cca", "aa"],
        channels = [256, 512, 1024, 1536],
        bottle_ratio = [0.25, 0.25, 0.25, 0.333],
        stem_pool = false,
        num_features = 1280,
        act_layer = "silu",
        attn_layer = "se",
        crop_pct = 0.94,
    };
    private static readonly HaloNetConfig R50 = R26 with { blocks = ["ccc", "ccca", "cacaca", "cac"], act_layer = "silu" };
    private static readonly HaloNetConfig R50Mixed = R50 with { blocks = ["ccc", "caca", "cacaca", "cac"], stem_pool = false };

    /// <summary>The variants, by timm's names.</summary>
    public static ModelFamily<HaloNetConfig> Family { get; } = new()
    {
        Name = "HaloNet, BoTNet, LambdaResNet",
        Reference = "Vaswani et al., Scaling Local Self-Attention for Parameter Efficient Visual Backbones, 2021 (arXiv:2103.12731)",
        Build = config => new HaloNet(config),
        Table = new Dictionary<string, HaloNetConfig>
        {
            ["botnet26t_256"] = R26 with { self_attn = [Bottleneck] },
            ["sebotnet33ts_256"] = R33 with { self_attn = [Bottleneck] },
            ["botnet50ts_256"] = R50 with { self_attn = [Bottleneck] },
            ["eca_botnext26ts_256"] = R26Next with { self_attn = [Bottleneck with { dim_head = 16 }] },
            ["halonet_h1"] = R26 with
            {
                blocks = ["aaa", "aaa", "aaaaaaaaaa", "aaa"],
                channels = [64, 128, 256, 512],
                bottle_ratio = [1, 1, 1, 1],
                stem_type = "7x7",
                self_attn = [Halo(3)],
            },
            ["halonet26t"] = R26 with { self_attn = [Halo(2)] },
            ["sehalonet33ts"] = R33 with { self_attn = [Halo(3)] },
            ["halonet50ts"] = R50 with { self_attn = [Halo(3), Halo(3, heads: 4), Halo(3), Halo(3)], crop_pct = 0.94 },
            ["eca_halonext26ts"] = R26Next with { self_attn = [Halo(2) with { dim_head = 16 }], crop_pct = 0.94 },
            ["lambda_resnet26t"] = R26 with { self_attn = [Lambda(9)], crop_pct = 0.94 },
            ["lambda_resnet50ts"] = R50 with { self_attn = [Lambda(9)] },
            ["lambda_resnet26rpt_256"] = R26 with { self_attn = [Lambda(null)], crop_pct = 0.94 },
            ["haloregnetz_b"] = R26 with
            {
                img_size = 224,
                blocks = ["cc", "cccccc", "cccacccaccca", "aa"],
                channels = [48, 96, 192, 288],
                strides = [2, 2, 2, 2],
                bottle_ratio = [3, 3, 3, 3],
                bottle_in = true,
                group_size = 16,
                self_attn = [Halo(2, block: 7) with { qk_ratio = 0.33 }],
                attn_layer = "se",
                attn_ratio = 0.25,
                stem_type = "3x3",
                stem_chs = 32,
                stem_pool = false,
                downsample = false,
                linear_out = true,
                num_features = 1536,
                act_layer = "silu",
                crop_pct = 0.94,
                mean = [0.5, 0.5, 0.5],
                std = [0.5, 0.5, 0.5],
            },
            ["lamhalobotnet50ts_256"] = R50Mixed with { self_attn = [Lambda(13), Lambda(13), Halo(3), Bottleneck] },
            ["halo2botnet50ts_256"] = R50Mixed with { self_attn = [Halo(3), Halo(3), Halo(3), Bottleneck] },
        },
    };
}
