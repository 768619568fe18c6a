using Attention.Modules;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Attention.Models.Vision;

/// <summary>A ResNet; fields as in timm.</summary>
public sealed record ResNetConfig : ImageModelConfig
{
    /// <summary>basic: two 3x3 convolutions; bottleneck: 1x1, 3x3, and 1x1 to four times the channels.</summary>
    public string block { get; init; } = "bottleneck";
    /// <summary>Blocks of each stage.</summary>
    public int[] layers { get; init; } = [3, 4, 6, 3];
    /// <summary>Channels of each stage, before the expansion of bottlenecks.</summary>
    public int[] channels { get; init; } = [64, 128, 256, 512];
    /// <summary>Groups of the 3x3 convolutions in bottlenecks.</summary>
    public int cardinality { get; init; } = 1;
    /// <summary>Channels of a group in the first stage's bottlenecks.</summary>
    public int base_width { get; init; } = 64;
    /// <summary>Channels of the stem's convolution; of the first, which are half as many as it gives, where the stem is deep.</summary>
    public int stem_width { get; init; } = 64;
    /// <summary>
    /// "": one 7x7 convolution; deep: three of 3x3; deep_tiered: the same with a narrower first; small: one 3x3 convolution that
    /// keeps the resolution, as He et al. have it for CIFAR.
    /// </summary>
    public string stem_type { get; init; } = "";
    /// <summary>Shortcuts average before their 1x1 convolution, rather than stride in it.</summary>
    public bool avg_down { get; init; }
    /// <summary>
    /// Attention over channels at the end of a block: "", se, eca, or eca_3, which sees 3 channels at any width, as the networks of
    /// ECA-Net's authors do, under their name.
    /// </summary>
    public string attn_layer { get; init; } = "";
    /// <summary>Channels between the two layers of se, as a share of the block's.</summary>
    public double rd_ratio { get; init; } = 1.0 / 16;
    /// <summary>batchnorm, groupnorm of 32 groups, or frozen_batchnorm: with the statistics and weights that were loaded, as detectors have it.</summary>
    public string norm_layer { get; init; } = "batchnorm";
    /// <summary>What halves a map in place of strides, against aliasing: "" (strides), avg or blur.</summary>
    public string aa_layer { get; init; } = "";
    /// <summary>A convolution in place of the stem's max pooling.</summary>
    public bool replace_stem_pool { get; init; }
    /// <summary>The first convolution of a block has this many times fewer channels.</summary>
    public int block_reduce_first { get; init; } = 1;
    /// <summary>Side of the kernel of shortcuts that stride.</summary>
    public int down_kernel_size { get; init; } = 1;
    /// <summary>Input pixels per position of the coarsest map: 32, or 16 or 8, where later stages dilate their 3x3 convolutions rather than stride.</summary>
    public int output_stride { get; init; } = 32;
}

/// <summary>A residual branch of convolutions. (B, C, H, W) to (B, C', H/stride, W/stride).</summary>
internal sealed class ResNetBlock : Block
{
    private readonly Conv2d conv1;
    private readonly nn.Module<Tensor, Tensor> bn1;
    private readonly Conv2d conv2;
    private readonly nn.Module<Tensor, Tensor> bn2;
    private readonly nn.Module<Tensor, Tensor>? aa;
    private readonly Conv2d? conv3;
    private readonly nn.Module<Tensor, Tensor>? bn3;
    private readonly nn.Module<Tensor, Tensor>? se;
    private readonly EfficientChannelAttention? eca;
    private readonly nn.Module<Tensor, Tensor>? drop_path;
    private readonly Sequential? downsample;

