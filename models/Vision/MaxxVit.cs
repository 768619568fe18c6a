using Attention.Modules;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Attention.Models.Vision;

/// <summary>The convolution blocks of a MaxViT or CoAtNet; fields as in timm.</summary>
public sealed record MaxxVitConvConfig
{
    /// <summary>mbconv: an inverted bottleneck with squeeze-and-excitation; convnext: a depthwise convolution and an MLP.</summary>
    public string block_type { get; init; } = "mbconv";
    /// <summary>Width between the 1x1 convolutions, in units of the channels.</summary>
    public double expand_ratio { get; init; } = 4;
    /// <summary>Whether those are the channels of the output, rather than of the input.</summary>
    public bool expand_output { get; init; } = true;
    /// <summary>An activation after the first norm too.</summary>
    public bool pre_norm_act { get; init; }
    /// <summary>Biases in the shortcut and the last convolution.</summary>
    public bool output_bias { get; init; } = true;
    /// <summary>What steps down: the depthwise convolution (dw), the first 1x1 convolution (1x1) or a pool before it (pool).</summary>
    public string stride_mode { get; init; } = "dw";
    /// <summary>Pool of the shortcut: max or avg of 3x3, max2 or avg2 of 2x2.</summary>
    public string pool_type { get; init; } = "avg2";
    /// <summary>Pool of stride_mode pool.</summary>
    public string downsample_pool_type { get; init; } = "avg2";
    /// <summary>same for TensorFlow's padding; "" for the same on all sides.</summary>
    public string padding { get; init; } = "";
    /// <summary>Squeeze-and-excitation before the second norm rather than after it.</summary>
    public bool attn_early { get; init; }
    /// <summary>Activation of squeeze-and-excitation.</summary>
    public string attn_act_layer { get; init; } = "silu";
    /// <summary>Its hidden channels, in units of those that expand_output chooses.</summary>
    public double attn_ratio { get; init; } = 0.25;
    /// <summary>Start of the layer scales of convnext blocks; null for none.</summary>
    public double? init_values { get; init; } = 1e-6;
    public string act_layer { get; init; } = "gelu";
    /// <summary>Epsilon of the norms; null for 1e-5 of mbconv's batch norms, 1e-6 of convnext's layer norms.</summary>
    public double? norm_eps { get; init; }
}

/// <summary>The transformer blocks of a MaxViT or CoAtNet; fields as in timm.</summary>
public sealed record MaxxVitTransformerConfig
{
    /// <summary>Channels of a head.</summary>
    public int dim_head { get; init; } = 32;
    /// <summary>Order of the channels of queries, keys and values in windows: see <see cref="PartitionAttentionConfig.head_first"/>.</summary>
    public bool head_first { get; init; } = true;
    /// <summary>Width of the MLP in units of the channels.</summary>
    public double expand_ratio { get; init; } = 4;
    /// <summary>Whether a step up in channels happens before the attention of whole maps rather than after it.</summary>
    public bool expand_first { get; init; } = true;
    public bool shortcut_bias { get; init; } = true;
    public double attn_drop { get; init; }
    public double proj_drop { get; init; }
    /// <summary>Pool of a step down: max or avg of 3x3, max2 or avg2 of 2x2.</summary>
    public string pool_type { get; init; } = "avg2";
    /// <summary>Bias of relative positions: see <see cref="RelativePosition"/>.</summary>
    public string rel_pos_type { get; init; } = "bias";
    /// <summary>Width of the network of rel_pos_type mlp.</summary>
    public int rel_pos_dim { get; init; } = 512;
    /// <summary>Windows along a side of the first map of stride 1, where window_size is null.</summary>
    public int partition_ratio { get; init; } = 32;
    /// <summary>Side of blocks and grids, in tokens; null for the image's over partition_ratio.</summary>
    public int? window_size { get; init; }
    /// <summary>Only grids, no blocks.</summary>
    public bool no_block_attn { get; init; }
    /// <summary>Start of the layer scales; null for none.</summary>
    public double? init_values { get; init; }
    public string act_layer { get; init; } = "gelu";
    /// <summary>Norm of whole-map blocks and before the head: layernorm2d or batchnorm2d.</summary>
    public string norm_layer { get; init; } = "layernorm2d";
    public double norm_eps { get; init; } = 1e-6;
}

