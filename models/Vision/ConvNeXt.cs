using Attention.Modules;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Attention.Models.Vision;

/// <summary>A ConvNeXt of the first or second version; fields as in timm.</summary>
public sealed record ConvNeXtConfig : ImageModelConfig
{
    /// <summary>Blocks of each stage.</summary>
    public int[] depths { get; init; } = [3, 3, 9, 3];
    /// <summary>Channels of each stage.</summary>
    public int[] dims { get; init; } = [96, 192, 384, 768];
    /// <summary>Side of the depthwise convolutions.</summary>
    public int kernel_size { get; init; } = 7;
    /// <summary>Start of the layer scales; null for a model without them.</summary>
    public double? ls_init_value { get; init; } = 1e-6;
    /// <summary>
    /// patch: one convolution of stride 4; overlap: two of stride 2; overlap_tiered: the first of them narrower; overlap_act: GELU
    /// between them.
    /// </summary>
    public string stem_type { get; init; } = "patch";
    /// <summary>1x1 convolutions in the MLP rather than linear layers: the same function with other weight shapes.</summary>
    public bool conv_mlp { get; init; }
    /// <summary>Global response normalisation in the MLP, as in version 2.</summary>
    public bool use_grn { get; init; }
    /// <summary>The last norm before the pooling instead of after it.</summary>
    public bool head_norm_first { get; init; }
    /// <summary>Width of a layer before the classifier; null for none.</summary>
    public int? head_hidden_size { get; init; }
    /// <summary>layernorm; rmsnorm; or simplenorm, which divides by the standard deviation. The last two take conv_mlp.</summary>
    public string norm_layer { get; init; } = "layernorm";
    public double norm_eps { get; init; } = 1e-6;

    /// <summary>The norm over the channels of a map (B, C, H, W).</summary>
    internal nn.Module<Tensor, Tensor> Norm2d(int channels) =>
        norm_layer == "layernorm" ? new LayerNorm2d(channels, norm_eps) : new RmsNorm2d(channels, norm_eps, deviation: norm_layer == "simplenorm");
}

/// <summary>
/// Scales each channel by its norm over the map relative to the mean of all channels', and adds that. (B, H, W, C) or
/// (B, C, H, W) to the same. Woo et al., ConvNeXt V2, 2023 (arXiv:2301.00808).
/// </summary>
internal sealed class GlobalResponseNorm : Block
{
    private readonly Parameter weight;
    private readonly Parameter bias;
    private readonly bool channelsLast;

    public GlobalResponseNorm(long channels, bool channels_last) : base(nameof(GlobalResponseNorm))
    {
        channelsLast = channels_last;
        weight = new Parameter(zeros(channels));
        bias = new Parameter(zeros(channels));
        RegisterComponents();
    }

    protected override Tensor Forward(Tensor x)
    {
        long[] shape = channelsLast ? [1, 1, 1, -1] : [1, -1, 1, 1];
        var response = linalg.vector_norm(x, dims: channelsLast ? [1, 2] : [2, 3], keepdim: true);
        var relative = response / (response.mean([channelsLast ? 3 : 1], keepdim: true) + 1e-6);
        return x + bias.view(shape) + weight.view(shape) * (x * relative);
    }
}

/// <summary>Two layers with GELU between them, and global response normalisation where the model has it.</summary>
internal sealed class ConvNeXtMlp : Block
{
    private readonly nn.Module<Tensor, Tensor> fc1;
    private readonly GELU act;
    private readonly nn.Module<Tensor, Tensor> grn;
    private readonly nn.Module<Tensor, Tensor> fc2;

    public ConvNeXtMlp(ConvNeXtConfig config, int dim) : base(nameof(ConvNeXtMlp))
    {
        nn.Module<Tensor, Tensor> Layer(int inputs, int outputs) => config.conv_mlp ? nn.Conv2d(inputs, outputs, kernel_size: 1) : nn.Linear(inputs, outputs);
        fc1 = Layer(dim, 4 * dim);
        act = nn.GELU();
        grn = config.use_grn ? new GlobalResponseNorm(4 * dim, channels_last: !config.conv_mlp) : nn.Identity();
        fc2 = Layer(4 * dim, dim);
        RegisterComponents();
    }

    protected override Tensor Forward(Tensor x) => fc2.call(grn.call(act.call(fc1.call(x))));
}

/// <summary>A depthwise convolution, a norm and an MLP, added to the input. (B, C, H, W) to the same.</summary>
internal sealed class ConvNeXtBlock : Block
{
    private readonly Conv2d conv_dw;
    private readonly nn.Module<Tensor, Tensor> norm;
    private readonly ConvNeXtMlp mlp;
    private readonly Parameter? gamma;
    private readonly nn.Module<Tensor, Tensor> drop_path;
    private readonly bool convolutional;