    public ResNetBlock(ResNetConfig config, int inplanes, int planes, int stride, (int First, int Later) dilation, double drop) : base(nameof(ResNetBlock))
    {
        bool bottleneck = config.block == "bottleneck";
        int outplanes = planes * Expansion(config);
        int width = bottleneck ? (int)(planes * (config.base_width / 64.0)) * config.cardinality : planes;
        int first = width / config.block_reduce_first;
        aa = stride == 2 ? ResNet.AntiAlias(config, bottleneck ? width : first) : null;
        int step = aa is null ? stride : 1;
        bn1 = ResNet.Norm(config, first);
        bn2 = ResNet.Norm(config, width);
        if (bottleneck)
        {
            conv1 = nn.Conv2d(inplanes, first, kernel_size: 1, bias: false);
            conv2 = nn.Conv2d(first, width, kernel_size: 3, stride: step, padding: dilation.First, dilation: dilation.First, groups: config.cardinality, bias: false);
            conv3 = nn.Conv2d(width, outplanes, kernel_size: 1, bias: false);
            bn3 = ResNet.Norm(config, outplanes);
        }
        else
        {
            conv1 = nn.Conv2d(inplanes, first, kernel_size: 3, stride: step, padding: dilation.First, dilation: dilation.First, bias: false);
            conv2 = nn.Conv2d(first, planes, kernel_size: 3, padding: dilation.Later, dilation: dilation.Later, bias: false);
        }
        se = config.attn_layer switch
        {
            "se" => new SqueezeExcitation(outplanes, SqueezeExcitation.Hidden(outplanes, config.rd_ratio)),
            "eca" => new EfficientChannelAttention(outplanes),
            _ => null,
        };
        eca = config.attn_layer == "eca_3" ? new EfficientChannelAttention(outplanes, kernel_size: 3) : null;
        drop_path = drop > 0 ? new DropPath(drop) : null;
        if (stride != 1 || inplanes != outplanes)
        {
            int kernel = stride == 1 && dilation.Later == 1 ? 1 : config.down_kernel_size;
            int spread = kernel > 1 ? dilation.First : 1;
            downsample = config.avg_down
                ? nn.Sequential(
                    stride == 1 && dilation.Later == 1 ? nn.Identity()
                        : dilation.Later > 1 ? new AveragePoolSame() : nn.AvgPool2d(2, stride, ceil_mode: true, count_include_pad: false),
                    nn.Conv2d(inplanes, outplanes, kernel_size: 1, bias: false), ResNet.Norm(config, outplanes))
                : nn.Sequential(
                    nn.Conv2d(inplanes, outplanes, kernel_size: kernel, stride: stride, padding: (stride - 1 + spread * (kernel - 1)) / 2, dilation: spread, bias: false),
                    ResNet.Norm(config, outplanes));
        }
        RegisterComponents();
    }

    public static int Expansion(ResNetConfig config) => config.block == "bottleneck" ? 4 : 1;

    /// <summary>The norm that ends the branch; it starts at zero, so that the block starts as its shortcut.</summary>
    public nn.Module<Tensor, Tensor> Last => bn3 ?? bn2;

    protected override Tensor Forward(Tensor input)
    {
        var x = bn1.call(conv1.call(input)).relu_();
        // The pooling follows the convolution whose stride it replaces.
        if (conv3 is null || bn3 is null)
        {
            x = bn2.call(conv2.call(aa is null ? x : aa.call(x)));
        }
        else
        {
            x = bn2.call(conv2.call(x)).relu_();
            x = bn3.call(conv3.call(aa is null ? x : aa.call(x)));
        }
        if ((se ?? eca) is { } attention)
            x = attention.call(x);
        if (drop_path is not null)
            x = drop_path.call(x);
        return (x + (downsample is null ? input : downsample.call(input))).relu_();
    }
}

/// <summary>The mean of each position and its neighbours to the right and below, with zeros beyond the border. (B, C, H, W) to the same.</summary>
internal sealed class AveragePoolSame() : Block(nameof(AveragePoolSame))
{
    protected override Tensor Forward(Tensor x) => nn.functional.avg_pool2d(Convolutions.PadSame(x, kernel: 2, stride: 1), 2L, stride: 1);
}

/// <summary>
/// ResNet: He et al., Deep Residual Learning for Image Recognition, 2015 (arXiv:1512.03385), with the stems and shortcuts of
/// He et al., Bag of Tricks, 2018 (arXiv:1812.01187), wide and ResNeXt forms. Parameter names as in timm's resnet.py.
/// </summary>
public sealed class ResNet : StagedModel
{
    private readonly nn.Module<Tensor, Tensor> conv1;
    private readonly nn.Module<Tensor, Tensor> bn1;
    private readonly nn.Module<Tensor, Tensor> act1;
    private readonly nn.Module<Tensor, Tensor> maxpool;
    private readonly Sequential layer1;
    private readonly Sequential layer2;
    private readonly Sequential layer3;
    private readonly Sequential layer4;
    private readonly GlobalPool global_pool;
    private readonly Dropout head_drop;
    private nn.Module<Tensor, Tensor> fc;