/// <summary>A MaxViT or CoAtNet; fields as in timm.</summary>
public sealed record MaxxVitConfig : AttentionHostConfig
{
    /// <summary>Channels of each stage.</summary>
    public int[] embed_dim { get; init; } = [96, 192, 384, 768];
    /// <summary>Blocks of each stage.</summary>
    public int[] depths { get; init; } = [2, 3, 5, 2];
    /// <summary>
    /// Blocks of each stage: C for convolutions, T for attention over the whole map, M for convolutions, block and grid
    /// attention, PM for the two attentions side by side. Several, as in "C T", are those of the first blocks and of all that follow.
    /// </summary>
    public string[] block_type { get; init; } = ["C", "C", "T", "T"];
    /// <summary>Channels of the stem's two convolutions.</summary>
    public int[] stem_width { get; init; } = [64, 64];
    public bool stem_bias { get; init; }
    /// <summary>Width of a layer before the classifier; null for none.</summary>
    public int? head_hidden_size { get; init; }
    /// <summary>vit_eff: convolutions as in EfficientNet, linear layers as in ViT; normal: all of deviation 0.02.</summary>
    public string weight_init { get; init; } = "vit_eff";
    public MaxxVitConvConfig conv_cfg { get; init; } = new();
    public MaxxVitTransformerConfig transformer_cfg { get; init; } = new();
}

/// <summary>A pool that halves the map and a 1x1 convolution where channels change. (B, C, H, W) to (B, C', H/2, W/2).</summary>
internal sealed class Downsample2d : Block
{
    private readonly nn.Module<Tensor, Tensor> pool;
    private readonly nn.Module<Tensor, Tensor> expand;
    private readonly bool same;
    private readonly int kernel;
    private readonly double padding;

    public Downsample2d(int dim, int dim_out, string pool_type, bool bias = true, bool same = false) : base(nameof(Downsample2d))
    {
        this.same = same;
        bool max = pool_type.StartsWith("max", StringComparison.Ordinal);
        kernel = pool_type is "max" or "avg" ? 3 : 2;
        padding = max ? double.NegativeInfinity : 0;
        int border = same ? 0 : (kernel - 1) / 2;
        pool = pool_type switch
        {
            "max" or "max2" => nn.MaxPool2d(kernel, stride: 2, padding: border),
            "avg" or "avg2" => nn.AvgPool2d(kernel, stride: 2, padding: border, count_include_pad: kernel == 2),
            _ => throw new UserError($"pool_type '{pool_type}' is not known", "choose max, max2, avg or avg2"),
        };
        expand = dim == dim_out ? nn.Identity() : nn.Conv2d(dim, dim_out, kernel_size: 1, bias: bias);
        RegisterComponents();
    }

    protected override Tensor Forward(Tensor x) => expand.call(pool.call(same ? Convolutions.PadSame(x, kernel, 2, padding) : x));
}

/// <summary>
/// An inverted bottleneck with the norm first: 1x1, depthwise 3x3, squeeze-and-excitation, 1x1.
/// (B, C, H, W) to (B, C', H/stride, W/stride). Sandler et al., MobileNetV2, 2018 (arXiv:1801.04381).
/// </summary>
internal sealed class MbConvBlock : Block
{
    private readonly nn.Module<Tensor, Tensor> shortcut;
    private readonly BatchNorm2d pre_norm;
    private readonly nn.Module<Tensor, Tensor> down;
    private readonly Conv2d conv1_1x1;
    private readonly BatchNorm2d norm1;
    private readonly Conv2d conv2_kxk;
    private readonly SqueezeExcitation? se_early;
    private readonly BatchNorm2d norm2;
    private readonly SqueezeExcitation? se;
    private readonly Conv2d conv3_1x1;
    private readonly nn.Module<Tensor, Tensor> drop_path;
    private readonly nn.Module<Tensor, Tensor> act;
    private readonly bool preNormAct;
    private readonly int samePaddingStride;

