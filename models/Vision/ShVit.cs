using Attention.Modules;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Attention.Models.Vision;

/// <summary>A SHViT; fields as in timm.</summary>
public sealed record ShVitConfig : AttentionHostConfig
{
    /// <summary>Channels of each stage.</summary>
    public int[] embed_dim { get; init; } = [128, 256, 384];
    /// <summary>Channels of each stage that attend; the others pass by.</summary>
    public int[] partial_dim { get; init; } = [32, 64, 96];
    /// <summary>Channels of queries and keys at each stage.</summary>
    public int[] qk_dim { get; init; } = [16, 16, 16];
    /// <summary>Blocks of each stage.</summary>
    public int[] depth { get; init; } = [1, 2, 3];
    /// <summary>Of each stage: s for single-head attention in every block, i for none.</summary>
    public string[] types { get; init; } = ["s", "s", "s"];
}

/// <summary>Two 1x1 convolutions with a ReLU between them. (B, C, H, W) to the same.</summary>
internal sealed class ShVitFeedForward : Block
{
    private readonly ConvNorm pw1;
    private readonly ReLU act;
    private readonly ConvNorm pw2;

    public ShVitFeedForward(int dim) : base(nameof(ShVitFeedForward))
    {
        pw1 = new ConvNorm(dim, 2 * dim);
        act = nn.ReLU();
        pw2 = new ConvNorm(2 * dim, dim, zero: true);
        RegisterComponents();
    }

    protected override Tensor Forward(Tensor x) => pw2.call(act.call(pw1.call(x)));
}

/// <summary>A spatial mixer added to its input. (B, C, H, W) to the same.</summary>
internal sealed class ShVitMixer : Block
{
    private readonly nn.Module<Tensor, Tensor> m;
    private readonly HostedAttention mixer;

    public ShVitMixer(HostedAttention mixer) : base(nameof(ShVitMixer))
    {
        this.mixer = mixer;
        m = mixer.Module;
        RegisterComponents();
    }

    protected override Tensor Forward(Tensor x) => x + mixer.OnMap(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2);
}

/// <summary>A depthwise convolution, attention and a feed-forward, each added to its input. (B, C, H, W) to the same.</summary>
internal sealed class ShVitBlock : Block
{
    private readonly Residual conv;
    private readonly nn.Module<Tensor, Tensor> mixer;
    private readonly Residual ffn;

    public ShVitBlock(ShVitConfig config, int stage, int index) : base(nameof(ShVitBlock))
    {
        int dim = config.embed_dim[stage];
        conv = new Residual(new ConvNorm(dim, dim, kernel_size: 3, groups: dim, zero: true));
        mixer = config.types[stage] switch
        {
            "s" => new ShVitMixer(new HostedAttention(
                config.attention ?? new SingleHeadAttentionConfig { partial_dim = config.partial_dim[stage], qk_dim = config.qk_dim[stage] },
                config.Site(dim, num_heads: 1, stride: 16 << stage, index))),
            "i" => nn.Identity(),
            var other => throw new UserError($"types has '{other}'", "give each stage s, for single-head attention, or i, for none"),
        };
        ffn = new Residual(new ShVitFeedForward(dim));
        RegisterComponents();
    }

    protected override Tensor Forward(Tensor x) => ffn.call(mixer.call(conv.call(x)));
}

/// <summary>Halves a map in a wider space. (B, C, H, W) to (B, C', H/2, W/2).</summary>
internal sealed class ShVitPatchMerging : Block
{
    private readonly ConvNorm conv1;
    private readonly ReLU act1;
    private readonly ConvNorm conv2;
    private readonly ReLU act2;
    private readonly SqueezeExcitation se;
    private readonly ConvNorm conv3;

    public ShVitPatchMerging(int dim, int out_dim) : base(nameof(ShVitPatchMerging))
    {
        int hidden = 4 * dim;
        conv1 = new ConvNorm(dim, hidden);
        act1 = nn.ReLU();
        conv2 = new ConvNorm(hidden, hidden, kernel_size: 3, stride: 2, groups: hidden);
        act2 = nn.ReLU();
        se = new SqueezeExcitation(hidden, SqueezeExcitation.Hidden(hidden, 0.25));
        conv3 = new ConvNorm(hidden, out_dim);
        RegisterComponents();
    }

    protected override Tensor Forward(Tensor x) => conv3.call(se.call(act2.call(conv2.call(act1.call(conv1.call(x))))));
}

/// <summary>A step down, except at the first, and blocks.</summary>
internal sealed class ShVitStage : Block
{
    private readonly nn.Module<Tensor, Tensor> downsample;
    private readonly Sequential blocks;

    public ShVitStage(ShVitConfig config, int stage) : base(nameof(ShVitStage))
    {
        downsample = stage == 0 ? nn.Identity() : StepDown(config.embed_dim[stage - 1], config.embed_dim[stage]);
        blocks = nn.Sequential(Enumerable.Range(0, config.depth[stage]).Select(i => (nn.Module<Tensor, Tensor>)new ShVitBlock(config, stage, i)));
        RegisterComponents();
    }

