using Attention.Modules;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Attention.Models.Vision;

/// <summary>A NesT; fields as in timm.</summary>
public sealed record NestConfig : AttentionHostConfig
{
    public int patch_size { get; init; } = 4;
    /// <summary>Channels of each level.</summary>
    public int[] embed_dims { get; init; } = [96, 192, 384];
    /// <summary>Heads of each level.</summary>
    public int[] num_heads { get; init; } = [3, 6, 12];
    /// <summary>Layers of each level.</summary>
    public int[] depths { get; init; } = [2, 2, 8];
    /// <summary>Width of the MLP in units of the channels.</summary>
    public double mlp_ratio { get; init; } = 4;
    public bool qkv_bias { get; init; } = true;
    /// <summary>Padding between the levels: the same on all sides (""), or as TensorFlow's (same).</summary>
    public string pad_type { get; init; } = "";
    public double norm_eps { get; init; } = 1e-6;
    public double proj_drop_rate { get; init; }
    public double attn_drop_rate { get; init; }

    /// <summary>Blocks along a side of a level's map: each level merges 2x2 to one, and the last has one.</summary>
    internal int Blocks(int level) => 1 << (depths.Length - 1 - level);

    /// <summary>Side of a block, in positions; the same at all levels.</summary>
    internal int BlockSize => img_size / patch_size / Blocks(0);
}

/// <summary>
/// Self-attention within blocks. (B, blocks, N, C) to the same. As in the authors' code, the heads of the result are
/// interleaved: the last layer sees the first channel of all heads first.
/// </summary>
internal sealed class NestAttention : Block
{
    private readonly Linear qkv;
    private readonly Linear proj;
    private readonly Dropout proj_drop;
    private readonly int num_heads;
    private readonly double attn_drop;

    public NestAttention(NestConfig config, int level) : base(nameof(NestAttention))
    {
        int dim = config.embed_dims[level];
        num_heads = config.num_heads[level];
        if (num_heads < 1 || dim % num_heads != 0)
            throw new UserError($"embed_dims has {dim}, which does not divide into num_heads {num_heads}", "choose a number of heads that divides the channels");
        attn_drop = config.attn_drop_rate;
        qkv = nn.Linear(dim, dim * 3, hasBias: config.qkv_bias);
        proj = nn.Linear(dim, dim);
        proj_drop = nn.Dropout(config.proj_drop_rate);
        RegisterComponents();
    }

    protected override Tensor Forward(Tensor x)
    {
        var (batch, blocks, tokens, dim) = (x.shape[0], x.shape[1], x.shape[2], x.shape[3]);
        var parts = qkv.call(x).reshape(batch, blocks, tokens, 3, num_heads, dim / num_heads).permute(3, 0, 1, 4, 2, 5).unbind(0);
        var attended = ScaledDotProduct.Attend(parts[0], parts[1], parts[2], dropout: training ? attn_drop : 0);
        return proj_drop.call(proj.call(attended.permute(0, 1, 3, 4, 2).reshape(x.shape)));
    }
}

/// <summary>Attention within blocks and an MLP, each after a norm and added to its input. (B, blocks, N, C) to the same.</summary>
internal sealed class NestLayer : Block
{
    private readonly LayerNorm norm1;
    private readonly nn.Module<Tensor, Tensor> attn;
    private readonly nn.Module<Tensor, Tensor> drop_path1;
    private readonly LayerNorm norm2;
    private readonly Mlp mlp;
    private readonly nn.Module<Tensor, Tensor> drop_path2;
    private readonly HostedAttention? replaced;
    private readonly int block_size;
    private readonly int blocks;

    public NestLayer(NestConfig config, int level, int index, double drop_path) : base(nameof(NestLayer))
    {
        int dim = config.embed_dims[level];
        (block_size, blocks) = (config.BlockSize, config.Blocks(level));
        norm1 = nn.LayerNorm(dim, config.norm_eps);
        replaced = config.attention is { } chosen ? new HostedAttention(chosen, config.Site(dim, config.num_heads[level], config.patch_size << level, index)) : null;
        attn = replaced?.Module ?? new NestAttention(config, level);
        drop_path1 = DropPath.Of(drop_path);
        norm2 = nn.LayerNorm(dim, config.norm_eps);
        mlp = new Mlp(dim, (long)(dim * config.mlp_ratio), drop: config.proj_drop_rate);
        drop_path2 = DropPath.Of(drop_path);
        RegisterComponents();
    }