    public ConvNeXtBlock(ConvNeXtConfig config, int dim, double drop) : base(nameof(ConvNeXtBlock))
    {
        convolutional = config.conv_mlp;
        conv_dw = nn.Conv2d(dim, dim, kernel_size: config.kernel_size, padding: config.kernel_size / 2, groups: dim);
        norm = convolutional ? config.Norm2d(dim) : nn.LayerNorm(dim, config.norm_eps);
        mlp = new ConvNeXtMlp(config, dim);
        gamma = config.ls_init_value is { } start ? new Parameter(full(dim, start)) : null;
        drop_path = DropPath.Of(drop);
        RegisterComponents();
    }

    protected override Tensor Forward(Tensor input)
    {
        var x = conv_dw.call(input);
        x = convolutional ? mlp.call(norm.call(x)) : mlp.call(norm.call(x.permute(0, 2, 3, 1))).permute(0, 3, 1, 2);
        if (gamma is not null)
            x = x * gamma.view(-1, 1, 1);
        return input + drop_path.call(x);
    }
}

/// <summary>A step down, except at the first, and blocks.</summary>
internal sealed class ConvNeXtStage : Block
{
    private readonly nn.Module<Tensor, Tensor> downsample;
    private readonly Sequential blocks;

    public ConvNeXtStage(ConvNeXtConfig config, int stage, double[] drop_path) : base(nameof(ConvNeXtStage))
    {
        int dim = config.dims[stage];
        downsample = stage == 0 ? nn.Identity() : nn.Sequential(
            config.Norm2d(config.dims[stage - 1]), nn.Conv2d(config.dims[stage - 1], dim, kernel_size: 2, stride: 2));
        blocks = nn.Sequential(drop_path.Select(rate => (nn.Module<Tensor, Tensor>)new ConvNeXtBlock(config, dim, rate)));
        RegisterComponents();
    }

    protected override Tensor Forward(Tensor x) => blocks.call(downsample.call(x));
}

/// <summary>
/// ConvNeXt: Liu et al., A ConvNet for the 2020s, 2022 (arXiv:2201.03545), and version 2: Woo et al., 2023
/// (arXiv:2301.00808). Parameter names as in timm's convnext.py.
/// </summary>
public sealed class ConvNeXt : StagedModel
{
    private readonly Sequential stem;
    private readonly ModuleList<nn.Module<Tensor, Tensor>> stages;
    private readonly nn.Module<Tensor, Tensor> norm_pre;
    private readonly ClassifierHead head;

    private readonly ConvNeXtConfig config;
    private int classes;

    public ConvNeXt(ConvNeXtConfig config) : base(nameof(ConvNeXt))
    {
        this.config = config;
        if (config.depths.Length != config.dims.Length)
            throw new UserError($"depths has {config.depths.Length} stages, dims {config.dims.Length}", "give both one number for each stage");
        if (config.norm_layer is not ("layernorm" or "rmsnorm" or "simplenorm"))
            throw new UserError($"norm_layer '{config.norm_layer}' is not known", "choose layernorm, rmsnorm or simplenorm");
        if (config.norm_layer != "layernorm" && !config.conv_mlp)
            throw new UserError($"norm_layer {config.norm_layer} without conv_mlp", "set conv_mlp: true");
        stem = NewStem(config);
        var rates = DropPath.StageRates(config.drop_path_rate, config.depths);
        stages = nn.ModuleList(rates.Select((rate, stage) => (nn.Module<Tensor, Tensor>)new ConvNeXtStage(config, stage, rate)).ToArray());
        norm_pre = config.head_norm_first ? config.Norm2d(num_features) : nn.Identity();
        classes = config.num_classes;
        head = new ClassifierHead(num_features, classes, config.drop_rate, channels_last: false,
            norm_eps: config.head_norm_first ? null : config.norm_eps, hidden_size: config.head_hidden_size,
            norm: config.head_norm_first || config.norm_layer == "layernorm" ? null : config.Norm2d(num_features));
        RegisterComponents();
        InitialiseWeights();
    }

    public override int num_classes => classes;
    protected override IReadOnlyList<nn.Module<Tensor, Tensor>> Stages => [.. stages];
    protected override IReadOnlyList<int> Depths => config.depths;
    protected override IReadOnlyList<int> Channels => config.dims;
    public override int num_features => config.dims[^1];

    private static Sequential NewStem(ConvNeXtConfig config)
    {
        int dim = config.dims[0];
        if (config.stem_type == "patch")
            return nn.Sequential(nn.Conv2d(config.in_chans, dim, kernel_size: 4, stride: 4), config.Norm2d(dim));
        int middle = config.stem_type switch
        {
            "overlap" or "overlap_act" => dim,
            "overlap_tiered" => Math.Max(8, (dim / 2 + 4) / 8 * 8),
            _ => throw new UserError($"stem_type '{config.stem_type}' is not known", "choose patch, overlap, overlap_tiered or overlap_act"),
        };
        var first = nn.Conv2d(config.in_chans, middle, kernel_size: 3, stride: 2, padding: 1);
        var second = nn.Conv2d(middle, dim, kernel_size: 3, stride: 2, padding: 1);
        return config.stem_type == "overlap_act"
            ? nn.Sequential(first, nn.GELU(), second, config.Norm2d(dim))
            : nn.Sequential(first, second, config.Norm2d(dim));
    }

