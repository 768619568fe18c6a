using Attention.Modules;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Attention.Models.Vision;

/// <summary>An OverLoCK; fields as in the authors' repository.</summary>
public sealed record OverLockConfig : ImageModelConfig
{
    /// <summary>Blocks of each stage of the overview.</summary>
    public int[] depth { get; init; } = [2, 2, 3, 2];
    /// <summary>Blocks of the closer look, at the third and the fourth stage.</summary>
    public int[] sub_depth { get; init; } = [6, 2];
    /// <summary>Channels of each stage.</summary>
    public int[] embed_dim { get; init; } = [56, 112, 256, 336];
    /// <summary>Side of the large kernels at each stage.</summary>
    public int[] kernel_size { get; init; } = [17, 15, 13, 7];
    /// <summary>Side of the small dynamic kernels.</summary>
    public int smk_size { get; init; } = 5;
    /// <summary>Width of the MLP in units of the channels, at each stage.</summary>
    public double[] mlp_ratio { get; init; } = [4, 4, 4, 4];
    /// <summary>The same in the closer look.</summary>
    public double[] sub_mlp_ratio { get; init; } = [3, 3];
    /// <summary>Groups of channels with a dynamic kernel of each size, in the closer look.</summary>
    public int[] sub_num_heads { get; init; } = [4, 6];
    /// <summary>Where learned factors of the shortcuts start, at each stage; null for none.</summary>
    public double?[] ls_init_value { get; init; } = [null, null, 1, 1];
    /// <summary>Factors of the shortcuts rather than of the branches.</summary>
    public bool res_scale { get; init; } = true;
    /// <summary>Large kernels whose branches are merged to one convolution.</summary>
    public bool deploy { get; init; }
    /// <summary>A classifier of the overview, which the authors train with the other; it has no part in the output.</summary>
    public bool use_ds { get; init; } = true;
    /// <summary>Channels before the classifier.</summary>
    public int projection { get; init; } = 1024;
}

/// <summary>
/// OverLoCK: Lou and Yu, OverLoCK: An Overview-first-Look-Closely-next ConvNet with Context-Mixing Dynamic Kernels, 2025
/// (arXiv:2502.20087). Parameter names as in the authors' repository, LMMMEng/OverLoCK. Images of any size are taken.
/// </summary>
public sealed class OverLock : ImageModel
{
    private readonly Sequential patch_embed1, patch_embed2, patch_embed3, patch_embed4;
    private readonly Conv2d high_level_proj;
    private readonly ContextDownsample patch_embedx;
    private readonly ModuleList<RepConvBlock> blocks1, blocks2, blocks3, blocks4;
    private readonly ModuleList<DynamicConvBlock> sub_blocks3, sub_blocks4;
    private Sequential? aux_head;
    private readonly Dropout head_drop;
    private readonly OverLockHead head;

    private readonly OverLockConfig config;
    private int classes;

    public OverLock(OverLockConfig config) : base(nameof(OverLock))
    {
        this.config = config;
        if (config.depth.Length != 4 || config.embed_dim.Length != 4 || config.kernel_size.Length != 4 || config.sub_depth.Length != 2)
            throw new UserError("OverLoCK has four stages, of which two are looked at again", "give depth, embed_dim and kernel_size 4 numbers, sub_depth 2");
        var dims = config.embed_dim;
        (patch_embed1, patch_embed2, patch_embed3, patch_embed4) = (Stem(config.in_chans, dims[0]), Down(dims[0], dims[1]), Down(dims[1], dims[2]), Down(dims[2], dims[3]));
        high_level_proj = nn.Conv2d(dims[3], dims[3] / 4, kernel_size: 1);
        patch_embedx = new ContextDownsample(dims[2], dims[3]);
        var rates = DropPath.StageRates(config.drop_path_rate, [.. config.depth, .. config.sub_depth]);
        ModuleList<RepConvBlock> Blocks(int stage) => nn.ModuleList(rates[stage].Select(rate => new RepConvBlock(config, stage, rate)).ToArray());
        ModuleList<DynamicConvBlock> SubBlocks(int part) => nn.ModuleList(rates[4 + part].Select((rate, i) => new DynamicConvBlock(config, part, i, rate)).ToArray());
        (blocks1, blocks2, blocks3, blocks4) = (Blocks(0), Blocks(1), Blocks(2), Blocks(3));
        (sub_blocks3, sub_blocks4) = (SubBlocks(0), SubBlocks(1));
        classes = config.num_classes;
        aux_head = config.use_ds ? AuxiliaryHead(dims[3], classes) : null;
        head_drop = nn.Dropout(config.drop_rate);
        head = new OverLockHead(dims[3] + dims[3] / 4, config.projection, classes);
        RegisterComponents();
        Convolutions.InitialiseTruncated(this);
    }

