using Attention.Modules;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Attention.Models.Vision;

/// <summary>A MetaFormer; fields as in timm, with names instead of classes.</summary>
public sealed record MetaFormerConfig : AttentionHostConfig
{
    /// <summary>Blocks of each stage.</summary>
    public int[] depths { get; init; } = [2, 2, 6, 2];
    /// <summary>Channels of each stage.</summary>
    public int[] dims { get; init; } = [64, 128, 320, 512];
    /// <summary>What mixes the positions, at each stage: pooling, sep_conv or attention.</summary>
    public string[] token_mixers { get; init; } = ["pooling", "pooling", "pooling", "pooling"];
    public string mlp_act { get; init; } = "star_relu";
    public bool mlp_bias { get; init; }
    /// <summary>Start of the scales of the blocks' branches; null for none.</summary>
    public double? layer_scale_init_value { get; init; }
    /// <summary>The stages that scale what passes by the branches.</summary>
    public bool[] res_scale { get; init; } = [false, false, true, true];
    /// <summary>Norms in stem and steps down.</summary>
    public bool downsample_norm { get; init; } = true;
    /// <summary>The blocks' norms: layer (over the channels of a position), or group (over the whole map).</summary>
    public string norm_layer { get; init; } = "layer";
    /// <summary>Whether the blocks' norms have a bias.</summary>
    public bool norm_bias { get; init; }
    public double norm_eps { get; init; } = 1e-6;
    /// <summary>Two layers as classifier rather than one.</summary>
    public bool use_mlp_head { get; init; } = true;
    public double proj_drop_rate { get; init; }
}

/// <summary>A norm with or without bias. (B, C, H, W) to the same; where channels come last, (B, H, W, C) to the same.</summary>
internal sealed class MetaFormerNorm : Block
{
    private readonly Parameter weight;
    private readonly Parameter? bias;
    private readonly double eps;
    private readonly bool group;
    private readonly bool channels_last;

    public MetaFormerNorm(long channels, double eps, bool bias = false, bool group = false, bool channels_last = false) : base(nameof(MetaFormerNorm))
    {
        (this.eps, this.group, this.channels_last) = (eps, group, channels_last);
        weight = new Parameter(ones(channels));
        this.bias = bias ? new Parameter(zeros(channels)) : null;
        RegisterComponents();
    }

    protected override Tensor Forward(Tensor x)
    {
        if (group)
            return nn.functional.group_norm(x, 1, weight, bias, eps);
        Tensor Normed(Tensor map) => nn.functional.layer_norm(map, [weight.shape[0]], weight, bias, eps);
        return channels_last ? Normed(x) : Normed(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2);
    }
}

/// <summary>Multiplies each channel by a learned factor. (B, C, H, W) to the same; where channels come last, (B, H, W, C) to the same.</summary>
internal sealed class MetaFormerScale : Block
{
    private readonly Parameter scale;
    private readonly bool channels_last;

    public MetaFormerScale(long dim, double init_value, bool channels_last) : base(nameof(MetaFormerScale))
    {
        this.channels_last = channels_last;
        scale = new Parameter(full(dim, init_value));
        RegisterComponents();
    }

    /// <summary>A scale, or the identity where there is no start.</summary>
    public static nn.Module<Tensor, Tensor> Of(long dim, double? init_value, bool channels_last) =>
        init_value is { } value ? new MetaFormerScale(dim, value, channels_last) : nn.Identity();

    protected override Tensor Forward(Tensor x) => x * (channels_last ? scale : scale.view(-1, 1, 1));
}

/// <summary>What the neighbourhood's mean adds to each position. (B, C, H, W) to the same.</summary>
internal sealed class PoolingMixer : Block
{
    private readonly AvgPool2d pool;

    public PoolingMixer() : base(nameof(PoolingMixer))
    {
        pool = nn.AvgPool2d(3, stride: 1, padding: 1, count_include_pad: false);
        RegisterComponents();
    }

    protected override Tensor Forward(Tensor x) => pool.call(x) - x;
}

/// <summary>A depthwise 7x7 convolution between two 1x1 convolutions. (B, C, H, W) to the same.</summary>
internal sealed class SeparableConvolution : Block
{
    private readonly Conv2d pwconv1;
    private readonly StarRelu act1;
    private readonly Conv2d dwconv;
    private readonly Conv2d pwconv2;

    public SeparableConvolution(long dim) : base(nameof(SeparableConvolution))
    {
        pwconv1 = nn.Conv2d(dim, dim * 2, kernel_size: 1, bias: false);
        act1 = new StarRelu();
        dwconv = nn.Conv2d(dim * 2, dim * 2, kernel_size: 7, padding: 3, groups: dim * 2, bias: false);
        pwconv2 = nn.Conv2d(dim * 2, dim, kernel_size: 1, bias: false);
        RegisterComponents();
    }

