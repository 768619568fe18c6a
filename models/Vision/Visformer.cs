using Attention.Modules;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Attention.Models.Vision;

/// <summary>A Visformer; fields as in timm.</summary>
public sealed record VisformerConfig : AttentionHostConfig
{
    /// <summary>Pixels per position of the second stage, along each side; the first has half of it, the third twice.</summary>
    public int patch_size { get; init; } = 16;
    /// <summary>Channels of the stem.</summary>
    public int init_channels { get; init; } = 32;
    /// <summary>Channels of the second stage; the first has half of them, the third twice as many.</summary>
    public int embed_dim { get; init; } = 384;
    /// <summary>Blocks of each stage.</summary>
    public int[] depth { get; init; } = [7, 4, 4];
    public int num_heads { get; init; } = 6;
    /// <summary>Width of the MLP in units of the channels, where it has no convolution of neighbours.</summary>
    public double mlp_ratio { get; init; } = 4;
    /// <summary>The stages whose blocks have attention.</summary>
    public bool[] attn_stage { get; init; } = [false, true, true];
    /// <summary>The stages whose MLPs have a 3x3 convolution of neighbours in their middle.</summary>
    public bool[] spatial_conv { get; init; } = [true, false, false];
    /// <summary>Groups of that convolution.</summary>
    public int group { get; init; } = 8;
    public bool use_pos_embed { get; init; } = true;
    public double pos_drop_rate { get; init; }
    public double proj_drop_rate { get; init; }
    public double attn_drop_rate { get; init; }

    /// <summary>Channels of a stage.</summary>
    internal int Dim(int stage) => embed_dim / 2 << stage;

    /// <summary>Pixels per position of a stage, along each side.</summary>
    internal int Stride(int stage) => patch_size / 2 << stage;
}

/// <summary>1x1 convolutions with GELU, and in some stages a 3x3 convolution between them. (B, C, H, W) to the same.</summary>
internal sealed class SpatialMlp : Block
{
    private readonly Conv2d conv1;
    private readonly GELU act1;
    private readonly Dropout drop1;
    private readonly Conv2d? conv2;
    private readonly GELU? act2;
    private readonly Conv2d conv3;
    private readonly Dropout drop3;

    public SpatialMlp(VisformerConfig config, int stage) : base(nameof(SpatialMlp))
    {
        int dim = config.Dim(stage);
        bool spatial = config.spatial_conv[stage];
        int hidden = !spatial ? (int)(dim * config.mlp_ratio) : config.group < 2 ? dim * 5 / 6 : dim * 2;
        conv1 = nn.Conv2d(dim, hidden, kernel_size: 1, bias: false);
        act1 = nn.GELU();
        drop1 = nn.Dropout(config.proj_drop_rate);
        conv2 = spatial ? nn.Conv2d(hidden, hidden, kernel_size: 3, padding: 1, groups: config.group, bias: false) : null;
        act2 = spatial ? nn.GELU() : null;
        conv3 = nn.Conv2d(hidden, dim, kernel_size: 1, bias: false);
        drop3 = nn.Dropout(config.proj_drop_rate);
        RegisterComponents();
    }

    protected override Tensor Forward(Tensor x)
    {
        x = drop1.call(act1.call(conv1.call(x)));
        if (conv2 is not null && act2 is not null)
            x = act2.call(conv2.call(x));
        return drop3.call(conv3.call(x));
    }
}

/// <summary>Self-attention over a map, with 1x1 convolutions for its layers. (B, C, H, W) to the same.</summary>
internal sealed class VisformerAttention : Block
{
    private readonly Conv2d qkv;
    private readonly Conv2d proj;
    private readonly Dropout proj_drop;
    private readonly int num_heads;
    private readonly int head_dim;
    private readonly double attn_drop;

    public VisformerAttention(VisformerConfig config, int stage) : base(nameof(VisformerAttention))
    {
        int dim = config.Dim(stage);
        num_heads = config.num_heads;
        if (num_heads < 1 || dim < num_heads)
            throw new UserError($"{dim} channels are too few for num_heads {num_heads}", "choose fewer heads or a larger embed_dim");
        // The first stage has so many positions that its heads are half as wide.
        head_dim = (int)Math.Round(dim / num_heads * (stage == 0 ? 0.5 : 1));
        attn_drop = config.attn_drop_rate;
        qkv = nn.Conv2d(dim, head_dim * num_heads * 3, kernel_size: 1, bias: false);
        proj = nn.Conv2d(head_dim * num_heads, dim, kernel_size: 1, bias: false);
        proj_drop = nn.Dropout(config.proj_drop_rate);
        RegisterComponents();
    }