    private readonly ResNetConfig config;
    private int classes;

    public ResNet(ResNetConfig config) : base(nameof(ResNet))
    {
        this.config = config;
        Check(config);
        int inplanes = config.stem_type switch { "" => config.stem_width, "small" => config.channels[0], _ => config.stem_width * 2 };
        conv1 = StemConvolutions(config, inplanes);
        bn1 = Norm(config, inplanes);
        act1 = nn.ReLU();
        maxpool = StemPool(config, inplanes);
        var rates = DropPath.StageRates(config.drop_path_rate, config.layers);
        Sequential Stage(int stage)
        {
            var blocks = new List<nn.Module<Tensor, Tensor>>();
            int halving = stage > 0 ? 2 : 1, before = stage > 0 ? Dilation(stage - 1) : 1, dilation = Dilation(stage);
            foreach (var rate in rates[stage])
            {
                bool first = blocks.Count == 0;
                blocks.Add(new ResNetBlock(config, inplanes, config.channels[stage], first && dilation == before ? halving : 1, (first ? before : dilation, dilation), rate));
                inplanes = Channels[stage];
            }
            return nn.Sequential(blocks);
        }
        layer1 = Stage(0);
        layer2 = Stage(1);
        layer3 = Stage(2);
        layer4 = Stage(3);
        global_pool = new GlobalPool();
        head_drop = nn.Dropout(config.drop_rate);
        classes = config.num_classes;
        fc = NewClassifier();
        RegisterComponents();
        Initialise(this);
    }

    public override int num_classes => classes;
    protected override IReadOnlyList<nn.Module<Tensor, Tensor>> Stages => [layer1, layer2, layer3, layer4];
    protected override IReadOnlyList<int> Depths => config.layers;
    protected override IReadOnlyList<int> Channels => [.. config.channels.Select(channels => channels * ResNetBlock.Expansion(config))];
    protected override string StageName(int stage) => $"layer{stage + 1}";
    protected override int FirstStride => config.stem_type == "small" ? 1 : 4;

    public override IReadOnlyList<FeatureInfo> feature_info => [.. base.feature_info.Select((map, stage) => map with { Stride = map.Stride / Dilation(stage) })];

    // How far a stage's taps are apart: as much as its strides would otherwise exceed what was asked for.
    private int Dilation(int stage) => Math.Max(1, (4 << stage) / config.output_stride);

    private static void Check(ResNetConfig config)
    {
        if (config.block is not ("basic" or "bottleneck"))
            throw new UserError($"block '{config.block}' is not known", "choose basic or bottleneck");
        if (config.stem_type is not ("" or "deep" or "deep_tiered" or "small"))
            throw new UserError($"stem_type '{config.stem_type}' is not known", "choose \"\", deep, deep_tiered or small");
        if (config.attn_layer is not ("" or "se" or "eca" or "eca_3"))
            throw new UserError($"attn_layer '{config.attn_layer}' is not known", "choose \"\", se, eca or eca_3");
        if (config.norm_layer is not ("batchnorm" or "groupnorm" or "frozen_batchnorm"))
            throw new UserError($"norm_layer '{config.norm_layer}' is not known", "choose batchnorm, groupnorm or frozen_batchnorm");
        if (config.aa_layer is not ("" or "avg" or "blur"))
            throw new UserError($"aa_layer '{config.aa_layer}' is not known", "choose \"\", avg or blur");
        if (config.output_stride is not (8 or 16 or 32))
            throw new UserError($"output_stride is {config.output_stride}", "choose 8, 16 or 32");
        if (config.output_stride < 32 && config.aa_layer != "")
            throw new UserError("aa_layer replaces strides, which output_stride takes away", "keep one of them");
        if (config.layers.Length != 4)
            throw new UserError($"layers has {config.layers.Length} stages", "give the number of blocks of four stages");
        if (config.channels.Length != 4)
            throw new UserError($"channels has {config.channels.Length} stages", "give the channels of four stages");
    }