    private void InitialiseWeights()
    {
        using var _ = no_grad();
        Linears.Initialise(this);
        foreach (var conv in modules().OfType<Conv2d>())
        {
            nn.init.trunc_normal_(conv.weight, std: 0.02);
            nn.init.zeros_(conv.bias!);
        }
    }

    protected override Tensor Stem(Tensor images) => stem.call(images);

    protected override Tensor AfterStages(Tensor x) => norm_pre.call(x);

    public override Tensor forward_head(Tensor x, bool pre_logits = false) => pre_logits ? head.Pool(x) : head.call(x);

    public override void reset_classifier(int num_classes) => head.Reset(classes = num_classes);

    // --- variants --------------------------------------------------------------------------------

    private static readonly ConvNeXtConfig Tiny = new();
    private static readonly ConvNeXtConfig Small = Tiny with { depths = [3, 3, 27, 3] };
    private static readonly ConvNeXtConfig Base = Small with { dims = [128, 256, 512, 1024] };
    private static readonly ConvNeXtConfig Large = Small with { dims = [192, 384, 768, 1536] };
    private static readonly ConvNeXtConfig Atto = Tiny with { depths = [2, 2, 6, 2], dims = [40, 80, 160, 320], conv_mlp = true };
    private static readonly ConvNeXtConfig Zepto = Atto with
    {
        depths = [2, 2, 4, 2],
        dims = [32, 64, 128, 256],
        norm_layer = "simplenorm",
        mean = [0.5, 0.5, 0.5],
        std = [0.5, 0.5, 0.5],
    };
    private static readonly ConvNeXtConfig Femto = Atto with { dims = [48, 96, 192, 384] };
    private static readonly ConvNeXtConfig Pico = Atto with { dims = [64, 128, 256, 512] };
    private static readonly ConvNeXtConfig Nano = Atto with { depths = [2, 2, 8, 2], dims = [80, 160, 320, 640], crop_pct = 0.95 };
    private static ConvNeXtConfig Clip(ConvNeXtConfig config) =>
        config with { crop_pct = 1, mean = VisionTransformer.ClipMean, std = VisionTransformer.ClipStd };
    private static ConvNeXtConfig V2(ConvNeXtConfig config) => config with { use_grn = true, ls_init_value = null, crop_pct = 0.875 };

    /// <summary>The variants, by timm's names.</summary>
    public static ModelFamily<ConvNeXtConfig> Family { get; } = new()
    {
        Name = "ConvNeXt",
        Reference = "Liu et al., A ConvNet for the 2020s, 2022 (arXiv:2201.03545)",
        Build = config => new ConvNeXt(config),
        Table = new Dictionary<string, ConvNeXtConfig>
        {
            ["convnext_zepto_rms"] = Zepto,
            ["convnext_zepto_rms_ols"] = Zepto with { stem_type = "overlap_act", crop_pct = 0.9 },
            ["convnext_atto"] = Atto,
            ["convnext_atto_ols"] = Atto with { stem_type = "overlap_tiered" },
            ["convnext_atto_rms"] = Atto with { norm_layer = "rmsnorm" },
            ["convnext_femto"] = Femto,
            ["convnext_femto_ols"] = Femto with { stem_type = "overlap_tiered" },
            ["convnext_pico"] = Pico,
            ["convnext_pico_ols"] = Pico with { stem_type = "overlap_tiered", crop_pct = 0.95 },
            ["convnext_nano"] = Nano,
            ["convnext_nano_ols"] = Nano with { stem_type = "overlap" },
            ["convnext_tiny_hnf"] = Tiny with { head_norm_first = true, conv_mlp = true, crop_pct = 0.95 },
            ["convnext_tiny"] = Tiny with { crop_pct = 0.95 },
            ["convnext_small"] = Small with { crop_pct = 0.95 },
            ["convnext_base"] = Base,
            ["convnext_large"] = Large,
            ["convnext_large_mlp"] = Clip(Large) with { head_hidden_size = 1536, img_size = 320 },
            ["convnext_xlarge"] = Small with { dims = [256, 512, 1024, 2048] },
            ["convnext_xxlarge"] = Clip(Small) with { depths = [3, 4, 30, 3], dims = [384, 768, 1536, 3072], norm_eps = 1e-5, img_size = 256 },
            ["convnextv2_atto"] = V2(Atto),
            ["convnextv2_femto"] = V2(Femto),
            ["convnextv2_pico"] = V2(Pico),
            ["convnextv2_nano"] = V2(Nano),
            ["convnextv2_tiny"] = V2(Tiny),
            ["convnextv2_small"] = V2(Small),
            ["convnextv2_base"] = V2(Base),
            ["convnextv2_large"] = V2(Large),
            ["convnextv2_huge"] = V2(Small) with { dims = [352, 704, 1408, 2816], img_size = 384, crop_pct = 1 },
        },
    };
}