    public MbConvBlock(MaxxVitConvConfig config, int in_chs, int out_chs, int stride, double drop) : base(nameof(MbConvBlock))
    {
        if (config.stride_mode is not ("dw" or "1x1" or "pool"))
            throw new UserError($"stride_mode '{config.stride_mode}' is not known", "choose dw, 1x1 or pool");
        double eps = config.norm_eps ?? 1e-5;
        bool same = config.padding == "same";
        int mid = Convolutions.MakeDivisible((config.expand_output ? out_chs : in_chs) * config.expand_ratio);
        int depthwiseStride = config.stride_mode == "dw" ? stride : 1;
        samePaddingStride = same ? depthwiseStride : 0;
        preNormAct = config.pre_norm_act;
        shortcut = stride == 2 ? new Downsample2d(in_chs, out_chs, config.pool_type, config.output_bias, same) : nn.Identity();
        pre_norm = nn.BatchNorm2d(in_chs, eps);
        down = stride == 2 && config.stride_mode == "pool" ? new Downsample2d(in_chs, in_chs, config.downsample_pool_type, same: same) : nn.Identity();
        conv1_1x1 = nn.Conv2d(in_chs, mid, kernel_size: 1, stride: config.stride_mode == "1x1" ? stride : 1, bias: false);
        norm1 = nn.BatchNorm2d(mid, eps);
        conv2_kxk = nn.Conv2d(mid, mid, kernel_size: 3, stride: depthwiseStride, padding: same ? 0 : 1, groups: mid, bias: false);
        norm2 = nn.BatchNorm2d(mid, eps);
        var gate = new SqueezeExcitation(mid, (int)(config.attn_ratio * (config.expand_output ? out_chs : mid)), config.attn_act_layer);
        (se_early, se) = config.attn_early ? (gate, (SqueezeExcitation?)null) : (null, gate);
        conv3_1x1 = nn.Conv2d(mid, out_chs, kernel_size: 1, bias: config.output_bias);
        drop_path = DropPath.Of(drop);
        act = Activations.Create(config.act_layer);
        RegisterComponents();
    }

    protected override Tensor Forward(Tensor input)
    {
        var x = pre_norm.call(input);
        x = down.call(preNormAct ? act.call(x) : x);
        x = act.call(norm1.call(conv1_1x1.call(x)));
        x = conv2_kxk.call(samePaddingStride > 0 ? Convolutions.PadSame(x, 3, samePaddingStride) : x);
        if (se_early is not null)
            x = se_early.call(x);
        x = act.call(norm2.call(x));
        if (se is not null)
            x = se.call(x);
        return drop_path.call(conv3_1x1.call(x)) + shortcut.call(input);
    }
}

/// <summary>
/// A depthwise 7x7 convolution, a norm and an MLP. (B, C, H, W) to (B, C', H/stride, W/stride).
/// Liu et al., A ConvNet for the 2020s, 2022 (arXiv:2201.03545).
/// </summary>
internal sealed class MaxxConvNeXtBlock : Block
{
    private readonly nn.Module<Tensor, Tensor> shortcut;
    private readonly nn.Module<Tensor, Tensor> down;
    private readonly Conv2d conv_dw;
    private readonly LayerNorm2d norm;
    private readonly ConvMlp mlp;
    private readonly nn.Module<Tensor, Tensor> ls;
    private readonly nn.Module<Tensor, Tensor> drop_path;

    public MaxxConvNeXtBlock(MaxxVitConvConfig config, int in_chs, int out_chs, int stride, double drop) : base(nameof(MaxxConvNeXtBlock))
    {
        if (config.stride_mode is not ("dw" or "pool"))
            throw new UserError($"stride_mode '{config.stride_mode}' is not known for convnext blocks", "choose dw or pool");
        bool pool = config.stride_mode == "pool";
        shortcut = stride == 2 ? new Downsample2d(in_chs, out_chs, "avg2")
            : in_chs != out_chs ? nn.Conv2d(in_chs, out_chs, kernel_size: 1, bias: config.output_bias) : nn.Identity();
        down = pool && stride == 2 ? new Downsample2d(in_chs, in_chs, config.downsample_pool_type) : nn.Identity();
        conv_dw = nn.Conv2d(in_chs, out_chs, kernel_size: 7, stride: pool ? 1 : stride, padding: 3, groups: in_chs, bias: config.output_bias);
        norm = new LayerNorm2d(out_chs, config.norm_eps ?? 1e-6);
        mlp = new ConvMlp(out_chs, (int)(config.expand_ratio * out_chs), config.act_layer, config.output_bias);
        ls = LayerScale2d.Of(out_chs, config.init_values);
        drop_path = DropPath.Of(drop);
        RegisterComponents();
    }

    protected override Tensor Forward(Tensor input) =>
        drop_path.call(ls.call(mlp.call(norm.call(conv_dw.call(down.call(input)))))) + shortcut.call(input);
}

