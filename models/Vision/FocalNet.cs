using Attention.Modules;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Attention.Models.Vision;

/// <summary>A FocalNet; fields as in timm.</summary>
public sealed record FocalNetConfig : AttentionHostConfig
{
    /// <summary>Channels of the first stage; each further one has twice as many.</summary>
    public int embed_dim { get; init; } = 96;
    /// <summary>Blocks of each stage.</summary>
    public int[] depths { get; init; } = [2, 2, 6, 2];
    /// <summary>Width of the MLP in units of the channels.</summary>
    public double mlp_ratio { get; init; } = 4;
    /// <summary>Levels of context at each stage, besides the mean of the map.</summary>
    public int[] focal_levels { get; init; } = [2, 2, 2, 2];
    /// <summary>Side of the first level's window at each stage.</summary>
    public int[] focal_windows { get; init; } = [3, 3, 3, 3];
    /// <summary>Overlapping convolutions where the map is made coarser.</summary>
    public bool use_overlap_down { get; init; }
    /// <summary>Norms after modulation and MLP instead of before.</summary>
    public bool use_post_norm { get; init; }
    /// <summary>A norm within the modulation.</summary>
    public bool use_post_norm_in_modulation { get; init; }
    /// <summary>The mean of the levels rather than their sum.</summary>
    public bool normalize_modulator { get; init; }
    /// <summary>Start of the layer scales; null for a model without them.</summary>
    public double? layerscale_value { get; init; }
    public double proj_drop_rate { get; init; }
    public double norm_eps { get; init; } = 1e-5;
}

/// <summary>Focal modulation and an MLP, each normed before or after. (B, C, H, W) to the same.</summary>
internal sealed class FocalNetBlock : Block
{
    /// <summary>Channels of a head, for an attention that has them in the modulation's place.</summary>
    private const int HeadDim = 32;

    private readonly nn.Module<Tensor, Tensor> norm1;
    private readonly nn.Module<Tensor, Tensor> modulation;
    private readonly nn.Module<Tensor, Tensor> norm1_post;
    private readonly nn.Module<Tensor, Tensor> ls1;
    private readonly nn.Module<Tensor, Tensor> drop_path1;
    private readonly nn.Module<Tensor, Tensor> norm2;
    private readonly ConvMlp mlp;
    private readonly nn.Module<Tensor, Tensor> norm2_post;
    private readonly nn.Module<Tensor, Tensor> ls2;
    private readonly nn.Module<Tensor, Tensor> drop_path2;
    private readonly HostedAttention mixer;

    public FocalNetBlock(FocalNetConfig config, int stage, int index, double drop_path) : base(nameof(FocalNetBlock))
    {
        int dim = config.embed_dim << stage;
        nn.Module<Tensor, Tensor> Norm(bool wanted) => wanted ? nn.LayerNorm(dim, config.norm_eps) : nn.Identity();
        norm1 = Norm(!config.use_post_norm);
        mixer = new HostedAttention(config.attention ?? new FocalModulationConfig
        {
            focal_window = config.focal_windows[stage],
            focal_level = config.focal_levels[stage],
            use_post_norm = config.use_post_norm_in_modulation,
            normalize_modulator = config.normalize_modulator,
            proj_drop = config.proj_drop_rate,
            norm_eps = config.norm_eps,
        }, config.Site(dim, Math.Max(1, dim / HeadDim), 4 << stage, index));
        modulation = mixer.Module;
        norm1_post = Norm(config.use_post_norm);
        ls1 = LayerScale.Of(dim, config.layerscale_value);
        drop_path1 = DropPath.Of(drop_path);
        norm2 = Norm(!config.use_post_norm);
        mlp = new ConvMlp(dim, (long)(dim * config.mlp_ratio), drop: config.proj_drop_rate);
        norm2_post = Norm(config.use_post_norm);
        ls2 = LayerScale.Of(dim, config.layerscale_value);
        drop_path2 = DropPath.Of(drop_path);
        RegisterComponents();
    }

    protected override Tensor Forward(Tensor x)
    {
        x = x.permute(0, 2, 3, 1);
        x = x + drop_path1.call(ls1.call(norm1_post.call(mixer.OnMap(norm1.call(x)))));
        var expanded = mlp.call(norm2.call(x).permute(0, 3, 1, 2)).permute(0, 2, 3, 1);
        return (x + drop_path2.call(ls2.call(norm2_post.call(expanded)))).permute(0, 3, 1, 2);
    }
}

/// <summary>A strided convolution and a norm. (B, C, H, W) to (B, C', H/stride, W/stride).</summary>
internal sealed class FocalNetDownsample : Block
{
    private readonly Conv2d proj;
    private readonly LayerNorm2d norm;

    public FocalNetDownsample(FocalNetConfig config, int in_chans, int out_chans, int stride) : base(nameof(FocalNetDownsample))
    {
        var (kernel, padding) = (config.use_overlap_down, stride) switch
        {
            (false, _) => (stride, 0),
            (true, 4) => (7, 2),
            (true, _) => (3, 1),
        };
        proj = nn.Conv2d(in_chans, out_chans, kernel_size: kernel, stride: stride, padding: padding);
        norm = new LayerNorm2d(out_chans, config.norm_eps);
        RegisterComponents();
    }

    protected override Tensor Forward(Tensor x) => norm.call(proj.call(x));
}