    internal static nn.Module<Tensor, Tensor> Norm(ResNetConfig config, int channels) => config.norm_layer switch
    {
        "groupnorm" => nn.GroupNorm(32, channels),
        "frozen_batchnorm" => new FrozenBatchNorm2d(channels),
        _ => nn.BatchNorm2d(channels),
    };

    /// <summary>What halves a map; null where strides do.</summary>
    internal static nn.Module<Tensor, Tensor>? AntiAlias(ResNetConfig config, int channels) => config.aa_layer switch
    {
        "avg" => nn.AvgPool2d(2),
        "blur" => new BlurPool2d(channels),
        _ => null,
    };

    private static nn.Module<Tensor, Tensor> StemPool(ResNetConfig config, int width)
    {
        if (config.stem_type == "small")
            return nn.Identity();
        var aa = AntiAlias(config, width);
        if (config.replace_stem_pool)
        {
            var conv = nn.Conv2d(width, width, kernel_size: 3, stride: aa is null ? 2 : 1, padding: 1, bias: false);
            return aa is null ? nn.Sequential(conv, Norm(config, width), nn.ReLU()) : nn.Sequential(conv, aa, Norm(config, width), nn.ReLU());
        }
        return aa switch
        {
            null => nn.MaxPool2d(3, stride: 2, padding: 1),
            BlurPool2d => nn.Sequential(nn.MaxPool2d(3, stride: 1, padding: 1), aa),
            _ => aa,
        };
    }

    internal static nn.Module<Tensor, Tensor> StemConvolutions(ResNetConfig config, int width)
    {
        if (config.stem_type == "")
            return nn.Conv2d(config.in_chans, width, kernel_size: 7, stride: 2, padding: 3, bias: false);
        if (config.stem_type == "small")
            return nn.Conv2d(config.in_chans, width, kernel_size: 3, padding: 1, bias: false);
        int second = config.stem_width;
        int first = config.stem_type == "deep_tiered" ? 3 * (second / 4) : second;
        return nn.Sequential(
            nn.Conv2d(config.in_chans, first, kernel_size: 3, stride: 2, padding: 1, bias: false), Norm(config, first), nn.ReLU(),
            nn.Conv2d(first, second, kernel_size: 3, padding: 1, bias: false), Norm(config, second), nn.ReLU(),
            nn.Conv2d(second, width, kernel_size: 3, padding: 1, bias: false));
    }

    private nn.Module<Tensor, Tensor> NewClassifier() => classes > 0 ? nn.Linear(num_features, classes) : nn.Identity();

    internal static void Initialise(nn.Module root)
    {
        using var _ = no_grad();
        foreach (var module in root.modules())
            if (module is Conv2d conv)
                nn.init.kaiming_normal_(conv.weight, mode: nn.init.FanInOut.FanOut, nonlinearity: nn.init.NonlinearityType.ReLU);
            else if (module is ResNetBlock { Last: not FrozenBatchNorm2d } block)
                nn.init.zeros_(block.Last.get_parameter("weight")!);
    }

    protected override Tensor Stem(Tensor images)
    {
        using var scope = NewDisposeScope();
        return scope.MoveToOuter(maxpool.call(act1.call(bn1.call(conv1.call(images)))));
    }

    public override Tensor forward_head(Tensor x, bool pre_logits = false)
    {
        using var scope = NewDisposeScope();
        x = head_drop.call(global_pool.call(x));
        return scope.MoveToOuter(pre_logits ? x : fc.call(x));
    }

    public override void reset_classifier(int num_classes)
    {
        classes = num_classes;
        this.Replace(nameof(fc), ref fc, NewClassifier());
    }

    // --- variants --------------------------------------------------------------------------------

