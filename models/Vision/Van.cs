using Attention.Modules;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Attention.Models.Vision;

/// <summary>A VAN; fields as in the authors' repository.</summary>
public sealed record VanConfig : AttentionHostConfig
{
    /// <summary>Channels of each stage.</summary>
    public int[] embed_dims { get; init; } = [64, 128, 320, 512];
    /// <summary>Width of the MLP in units of the channels, at each stage.</summary>
    public double[] mlp_ratios { get; init; } = [8, 8, 4, 4];
    /// <summary>Blocks of each stage.</summary>
    public int[] depths { get; init; } = [3, 3, 12, 3];
    public double proj_drop_rate { get; init; }
}

/// <summary>Two 1x1 convolutions, with a depthwise one and GELU between them. (B, C, H, W) to the same.</summary>
internal sealed class VanMlp : Block
{
    private readonly Conv2d fc1;
    private readonly VanDepthwise dwconv;
    private readonly GELU act;
    private readonly Conv2d fc2;
    private readonly Dropout drop;

    public VanMlp(int dim, int hidden, double drop_rate) : base(nameof(VanMlp))
    {
        fc1 = nn.Conv2d(dim, hidden, kernel_size: 1);
        dwconv = new VanDepthwise(hidden);
        act = nn.GELU();
        fc2 = nn.Conv2d(hidden, dim, kernel_size: 1);
        drop = nn.Dropout(drop_rate);
        RegisterComponents();
    }

    protected override Tensor Forward(Tensor x) => drop.call(fc2.call(drop.call(act.call(dwconv.call(fc1.call(x))))));
}

/// <summary>A depthwise 3x3 convolution under the authors' name. (B, C, H, W) to the same.</summary>
internal sealed class VanDepthwise : Block
{
    private readonly Conv2d dwconv;

    public VanDepthwise(int dim) : base(nameof(VanDepthwise))
    {
        dwconv = nn.Conv2d(dim, dim, kernel_size: 3, padding: 1, groups: dim);
        RegisterComponents();
    }

    protected override Tensor Forward(Tensor x) => dwconv.call(x);
}

/// <summary>Large-kernel attention and an MLP, each after a norm, scaled, and added to its input. (B, C, H, W) to the same.</summary>
internal sealed class VanBlock : Block
{
    private const double ScaleAtStart = 1e-2;

    /// <summary>Channels of a head, for an attention that has them in this one's place.</summary>
    private const int HeadDim = 32;

    private readonly BatchNorm2d norm1;
    private readonly nn.Module<Tensor, Tensor> attn;
    private readonly nn.Module<Tensor, Tensor> drop_path;
    private readonly BatchNorm2d norm2;
    private readonly VanMlp mlp;
    private readonly Parameter layer_scale_1;
    private readonly Parameter layer_scale_2;
    private readonly HostedAttention mixer;

    public VanBlock(VanConfig config, int stage, int index, double drop) : base(nameof(VanBlock))
    {
        int dim = config.embed_dims[stage];
        norm1 = nn.BatchNorm2d(dim);
        mixer = new HostedAttention(config.attention ?? new LargeKernelAttentionConfig(), config.Site(dim, Math.Max(1, dim / HeadDim), 4 << stage, index));
        attn = mixer.Module;
        drop_path = DropPath.Of(drop);
        norm2 = nn.BatchNorm2d(dim);
        mlp = new VanMlp(dim, (int)(dim * config.mlp_ratios[stage]), config.proj_drop_rate);
        layer_scale_1 = new Parameter(full(dim, ScaleAtStart));
        layer_scale_2 = new Parameter(full(dim, ScaleAtStart));
        RegisterComponents();
    }

    protected override Tensor Forward(Tensor x)
    {
        var mixed = mixer.OnMap(norm1.call(x).permute(0, 2, 3, 1)).permute(0, 3, 1, 2);
        x = x + drop_path.call(layer_scale_1.view(-1, 1, 1) * mixed);
        return x + drop_path.call(layer_scale_2.view(-1, 1, 1) * mlp.call(norm2.call(x)));
    }
}

/// <summary>An overlapping strided convolution and a norm. (B, C, H, W) to (B, C', H/stride, W/stride).</summary>
internal sealed class VanPatchEmbed : Block
{
    private readonly Conv2d proj;
    private readonly BatchNorm2d norm;

    public VanPatchEmbed(int in_chans, int embed_dim, int kernel, int stride) : base(nameof(VanPatchEmbed))
    {
        proj = nn.Conv2d(in_chans, embed_dim, kernel_size: kernel, stride: stride, padding: kernel / 2);
        norm = nn.BatchNorm2d(embed_dim);
        RegisterComponents();
    }

    protected override Tensor Forward(Tensor x) => norm.call(proj.call(x));
}

/// <summary>A stage's parts in their order; they belong to the model, under the authors' names.</summary>
internal sealed class VanStage(VanPatchEmbed embed, ModuleList<VanBlock> blocks, LayerNorm norm) : Block(nameof(VanStage))
{
    protected override Tensor Forward(Tensor x)
    {
        x = embed.call(x);
        foreach (var block in blocks)
            x = block.call(x);
        return norm.call(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2);
    }
}