/// <summary>A step down, except at the first, and blocks.</summary>
internal sealed class FocalNetStage : Block
{
    private readonly nn.Module<Tensor, Tensor> downsample;
    private readonly Sequential blocks;

    public FocalNetStage(FocalNetConfig config, int stage, double[] drop_path) : base(nameof(FocalNetStage))
    {
        int dim = config.embed_dim << stage;
        downsample = stage == 0 ? nn.Identity() : new FocalNetDownsample(config, dim / 2, dim, stride: 2);
        blocks = nn.Sequential(drop_path.Select((rate, i) => (nn.Module<Tensor, Tensor>)new FocalNetBlock(config, stage, i, rate)));
        RegisterComponents();
    }

    protected override Tensor Forward(Tensor x) => blocks.call(downsample.call(x));
}

/// <summary>
/// FocalNet: Yang et al., Focal Modulation Networks, 2022 (arXiv:2203.11926). Parameter names as in timm's focalnet.py.
/// Images of any size are taken.
/// </summary>
public sealed class FocalNet : StagedModel
{
    private readonly FocalNetDownsample stem;
    private readonly ModuleList<nn.Module<Tensor, Tensor>> layers;
    private readonly LayerNorm2d norm;
    private readonly ClassifierHead head;

    private readonly FocalNetConfig config;
    private int classes;

    public FocalNet(FocalNetConfig config) : base(nameof(FocalNet))
    {
        this.config = config;
        if (config.focal_levels.Length != config.depths.Length || config.focal_windows.Length != config.depths.Length)
            throw new UserError($"depths has {config.depths.Length} stages, focal_levels {config.focal_levels.Length}, focal_windows {config.focal_windows.Length}",
                "give each one number for each stage");
        stem = new FocalNetDownsample(config, config.in_chans, config.embed_dim, stride: 4);
        var rates = DropPath.StageRates(config.drop_path_rate, config.depths);
        layers = nn.ModuleList(rates.Select((rate, stage) => (nn.Module<Tensor, Tensor>)new FocalNetStage(config, stage, rate)).ToArray());
        norm = new LayerNorm2d(num_features, config.norm_eps);
        classes = config.num_classes;
        head = new ClassifierHead(num_features, classes, config.drop_rate, channels_last: false);
        RegisterComponents();
        Linears.Initialise(this);
        Convolutions.InitialiseTruncated(this);
    }

    public override int num_classes => classes;
    protected override IReadOnlyList<nn.Module<Tensor, Tensor>> Stages => [.. layers];
    protected override IReadOnlyList<int> Depths => config.depths;
    protected override IReadOnlyList<int> Channels => [.. config.depths.Select((_, stage) => config.embed_dim << stage)];
    protected override string StageName(int stage) => $"layers.{stage}";

    protected override Tensor Stem(Tensor images) => stem.call(images);

    protected override Tensor AfterStages(Tensor x) => norm.call(x);

    public override Tensor forward_head(Tensor x, bool pre_logits = false) => pre_logits ? head.Pool(x) : head.call(x);

    public override void reset_classifier(int num_classes) => head.Reset(classes = num_classes);

    // --- variants --------------------------------------------------------------------------------

    private static readonly FocalNetConfig Tiny = new() { drop_path_rate = 0.1, crop_pct = 0.9 };
    private static readonly FocalNetConfig Small = Tiny with { depths = [2, 2, 18, 2] };
    private static readonly FocalNetConfig Base = Small with { embed_dim = 128 };
    private static FocalNetConfig LargeField(FocalNetConfig config) => config with { focal_levels = [3, 3, 3, 3] };

    // Trained on ImageNet-22k.
    private static readonly FocalNetConfig Large = Small with
    {
        embed_dim = 192,
        use_post_norm = true,
        use_overlap_down = true,
        layerscale_value = 1e-4,
        img_size = 384,
        crop_pct = 1,
        num_classes = 21842,
    };
    private static readonly FocalNetConfig Huge = Large with { embed_dim = 352, use_post_norm_in_modulation = true, img_size = 224, crop_pct = 0.9 };
    private static FocalNetConfig Wide(FocalNetConfig config) => LargeField(config) with { focal_windows = [5, 5, 5, 5] };
    private static FocalNetConfig Deep(FocalNetConfig config) => config with { focal_levels = [4, 4, 4, 4] };

    /// <summary>The variants, by timm's names.</summary>
    public static ModelFamily<FocalNetConfig> Family { get; } = new()
    {
        Name = "FocalNet",
        Reference = "Yang et al., Focal Modulation Networks, 2022 (arXiv:2203.11926)",
        Build = config => new FocalNet(config),
        Table = new Dictionary<string, FocalNetConfig>
        {
            ["focalnet_tiny_srf"] = Tiny,
            ["focalnet_small_srf"] = Small,
            ["focalnet_base_srf"] = Base,
            ["focalnet_tiny_lrf"] = LargeField(Tiny),
            ["focalnet_small_lrf"] = LargeField(Small),
            ["focalnet_base_lrf"] = LargeField(Base),
            ["focalnet_large_fl3"] = Wide(Large),
            ["focalnet_large_fl4"] = Deep(Large),
            ["focalnet_xlarge_fl3"] = Wide(Large) with { embed_dim = 256 },
            ["focalnet_xlarge_fl4"] = Deep(Large) with { embed_dim = 256 },
            ["focalnet_huge_fl3"] = LargeField(Huge),
            ["focalnet_huge_fl4"] = Deep(Huge) with { num_classes = 0 },
        },
    };
}
