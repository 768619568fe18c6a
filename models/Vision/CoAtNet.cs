using Attention.Modules;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Attention.Models.Vision;

/// <summary>
/// Self-attention over a whole map, with a bias of relative positions. (B, C, H, W) to (B, C', H, W); parameter names as in
/// timm's Attention2d.
/// </summary>
internal sealed class MapAttention : Block
{
    private readonly Conv2d qkv;
    private readonly RelativePosition? rel_pos;
    private readonly Conv2d proj;
    private readonly Dropout proj_drop;
    private readonly int num_heads;
    private readonly double attn_drop;

    /// <param name="config">See there.</param>
    /// <param name="dim">C.</param>
    /// <param name="site">C' and the map that the model is made for.</param>
    public MapAttention(MaxxVitTransformerConfig config, int dim, AttentionSite site) : base(nameof(MapAttention))
    {
        int width = config.expand_first ? (int)site.Dim : dim;
        if (width % config.dim_head != 0)
            throw new UserError($"{width} channels do not divide into heads of {config.dim_head}", "choose a dim_head that divides the channels");
        num_heads = width / config.dim_head;
        attn_drop = config.attn_drop;
        qkv = nn.Conv2d(dim, width * 3, kernel_size: 1);
        rel_pos = RelativePosition.Create(config.rel_pos_type, site.Height, site.Width, num_heads, config.rel_pos_dim);
        proj = nn.Conv2d(width, site.Dim, kernel_size: 1);
        proj_drop = nn.Dropout(config.proj_drop);
        RegisterComponents();
    }

    protected override Tensor Forward(Tensor x)
    {
        var (batch, height, width) = (x.shape[0], x.shape[2], x.shape[3]);
        // Each head's queries, keys and values follow each other.
        var parts = qkv.call(x).reshape(batch, num_heads, 3, -1, height * width).transpose(-1, -2).unbind(2);
        var attended = ScaledDotProduct.Attend(parts[0], parts[1], parts[2], rel_pos?.Bias(height, width), dropout: training ? attn_drop : 0);
        return proj_drop.call(proj.call(attended.transpose(-1, -2).reshape(batch, -1, height, width)));
    }
}

/// <summary>Another attention in the place of a block's own: channels change before it. (B, C, H, W) to (B, C', H, W).</summary>
internal sealed class ReplacedMapAttention : Block
{
    private readonly nn.Module<Tensor, Tensor> expand;
    private readonly nn.Module<Tensor, Tensor> mixer;
    private readonly HostedAttention hosted;

    public ReplacedMapAttention(AttentionConfig attention, AttentionSite site, int dim) : base(nameof(ReplacedMapAttention))
    {
        expand = dim == site.Dim ? nn.Identity() : nn.Conv2d(dim, site.Dim, kernel_size: 1);
        hosted = new HostedAttention(attention, site);
        mixer = hosted.Module;
        RegisterComponents();
    }

    protected override Tensor Forward(Tensor x) => hosted.OnMap(expand.call(x).permute(0, 2, 3, 1)).permute(0, 3, 1, 2);
}

/// <summary>Attention over the whole map and an MLP, after a pool where the block steps down. (B, C, H, W) to (B, C', H/stride, W/stride).</summary>
internal sealed class CoAtNetBlock : Block
{
    private readonly nn.Module<Tensor, Tensor> shortcut;
    private readonly nn.Module<Tensor, Tensor> norm1;
    private readonly nn.Module<Tensor, Tensor> attn;
    private readonly nn.Module<Tensor, Tensor> ls1;
    private readonly nn.Module<Tensor, Tensor> drop_path1;
    private readonly nn.Module<Tensor, Tensor> norm2;
    private readonly ConvMlp mlp;
    private readonly nn.Module<Tensor, Tensor> ls2;
    private readonly nn.Module<Tensor, Tensor> drop_path2;

