using Attention.Modules;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Attention.Models.Vision;

/// <summary>A CrossFormer or CrossFormer++; fields as in the authors' repository.</summary>
public sealed record CrossFormerConfig : AttentionHostConfig
{
    /// <summary>Sides of the patches around each place; the first is also their step.</summary>
    public int[] patch_size { get; init; } = [4, 8, 16, 32];
    /// <summary>Sides of the patches that a step down joins, for each step.</summary>
    public int[][] merge_size { get; init; } = [[2, 4], [2, 4], [2, 4]];
    /// <summary>Channels of the first stage; each further one has twice as many.</summary>
    public int embed_dim { get; init; } = 96;
    /// <summary>Blocks of each stage.</summary>
    public int[] depths { get; init; } = [2, 2, 6, 2];
    /// <summary>Heads of each stage.</summary>
    public int[] num_heads { get; init; } = [3, 6, 12, 24];
    /// <summary>Positions along a side of a group, at each stage.</summary>
    public int[] group_size { get; init; } = [7, 7, 7, 7];
    /// <summary>Distance of the positions of a group in every second block, at each stage.</summary>
    public int[] crs_interval { get; init; } = [8, 4, 2, 1];
    /// <summary>Width of the MLP in units of the channels, at each stage.</summary>
    public double[] mlp_ratio { get; init; } = [4, 4, 4, 4];
    public bool qkv_bias { get; init; } = true;
    /// <summary>CrossFormer++'s amplitude cooling: a convolution and a norm after every third block.</summary>
    public bool use_acl { get; init; }
    public double proj_drop_rate { get; init; }
    public double attn_drop_rate { get; init; }
}

/// <summary>Attention at short or long distance and an MLP. (B, H, W, C) to the same.</summary>
internal sealed class CrossFormerBlock : Block
{
    private readonly LayerNorm norm1;
    private readonly nn.Module<Tensor, Tensor> attn;
    private readonly Conv2d? ex_conv;
    private readonly LayerNorm? ex_ln;
    private readonly nn.Module<Tensor, Tensor> drop_path;
    private readonly LayerNorm norm2;
    private readonly Mlp mlp;
    private readonly HostedAttention mixer;

    public CrossFormerBlock(CrossFormerConfig config, int stage, int index, double drop) : base(nameof(CrossFormerBlock))
    {
        int dim = config.embed_dim << stage;
        norm1 = nn.LayerNorm(dim);
        mixer = new HostedAttention(config.attention ?? new LongShortDistanceAttentionConfig
        {
            group_size = config.group_size[stage],
            interval = config.crs_interval[stage],
            qkv_bias = config.qkv_bias,
            attn_drop = config.attn_drop_rate,
            proj_drop = config.proj_drop_rate,
        }, config.Site(dim, config.num_heads[stage], config.patch_size[0] << stage, index));
        attn = mixer.Module;
        if (config.use_acl && index % 3 == 2 && index < config.depths[stage] - 1)
        {
            ex_conv = nn.Conv2d(dim, dim, kernel_size: 3, padding: 1, groups: dim);
            ex_ln = nn.LayerNorm(dim);
        }
        drop_path = DropPath.Of(drop);
        norm2 = nn.LayerNorm(dim);
        mlp = new Mlp(dim, (long)(dim * config.mlp_ratio[stage]), drop: config.proj_drop_rate);
        RegisterComponents();
    }

    protected override Tensor Forward(Tensor x)
    {
        x = x + drop_path.call(mixer.OnMap(norm1.call(x)));
        x = x + drop_path.call(mlp.call(norm2.call(x)));
        // No residual around it: it brings the amplitude of what the blocks added up back to that of a norm.
        return ex_conv is null ? x : ex_ln!.call(ex_conv.call(x.permute(0, 3, 1, 2)).permute(0, 2, 3, 1));
    }
}

/// <summary>Patches of several sizes around each place, each to a part of the channels: half for the first, and so on.</summary>
internal static class CrossScale
{
    public static ModuleList<Conv2d> Convolutions(int inputs, int outputs, int[] sides)
    {
        int step = sides[0];
        // The last part is what is left, which is as much as the one before it where the channels halve evenly.
        int Part(int i) => i == sides.Length - 1 ? outputs - Enumerable.Range(1, i).Sum(j => outputs >> j) : outputs >> (i + 1);
        return nn.ModuleList(sides.Select((side, i) => nn.Conv2d(inputs, Part(i), kernel_size: side, stride: step, padding: (side - step) / 2)).ToArray());
    }

    /// <summary>(B, C, H, W) to (B, H/step, W/step, C').</summary>
    public static Tensor Join(ModuleList<Conv2d> convolutions, Tensor x) => cat([.. convolutions.Select(each => each.call(x))], 1).permute(0, 2, 3, 1);
}

