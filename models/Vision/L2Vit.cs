using Attention.Modules;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Attention.Models.Vision;

/// <summary>An L2ViT; fields as in the authors' repository.</summary>
public sealed record L2VitConfig : AttentionHostConfig
{
    /// <summary>Channels of each stage.</summary>
    public int[] dims { get; init; } = [96, 192, 384, 768];
    /// <summary>Blocks of each stage.</summary>
    public int[] depths { get; init; } = [2, 2, 6, 2];
    /// <summary>Heads of each stage.</summary>
    public int[] num_heads { get; init; } = [3, 6, 12, 24];
    /// <summary>Width of the MLP in units of the channels, at each stage.</summary>
    public double[] mlp_ratio { get; init; } = [4, 4, 4, 4];
    /// <summary>Side of the windows of even blocks.</summary>
    public int window_size { get; init; } = 7;
}

/// <summary>Positions by a depthwise convolution, added to the map. (B, H, W, C) to the same.</summary>
internal sealed class L2VitPosition : Block
{
    private readonly Conv2d proj;

    public L2VitPosition(int dim) : base(nameof(L2VitPosition))
    {
        proj = nn.Conv2d(dim, dim, kernel_size: 3, padding: 1, groups: dim);
        RegisterComponents();
    }

    protected override Tensor Forward(Tensor x) => x + proj.call(x.permute(0, 3, 1, 2)).permute(0, 2, 3, 1);
}

/// <summary>Local concentration: two large depthwise convolutions. (B, H, W, C) to the same.</summary>
internal sealed class LocalConcentration : Block
{
    private readonly Conv2d conv1;
    private readonly GELU act;
    private readonly BatchNorm2d bn;
    private readonly Conv2d conv2;

    public LocalConcentration(int dim) : base(nameof(LocalConcentration))
    {
        conv1 = nn.Conv2d(dim, dim, kernel_size: 7, padding: 3, groups: dim);
        act = nn.GELU();
        bn = nn.BatchNorm2d(dim);
        conv2 = nn.Conv2d(dim, dim, kernel_size: 7, padding: 3, groups: dim);
        RegisterComponents();
    }

    protected override Tensor Forward(Tensor x) => conv2.call(bn.call(act.call(conv1.call(x.permute(0, 3, 1, 2))))).permute(0, 2, 3, 1);
}

/// <summary>
/// Window attention in even blocks, linear attention and local concentration in odd ones, and an MLP. (B, H, W, C) to the same.
/// </summary>
internal sealed class L2VitBlock : Block
{
    private readonly ModuleList<L2VitPosition> cpe;
    private readonly LayerNorm norm1;
    private readonly nn.Module<Tensor, Tensor> attn;
    private readonly nn.Module<Tensor, Tensor> drop_path;
    private readonly LayerNorm norm2;
    private readonly Mlp mlp;
    private readonly LayerNorm? norm3;
    private readonly LocalConcentration? local_mp;
    private readonly HostedAttention mixer;

    public L2VitBlock(L2VitConfig config, int stage, int index, double drop) : base(nameof(L2VitBlock))
    {
        int dim = config.dims[stage];
        bool local = index % 2 == 0;
        cpe = nn.ModuleList(Enumerable.Range(0, local ? 2 : 1).Select(_ => new L2VitPosition(dim)).ToArray());
        norm1 = nn.LayerNorm(dim);
        var site = config.Site(dim, config.num_heads[stage], 4 << stage, index);
        // Windows keep their size where the map is smaller, and are padded.
        mixer = config.attention is { } chosen ? new HostedAttention(chosen, site)
            : local ? new HostedAttention(new WindowAttention(dim, new WindowAttentionConfig
            {
                num_heads = config.num_heads[stage],
                window_size = config.window_size,
                relative_bias = false,
            }), AttentionLayout.Map, site)
            : new HostedAttention(new LinearAttentionConfig(), site);
        attn = mixer.Module;
        drop_path = DropPath.Of(drop);
        norm2 = nn.LayerNorm(dim);
        mlp = new Mlp(dim, (long)(dim * config.mlp_ratio[stage]));
        if (!local)
            (norm3, local_mp) = (nn.LayerNorm(dim), new LocalConcentration(dim));
        RegisterComponents();
    }

    protected override Tensor Forward(Tensor x)
    {
        x = cpe[0].call(x);
        x = x + drop_path.call(mixer.OnMap(norm1.call(x)));
        x = local_mp is null ? cpe[1].call(x) : x + drop_path.call(local_mp.call(norm3!.call(x)));
        return x + drop_path.call(mlp.call(norm2.call(x)));
    }
}

/// <summary>Two convolutions. (B, C, H, W) to (B, C', H/4, W/4).</summary>
internal sealed class L2VitStem : Block
{
    private readonly Sequential proj;

    public L2VitStem(int in_chans, int dim) : base(nameof(L2VitStem))
    {
        proj = nn.Sequential(
            nn.Conv2d(in_chans, dim / 2, kernel_size: 3, stride: 2, padding: 1), nn.BatchNorm2d(dim / 2), nn.ReLU(),
            nn.Conv2d(dim / 2, dim, kernel_size: 3, stride: 2, padding: 1), nn.BatchNorm2d(dim));
        RegisterComponents();
    }