/// <summary>Two 3x3 convolutions, of which the first halves the map.</summary>
internal sealed class MaxxVitStem : Block
{
    private readonly Conv2d conv1;
    private readonly nn.Module<Tensor, Tensor> norm1;
    private readonly nn.Module<Tensor, Tensor> act;
    private readonly Conv2d conv2;
    private readonly bool same;

    public MaxxVitStem(MaxxVitConfig config) : base(nameof(MaxxVitStem))
    {
        same = config.conv_cfg.padding == "same";
        var (first, second) = (config.stem_width[0], config.stem_width[1]);
        conv1 = nn.Conv2d(config.in_chans, first, kernel_size: 3, stride: 2, padding: same ? 0 : 1, bias: config.stem_bias);
        norm1 = config.conv_cfg.block_type == "mbconv" ? nn.BatchNorm2d(first, config.conv_cfg.norm_eps ?? 1e-5) : new LayerNorm2d(first, config.conv_cfg.norm_eps ?? 1e-6);
        act = Activations.Create(config.conv_cfg.act_layer);
        conv2 = nn.Conv2d(first, second, kernel_size: 3, padding: 1, bias: config.stem_bias);
        RegisterComponents();
    }

    protected override Tensor Forward(Tensor x) => conv2.call(act.call(norm1.call(conv1.call(same ? Convolutions.PadSame(x, 3, 2) : x))));
}

/// <summary>Blocks, of which the first halves the map. (B, C, H, W) to (B, C', H/2, W/2).</summary>
internal sealed class MaxxVitStage : Block
{
    private readonly Sequential blocks;

    public MaxxVitStage(MaxxVitConfig config, int stage, double[] drop_path) : base(nameof(MaxxVitStage))
    {
        int before = stage == 0 ? config.stem_width[^1] : config.embed_dim[stage - 1];
        var types = config.block_type[stage].Split(' ', StringSplitOptions.RemoveEmptyEntries);
        blocks = nn.Sequential(drop_path.Select((drop, i) => NewBlock(config, types[Math.Min(i, types.Length - 1)], i == 0 ? before : config.embed_dim[stage], i == 0 ? 2 : 1, Site(config, stage, i), drop)));
        RegisterComponents();
    }

    // Where a block has two attentions, theirs are numbered one after the other.
    private static AttentionSite Site(MaxxVitConfig config, int stage, int block)
    {
        var (dim, channels) = (config.embed_dim[stage], config.transformer_cfg.dim_head);
        if (dim % channels != 0)
            throw new UserError($"{dim} channels do not divide into heads of {channels}", "choose a dim_head that divides the channels of every stage");
        return config.Site(dim, dim / channels, 4 << stage, 2 * block);
    }

    private static nn.Module<Tensor, Tensor> NewBlock(MaxxVitConfig config, string type, int dim, int stride, AttentionSite site, double drop) => type switch
    {
        "C" => Convolution(config.conv_cfg, dim, (int)site.Dim, stride, drop),
        "T" => new CoAtNetBlock(config, dim, stride, site with { Index = site.Index / 2 }, drop),
        "M" => new MaxVitBlock(config, dim, stride, site, drop),
        "PM" => new ParallelMaxVitBlock(config, dim, stride, site, drop),
        _ => throw new UserError($"block_type '{type}' is not known", "choose C, T, M or PM for each stage"),
    };

    public static nn.Module<Tensor, Tensor> Convolution(MaxxVitConvConfig config, int dim, int dim_out, int stride, double drop) => config.block_type switch
    {
        "mbconv" => new MbConvBlock(config, dim, dim_out, stride, drop),
        "convnext" => new MaxxConvNeXtBlock(config, dim, dim_out, stride, drop),
        _ => throw new UserError($"block_type '{config.block_type}' of conv_cfg is not known", "choose mbconv or convnext"),
    };

    protected override Tensor Forward(Tensor x) => blocks.call(x);
}

/// <summary>
/// The backbone that CoAtNet (see <see cref="CoAtNet"/>) and MaxViT (see <see cref="MaxVit"/>) share: stages of convolutions,
/// attention, or both. Parameter names as in timm's maxxvit.py. Images whose sides are multiples of 32 are taken; windows
/// are padded, and biases of whole maps resized.
/// </summary>
public sealed class MaxxVit : StagedModel
{
    private const int TotalStride = 32;

    private readonly MaxxVitStem stem;
    private readonly ModuleList<nn.Module<Tensor, Tensor>> stages;
    private readonly nn.Module<Tensor, Tensor> norm;
    private readonly ClassifierHead head;

    private readonly MaxxVitConfig config;
    private int classes;