/// <summary>
/// VAN: Guo et al., Visual Attention Network, 2022 (arXiv:2202.09741). Parameter names as in the authors' repository,
/// Visual-Attention-Network/VAN-Classification. Images of any size are taken.
/// </summary>
public sealed class Van : StagedModel
{
    private const int StageCount = 4;

    private readonly VanPatchEmbed patch_embed1, patch_embed2, patch_embed3, patch_embed4;
    private readonly ModuleList<VanBlock> block1, block2, block3, block4;
    private readonly LayerNorm norm1, norm2, norm3, norm4;
    private readonly Dropout head_drop;
    private nn.Module<Tensor, Tensor> head;

    private readonly VanConfig config;
    private readonly VanStage[] stages;
    private int classes;

    public Van(VanConfig config) : base(nameof(Van))
    {
        this.config = config;
        if (config.depths.Length != StageCount || config.embed_dims.Length != StageCount || config.mlp_ratios.Length != StageCount)
            throw new UserError($"depths has {config.depths.Length} stages, embed_dims {config.embed_dims.Length}, mlp_ratios {config.mlp_ratios.Length}",
                $"give each {StageCount} numbers");
        var rates = DropPath.StageRates(config.drop_path_rate, config.depths);
        VanPatchEmbed Embed(int stage) => stage == 0
            ? new VanPatchEmbed(config.in_chans, config.embed_dims[0], kernel: 7, stride: 4)
            : new VanPatchEmbed(config.embed_dims[stage - 1], config.embed_dims[stage], kernel: 3, stride: 2);
        ModuleList<VanBlock> Blocks(int stage) => nn.ModuleList(rates[stage].Select((rate, i) => new VanBlock(config, stage, i, rate)).ToArray());
        LayerNorm Norm(int stage) => nn.LayerNorm(config.embed_dims[stage], 1e-6);
        (patch_embed1, patch_embed2, patch_embed3, patch_embed4) = (Embed(0), Embed(1), Embed(2), Embed(3));
        (block1, block2, block3, block4) = (Blocks(0), Blocks(1), Blocks(2), Blocks(3));
        (norm1, norm2, norm3, norm4) = (Norm(0), Norm(1), Norm(2), Norm(3));
        head_drop = nn.Dropout(config.drop_rate);
        classes = config.num_classes;
        head = Linears.Classifier(num_features, classes);
        stages = [new(patch_embed1, block1, norm1), new(patch_embed2, block2, norm2), new(patch_embed3, block3, norm3), new(patch_embed4, block4, norm4)];
        RegisterComponents();
        Linears.Initialise(this);
        Convolutions.Initialise(this);
    }

    public override int num_classes => classes;
    protected override IReadOnlyList<nn.Module<Tensor, Tensor>> Stages => stages;
    protected override IReadOnlyList<int> Depths => config.depths;
    protected override IReadOnlyList<int> Channels => config.embed_dims;
    protected override string StageName(int stage) => $"block{stage + 1}";

    public override IReadOnlyList<FeatureInfo> feature_info =>
        [.. config.embed_dims.Select((channels, i) => new FeatureInfo($"norm{i + 1}", channels, 4 << i))];

    public override int layer_of(string parameter)
    {
        // What embeds a stage's map goes with its first block, its norm with the last.
        int stage = parameter[parameter.IndexOf('.') - 1] - '1';
        if (parameter.StartsWith("patch_embed", StringComparison.Ordinal) && stage > 0)
            return base.layer_of($"block{stage + 1}.0.");
        return parameter.StartsWith("norm", StringComparison.Ordinal) && stage < StageCount - 1
            ? base.layer_of($"block{stage + 1}.{config.depths[stage] - 1}.") : base.layer_of(parameter);
    }

    protected override Tensor Stem(Tensor images) => images.alias();

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

    private static readonly VanConfig B2 = new() { crop_pct = 0.9 };
    private static readonly VanConfig B5 = B2 with { embed_dims = [96, 192, 480, 768], depths = [3, 3, 24, 3] };

    /// <summary>The variants, by the authors' names.</summary>
    public static ModelFamily<VanConfig> Family { get; } = new()
    {
        Name = "VAN",
        Reference = "Guo et al., Visual Attention Network, 2022 (arXiv:2202.09741)",
        Build = config => new Van(config),
        Table = new Dictionary<string, VanConfig>
        {
            ["van_b0"] = B2 with { embed_dims = [32, 64, 160, 256], depths = [3, 3, 5, 2] },
            ["van_b1"] = B2 with { depths = [2, 2, 4, 2] },
            ["van_b2"] = B2,
            ["van_b3"] = B2 with { depths = [3, 5, 27, 3] },
            ["van_b4"] = B2 with { depths = [3, 6, 40, 3] },
            ["van_b5"] = B5,
            ["van_b6"] = B5 with { embed_dims = [96, 192, 384, 768], depths = [6, 6, 90, 6] },
        },
    };
}