    private static readonly ResNetConfig R50 = new();
    private static readonly ResNetConfig R26 = R50 with { layers = [2, 2, 2, 2] };
    private static readonly ResNetConfig R101 = R50 with { layers = [3, 4, 23, 3] };
    private static readonly ResNetConfig R152 = R50 with { layers = [3, 8, 36, 3] };
    private static readonly ResNetConfig R200 = R50 with { layers = [3, 24, 36, 3] };
    private static readonly ResNetConfig R269 = R50 with { layers = [3, 30, 48, 8] };
    private static readonly ResNetConfig R18 = R26 with { block = "basic" };
    private static readonly ResNetConfig R34 = R50 with { block = "basic" };
    private static ResNetConfig C(ResNetConfig config) => config with { stem_width = 32, stem_type = "deep" };
    private static ResNetConfig D(ResNetConfig config) => C(config) with { avg_down = true };
    private static ResNetConfig S(ResNetConfig config) => config with { stem_type = "deep" };
    private static ResNetConfig T(ResNetConfig config) => D(config) with { stem_type = "deep_tiered" };
    private static ResNetConfig X(ResNetConfig config, int groups, int width) => config with { cardinality = groups, base_width = width };
    private static ResNetConfig Se(ResNetConfig config) => config with { attn_layer = "se" };
    // Weights of timm's later recipes are evaluated on more of the image.
    private static ResNetConfig Whole(ResNetConfig config) => config with { crop_pct = 0.95 };
    private static ResNetConfig Bilinear(ResNetConfig config) => config with { interpolation = "bilinear" };
    private static ResNetConfig Blur(ResNetConfig config) => config with { aa_layer = "blur" };
    private static ResNetConfig Aa(ResNetConfig config) => config with { aa_layer = "avg" };
    private static ResNetConfig Rs(ResNetConfig config, int size, double crop) =>
        Se(D(config)) with { rd_ratio = 0.25, replace_stem_pool = true, img_size = size, crop_pct = crop };
    private static ResNetConfig Eca(ResNetConfig config) => config with { attn_layer = "eca" };
    private static ResNetConfig Eca3(ResNetConfig config) => config with { attn_layer = "eca_3" };

