using Attention.Modules;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Attention.Models.Vision;

/// <summary>A CrossViT; fields as in timm. What has two numbers has one for each branch.</summary>
public sealed record CrossVitConfig : AttentionHostConfig
{
    /// <summary>Side of each branch's image in units of img_size.</summary>
    public double[] img_scale { get; init; } = [1, 224.0 / 240];
    /// <summary>Side of the patches.</summary>
    public int[] patch_size { get; init; } = [12, 16];
    public int[] embed_dim { get; init; } = [96, 192];
    /// <summary>Of each stage: blocks of the first branch, of the second, and fusions after them (0 stands for one).</summary>
    public int[][] depth { get; init; } = [[1, 4, 0], [1, 4, 0], [1, 4, 0]];
    public int[] num_heads { get; init; } = [3, 3];
    /// <summary>Width of the MLP in units of the channels.</summary>
    public double[] mlp_ratio { get; init; } = [4, 4];
    /// <summary>Patches by three convolutions rather than by one: the dagger variants.</summary>
    public bool multi_conv { get; init; }
    /// <summary>Cuts the centre out for a smaller branch, rather than resizing the image.</summary>
    public bool crop_scale { get; init; }
    public bool qkv_bias { get; init; } = true;
    /// <summary>What the head sees of each branch: the class token (token), or the mean of the patches (avg).</summary>
    public string global_pool { get; init; } = "token";
    public double norm_eps { get; init; } = 1e-6;
    public double pos_drop_rate { get; init; }
    public double proj_drop_rate { get; init; }
    public double attn_drop_rate { get; init; }

    /// <summary>Side of a branch's image, in pixels.</summary>
    internal int Side(int branch) => (int)(img_scale[branch] * img_size);

    /// <summary>Patches along a side of a branch's image.</summary>
    internal int Grid(int branch) => Side(branch) / patch_size[branch];
}

/// <summary>Patches of a branch's image. (B, C, H, W) to (B, N, embed_dim).</summary>
internal sealed class CrossVitPatchEmbed : Block
{
    private readonly nn.Module<Tensor, Tensor> proj;

    public CrossVitPatchEmbed(CrossVitConfig config, int branch) : base(nameof(CrossVitPatchEmbed))
    {
        var (patch, dim) = (config.patch_size[branch], config.embed_dim[branch]);
        // Strides of 4, 3 and 1 make patches of 12 pixels, 4, 2 and 2 those of 16.
        int second = patch == 12 ? 3 : 2;
        proj = !config.multi_conv
            ? nn.Conv2d(config.in_chans, dim, kernel_size: patch, stride: patch)
            : nn.Sequential(
                nn.Conv2d(config.in_chans, dim / 4, kernel_size: 7, stride: 4, padding: 3),
                nn.ReLU(),
                nn.Conv2d(dim / 4, dim / 2, kernel_size: 3, stride: second, padding: patch == 12 ? 0 : 1),
                nn.ReLU(),
                nn.Conv2d(dim / 2, dim, kernel_size: 3, stride: patch == 12 ? 1 : 2, padding: 1));
        RegisterComponents();
    }

    protected override Tensor Forward(Tensor x) => proj.call(x).flatten(2).transpose(1, 2);
}

/// <summary>A class token gathers from the tokens behind it. (B, N, C) to (B, 1, C).</summary>
internal sealed class CrossAttentionBlock : Block
{
    private readonly LayerNorm norm1;
    private readonly ClassAttention attn;
    private readonly nn.Module<Tensor, Tensor> drop_path;

    public CrossAttentionBlock(CrossVitConfig config, int branch, double drop) : base(nameof(CrossAttentionBlock))
    {
        int dim = config.embed_dim[branch];
        norm1 = nn.LayerNorm(dim, config.norm_eps);
        attn = new ClassAttention(dim, new ClassAttentionConfig
        {
            num_heads = config.num_heads[branch],
            qkv_bias = config.qkv_bias,
            attn_drop = config.attn_drop_rate,
            proj_drop = config.proj_drop_rate,
        }, prefix: "w");
        drop_path = DropPath.Of(drop);
        RegisterComponents();
    }

    protected override Tensor Forward(Tensor x) => x.slice(1, 0, 1, 1) + drop_path.call(attn.call(norm1.call(x)));
}