    public CoAtNetBlock(MaxxVitConfig model, int dim, int stride, AttentionSite site, double drop) : base(nameof(CoAtNetBlock))
    {
        var config = model.transformer_cfg;
        int dim_out = (int)site.Dim;
        shortcut = stride == 2 ? new Downsample2d(dim, dim_out, config.pool_type, config.shortcut_bias) : nn.Identity();
        norm1 = stride == 2
            ? nn.Sequential(("norm", MaxxVit.NewNorm(config, dim)), ("down", new Downsample2d(dim, dim, config.pool_type)))
            : MaxxVit.NewNorm(config, dim);
        attn = model.attention is { } chosen ? new ReplacedMapAttention(chosen, site, dim) : new MapAttention(config, dim, site);
        ls1 = LayerScale2d.Of(dim_out, config.init_values);
        drop_path1 = DropPath.Of(drop);
        norm2 = MaxxVit.NewNorm(config, dim_out);
        mlp = new ConvMlp(dim_out, (int)(dim_out * config.expand_ratio), config.act_layer, drop: config.proj_drop);
        ls2 = LayerScale2d.Of(dim_out, config.init_values);
        drop_path2 = DropPath.Of(drop);
        RegisterComponents();
    }

    protected override Tensor Forward(Tensor x)
    {
        x = shortcut.call(x) + drop_path1.call(ls1.call(attn.call(norm1.call(x))));
        return x + drop_path2.call(ls2.call(mlp.call(norm2.call(x))));
    }
}

/// <summary>
/// CoAtNet: Dai et al., Marrying Convolution and Attention for All Data Sizes, 2021 (arXiv:2106.04803): two stages of
/// convolutions, two of attention over the whole map. With _rw timm's own trainings, which differ in details; rmlp makes the
/// biases of relative positions by a network, bn has batch norms throughout, coatnext ConvNeXt's blocks.
/// </summary>
public static class CoAtNet
{
    private static MaxxVitConfig Sized(int[] embed_dim, int[] depths, params int[] stem_width) =>
        new() { embed_dim = embed_dim, depths = depths, stem_width = stem_width, crop_pct = 0.95, mean = [0.5, 0.5, 0.5], std = [0.5, 0.5, 0.5] };

    private static readonly MaxxVitConfig Pico = Sized([64, 128, 256, 512], [2, 3, 5, 2], 32, 64);
    private static readonly MaxxVitConfig Nano = Pico with { depths = [3, 4, 6, 3] };
    private static readonly MaxxVitConfig Small = Sized([96, 192, 384, 768], [2, 3, 7, 2], 32, 64);
    private static readonly MaxxVitConfig Middle = Small with { depths = [2, 6, 14, 2] };
    private static readonly MaxxVitConfig Large = Sized([128, 256, 512, 1024], [2, 6, 14, 2], 64, 128);
    private static readonly MaxxVitConfig Huge = Sized([192, 384, 768, 1536], [2, 6, 14, 2], 96, 192);

    // As timm trained it before the authors' code was published.
    private static MaxxVitConfig Rw(MaxxVitConfig config, string stride_mode = "pool", string attn_act = "relu", bool attn_early = false, double? init_values = null, string pool_type = "avg2", string rel_pos = "bias", int rel_pos_dim = 512) => config with
    {
        conv_cfg = new()
        {
            stride_mode = stride_mode,
            pool_type = pool_type,
            pre_norm_act = true,
            expand_output = false,
            output_bias = false,
            attn_early = attn_early,
            attn_act_layer = attn_act,
            act_layer = "silu",
        },
        transformer_cfg = new()
        {
            expand_first = false,
            shortcut_bias = !attn_early,
            pool_type = pool_type,
            init_values = init_values,
            rel_pos_type = rel_pos,
            rel_pos_dim = rel_pos_dim,
        },
    };

    // With what timm learned from training MaxViT.
    private static MaxxVitConfig Rw2(MaxxVitConfig config, string stride_mode = "dw", string rel_pos = "bias", int rel_pos_dim = 512) => config with
    {
        conv_cfg = new() { stride_mode = stride_mode, expand_output = false, act_layer = "silu" },
        transformer_cfg = new() { expand_first = false, rel_pos_type = rel_pos, rel_pos_dim = rel_pos_dim },
    };