    /// <summary>The variants, by timm's names.</summary>
    public static ModelFamily<ResNetConfig> Family { get; } = new()
    {
        Name = "ResNet",
        Reference = "He et al., Deep Residual Learning for Image Recognition, 2015 (arXiv:1512.03385)",
        Build = config => new ResNet(config),
        Table = new Dictionary<string, ResNetConfig>
        {
            ["resnet10t"] = T(R18) with { layers = [1, 1, 1, 1], img_size = 176 },
            ["resnet14t"] = T(R26) with { layers = [1, 1, 1, 1], img_size = 176 },
            ["resnet18"] = Whole(R18),
            ["resnet18d"] = D(R18),
            ["resnet34"] = Whole(R34),
            ["resnet34d"] = D(R34),
            ["resnet26"] = R26,
            ["resnet26t"] = T(R26) with { img_size = 256, crop_pct = 0.94 },
            ["resnet26d"] = D(R26),
            ["resnet50"] = Whole(R50),
            ["resnet50_gn"] = R50 with { norm_layer = "groupnorm", crop_pct = 0.94 },
            ["resnet50c"] = C(R50),
            ["resnet50d"] = D(R50),
            ["resnet50s"] = S(R50),
            ["resnet50t"] = T(R50),
            ["resnet101"] = Whole(R101),
            ["resnet101c"] = C(R101),
            ["resnet101d"] = Whole(D(R101)) with { img_size = 256 },
            ["resnet101s"] = S(R101),
            ["resnet152"] = Whole(R152),
            ["resnet152c"] = C(R152),
            ["resnet152d"] = Whole(D(R152)) with { img_size = 256 },
            ["resnet152s"] = S(R152),
            ["resnet200"] = R200,
            ["resnet200d"] = Whole(D(R200)) with { img_size = 256 },
            ["wide_resnet50_2"] = R50 with { base_width = 128 },
            ["wide_resnet101_2"] = Bilinear(R101) with { base_width = 128 },
            ["resnext50_32x4d"] = Whole(X(R50, 32, 4)),
            ["resnext50d_32x4d"] = X(D(R50), 32, 4),
            ["resnext101_32x4d"] = Bilinear(X(R101, 32, 4)),
            ["resnext101_32x8d"] = Bilinear(X(R101, 32, 8)),
            ["resnext101_32x16d"] = Bilinear(X(R101, 32, 16)),
            ["resnext101_32x32d"] = Bilinear(X(R101, 32, 32)),
            ["resnext101_64x4d"] = Whole(X(R101, 64, 4)),
            ["seresnet18"] = Se(R18),
            ["seresnet34"] = Se(R34),
            ["seresnet50"] = Whole(Se(R50)),
            ["seresnet50t"] = Se(T(R50)),
            ["seresnet101"] = Se(R101),
            ["seresnet152"] = Se(R152),
            ["seresnet152d"] = Whole(Se(D(R152))) with { img_size = 256 },
            ["seresnet200d"] = Se(D(R200)) with { img_size = 256 },
            ["seresnet269d"] = Se(D(R269)) with { img_size = 256 },
            ["seresnext26d_32x4d"] = Se(X(D(R26), 32, 4)),
            ["seresnext26t_32x4d"] = Se(X(T(R26), 32, 4)),
            ["seresnext50_32x4d"] = Se(X(R50, 32, 4)),
            ["seresnext101_32x4d"] = Se(X(R101, 32, 4)),
            ["seresnext101_32x8d"] = Whole(Se(X(R101, 32, 8))),
            ["seresnext101_64x4d"] = Se(X(R101, 64, 4)),
            ["seresnext101d_32x8d"] = Whole(Se(X(D(R101), 32, 8))),
            // Of ECA-Net's authors.
            ["eca_resnet18"] = Bilinear(Eca3(R18)),
            ["eca_resnet34"] = Bilinear(Eca3(R34)),
            ["eca_resnet50"] = Bilinear(Eca3(R50)),
            ["eca_resnet101"] = Bilinear(Eca3(R101)),
            ["eca_resnet152"] = Bilinear(Eca3(R152)),
            ["ecaresnext26t_32x4d"] = Eca(X(T(R26), 32, 4)),
            // As in timm, with the layers of a ResNet-26.
            ["ecaresnext50t_32x4d"] = Eca(X(T(R26), 32, 4)),
            ["ecaresnet26t"] = Eca(T(R26)) with { img_size = 256 },
            ["ecaresnet50d"] = Eca(D(R50)),
            ["ecaresnet50t"] = Eca(T(R50)) with { img_size = 256 },
            ["ecaresnetlight"] = Eca(R50) with { layers = [1, 1, 11, 3], avg_down = true },
            ["ecaresnet101d"] = Eca(D(R101)),
            ["ecaresnet200d"] = Whole(Eca(D(R200))) with { img_size = 256 },
            ["ecaresnet269d"] = Whole(Eca(D(R269))) with { img_size = 320 },
            ["senet154"] = Se(X(S(R152), 64, 4)) with { block_reduce_first = 2, down_kernel_size = 3 },
            ["resnetblur18"] = Blur(R18),
            ["resnetblur50"] = Blur(R50),
            ["resnetblur50d"] = Blur(D(R50)),
            ["resnetblur101d"] = Blur(D(R101)),
            ["resnetaa34d"] = Aa(D(R34)),
            ["resnetaa50"] = Whole(Aa(R50)),
            ["resnetaa50d"] = Whole(Aa(D(R50))),
            ["resnetaa101d"] = Whole(Aa(D(R101))),
            ["seresnetaa50d"] = Se(Aa(D(R50))),
            ["seresnextaa101d_32x8d"] = Whole(Se(Aa(X(D(R101), 32, 8)))) with { img_size = 288 },
            ["seresnextaa201d_32x8d"] = Se(Aa(X(D(R200), 32, 8))) with { layers = [3, 24, 36, 4], stem_width = 64, img_size = 384, crop_pct = 1 },
            ["resnetrs50"] = Rs(R50, 160, 0.91),
            ["resnetrs101"] = Rs(R101, 192, 0.94),
            ["resnetrs152"] = Rs(R152, 256, 1),
            ["resnetrs200"] = Rs(R200, 256, 1),
            ["resnetrs270"] = Rs(R50 with { layers = [4, 29, 53, 4] }, 256, 1),
            ["resnetrs350"] = Rs(R50 with { layers = [4, 36, 72, 4] }, 288, 1),
            ["resnetrs420"] = Rs(R50 with { layers = [4, 44, 87, 4] }, 320, 1),
        },
    };
}