/// <summary>Blocks on each branch; then each class token visits the other branch's patches. Two of (B, N, C) to the same.</summary>
internal sealed class MultiScaleBlock : MultiBlock
{
    private readonly ModuleList<Sequential> blocks;
    private readonly ModuleList<Sequential> projs;
    private readonly ModuleList<nn.Module<Tensor, Tensor>> fusion;
    private readonly ModuleList<Sequential> revert_projs;

    public MultiScaleBlock(CrossVitConfig config, int[] depth, double[] drop_path) : base(nameof(MultiScaleBlock))
    {
        int[] branches = [0, 1];
        blocks = nn.ModuleList(branches.Select(branch => Blocks(config, branch, drop_path.Take(depth[branch]))).ToArray());
        projs = nn.ModuleList(branches.Select(branch => Exchange(config, branch, 1 - branch)).ToArray());
        fusion = nn.ModuleList(branches.Select(branch => Fusion(config, 1 - branch, depth[2], drop_path[^1])).ToArray());
        revert_projs = nn.ModuleList(branches.Select(branch => Exchange(config, 1 - branch, branch)).ToArray());
        RegisterComponents();
    }

    private static Sequential Blocks(CrossVitConfig config, int branch, IEnumerable<double> drop_path)
    {
        var plain = new VitConfig
        {
            embed_dim = config.embed_dim[branch],
            num_heads = config.num_heads[branch],
            mlp_ratio = config.mlp_ratio[branch],
            qkv_bias = config.qkv_bias,
            norm_eps = config.norm_eps,
            proj_drop_rate = config.proj_drop_rate,
            attn_drop_rate = config.attn_drop_rate,
            attention = config.attention,
        };
        int grid = config.Grid(branch);
        return nn.Sequential(drop_path.Select((rate, i) =>
            (nn.Module<Tensor, Tensor>)new VitBlock(plain, new AttentionSite(plain.embed_dim, plain.num_heads, grid, grid, i, PrefixTokens: 1), rate)));
    }

    private static Sequential Exchange(CrossVitConfig config, int from, int to) =>
        nn.Sequential(nn.LayerNorm(config.embed_dim[from], config.norm_eps), nn.GELU(), nn.Linear(config.embed_dim[from], config.embed_dim[to]));

    private static nn.Module<Tensor, Tensor> Fusion(CrossVitConfig config, int branch, int depth, double drop_path)
    {
        nn.Module<Tensor, Tensor> Cross() => new CrossAttentionBlock(config, branch, drop_path);
        return depth == 0 ? Cross() : nn.Sequential(Enumerable.Range(0, depth).Select(_ => Cross()));
    }

    protected override Tensor[] Forward(Tensor[] x)
    {
        Tensor[] tokens = [blocks[0].call(x[0]), blocks[1].call(x[1])];
        return [Fuse(tokens, 0), Fuse(tokens, 1)];
    }

    private Tensor Fuse(Tensor[] tokens, int branch)
    {
        var (own, other) = (tokens[branch], tokens[1 - branch]);
        var visitor = projs[branch].call(own.slice(1, 0, 1, 1));
        var visited = fusion[branch].call(cat([visitor, other.slice(1, 1, other.shape[1], 1)], 1));
        return cat([revert_projs[branch].call(visited), own.slice(1, 1, own.shape[1], 1)], 1);
    }
}

/// <summary>
/// CrossViT: Chen et al., Cross-Attention Multi-Scale Vision Transformer for Image Classification, 2021 (arXiv:2103.14899).
/// Two branches see the image in patches of two sizes and exchange their class tokens; the logits are the mean of both.
/// Parameter names as in timm's crossvit.py. Images of any size are resized to the branches' own.
/// </summary>
public sealed class CrossVit : ImageModel
{
    private readonly ModuleList<CrossVitPatchEmbed> patch_embed;
    private readonly Parameter pos_embed_0;
    private readonly Parameter cls_token_0;
    private readonly Parameter pos_embed_1;
    private readonly Parameter cls_token_1;
    private readonly Dropout pos_drop;
    private readonly ModuleList<MultiScaleBlock> blocks;
    private readonly ModuleList<LayerNorm> norm;
    private readonly Dropout head_drop;
    private ModuleList<nn.Module<Tensor, Tensor>> head;

    private readonly CrossVitConfig config;
    private int classes;