    private static MaxxVitConfig Paper(int[] embed_dim, int[] depths, int stem_width) =>
        Sized(embed_dim, depths, stem_width, stem_width) with { head_hidden_size = embed_dim[^1] };

    private static MaxxVitConfig BatchNorm(MaxxVitConfig config) => config with
    {
        transformer_cfg = config.transformer_cfg with { norm_layer = "batchnorm2d" },
        mean = [0.485, 0.456, 0.406],
        std = [0.229, 0.224, 0.225],
    };

    /// <summary>The variants, by timm's names.</summary>
    public static ModelFamily<MaxxVitConfig> Family { get; } = new()
    {
        Name = "CoAtNet",
        Reference = "Dai et al., CoAtNet: Marrying Convolution and Attention for All Data Sizes, 2021 (arXiv:2106.04803)",
        Build = config => new MaxxVit(config),
        Table = new Dictionary<string, MaxxVitConfig>
        {
            ["coatnet_pico_rw_224"] = Rw2(Pico),
            ["coatnet_nano_rw_224"] = Rw2(Nano, stride_mode: "pool") with { crop_pct = 0.9 },
            ["coatnet_0_rw_224"] = Rw(Small, attn_early: true),
            ["coatnet_1_rw_224"] = Rw(Middle, "dw", attn_early: true),
            ["coatnet_2_rw_224"] = Rw(Large, "dw", "silu"),
            ["coatnet_3_rw_224"] = Rw(Huge, "dw", "silu", init_values: 1e-6) with { num_classes = 11821 },
            ["coatnet_bn_0_rw_224"] = BatchNorm(Rw(Small, "dw", attn_early: true)),
            ["coatnet_rmlp_nano_rw_224"] = Rw2(Nano, rel_pos: "mlp", rel_pos_dim: 384) with { crop_pct = 0.9 },
            ["coatnet_rmlp_0_rw_224"] = Rw(Small, "dw", rel_pos: "mlp"),
            ["coatnet_rmlp_1_rw_224"] = Rw(Middle, attn_early: true, pool_type: "max", rel_pos: "mlp", rel_pos_dim: 384),
            ["coatnet_rmlp_1_rw2_224"] = Rw(Middle, "dw", rel_pos: "mlp"),
            ["coatnet_rmlp_2_rw_224"] = Rw(Large, "dw", "silu", init_values: 1e-6, rel_pos: "mlp"),
            ["coatnet_rmlp_2_rw_384"] = Rw(Large, "dw", "silu", init_values: 1e-6, rel_pos: "mlp") with { img_size = 384, crop_pct = 1 },
            ["coatnet_rmlp_3_rw_224"] = Rw(Huge, "dw", "silu", init_values: 1e-6, rel_pos: "mlp"),
            ["coatnet_nano_cc_224"] = Rw(Nano) with { block_type = ["C", "C", "C T", "C T"] },
            ["coatnext_nano_rw_224"] = Nano with
            {
                conv_cfg = new() { block_type = "convnext", expand_output = false, init_values = 1e-5 },
                transformer_cfg = new() { expand_first = false },
                weight_init = "normal",
                crop_pct = 0.9,
            },
            ["coatnet_0_224"] = Paper([96, 192, 384, 768], [2, 3, 5, 2], 64),
            ["coatnet_1_224"] = Paper([96, 192, 384, 768], [2, 6, 14, 2], 64),
            ["coatnet_2_224"] = Paper([128, 256, 512, 1024], [2, 6, 14, 2], 128),
            ["coatnet_3_224"] = Paper([192, 384, 768, 1536], [2, 6, 14, 2], 192),
            ["coatnet_4_224"] = Paper([192, 384, 768, 1536], [2, 12, 28, 2], 192),
            ["coatnet_5_224"] = Paper([256, 512, 1280, 2048], [2, 12, 28, 2], 192),
        },
    };
}