    public MaxxVit(MaxxVitConfig config) : base(nameof(MaxxVit))
    {
        this.config = config;
        Check(config);
        stem = new MaxxVitStem(config);
        var rates = DropPath.StageRates(config.drop_path_rate, config.depths);
        stages = nn.ModuleList(rates.Select((rate, stage) => (nn.Module<Tensor, Tensor>)new MaxxVitStage(config, stage, rate)).ToArray());
        var transformer = config.transformer_cfg;
        bool normInHead = config.head_hidden_size is not null;
        norm = normInHead ? nn.Identity() : NewNorm(transformer, num_features);
        classes = config.num_classes;
        head = new ClassifierHead(num_features, classes, config.drop_rate, channels_last: false,
            norm_eps: normInHead ? transformer.norm_eps : null, hidden_size: config.head_hidden_size, act_layer: "tanh");
        RegisterComponents();
        InitialiseWeights();
    }

    public override int num_classes => classes;
    protected override IReadOnlyList<nn.Module<Tensor, Tensor>> Stages => [.. stages];
    protected override IReadOnlyList<int> Depths => config.depths;
    protected override IReadOnlyList<int> Channels => config.embed_dim;

    /// <summary>The norm of whole-map blocks.</summary>
    internal static nn.Module<Tensor, Tensor> NewNorm(MaxxVitTransformerConfig config, int dim) => config.norm_layer switch
    {
        "layernorm2d" => new LayerNorm2d(dim, config.norm_eps),
        "batchnorm2d" => nn.BatchNorm2d(dim, config.norm_eps),
        _ => throw new UserError($"norm_layer '{config.norm_layer}' is not known", "choose layernorm2d or batchnorm2d"),
    };

    private static void Check(MaxxVitConfig config)
    {
        int count = config.depths.Length;
        if (config.embed_dim.Length != count || config.block_type.Length != count || config.stem_width.Length != 2)
            throw new UserError($"depths has {count} stages, embed_dim {config.embed_dim.Length}, block_type {config.block_type.Length}, and stem_width {config.stem_width.Length} numbers",
                "give the first three one entry for each stage, and stem_width two");
        if (config.conv_cfg.padding is not ("" or "same"))
            throw new UserError($"padding '{config.conv_cfg.padding}' is not known", "choose same or \"\"");
        if (config.weight_init is not ("vit_eff" or "normal"))
            throw new UserError($"weight_init '{config.weight_init}' is not known", "choose vit_eff or normal");
    }

    // Convolutions start as in EfficientNet; in blocks of attention all weights as linear layers of ViT.
    private void InitialiseWeights()
    {
        using var frozen = no_grad();
        static IEnumerable<Parameter> Weights(nn.Module module) =>
            module.named_parameters().Where(p => p.name.EndsWith("weight", StringComparison.Ordinal) && p.parameter.ndim > 1).Select(p => p.parameter);
        Convolutions.Initialise(this);
        foreach (var block in modules().Where(module => module is CoAtNetBlock or PartitionBlock or ParallelPartitionBlock))
            foreach (var weight in Weights(block))
                nn.init.xavier_uniform_(weight);
        if (config.weight_init == "normal")
            foreach (var weight in Weights(stem).Concat(Weights(stages)))
                nn.init.normal_(weight, std: 0.02);
        foreach (var (name, bias) in stages.named_parameters().Where(p => p.name.EndsWith(".bias", StringComparison.Ordinal)))
            nn.init.zeros_(bias);
    }

    public override IReadOnlySet<string> no_weight_decay => named_parameters().Select(p => p.name)
        .Where(name => name.EndsWith("relative_position_bias_table", StringComparison.Ordinal) || name.Contains("rel_pos.mlp.", StringComparison.Ordinal)).ToHashSet();

    protected override Tensor Stem(Tensor images)
    {
        var (height, width) = (images.shape[2], images.shape[3]);
        if (config.conv_cfg.padding != "same" && (height % TotalStride != 0 || width % TotalStride != 0))
            throw new ArgumentException($"MaxxVit: an image of {height}x{width} does not divide by {TotalStride}; pad or resize it");
        return stem.call(images);
    }

    protected override Tensor AfterStages(Tensor x) => norm.call(x);

    public override Tensor forward_head(Tensor x, bool pre_logits = false) => pre_logits ? head.Pool(x) : head.call(x);

    public override void reset_classifier(int num_classes) => head.Reset(classes = num_classes);
}