    public CrossVit(CrossVitConfig config) : base(nameof(CrossVit))
    {
        this.config = config;
        Check(config);
        int[] branches = [0, 1];
        patch_embed = nn.ModuleList(branches.Select(branch => new CrossVitPatchEmbed(config, branch)).ToArray());
        (pos_embed_0, cls_token_0) = Tokens(0);
        (pos_embed_1, cls_token_1) = Tokens(1);
        pos_drop = nn.Dropout(config.pos_drop_rate);
        var rates = DropPath.StageRates(config.drop_path_rate, [.. config.depth.Select(stage => Math.Max(stage[0], stage[1]) + stage[2])]);
        blocks = nn.ModuleList(rates.Select((rate, stage) => new MultiScaleBlock(config, config.depth[stage], rate)).ToArray());
        norm = nn.ModuleList(config.embed_dim.Select(dim => nn.LayerNorm(dim, config.norm_eps)).ToArray());
        head_drop = nn.Dropout(config.drop_rate);
        classes = config.num_classes;
        head = Head(classes);
        RegisterComponents();
        Linears.Initialise(this);
    }

    public override int num_classes => classes;
    public override int num_features => config.embed_dim.Sum();
    public override int num_layers => blocks.Count + 2;

    /// <summary>The patches of each branch, after all blocks.</summary>
    public override IReadOnlyList<FeatureInfo> feature_info =>
        [.. new[] { 0, 1 }.Select(branch => new FeatureInfo($"norm.{branch}", config.embed_dim[branch], config.img_size / config.Grid(branch)))];

    public override IReadOnlySet<string> no_weight_decay =>
        new HashSet<string> { nameof(pos_embed_0), nameof(cls_token_0), nameof(pos_embed_1), nameof(cls_token_1) };

    public override int layer_of(string parameter)
    {
        var parts = parameter.Split('.');
        return parts[0] switch
        {
            "blocks" => int.Parse(parts[1]) + 1,
            "norm" or "head" => num_layers - 1,
            _ => 0,
        };
    }

    private static void Check(CrossVitConfig config)
    {
        if (new[] { config.img_scale.Length, config.patch_size.Length, config.embed_dim.Length, config.num_heads.Length, config.mlp_ratio.Length }.Any(length => length != 2))
            throw new UserError("a CrossViT has two branches", "give img_scale, patch_size, embed_dim, num_heads and mlp_ratio two numbers each");
        if (config.depth.Any(stage => stage is not [> 0, > 0, >= 0]))
            throw new UserError("depth needs three numbers for each stage: blocks of both branches, at least one, and fusions", "write it like [[1, 4, 0], [1, 4, 0], [1, 4, 0]]");
        if (config.global_pool is not ("token" or "avg"))
            throw new UserError($"global_pool '{config.global_pool}' is not known", "choose token or avg");
        if (config.multi_conv && config.patch_size.Any(patch => patch is not (12 or 16)))
            throw new UserError($"multi_conv makes patches of 12 or 16 pixels, not [{string.Join(", ", config.patch_size)}]", "choose those, or multi_conv: false");
        for (int branch = 0; branch < 2; branch++)
            if (config.Side(branch) % config.patch_size[branch] != 0)
                throw new UserError($"img_size {config.img_size} gives a branch an image of {config.Side(branch)} pixels, which does not divide into patches of {config.patch_size[branch]}",
                    "choose an img_size such as 240, 480 or 408 with its own img_scale");
    }

    private (Parameter Positions, Parameter Class) Tokens(int branch)
    {
        int grid = config.Grid(branch);
        var positions = new Parameter(zeros(1, 1 + grid * grid, config.embed_dim[branch]));
        var token = new Parameter(zeros(1, 1, config.embed_dim[branch]));
        using var _ = no_grad();
        nn.init.trunc_normal_(positions, std: 0.02);
        nn.init.trunc_normal_(token, std: 0.02);
        return (positions, token);
    }

    private ModuleList<nn.Module<Tensor, Tensor>> Head(int count) =>
        nn.ModuleList(config.embed_dim.Select(dim => Linears.Classifier(dim, count)).ToArray());

    // (B, C, H, W) at the branch's own size.
    private Tensor ScaleImage(Tensor images, int side)
    {
        var (height, width) = (images.shape[2], images.shape[3]);
        if (height == side && width == side)
            return images;
        if (!config.crop_scale || side > height || side > width)
            return nn.functional.interpolate(images, [side, side], mode: InterpolationMode.Bicubic, align_corners: false);
        long top = (long)Math.Round((height - side) / 2.0), left = (long)Math.Round((width - side) / 2.0);
        return images.slice(2, top, top + side, 1).slice(3, left, left + side, 1);
    }