/// <summary>Cross-scale embedding of an image. (B, C, H, W) to (B, H/4, W/4, C').</summary>
internal sealed class CrossScaleEmbed : Block
{
    private readonly ModuleList<Conv2d> projs;
    private readonly LayerNorm norm;

    public CrossScaleEmbed(int in_chans, int dim, int[] patch_size) : base(nameof(CrossScaleEmbed))
    {
        projs = CrossScale.Convolutions(in_chans, dim, patch_size);
        norm = nn.LayerNorm(dim);
        RegisterComponents();
    }

    protected override Tensor Forward(Tensor x) => norm.call(CrossScale.Join(projs, x));
}

/// <summary>Cross-scale embedding between stages. (B, H, W, C) to (B, H/2, W/2, 2C).</summary>
internal sealed class CrossScaleMerging : Block
{
    private readonly ModuleList<Conv2d> reductions;
    private readonly LayerNorm norm;

    public CrossScaleMerging(int dim, int[] merge_size) : base(nameof(CrossScaleMerging))
    {
        reductions = CrossScale.Convolutions(dim, 2 * dim, merge_size);
        norm = nn.LayerNorm(dim);
        RegisterComponents();
    }

    protected override Tensor Forward(Tensor x) => CrossScale.Join(reductions, norm.call(x).permute(0, 3, 1, 2));
}

/// <summary>
/// CrossFormer: Wang et al., A Versatile Vision Transformer Hinging on Cross-scale Attention, 2022 (arXiv:2108.00154), and
/// CrossFormer++, 2023 (arXiv:2303.06908). Parameter names as in the authors' repository, cheerss/CrossFormer. Images of any
/// size that the first patches divide are taken; groups are padded, and their sides are those for img_size.
/// </summary>
public sealed class CrossFormer : LayeredModel
{
    private readonly LayerNorm norm;

    public CrossFormer(CrossFormerConfig config) : base(nameof(CrossFormer), Checked(config), "layers", config.depths,
        [.. config.depths.Select((_, i) => config.embed_dim << i)],
        new CrossScaleEmbed(config.in_chans, config.embed_dim, config.patch_size),
        (stage, index, rate) => new CrossFormerBlock(config, stage, index, rate),
        stage => new CrossScaleMerging(config.embed_dim << stage, config.merge_size[stage]))
    {
        norm = nn.LayerNorm(num_features);
        RegisterComponents();
    }

    private static CrossFormerConfig Checked(CrossFormerConfig config) =>
        new[] { config.num_heads.Length, config.group_size.Length, config.crs_interval.Length, config.mlp_ratio.Length, config.merge_size.Length + 1 }
            .All(length => length == config.depths.Length) ? config
            : throw new UserError($"depths has {config.depths.Length} stages, other fields have another number",
                "give num_heads, group_size, crs_interval and mlp_ratio one number for each stage, and merge_size one row less");

    protected override bool ChannelsLast => true;

    protected override Tensor AfterStages(Tensor x) => norm.call(x);

    // --- variants --------------------------------------------------------------------------------

    private static readonly CrossFormerConfig Small = new();
    private static readonly CrossFormerConfig Base = Small with { depths = [2, 2, 18, 2] };
    private static readonly CrossFormerConfig Large = Base with { embed_dim = 128, num_heads = [4, 8, 16, 32] };
    private static CrossFormerConfig PlusPlus(CrossFormerConfig config) => config with { group_size = [4, 4, 14, 7], crs_interval = [4, 2, 1, 1], use_acl = true };

    /// <summary>The variants, by the names of the authors' configs.</summary>
    public static ModelFamily<CrossFormerConfig> Family { get; } = new()
    {
        Name = "CrossFormer",
        Reference = "Wang et al., CrossFormer: A Versatile Vision Transformer Hinging on Cross-scale Attention, 2022 (arXiv:2108.00154)",
        Build = config => new CrossFormer(config),
        Table = new Dictionary<string, CrossFormerConfig>
        {
            ["crossformer_tiny"] = Small with { embed_dim = 64, depths = [1, 1, 8, 6], num_heads = [2, 4, 8, 16] },
            ["crossformer_small"] = Small,
            ["crossformer_base"] = Base,
            ["crossformer_large"] = Large,
            ["crossformer_pp_small"] = PlusPlus(Base with { embed_dim = 64, num_heads = [2, 4, 8, 16] }),
            ["crossformer_pp_base"] = PlusPlus(Base),
            ["crossformer_pp_large"] = PlusPlus(Large),
            ["crossformer_pp_huge"] = PlusPlus(Large with { depths = [6, 6, 18, 2] }),
        },
    };
}