    protected override Tensor Forward(Tensor x) => pwconv2.call(dwconv.call(act1.call(pwconv1.call(x))));
}

/// <summary>
/// A mixer of positions and an MLP, each after a norm, scaled and added. (B, C, H, W) to the same; in stages of attention
/// (B, H, W, C) to the same.
/// </summary>
internal sealed class MetaFormerBlock : Block
{
    private readonly nn.Module<Tensor, Tensor> norm1;
    private readonly nn.Module<Tensor, Tensor> token_mixer;
    private readonly nn.Module<Tensor, Tensor> drop_path1;
    private readonly nn.Module<Tensor, Tensor> layer_scale1;
    private readonly nn.Module<Tensor, Tensor> res_scale1;
    private readonly nn.Module<Tensor, Tensor> norm2;
    private readonly Mlp mlp;
    private readonly nn.Module<Tensor, Tensor> drop_path2;
    private readonly nn.Module<Tensor, Tensor> layer_scale2;
    private readonly nn.Module<Tensor, Tensor> res_scale2;
    private readonly HostedAttention? attention;
    private readonly bool channels_last;

    public MetaFormerBlock(MetaFormerConfig config, int stage, int index, double drop_path) : base(nameof(MetaFormerBlock))
    {
        int dim = config.dims[stage];
        string mixer = config.token_mixers[stage];
        channels_last = mixer == "attention";
        nn.Module<Tensor, Tensor> Norm() => new MetaFormerNorm(dim, config.norm_eps, config.norm_bias, config.norm_layer == "group", channels_last);
        nn.Module<Tensor, Tensor> Scale(double? start) => MetaFormerScale.Of(dim, start, channels_last);

        norm1 = Norm();
        if (channels_last || config.attention is not null)
            attention = new HostedAttention(config.attention ?? new SelfAttentionConfig { qkv_bias = false, proj_bias = false, proj_drop = config.proj_drop_rate },
                config.Site(dim, Math.Max(dim / 32, 1), 4 << stage, index));
        token_mixer = attention?.Module ?? (mixer == "pooling" ? new PoolingMixer() : new SeparableConvolution(dim));
        drop_path1 = DropPath.Of(drop_path);
        layer_scale1 = Scale(config.layer_scale_init_value);
        res_scale1 = Scale(config.res_scale[stage] ? 1 : null);
        norm2 = Norm();
        mlp = new Mlp(dim, 4 * dim, config.mlp_act, config.proj_drop_rate, use_conv: !channels_last, bias: config.mlp_bias);
        drop_path2 = DropPath.Of(drop_path);
        layer_scale2 = Scale(config.layer_scale_init_value);
        res_scale2 = Scale(config.res_scale[stage] ? 1 : null);
        RegisterComponents();
    }

    protected override Tensor Forward(Tensor x)
    {
        x = res_scale1.call(x) + layer_scale1.call(drop_path1.call(Mix(norm1.call(x))));
        return res_scale2.call(x) + layer_scale2.call(drop_path2.call(mlp.call(norm2.call(x))));
    }

    private Tensor Mix(Tensor x) =>
        attention is null ? token_mixer.call(x)
        : channels_last ? attention.OnMap(x)
        : attention.OnMap(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2);
}

/// <summary>An overlapping convolution to a quarter of the size, and a norm. (B, in_chans, H, W) to (B, C, H/4, W/4).</summary>
internal sealed class MetaFormerStem : Block
{
    private readonly Conv2d conv;
    private readonly nn.Module<Tensor, Tensor> norm;

    public MetaFormerStem(MetaFormerConfig config) : base(nameof(MetaFormerStem))
    {
        conv = nn.Conv2d(config.in_chans, config.dims[0], kernel_size: 7, stride: 4, padding: 2);
        norm = config.downsample_norm ? new MetaFormerNorm(config.dims[0], config.norm_eps) : nn.Identity();
        RegisterComponents();
    }

    protected override Tensor Forward(Tensor x) => norm.call(conv.call(x));
}

/// <summary>A norm and a convolution to half the size. (B, C, H, W) to (B, C', H/2, W/2).</summary>
internal sealed class MetaFormerDownsample : Block
{
    private readonly nn.Module<Tensor, Tensor> norm;
    private readonly Conv2d conv;

    public MetaFormerDownsample(MetaFormerConfig config, int stage) : base(nameof(MetaFormerDownsample))
    {
        var (inputs, outputs) = (config.dims[stage - 1], config.dims[stage]);
        norm = config.downsample_norm ? new MetaFormerNorm(inputs, config.norm_eps) : nn.Identity();
        conv = nn.Conv2d(inputs, outputs, kernel_size: 3, stride: 2, padding: 1);
        RegisterComponents();
    }