    protected override Tensor Forward(Tensor x)
    {
        var (batch, height, width) = (x.shape[0], x.shape[2], x.shape[3]);
        var parts = qkv.call(x).reshape(batch, 3, num_heads, head_dim, height * width).transpose(-2, -1).unbind(1);
        var attended = ScaledDotProduct.Attend(parts[0], parts[1], parts[2], dropout: training ? attn_drop : 0);
        return proj_drop.call(proj.call(attended.transpose(-2, -1).reshape(batch, num_heads * head_dim, height, width)));
    }
}

/// <summary>Attention, in some stages, and an MLP, each after a batch norm. (B, C, H, W) to the same.</summary>
internal sealed class VisformerBlock : Block
{
    private readonly BatchNorm2d? norm1;
    private readonly nn.Module<Tensor, Tensor>? attn;
    private readonly nn.Module<Tensor, Tensor> drop_path;
    private readonly BatchNorm2d norm2;
    private readonly SpatialMlp mlp;
    private readonly HostedAttention? replaced;

    public VisformerBlock(VisformerConfig config, int stage, int index, double drop) : base(nameof(VisformerBlock))
    {
        int dim = config.Dim(stage);
        if (config.attn_stage[stage])
        {
            norm1 = nn.BatchNorm2d(dim);
            replaced = config.attention is { } chosen ? new HostedAttention(chosen, config.Site(dim, config.num_heads, config.Stride(stage), index)) : null;
            attn = replaced?.Module ?? new VisformerAttention(config, stage);
        }
        drop_path = DropPath.Of(drop);
        norm2 = nn.BatchNorm2d(dim);
        mlp = new SpatialMlp(config, stage);
        RegisterComponents();
    }

    protected override Tensor Forward(Tensor x)
    {
        if (norm1 is not null && attn is not null)
            x = x + drop_path.call(replaced is null ? attn.call(norm1.call(x)) : replaced.OnMap(norm1.call(x).permute(0, 2, 3, 1)).permute(0, 3, 1, 2));
        return x + drop_path.call(mlp.call(norm2.call(x)));
    }
}

/// <summary>Patches of a map, and a batch norm. (B, C, H, W) to (B, C', H/patch, W/patch).</summary>
internal sealed class VisformerPatchEmbed : Block
{
    private readonly Conv2d proj;
    private readonly BatchNorm2d norm;

    public VisformerPatchEmbed(int in_chans, int embed_dim, int patch_size) : base(nameof(VisformerPatchEmbed))
    {
        proj = nn.Conv2d(in_chans, embed_dim, kernel_size: patch_size, stride: patch_size);
        norm = nn.BatchNorm2d(embed_dim);
        RegisterComponents();
    }

    protected override Tensor Forward(Tensor x) => norm.call(proj.call(x));
}

/// <summary>A stage's parts in their order; they belong to the model, under the reference's names.</summary>
internal sealed class VisformerStage(VisformerPatchEmbed embed, Func<Parameter?> positions, Dropout drop, Sequential blocks) : Block(nameof(VisformerStage))
{
    protected override Tensor Forward(Tensor x)
    {
        x = embed.call(x);
        return blocks.call(positions() is { } placed ? drop.call(x + placed) : x);
    }
}

/// <summary>
/// Visformer: Chen et al., The Vision-friendly Transformer, 2021 (arXiv:2104.12533). Parameter names as in timm's
/// visformer.py.
/// </summary>
public sealed class Visformer : StagedModel
{
    private readonly Sequential stem;
    private readonly VisformerPatchEmbed patch_embed1;
    private readonly Parameter? pos_embed1;
    private readonly Sequential stage1;
    private readonly VisformerPatchEmbed patch_embed2;
    private readonly Parameter? pos_embed2;
    private readonly Sequential stage2;
    private readonly VisformerPatchEmbed patch_embed3;
    private readonly Parameter? pos_embed3;
    private readonly Sequential stage3;
    private readonly Dropout pos_drop;
    private readonly BatchNorm2d norm;
    private readonly GlobalPool global_pool;
    private readonly Dropout head_drop;
    private nn.Module<Tensor, Tensor> head;

    private readonly VisformerConfig config;
    private readonly VisformerStage[] steps;
    private int classes;