    protected override Tensor Forward(Tensor x)
    {
        x = x + drop_path1.call(Attend(norm1.call(x)));
        return x + drop_path2.call(mlp.call(norm2.call(x)));
    }

    // Another attention sees the whole map.
    private Tensor Attend(Tensor x) => replaced is null ? attn.call(x)
        : Windows.Partition(replaced.OnMap(Windows.Merge(x, block_size, block_size, block_size * blocks, block_size * blocks)), block_size, block_size);
}

/// <summary>A convolution, a norm and a maximum over 3x3 positions: 2x2 blocks become one. (B, C, H, W) to (B, C', H/2, W/2).</summary>
internal sealed class NestPool : Block
{
    private readonly Conv2d conv;
    private readonly LayerNorm norm;
    private readonly bool same;

    public NestPool(NestConfig config, int level) : base(nameof(NestPool))
    {
        conv = nn.Conv2d(config.embed_dims[level - 1], config.embed_dims[level], kernel_size: 3, padding: 1);
        norm = nn.LayerNorm(config.embed_dims[level], config.norm_eps);
        same = config.pad_type == "same";
        RegisterComponents();
    }

    protected override Tensor Forward(Tensor x)
    {
        x = norm.call(conv.call(x).permute(0, 2, 3, 1)).permute(0, 3, 1, 2);
        return same
            ? nn.functional.max_pool2d(Convolutions.PadSame(x, 3, 2, double.NegativeInfinity), 3, stride: 2)
            : nn.functional.max_pool2d(x, 3, stride: 2, padding: 1);
    }
}

/// <summary>A step up in the hierarchy, except at the first, and layers within blocks. (B, C, H, W) to (B, C', H/2, W/2).</summary>
internal sealed class NestLevel : Block
{
    private readonly Parameter pos_embed;
    private readonly nn.Module<Tensor, Tensor> pool;
    private readonly Sequential transformer_encoder;
    private readonly int block_size;

    public NestLevel(NestConfig config, int level, double[] drop_path) : base(nameof(NestLevel))
    {
        block_size = config.BlockSize;
        int blocks = config.Blocks(level) * config.Blocks(level);
        pos_embed = new Parameter(zeros(1, blocks, block_size * block_size, config.embed_dims[level]));
        pool = level > 0 ? new NestPool(config, level) : nn.Identity();
        transformer_encoder = nn.Sequential(drop_path.Select((rate, i) => (nn.Module<Tensor, Tensor>)new NestLayer(config, level, i, rate)));
        RegisterComponents();
        using var _ = no_grad();
        nn.init.trunc_normal_(pos_embed, std: 0.02);
    }

    protected override Tensor Forward(Tensor x)
    {
        x = pool.call(x);
        var (height, width) = (x.shape[2], x.shape[3]);
        x = Windows.Partition(x.permute(0, 2, 3, 1), block_size, block_size) + pos_embed;
        return Windows.Merge(transformer_encoder.call(x), block_size, block_size, height, width).permute(0, 3, 1, 2);
    }
}

/// <summary>Patches of an image. (B, in_chans, H, W) to (B, C, H/patch, W/patch).</summary>
internal sealed class NestPatchEmbed : Block
{
    private readonly Conv2d proj;

    public NestPatchEmbed(NestConfig config) : base(nameof(NestPatchEmbed))
    {
        proj = nn.Conv2d(config.in_chans, config.embed_dims[0], kernel_size: config.patch_size, stride: config.patch_size);
        RegisterComponents();
    }

    protected override Tensor Forward(Tensor x) => proj.call(x);
}