    private static Sequential StepDown(int before, int dim) => nn.Sequential(
        new Residual(new ConvNorm(before, before, kernel_size: 3, groups: before)),
        new Residual(new ShVitFeedForward(before)),
        new ShVitPatchMerging(before, dim),
        new Residual(new ConvNorm(dim, dim, kernel_size: 3, groups: dim)),
        new Residual(new ShVitFeedForward(dim)));

    protected override Tensor Forward(Tensor x) => blocks.call(downsample.call(x));
}

/// <summary>
/// SHViT: Yun and Ro, Single-Head Vision Transformer with Memory Efficient Macro Design, 2024 (arXiv:2401.16456). A stem of
/// stride 16, then three stages. Parameter names as in timm's shvit.py. Images of any size are taken.
/// </summary>
public sealed class ShVit : StagedModel
{
    private readonly Sequential patch_embed;
    private readonly ModuleList<nn.Module<Tensor, Tensor>> stages;
    private readonly AdaptiveAvgPool2d global_pool;
    private readonly Flatten flatten;
    private readonly Dropout head_drop;
    private nn.Module<Tensor, Tensor> head;

    private readonly ShVitConfig config;
    private int classes;

    public ShVit(ShVitConfig config) : base(nameof(ShVit))
    {
        this.config = config;
        int count = config.depth.Length;
        if (new[] { config.embed_dim.Length, config.partial_dim.Length, config.qk_dim.Length, config.types.Length }.Any(length => length != count))
            throw new UserError($"depth has {count} stages, other fields have another number", "give embed_dim, partial_dim, qk_dim and types one entry for each stage");
        patch_embed = NewStem(config.in_chans, config.embed_dim[0]);
        stages = nn.ModuleList(Enumerable.Range(0, count).Select(stage => (nn.Module<Tensor, Tensor>)new ShVitStage(config, stage)).ToArray());
        global_pool = nn.AdaptiveAvgPool2d(1);
        flatten = nn.Flatten();
        head_drop = nn.Dropout(config.drop_rate);
        classes = config.num_classes;
        head = NewHead(num_features, classes);
        RegisterComponents();
    }

    public override int num_classes => classes;
    protected override IReadOnlyList<nn.Module<Tensor, Tensor>> Stages => [.. stages];
    protected override IReadOnlyList<int> Depths => config.depth;
    protected override IReadOnlyList<int> Channels => config.embed_dim;
    protected override int FirstStride => 16;

    private static Sequential NewStem(int in_chans, int dim) => nn.Sequential(
        new ConvNorm(in_chans, dim / 8, kernel_size: 3, stride: 2), nn.ReLU(),
        new ConvNorm(dim / 8, dim / 4, kernel_size: 3, stride: 2), nn.ReLU(),
        new ConvNorm(dim / 4, dim / 2, kernel_size: 3, stride: 2), nn.ReLU(),
        new ConvNorm(dim / 2, dim, kernel_size: 3, stride: 2));

    private static nn.Module<Tensor, Tensor> NewHead(int features, int classes) =>
        classes > 0 ? nn.Sequential(("bn", nn.BatchNorm1d(features)), ("l", Linears.Classifier(features, classes))) : nn.Identity();

    protected override Tensor Stem(Tensor images) => patch_embed.call(images);

    public override Tensor forward_head(Tensor x, bool pre_logits = false)
    {
        using var scope = NewDisposeScope();
        x = head_drop.call(flatten.call(global_pool.call(x)));
        return scope.MoveToOuter(pre_logits ? x : head.call(x));
    }

    public override void reset_classifier(int num_classes)
    {
        classes = num_classes;
        this.Replace(nameof(head), ref head, NewHead(num_features, num_classes));
    }

    // --- variants --------------------------------------------------------------------------------

    private static readonly ShVitConfig S1 = new() { embed_dim = [128, 224, 320], depth = [2, 4, 5], partial_dim = [32, 48, 68], types = ["i", "s", "s"] };

    /// <summary>The variants, by timm's names.</summary>
    public static ModelFamily<ShVitConfig> Family { get; } = new()
    {
        Name = "SHViT",
        Reference = "Yun and Ro, SHViT: Single-Head Vision Transformer with Memory Efficient Macro Design, 2024 (arXiv:2401.16456)",
        Build = config => new ShVit(config),
        Table = new Dictionary<string, ShVitConfig>
        {
            ["shvit_s1"] = S1,
            ["shvit_s2"] = S1 with { embed_dim = [128, 308, 448], partial_dim = [32, 66, 96] },
            ["shvit_s3"] = S1 with { embed_dim = [192, 352, 448], depth = [3, 5, 5], partial_dim = [48, 75, 96] },
            ["shvit_s4"] = S1 with { embed_dim = [224, 336, 448], depth = [4, 7, 6], partial_dim = [48, 72, 96], img_size = 256 },
        },
    };
}