    private Tensor Embed(Tensor images, int branch)
    {
        var (positions, token) = branch == 0 ? (pos_embed_0, cls_token_0) : (pos_embed_1, cls_token_1);
        var patches = patch_embed[branch].call(ScaleImage(images, config.Side(branch)));
        return pos_drop.call(cat([token.expand(images.shape[0], -1, -1), patches], 1) + positions);
    }

    /// <summary>The tokens of both branches, (B, 1 + N, C) with N and C of each.</summary>
    public Tensor[] forward_tokens(Tensor images)
    {
        using var scope = NewDisposeScope();
        Tensor[] x = [Embed(images, 0), Embed(images, 1)];
        foreach (var block in blocks)
            x = block.call(x);
        return [scope.MoveToOuter(norm[0].call(x[0])), scope.MoveToOuter(norm[1].call(x[1]))];
    }

    /// <summary>What the head sees of each branch, one beside the other: (B, C0 + C1).</summary>
    public override Tensor forward_features(Tensor x)
    {
        using var scope = NewDisposeScope();
        var pooled = forward_tokens(x).Select(tokens => config.global_pool == "avg" ? tokens.slice(1, 1, tokens.shape[1], 1).mean([1]) : tokens[.., 0]);
        return scope.MoveToOuter(cat([.. pooled], 1));
    }

    public override Tensor[] forward_intermediates(Tensor x, IReadOnlyList<int>? indices = null)
    {
        using var scope = NewDisposeScope();
        var tokens = forward_tokens(x);
        return [.. (indices ?? [0, 1]).Select(branch => scope.MoveToOuter(tokens[branch].slice(1, 1, tokens[branch].shape[1], 1)
            .transpose(1, 2).reshape(x.shape[0], config.embed_dim[branch], config.Grid(branch), config.Grid(branch))))];
    }

    public override Tensor forward_head(Tensor x, bool pre_logits = false)
    {
        using var scope = NewDisposeScope();
        x = head_drop.call(x);
        if (pre_logits || classes == 0)
            return scope.MoveToOuter(x);
        var logits = head[0].call(x.slice(1, 0, config.embed_dim[0], 1)) + head[1].call(x.slice(1, config.embed_dim[0], num_features, 1));
        return scope.MoveToOuter(logits / 2);
    }

    public override void reset_classifier(int num_classes)
    {
        classes = num_classes;
        this.Replace(nameof(head), ref head, Head(num_classes));
    }

    // --- variants --------------------------------------------------------------------------------

    private static int[][] Stages(int blocks) => [[1, blocks, 0], [1, blocks, 0], [1, blocks, 0]];

    private static readonly CrossVitConfig Tiny = new() { img_size = 240 };
    private static readonly CrossVitConfig Nine = Tiny with { embed_dim = [128, 256], depth = Stages(3), num_heads = [4, 4], mlp_ratio = [3, 3] };
    private static readonly CrossVitConfig Fifteen = Nine with { embed_dim = [192, 384], depth = Stages(5), num_heads = [6, 6] };
    private static readonly CrossVitConfig Eighteen = Nine with { embed_dim = [224, 448], depth = Stages(6), num_heads = [7, 7] };
    private static CrossVitConfig Wide(CrossVitConfig config) => config with { multi_conv = true, img_size = 408, img_scale = [1, 384.0 / 408], crop_pct = 1 };

    /// <summary>The variants, by timm's names.</summary>
    public static ModelFamily<CrossVitConfig> Family { get; } = new()
    {
        Name = "CrossViT",
        Reference = "Chen et al., CrossViT: Cross-Attention Multi-Scale Vision Transformer for Image Classification, 2021 (arXiv:2103.14899)",
        Build = config => new CrossVit(config),
        Table = new Dictionary<string, CrossVitConfig>
        {
            ["crossvit_tiny_240"] = Tiny,
            ["crossvit_small_240"] = Tiny with { embed_dim = [192, 384], num_heads = [6, 6] },
            ["crossvit_base_240"] = Tiny with { embed_dim = [384, 768], num_heads = [12, 12] },
            ["crossvit_9_240"] = Nine,
            ["crossvit_15_240"] = Fifteen,
            ["crossvit_18_240"] = Eighteen,
            ["crossvit_9_dagger_240"] = Nine with { multi_conv = true },
            ["crossvit_15_dagger_240"] = Fifteen with { multi_conv = true },
            ["crossvit_15_dagger_408"] = Wide(Fifteen),
            ["crossvit_18_dagger_240"] = Eighteen with { multi_conv = true },
            ["crossvit_18_dagger_408"] = Wide(Eighteen),
        },
    };
}