    protected override Tensor Forward(Tensor x) => conv.call(norm.call(x));
}

/// <summary>A step down, except at the first, and blocks. (B, C, H, W) to (B, C', H/2, W/2).</summary>
internal sealed class MetaFormerStage : Block
{
    private readonly nn.Module<Tensor, Tensor> downsample;
    private readonly Sequential blocks;
    private readonly bool channels_last;

    public MetaFormerStage(MetaFormerConfig config, int stage, double[] drop_path) : base(nameof(MetaFormerStage))
    {
        channels_last = config.token_mixers[stage] == "attention";
        downsample = stage == 0 ? nn.Identity() : new MetaFormerDownsample(config, stage);
        blocks = nn.Sequential(drop_path.Select((rate, i) => (nn.Module<Tensor, Tensor>)new MetaFormerBlock(config, stage, i, rate)));
        RegisterComponents();
    }

    protected override Tensor Forward(Tensor x)
    {
        x = downsample.call(x);
        return channels_last ? blocks.call(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2) : blocks.call(x);
    }
}

/// <summary>Two layers with squared ReLU and a norm between them. (B, C) to (B, num_classes).</summary>
internal sealed class MetaFormerClassifier : Block
{
    private readonly Linear fc1;
    private readonly LayerNorm norm;
    private readonly Linear fc2;
    private readonly Dropout head_drop;

    public MetaFormerClassifier(long dim, int num_classes, double drop_rate) : base(nameof(MetaFormerClassifier))
    {
        fc1 = nn.Linear(dim, dim * 4);
        norm = nn.LayerNorm(dim * 4, 1e-6);
        fc2 = nn.Linear(dim * 4, num_classes);
        head_drop = nn.Dropout(drop_rate);
        RegisterComponents();
        Linears.Initialise(this);
    }

    protected override Tensor Forward(Tensor x) => fc2.call(head_drop.call(norm.call(fc1.call(x).relu().square())));
}

/// <summary>The mean over the map, a norm, and a classifier. (B, C, H, W) to (B, num_classes).</summary>
internal sealed class MetaFormerHead : Block
{
    private readonly LayerNorm norm;
    private readonly nn.Module<Tensor, Tensor> drop;
    private nn.Module<Tensor, Tensor> fc;
    private readonly MetaFormerConfig config;

    public MetaFormerHead(MetaFormerConfig config) : base(nameof(MetaFormerHead))
    {
        this.config = config;
        norm = nn.LayerNorm(config.dims[^1], 1e-6);
        // As in timm, a single layer has no dropout before it.
        drop = config.use_mlp_head ? nn.Dropout(config.drop_rate) : nn.Identity();
        fc = Classifier(config.num_classes);
        RegisterComponents();
    }

    private nn.Module<Tensor, Tensor> Classifier(int num_classes) => config.use_mlp_head && num_classes > 0
        ? new MetaFormerClassifier(config.dims[^1], num_classes, config.drop_rate)
        : Linears.Classifier(config.dims[^1], num_classes);

    /// <summary>Another classifier, freshly initialised.</summary>
    public void Reset(int num_classes) => this.Replace(nameof(fc), ref fc, Classifier(num_classes));

    /// <summary>The pooled features (B, C).</summary>
    public Tensor Pool(Tensor x)
    {
        using var scope = NewDisposeScope();
        return scope.MoveToOuter(drop.call(norm.call(x.mean([2, 3]))));
    }

    protected override Tensor Forward(Tensor x) => fc.call(Pool(x));
}

/// <summary>
/// MetaFormer: Yu et al., MetaFormer Is Actually What You Need for Vision, 2022 (arXiv:2111.11418), which is PoolFormer, and
/// MetaFormer Baselines for Vision, 2022 (arXiv:2210.13452): PoolFormerV2, ConvFormer, CAFormer. Parameter names as in
/// timm's metaformer.py. Images of any size are taken.
/// </summary>
public sealed class MetaFormer : StagedModel
{
    private readonly MetaFormerStem stem;
    private readonly ModuleList<MetaFormerStage> stages;
    private readonly MetaFormerHead head;

    private readonly MetaFormerConfig config;
    private int classes;

    public MetaFormer(MetaFormerConfig config) : base(nameof(MetaFormer))
    {
        this.config = config;
        Check(config);
        stem = new MetaFormerStem(config);
        stages = nn.ModuleList(DropPath.StageRates(config.drop_path_rate, config.depths).Select((rates, stage) => new MetaFormerStage(config, stage, rates)).ToArray());
        classes = config.num_classes;
        head = new MetaFormerHead(config);
        RegisterComponents();
        Linears.Initialise(this);
        Convolutions.InitialiseTruncated(this);
    }