    private static Sequential Stem(int inputs, int dim)
    {
        static Conv2d Convolution(int inputs, int outputs, int stride) => nn.Conv2d(inputs, outputs, kernel_size: 3, stride: stride, padding: 1, bias: false);
        int half = dim / 2;
        return nn.Sequential(Convolution(inputs, half, 2), nn.BatchNorm2d(half), nn.GELU(), Convolution(half, half, 1), nn.BatchNorm2d(half), nn.GELU(),
            Convolution(half, dim, 2), nn.BatchNorm2d(dim), nn.GELU(), Convolution(dim, dim, 1), nn.BatchNorm2d(dim));
    }

    /// <summary>A strided convolution and a norm. (B, C, H, W) to (B, C', H/2, W/2).</summary>
    internal static Sequential Down(int inputs, int outputs) =>
        nn.Sequential(nn.Conv2d(inputs, outputs, kernel_size: 3, stride: 2, padding: 1, bias: false), nn.BatchNorm2d(outputs));

    private static Sequential AuxiliaryHead(int dim, int num_classes) =>
        nn.Sequential(nn.BatchNorm2d(dim), nn.AdaptiveAvgPool2d(1), OverLockHead.Classifier(dim, num_classes));

    public override int num_classes => classes;
    public override int num_features => config.projection;

    public override IReadOnlyList<FeatureInfo> feature_info =>
    [
        new("blocks1", config.embed_dim[0], 4), new("blocks2", config.embed_dim[1], 8), new("sub_blocks3", config.embed_dim[2], 16),
        new("sub_blocks4", config.embed_dim[3] + config.embed_dim[3] / 4, 32),
    ];

    public override int num_layers => config.depth.Sum() + config.sub_depth.Sum() + 2;

    public override int layer_of(string parameter)
    {
        // Blocks in the order in which they are called; what comes before a stage goes with its first.
        string[] stages = ["blocks1", "blocks2", "blocks3", "blocks4", "sub_blocks3", "sub_blocks4"];
        string[] before = ["", "patch_embed2", "patch_embed3", "patch_embed4", "high_level_proj", "patch_embedx"];
        int[] depths = [.. config.depth, .. config.sub_depth];
        var parts = parameter.Split('.');
        if (Array.IndexOf(before, parts[0]) is > 0 and var next)
            return 1 + depths.Take(next).Sum();
        if (Array.IndexOf(stages, parts[0]) is >= 0 and var stage)
            return 1 + depths.Take(stage).Sum() + int.Parse(parts[1]);
        return parts[0] is "head" or "aux_head" ? num_layers - 1 : 0;
    }

    // The maps of feature_info.
    private Tensor[] Maps(Tensor images)
    {
        static Tensor Through(ModuleList<RepConvBlock> blocks, Tensor x) => blocks.Aggregate(x, (result, block) => block.call(result));
        var first = Through(blocks1, patch_embed1.call(images));
        var second = Through(blocks2, patch_embed2.call(first));
        var x = Through(blocks3, patch_embed3.call(second));
        var overview = high_level_proj.call(Through(blocks4, patch_embed4.call(x)));
        var enlarged = nn.functional.interpolate(overview, [x.shape[2], x.shape[3]], mode: InterpolationMode.Bilinear, align_corners: false);
        var context = enlarged;
        foreach (var block in sub_blocks3)
            (x, context) = Pair(block.call([x, context, enlarged]));
        var third = x;
        (x, context) = Pair(patch_embedx.call([x, context]));
        foreach (var block in sub_blocks4)
            (x, context) = Pair(block.call([x, context, overview]));
        return [first, second, third, x];
    }

