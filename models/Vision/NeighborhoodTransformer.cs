using Attention.Modules;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Attention.Models.Vision;

/// <summary>A NAT or DiNAT; fields as in the authors' repository.</summary>
public sealed record NatConfig : AttentionHostConfig
{
    /// <summary>Channels of the first stage; each further one has twice as many.</summary>
    public int embed_dim { get; init; } = 64;
    /// <summary>Blocks of each stage.</summary>
    public int[] depths { get; init; } = [3, 4, 6, 5];
    /// <summary>Heads of each stage.</summary>
    public int[] num_heads { get; init; } = [2, 4, 8, 16];
    /// <summary>Width of the MLP in units of the channels.</summary>
    public double mlp_ratio { get; init; } = 3;
    /// <summary>Side of a neighbourhood.</summary>
    public int kernel_size { get; init; } = 7;
    /// <summary>Distance of neighbours in every second block of each stage; others, and all of NAT, have 1.</summary>
    public int[] dilations { get; init; } = [1, 1, 1, 1];
    public bool qkv_bias { get; init; } = true;
    /// <summary>Where learned factors of a block's branches start; null for none.</summary>
    public double? layer_scale { get; init; }
    /// <summary>Swin's patches and merging (DiNAT_s) instead of overlapping convolutions.</summary>
    public bool swin_layout { get; init; }
    public double attn_drop_rate { get; init; }
}

/// <summary>Neighbourhood attention and an MLP, each after a norm and added to its input. (B, H, W, C) to the same.</summary>
internal sealed class NatBlock : Block
{
    private readonly LayerNorm norm1;
    private readonly nn.Module<Tensor, Tensor> attn;
    private readonly nn.Module<Tensor, Tensor> drop_path;
    private readonly LayerNorm norm2;
    private readonly Mlp mlp;
    private readonly Parameter? gamma1;
    private readonly Parameter? gamma2;
    private readonly HostedAttention mixer;

    public NatBlock(HostedAttention mixer, int dim, double mlp_ratio, double drop, double drop_path, double? layer_scale) : base(nameof(NatBlock))
    {
        this.mixer = mixer;
        norm1 = nn.LayerNorm(dim);
        attn = mixer.Module;
        this.drop_path = DropPath.Of(drop_path);
        norm2 = nn.LayerNorm(dim);
        mlp = new Mlp(dim, (long)(dim * mlp_ratio), drop: drop);
        if (layer_scale is { } start)
            (gamma1, gamma2) = (new Parameter(full(dim, start)), new Parameter(full(dim, start)));
        RegisterComponents();
    }

    private static Tensor Scaled(Parameter? gamma, Tensor x) => gamma is null ? x : gamma * x;

    protected override Tensor Forward(Tensor x)
    {
        x = x + drop_path.call(Scaled(gamma1, mixer.OnMap(norm1.call(x))));
        return x + drop_path.call(Scaled(gamma2, mlp.call(norm2.call(x))));
    }
}

/// <summary>Two strided convolutions and a norm. (B, C, H, W) to (B, H/4, W/4, C').</summary>
internal sealed class ConvTokenizer : Block
{
    private readonly Sequential proj;
    private readonly LayerNorm norm;

    public ConvTokenizer(int in_chans, int dim) : base(nameof(ConvTokenizer))
    {
        proj = nn.Sequential(
            nn.Conv2d(in_chans, dim / 2, kernel_size: 3, stride: 2, padding: 1), nn.Conv2d(dim / 2, dim, kernel_size: 3, stride: 2, padding: 1));
        norm = nn.LayerNorm(dim);
        RegisterComponents();
    }

    protected override Tensor Forward(Tensor x) => norm.call(proj.call(x).permute(0, 2, 3, 1));
}

/// <summary>A strided convolution and a norm. (B, H, W, C) to (B, H/2, W/2, 2C).</summary>
internal sealed class ConvDownsampler : Block
{
    private readonly Conv2d reduction;
    private readonly LayerNorm norm;