/// <summary>
/// NesT: Zhang et al., Nested Hierarchical Transformer: Towards Accurate, Data-Efficient and Interpretable Visual
/// Understanding, 2021 (arXiv:2105.12723). Parameter names as in timm's nest.py.
/// </summary>
public sealed class Nest : StagedModel
{
    private readonly NestPatchEmbed patch_embed;
    private readonly ModuleList<NestLevel> levels;
    private readonly LayerNorm norm;
    private readonly GlobalPool global_pool;
    private readonly Dropout head_drop;
    private nn.Module<Tensor, Tensor> head;

    private readonly NestConfig config;
    private int classes;

    public Nest(NestConfig config) : base(nameof(Nest))
    {
        this.config = config;
        Check(config);
        patch_embed = new NestPatchEmbed(config);
        levels = nn.ModuleList(DropPath.StageRates(config.drop_path_rate, config.depths).Select((rates, level) => new NestLevel(config, level, rates)).ToArray());
        norm = nn.LayerNorm(num_features, config.norm_eps);
        global_pool = new GlobalPool();
        head_drop = nn.Dropout(config.drop_rate);
        classes = config.num_classes;
        head = Linears.Classifier(num_features, classes);
        RegisterComponents();
        Linears.Initialise(this);
        Convolutions.InitialiseTruncated(this);
    }

    public override int num_classes => classes;
    public override bool fixed_input_size => true;
    protected override IReadOnlyList<nn.Module<Tensor, Tensor>> Stages => [.. levels];
    protected override IReadOnlyList<int> Depths => config.depths;
    protected override IReadOnlyList<int> Channels => config.embed_dims;
    protected override int FirstStride => config.patch_size;
    protected override string StageName(int stage) => $"levels.{stage}";

    public override IReadOnlySet<string> no_weight_decay => Enumerable.Range(0, levels.Count).Select(level => $"levels.{level}.pos_embed").ToHashSet();

    public override int layer_of(string parameter) => base.layer_of(parameter.Replace(".transformer_encoder.", ".blocks.", StringComparison.Ordinal));

    private static void Check(NestConfig config)
    {
        int count = config.depths.Length;
        if (config.embed_dims.Length != count || config.num_heads.Length != count)
            throw new UserError($"depths has {count} levels, embed_dims {config.embed_dims.Length}, num_heads {config.num_heads.Length}", "give each one number for each level");
        if (config.pad_type is not ("" or "same"))
            throw new UserError($"pad_type '{config.pad_type}' is not known", "choose \"\" or same");
        int whole = config.patch_size * config.Blocks(0);
        if (config.BlockSize < 1 || config.img_size % whole != 0)
            throw new UserError($"img_size {config.img_size} does not divide into {config.Blocks(0)} blocks of patches of {config.patch_size}", $"choose a multiple of {whole}");
    }

    protected override Tensor Stem(Tensor images)
    {
        RequireSize(images, config.img_size);
        return patch_embed.call(images);
    }

    protected override Tensor AfterStages(Tensor x) => norm.call(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2);

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

    private static readonly NestConfig Tiny = new() { drop_path_rate = 0.5 };
    private static readonly NestConfig Small = Tiny with { depths = [2, 2, 20] };
    private static readonly NestConfig Base = Small with { embed_dims = [128, 256, 512], num_heads = [4, 8, 16] };
    // Weights of the authors' JAX code come with TensorFlow's padding.
    private static NestConfig Jax(NestConfig config) => config with { pad_type = "same" };

    /// <summary>The variants, by timm's names.</summary>
    public static ModelFamily<NestConfig> Family { get; } = new()
    {
        Name = "NesT",
        Reference = "Zhang et al., Nested Hierarchical Transformer, 2021 (arXiv:2105.12723)",
        Build = config => new Nest(config),
        Table = new Dictionary<string, NestConfig>
        {
            ["nest_tiny"] = Tiny,
            ["nest_small"] = Small,
            ["nest_base"] = Base,
            ["nest_tiny_jx"] = Jax(Tiny),
            ["nest_small_jx"] = Jax(Small),
            ["nest_base_jx"] = Jax(Base),
        },
    };
}