    public override int num_classes => classes;
    protected override IReadOnlyList<nn.Module<Tensor, Tensor>> Stages => [.. stages];
    protected override IReadOnlyList<int> Depths => config.depths;
    protected override IReadOnlyList<int> Channels => config.dims;

    private static void Check(MetaFormerConfig config)
    {
        int count = config.depths.Length;
        if (config.dims.Length != count || config.token_mixers.Length != count || config.res_scale.Length != count)
            throw new UserError($"depths has {count} stages, dims {config.dims.Length}, token_mixers {config.token_mixers.Length}, res_scale {config.res_scale.Length}",
                "give each one entry for each stage");
        foreach (var mixer in config.token_mixers)
            if (mixer is not ("pooling" or "sep_conv" or "attention"))
                throw new UserError($"token_mixers has '{mixer}', which is not known", "choose pooling, sep_conv or attention");
        if (config.norm_layer is not ("layer" or "group"))
            throw new UserError($"norm_layer '{config.norm_layer}' is not known", "choose layer or group");
        if (config.norm_layer == "group" && config.token_mixers.Contains("attention"))
            throw new UserError("norm_layer 'group' does not go with attention, whose stages have channels last", "choose norm_layer: layer");
    }

    protected override Tensor Stem(Tensor images) => stem.call(images);

    public override Tensor forward_head(Tensor x, bool pre_logits = false) => pre_logits ? head.Pool(x) : head.call(x);

    public override void reset_classifier(int num_classes) => head.Reset(classes = num_classes);

    // --- variants --------------------------------------------------------------------------------

    private static int[] Narrow => [64, 128, 320, 512];
    private static int[] Wide => [96, 192, 384, 768];
    private static readonly MetaFormerConfig PoolFormerV2 = new() { norm_layer = "group", use_mlp_head = false, crop_pct = 1 };
    private static readonly MetaFormerConfig PoolFormer = new()
    {
        downsample_norm = false,
        mlp_act = "gelu",
        mlp_bias = true,
        norm_layer = "group",
        norm_bias = true,
        norm_eps = 1e-5,
        layer_scale_init_value = 1e-5,
        res_scale = [false, false, false, false],
        use_mlp_head = false,
        crop_pct = 0.9,
    };
    private static readonly MetaFormerConfig ConvFormer = new() { token_mixers = ["sep_conv", "sep_conv", "sep_conv", "sep_conv"], crop_pct = 1 };
    private static readonly MetaFormerConfig CaFormer = ConvFormer with { token_mixers = ["sep_conv", "sep_conv", "attention", "attention"] };

    private static MetaFormerConfig Sized(MetaFormerConfig config, int depth, int[] dims) =>
        config with { depths = [depth / 6, depth / 6, depth / 2, depth / 6], dims = dims };

    private static IEnumerable<(string, MetaFormerConfig)> Pools(string name, MetaFormerConfig config, MetaFormerConfig deep, double wide_crop)
    {
        yield return ($"{name}_s12", Sized(config, 12, Narrow));
        yield return ($"{name}_s24", Sized(config, 24, Narrow));
        yield return ($"{name}_s36", Sized(deep, 36, Narrow));
        yield return ($"{name}_m36", Sized(deep, 36, Wide) with { crop_pct = wide_crop });
        yield return ($"{name}_m48", Sized(deep, 48, Wide) with { crop_pct = wide_crop });
    }

    private static IEnumerable<(string, MetaFormerConfig)> Convolutional(string name, MetaFormerConfig config)
    {
        int[] deep = [3, 12, 18, 3];
        yield return ($"{name}_s18", config with { depths = [3, 3, 9, 3] });
        yield return ($"{name}_s36", config with { depths = deep });
        yield return ($"{name}_m36", config with { depths = deep, dims = [96, 192, 384, 576] });
        yield return ($"{name}_b36", config with { depths = deep, dims = [128, 256, 512, 768] });
    }

    /// <summary>The variants, by timm's names.</summary>
    public static ModelFamily<MetaFormerConfig> Family { get; } = new()
    {
        Name = "MetaFormer",
        Reference = "Yu et al., MetaFormer Baselines for Vision, 2022 (arXiv:2210.13452)",
        Build = config => new MetaFormer(config),
        Table = Pools("poolformer", PoolFormer, PoolFormer with { layer_scale_init_value = 1e-6 }, 0.95)
            .Concat(Pools("poolformerv2", PoolFormerV2, PoolFormerV2, 1))
            .Concat(Convolutional("convformer", ConvFormer)).Concat(Convolutional("caformer", CaFormer))
            .ToDictionary(entry => entry.Item1, entry => entry.Item2),
    };
}