    public Visformer(VisformerConfig config) : base(nameof(Visformer))
    {
        this.config = config;
        Check(config);
        stem = nn.Sequential(nn.Conv2d(config.in_chans, config.init_channels, kernel_size: 7, stride: 2, padding: 3, bias: false),
            nn.BatchNorm2d(config.init_channels), nn.ReLU());
        var rates = DropPath.StageRates(config.drop_path_rate, config.depth);
        patch_embed1 = new VisformerPatchEmbed(config.init_channels, config.Dim(0), config.patch_size / 4);
        pos_embed1 = Positions(0);
        stage1 = Blocks(0, rates[0]);
        patch_embed2 = new VisformerPatchEmbed(config.Dim(0), config.Dim(1), 2);
        pos_embed2 = Positions(1);
        stage2 = Blocks(1, rates[1]);
        patch_embed3 = new VisformerPatchEmbed(config.Dim(1), config.Dim(2), 2);
        pos_embed3 = Positions(2);
        stage3 = Blocks(2, rates[2]);
        pos_drop = nn.Dropout(config.pos_drop_rate);
        norm = nn.BatchNorm2d(num_features);
        global_pool = new GlobalPool();
        head_drop = nn.Dropout(config.drop_rate);
        classes = config.num_classes;
        head = Linears.Classifier(num_features, classes);
        steps =
        [
            new VisformerStage(patch_embed1, () => pos_embed1, pos_drop, stage1),
            new VisformerStage(patch_embed2, () => pos_embed2, pos_drop, stage2),
            new VisformerStage(patch_embed3, () => pos_embed3, pos_drop, stage3),
        ];
        RegisterComponents();
        Linears.Initialise(this);
        Convolutions.Initialise(this);
    }

    public override int num_classes => classes;
    public override bool fixed_input_size => config.use_pos_embed;
    protected override IReadOnlyList<nn.Module<Tensor, Tensor>> Stages => steps;
    protected override IReadOnlyList<int> Depths => config.depth;
    protected override IReadOnlyList<int> Channels => [config.Dim(0), config.Dim(1), config.Dim(2)];
    protected override int FirstStride => config.Stride(0);
    protected override string StageName(int stage) => $"stage{stage + 1}";

    private static void Check(VisformerConfig config)
    {
        if (config.depth.Length != 3 || config.attn_stage.Length != 3 || config.spatial_conv.Length != 3)
            throw new UserError("a Visformer has three stages", "give depth, attn_stage and spatial_conv three entries each");
        if (config.patch_size % 8 != 0)
            throw new UserError($"patch_size {config.patch_size} is no multiple of 8", "choose 16, or another multiple of 8");
        if (config.img_size < config.Stride(2) || config.img_size % config.Stride(2) != 0)
            throw new UserError($"img_size {config.img_size} does not divide by {config.Stride(2)}, the stride of the last stage", $"choose a multiple of {config.Stride(2)}");
    }

    private Parameter? Positions(int stage)
    {
        if (!config.use_pos_embed)
            return null;
        int side = config.img_size / config.Stride(stage);
        var positions = new Parameter(zeros(1, config.Dim(stage), side, side));
        using var _ = no_grad();
        nn.init.trunc_normal_(positions, std: 0.02);
        return positions;
    }

    private Sequential Blocks(int stage, double[] rates) =>
        nn.Sequential(rates.Select((rate, i) => (nn.Module<Tensor, Tensor>)new VisformerBlock(config, stage, i, rate)));

    public override int layer_of(string parameter)
    {
        // What embeds and places a stage's positions goes with its first block.
        var name = parameter.Split('.')[0];
        return name is "patch_embed2" or "pos_embed2" or "patch_embed3" or "pos_embed3" ? base.layer_of($"stage{name[^1]}.0.") : base.layer_of(parameter);
    }

    protected override Tensor Stem(Tensor images)
    {
        if (config.use_pos_embed && (images.shape[2] != config.img_size || images.shape[3] != config.img_size))
            throw new ArgumentException($"the model takes images of {config.img_size}x{config.img_size}, not {images.shape[2]}x{images.shape[3]}: set img_size");
        return stem.call(images);
    }

    protected override Tensor AfterStages(Tensor x) => norm.call(x);

    public override Tensor forward_head(Tensor x, bool pre_logits = false)
    {
        using var scope = NewDisposeScope();
        x = head_drop.call(global_pool.call(x));
        return scope.MoveToOuter(pre_logits ? x : head.call(x));
    }

    public override void reset_classifier(int num_classes)
    {
        classes = num_classes;
        this.Replace(nameof(head), ref head, Linears.Classifier(num_features, num_classes));
    }

    // --- variants --------------------------------------------------------------------------------

    private static readonly VisformerConfig Small = new() { crop_pct = 0.9 };

    /// <summary>The variants, by timm's names.</summary>
    public static ModelFamily<VisformerConfig> Family { get; } = new()
    {
        Name = "Visformer",
        Reference = "Chen et al., Visformer: The Vision-friendly Transformer, 2021 (arXiv:2104.12533)",
        Build = config => new Visformer(config),
        Table = new Dictionary<string, VisformerConfig>
        {
            ["visformer_tiny"] = Small with { init_channels = 16, embed_dim = 192, num_heads = 3 },
            ["visformer_small"] = Small,
        },
    };
}