    public ConvDownsampler(int dim) : base(nameof(ConvDownsampler))
    {
        reduction = nn.Conv2d(dim, 2 * dim, kernel_size: 3, stride: 2, padding: 1, bias: false);
        norm = nn.LayerNorm(2 * dim);
        RegisterComponents();
    }

    protected override Tensor Forward(Tensor x) => norm.call(reduction.call(x.permute(0, 3, 1, 2)).permute(0, 2, 3, 1));
}

/// <summary>Patches of an image and a norm; sides are padded. (B, C, H, W) to (B, H/patch, W/patch, C').</summary>
internal sealed class PaddedPatchEmbed : Block
{
    private readonly Conv2d proj;
    private readonly LayerNorm norm;
    private readonly int patch_size;

    public PaddedPatchEmbed(int in_chans, int dim, int patch_size) : base(nameof(PaddedPatchEmbed))
    {
        this.patch_size = patch_size;
        proj = nn.Conv2d(in_chans, dim, kernel_size: patch_size, stride: patch_size);
        norm = nn.LayerNorm(dim);
        RegisterComponents();
    }

    protected override Tensor Forward(Tensor x) =>
        norm.call(proj.call(Windows.Pad(x.permute(0, 2, 3, 1), patch_size, patch_size).permute(0, 3, 1, 2)).permute(0, 2, 3, 1));
}

/// <summary>
/// NAT: Hassani et al., Neighborhood Attention Transformer, 2023 (arXiv:2204.07143); DiNAT and DiNAT_s: Hassani and Shi, Dilated
/// Neighborhood Attention Transformer, 2022 (arXiv:2209.15001). Parameter names as in the authors' repository,
/// SHI-Labs/Neighborhood-Attention-Transformer. Images of any size are taken; maps smaller than a neighbourhood are padded.
/// </summary>
public sealed class NeighborhoodTransformer : LayeredModel
{
    private readonly LayerNorm norm;

    public NeighborhoodTransformer(NatConfig config) : base(nameof(NeighborhoodTransformer), Checked(config), config.swin_layout ? "layers" : "levels", config.depths,
        [.. config.depths.Select((_, i) => config.embed_dim << i)],
        config.swin_layout ? new PaddedPatchEmbed(config.in_chans, config.embed_dim, patch_size: 4) : new ConvTokenizer(config.in_chans, config.embed_dim),
        (stage, index, rate) => new NatBlock(Attention(config, stage, index), config.embed_dim << stage, config.mlp_ratio, config.drop_rate, rate, config.layer_scale),
        stage => config.swin_layout ? new PatchMerging(config.embed_dim << stage, config.embed_dim << (stage + 1), 1e-5) : new ConvDownsampler(config.embed_dim << stage))
    {
        norm = nn.LayerNorm(num_features);
        RegisterComponents();
    }

    private static NatConfig Checked(NatConfig config) => config.num_heads.Length == config.depths.Length && config.dilations.Length == config.depths.Length ? config
        : throw new UserError($"depths has {config.depths.Length} stages, num_heads {config.num_heads.Length}, dilations {config.dilations.Length}", "give each one number for each stage");

    private static HostedAttention Attention(NatConfig config, int stage, int index)
    {
        var site = config.Site(config.embed_dim << stage, config.num_heads[stage], 4 << stage, index);
        // Neighbourhoods keep their size where the map is smaller, and it is padded.
        return config.attention is { } chosen ? new HostedAttention(chosen, site) : new HostedAttention(new NeighborhoodAttention(site.Dim, new NeighborhoodAttentionConfig
        {
            num_heads = site.NumHeads,
            kernel_size = config.kernel_size,
            dilation = index % 2 == 0 ? 1 : config.dilations[stage],
            qkv_bias = config.qkv_bias,
            attn_drop = config.attn_drop_rate,
            proj_drop = config.drop_rate,
        }), AttentionLayout.Map, site);
    }