    protected override Tensor Forward(Tensor x) => proj.call(x);
}

/// <summary>A step down: the stem and a norm, (B, C, H, W) to (B, H/4, W/4, C'), or a norm and 2x2 patches, (B, H, W, C) to (B, H/2, W/2, C'). Sides are padded.</summary>
internal sealed class L2VitPatchEmbed : Block
{
    private readonly nn.Module<Tensor, Tensor> proj;
    private readonly LayerNorm norm;
    private readonly bool stem;

    public L2VitPatchEmbed(int inputs, int dim, bool stem) : base(nameof(L2VitPatchEmbed))
    {
        this.stem = stem;
        proj = stem ? new L2VitStem(inputs, dim) : nn.Conv2d(inputs, dim, kernel_size: 2, stride: 2);
        norm = nn.LayerNorm(stem ? dim : inputs);
        RegisterComponents();
    }

    protected override Tensor Forward(Tensor x) => stem
        ? norm.call(proj.call(Windows.Pad(x.permute(0, 2, 3, 1), 4, 4).permute(0, 3, 1, 2)).permute(0, 2, 3, 1))
        : proj.call(Windows.Pad(norm.call(x), 2, 2).permute(0, 3, 1, 2)).permute(0, 2, 3, 1);
}

/// <summary>
/// L2ViT: Zheng, The Linear Attention Resurrection in Vision Transformer, 2025 (arXiv:2501.16182). Parameter names as in the
/// authors' repository, ChuanyangZheng/L2ViT. Images of any size are taken.
/// </summary>
public sealed class L2Vit : StagedModel
{
    private readonly ModuleList<L2VitPatchEmbed> downsample_layers;
    private readonly ModuleList<Sequential> stages;
    private readonly LayerNorm norm;
    private readonly Dropout head_drop;
    private nn.Module<Tensor, Tensor> head;

    private readonly L2VitConfig config;
    private readonly LayerStep[] steps;
    private int classes;

    public L2Vit(L2VitConfig config) : base(nameof(L2Vit))
    {
        this.config = config;
        if (new[] { config.dims.Length, config.num_heads.Length, config.mlp_ratio.Length }.Any(length => length != config.depths.Length))
            throw new UserError($"depths has {config.depths.Length} stages, other fields have another number", "give dims, num_heads and mlp_ratio one number for each stage");
        var rates = DropPath.StageRates(config.drop_path_rate, config.depths);
        downsample_layers = nn.ModuleList(config.dims.Select((dim, i) => new L2VitPatchEmbed(i == 0 ? config.in_chans : config.dims[i - 1], dim, stem: i == 0)).ToArray());
        stages = nn.ModuleList(rates.Select((stage, i) => nn.Sequential(stage.Select((rate, j) => (nn.Module<Tensor, Tensor>)new L2VitBlock(config, i, j, rate)))).ToArray());
        norm = nn.LayerNorm(num_features);
        head_drop = nn.Dropout(config.drop_rate);
        classes = config.num_classes;
        head = Linears.Classifier(num_features, classes);
        steps = [.. stages.Select((stage, i) => new LayerStep(downsample_layers[i], stage))];
        RegisterComponents();
        Linears.Initialise(this);
        Convolutions.InitialiseTruncated(this);
    }

    public override int num_classes => classes;
    protected override IReadOnlyList<nn.Module<Tensor, Tensor>> Stages => steps;
    protected override IReadOnlyList<int> Depths => config.depths;
    protected override IReadOnlyList<int> Channels => config.dims;
    protected override bool ChannelsLast => true;

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
        x = head_drop.call(x.mean([1, 2]));
        return scope.MoveToOuter(pre_logits ? x : head.call(x));
    }

    public override void reset_classifier(int num_classes)
    {
        classes = num_classes;
        this.Replace(nameof(head), ref head, Linears.Classifier(num_features, num_classes));
    }

    // --- variants --------------------------------------------------------------------------------

    private static readonly L2VitConfig Tiny = new();
    private static readonly L2VitConfig Small = Tiny with { depths = [2, 2, 18, 2] };
    private static readonly L2VitConfig Base = Small with { dims = [128, 256, 512, 1024], num_heads = [4, 8, 16, 32] };

    /// <summary>The variants, by the authors' names.</summary>
    public static ModelFamily<L2VitConfig> Family { get; } = new()
    {
        Name = "L2ViT",
        Reference = "Zheng, The Linear Attention Resurrection in Vision Transformer, 2025 (arXiv:2501.16182)",
        Build = config => new L2Vit(config),
        Table = new Dictionary<string, L2VitConfig>
        {
            ["L2ViT_Tiny"] = Tiny,
            ["L2ViT_Small"] = Small,
            ["L2ViT_Base"] = Base,
            ["L2ViT_Base_384"] = Base with { img_size = 384, window_size = 12 },
        },
    };
}