    private static (Tensor, Tensor) Pair(Tensor[] both) => (both[0], both[^1]);

    public override Tensor forward_features(Tensor x)
    {
        using var scope = NewDisposeScope();
        return scope.MoveToOuter(Maps(x)[^1]);
    }

    public override Tensor[] forward_intermediates(Tensor x, IReadOnlyList<int>? indices = null)
    {
        using var scope = NewDisposeScope();
        var maps = Maps(x);
        return [.. (indices ?? [0, 1, 2, 3]).Select(i => scope.MoveToOuter(maps[i].alias()))];
    }

    public override Tensor forward_head(Tensor x, bool pre_logits = false)
    {
        using var scope = NewDisposeScope();
        return scope.MoveToOuter((pre_logits ? head_drop.call(head.Features(x)) : head.call(x)).flatten(1));
    }

    public override void reset_classifier(int num_classes)
    {
        classes = num_classes;
        head.Reset(OverLockHead.Classifier(config.projection, num_classes));
        if (aux_head is not null)
            this.Replace(nameof(aux_head), ref aux_head, AuxiliaryHead(config.embed_dim[3], num_classes));
    }

    /// <summary>A new model that computes what this one does in evaluation, with one convolution for each large kernel and its branches.</summary>
    public OverLock Merged()
    {
        if (config.deploy)
            throw new InvalidOperationException("the model is merged already");
        using var _ = no_grad();
        var merged = new OverLock(config with { deploy = true, num_classes = classes });
        var own = state_dict();
        foreach (var (name, tensor) in merged.state_dict())
            if (own.TryGetValue(name, out var found) && found.shape.AsSpan().SequenceEqual(tensor.shape))
                tensor.copy_(found);
        var trained = named_modules().ToDictionary(each => each.name, each => each.module);
        foreach (var (name, module) in merged.named_modules())
            if (module is DilatedReparam block)
                block.Merge((DilatedReparam)trained[name]);
        return merged;
    }

    // --- variants --------------------------------------------------------------------------------

    private static readonly OverLockConfig XTiny = new() { crop_pct = 0.925 };
    private static readonly OverLockConfig Tiny = XTiny with { depth = [4, 4, 6, 2], sub_depth = [12, 2], embed_dim = [64, 128, 256, 512], sub_num_heads = [4, 8], crop_pct = 0.95 };
    private static readonly OverLockConfig Small = XTiny with { depth = [6, 6, 8, 3], sub_depth = [16, 3], embed_dim = [64, 128, 320, 512], sub_num_heads = [8, 16], crop_pct = 0.95 };
    private static readonly OverLockConfig Base = XTiny with { depth = [8, 8, 10, 4], sub_depth = [20, 4], embed_dim = [80, 160, 384, 576], sub_num_heads = [6, 9], crop_pct = 0.975 };

    /// <summary>The variants, by the authors' names.</summary>
    public static ModelFamily<OverLockConfig> Family { get; } = new()
    {
        Name = "OverLoCK",
        Reference = "Lou and Yu, OverLoCK: An Overview-first-Look-Closely-next ConvNet with Context-Mixing Dynamic Kernels, 2025 (arXiv:2502.20087)",
        Build = config => new OverLock(config),
        Table = new Dictionary<string, OverLockConfig>
        {
            ["overlock_xt"] = XTiny,
            ["overlock_t"] = Tiny,
            ["overlock_s"] = Small,
            ["overlock_b"] = Base,
            ["overlock_xt_reparam"] = XTiny with { deploy = true },
            ["overlock_t_reparam"] = Tiny with { deploy = true },
            ["overlock_s_reparam"] = Small with { deploy = true },
            ["overlock_b_reparam"] = Base with { deploy = true },
        },
    };
}