    protected override bool ChannelsLast => true;

    public override IReadOnlySet<string> no_weight_decay =>
        named_parameters().Select(p => p.name).Where(name => name.EndsWith(".rpb", StringComparison.Ordinal)).ToHashSet();

    protected override Tensor AfterStages(Tensor x) => norm.call(x);

    // --- variants --------------------------------------------------------------------------------

    private static readonly NatConfig Mini = new() { drop_path_rate = 0.2, crop_pct = 0.875 };
    private static readonly NatConfig Tiny = Mini with { depths = [3, 4, 18, 5] };
    private static readonly NatConfig Small = Tiny with { embed_dim = 96, num_heads = [3, 6, 12, 24], mlp_ratio = 2, drop_path_rate = 0.3 };
    private static readonly NatConfig Base = Small with { embed_dim = 128, num_heads = [4, 8, 16, 32], drop_path_rate = 0.5, layer_scale = 1e-5 };
    private static readonly NatConfig Large = Small with { embed_dim = 192, num_heads = [6, 12, 24, 48], drop_path_rate = 0.35 };
    private static readonly NatConfig SwinTiny = Mini with { embed_dim = 96, depths = [2, 2, 6, 2], num_heads = [3, 6, 12, 24], mlp_ratio = 4, swin_layout = true };
    private static readonly NatConfig SwinSmall = SwinTiny with { depths = [2, 2, 18, 2], drop_path_rate = 0.3 };
    private static readonly NatConfig SwinLarge = SwinSmall with { embed_dim = 192, num_heads = [6, 12, 24, 48], drop_path_rate = 0.35 };
    private static NatConfig Dilated(NatConfig config) => config with { dilations = [8, 4, 2, 1] };
    private static NatConfig Wide(NatConfig config) => config with { img_size = 384, dilations = [13, 6, 3, 1], crop_pct = 1 };

    /// <summary>The variants, by the authors' names.</summary>
    public static ModelFamily<NatConfig> Family { get; } = new()
    {
        Name = "NAT and DiNAT",
        Reference = "Hassani et al., Neighborhood Attention Transformer, 2023 (arXiv:2204.07143); Hassani and Shi, Dilated Neighborhood Attention Transformer, 2022 (arXiv:2209.15001)",
        Build = config => new NeighborhoodTransformer(config),
        Table = new Dictionary<string, NatConfig>
        {
            ["nat_mini"] = Mini,
            ["nat_tiny"] = Tiny,
            ["nat_small"] = Small with { layer_scale = 1e-5 },
            ["nat_base"] = Base,
            ["dinat_mini"] = Dilated(Mini),
            ["dinat_tiny"] = Dilated(Tiny),
            ["dinat_small"] = Dilated(Small),
            ["dinat_base"] = Dilated(Base),
            ["dinat_large"] = Dilated(Large),
            ["dinat_large_384"] = Wide(Large),
            ["dinat_large_384_11x11"] = Dilated(Large) with { img_size = 384, kernel_size = 11, crop_pct = 1 },
            ["dinat_large_21k"] = Dilated(Large) with { drop_path_rate = 0.2, num_classes = 21841 },
            ["dinat_large_21k_11x11"] = Dilated(Large) with { kernel_size = 11, drop_path_rate = 0.2, num_classes = 21841 },
            ["dinat_s_tiny"] = Dilated(SwinTiny),
            ["dinat_s_small"] = Dilated(SwinSmall),
            ["dinat_s_base"] = Dilated(SwinSmall with { embed_dim = 128, num_heads = [4, 8, 16, 32], drop_path_rate = 0.5 }),
            ["dinat_s_large"] = Dilated(SwinLarge),
            ["dinat_s_large_384"] = Wide(SwinLarge),
            ["dinat_s_large_21k"] = Dilated(SwinLarge) with { drop_path_rate = 0.2, num_classes = 21841 },
        },
    };
}
