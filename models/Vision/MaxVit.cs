using Attention.Modules;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Attention.Models.Vision;

/// <summary>Attention within blocks or grids and an MLP, each after a norm and added to its input. (B, H, W, C) to the same.</summary>
internal sealed class PartitionBlock : Block
{
    private readonly LayerNorm norm1;
    private readonly nn.Module<Tensor, Tensor> attn;
    private readonly nn.Module<Tensor, Tensor> ls1;
    private readonly nn.Module<Tensor, Tensor> drop_path1;
    private readonly LayerNorm norm2;
    private readonly Mlp mlp;
    private readonly nn.Module<Tensor, Tensor> ls2;
    private readonly nn.Module<Tensor, Tensor> drop_path2;
    private readonly HostedAttention mixer;

    public PartitionBlock(MaxxVitConfig config, string partition, AttentionSite site, double drop) : base(nameof(PartitionBlock))
    {
        var transformer = config.transformer_cfg;
        norm1 = nn.LayerNorm(site.Dim, transformer.norm_eps);
        mixer = new HostedAttention(config.attention ?? Own(config, partition), site);
        attn = mixer.Module;
        ls1 = LayerScale.Of(site.Dim, transformer.init_values);
        drop_path1 = DropPath.Of(drop);
        norm2 = nn.LayerNorm(site.Dim, transformer.norm_eps);
        mlp = new Mlp(site.Dim, (long)(site.Dim * transformer.expand_ratio), transformer.act_layer, transformer.proj_drop);
        ls2 = LayerScale.Of(site.Dim, transformer.init_values);
        drop_path2 = DropPath.Of(drop);
        RegisterComponents();
    }

    public static PartitionAttentionConfig Own(MaxxVitConfig config, string partition)
    {
        var transformer = config.transformer_cfg;
        return new()
        {
            partition = partition,
            window_size = transformer.window_size ?? config.img_size / transformer.partition_ratio,
            rel_pos_type = transformer.rel_pos_type,
            rel_pos_dim = transformer.rel_pos_dim,
            head_first = transformer.head_first,
            attn_drop = transformer.attn_drop,
            proj_drop = transformer.proj_drop,
        };
    }

    protected override Tensor Forward(Tensor x)
    {
        x = x + drop_path1.call(ls1.call(mixer.OnMap(norm1.call(x))));
        return x + drop_path2.call(ls2.call(mlp.call(norm2.call(x))));
    }
}

/// <summary>Convolutions, attention within blocks, attention within grids. (B, C, H, W) to (B, C', H/stride, W/stride).</summary>
internal sealed class MaxVitBlock : Block
{
    private readonly nn.Module<Tensor, Tensor> conv;
    private readonly PartitionBlock? attn_block;
    private readonly PartitionBlock attn_grid;

    public MaxVitBlock(MaxxVitConfig config, int dim, int stride, AttentionSite site, double drop) : base(nameof(MaxVitBlock))
    {
        conv = MaxxVitStage.Convolution(config.conv_cfg, dim, (int)site.Dim, stride, drop);
        attn_block = config.transformer_cfg.no_block_attn ? null : new PartitionBlock(config, "block", site, drop);
        attn_grid = new PartitionBlock(config, "grid", site with { Index = site.Index + 1 }, drop);
        RegisterComponents();
    }

    protected override Tensor Forward(Tensor x)
    {
        x = conv.call(x).permute(0, 2, 3, 1);
        if (attn_block is not null)
            x = attn_block.call(x);
        return attn_grid.call(x).permute(0, 3, 1, 2);
    }
}

/// <summary>Attention within blocks and within grids, each to half of the channels, and an MLP. (B, H, W, C) to the same.</summary>
internal sealed class ParallelPartitionBlock : Block
{
    private readonly LayerNorm norm1;
    private readonly PartitionAttention attn_block;
    private readonly PartitionAttention attn_grid;
    private readonly nn.Module<Tensor, Tensor> ls1;
    private readonly nn.Module<Tensor, Tensor> drop_path1;
    private readonly LayerNorm norm2;
    private readonly Mlp mlp;
    private readonly nn.Module<Tensor, Tensor> ls2;
    private readonly nn.Module<Tensor, Tensor> drop_path2;

    public ParallelPartitionBlock(MaxxVitConfig config, AttentionSite site, double drop) : base(nameof(ParallelPartitionBlock))
    {
        if (config.attention is not null)
            throw new UserError("block_type PM has no place for another attention", "choose M, or a model with other blocks");
        var (transformer, dim) = (config.transformer_cfg, site.Dim);
        PartitionAttention Half(string partition) => new(dim, PartitionBlock.Own(config, partition) with { num_heads = site.NumHeads }, dim / 2);
        norm1 = nn.LayerNorm(dim, transformer.norm_eps);
        attn_block = Half("block");
        attn_grid = Half("grid");
        ls1 = LayerScale.Of(dim, transformer.init_values);
        drop_path1 = DropPath.Of(drop);
        norm2 = nn.LayerNorm(dim, transformer.norm_eps);
        mlp = new Mlp(dim, (long)(dim * transformer.expand_ratio), transformer.act_layer, transformer.proj_drop);
        ls2 = LayerScale.Of(dim, transformer.init_values);
        drop_path2 = DropPath.Of(drop);
        RegisterComponents();
    }

    protected override Tensor Forward(Tensor x)
    {
        var normed = norm1.call(x);
        x = x + drop_path1.call(ls1.call(cat([attn_block.call(normed), attn_grid.call(normed)], -1)));
        return x + drop_path2.call(ls2.call(mlp.call(norm2.call(x))));
    }
}

/// <summary>Two blocks of convolutions, then both attentions side by side. (B, C, H, W) to (B, C', H/stride, W/stride).</summary>
internal sealed class ParallelMaxVitBlock : Block
{
    private readonly Sequential conv;
    private readonly ParallelPartitionBlock attn;

    public ParallelMaxVitBlock(MaxxVitConfig config, int dim, int stride, AttentionSite site, double drop) : base(nameof(ParallelMaxVitBlock))
    {
        int dim_out = (int)site.Dim;
        conv = nn.Sequential(
            MaxxVitStage.Convolution(config.conv_cfg, dim, dim_out, stride, drop),
            MaxxVitStage.Convolution(config.conv_cfg, dim_out, dim_out, 1, drop));
        attn = new ParallelPartitionBlock(config, site, drop);
        RegisterComponents();
    }

    protected override Tensor Forward(Tensor x) => attn.call(conv.call(x).permute(0, 2, 3, 1)).permute(0, 3, 1, 2);
}

/// <summary>
/// MaxViT: Tu et al., Multi-Axis Vision Transformer, 2022 (arXiv:2204.01697): convolutions, block and grid attention in every
/// block. With _tf the authors' own weights; with _rw timm's trainings, which differ in details; rmlp makes the biases of
/// relative positions by a network; maxxvit has ConvNeXt's blocks, and version 2 of it only grids.
/// </summary>
public static class MaxVit
{
    private static readonly double[] Half = [0.5, 0.5, 0.5];

    private static MaxxVitConfig Sized(int[] embed_dim, int[] depths, params int[] stem_width) => new()
    {
        embed_dim = embed_dim,
        depths = depths,
        block_type = ["M", "M", "M", "M"],
        stem_width = stem_width,
        crop_pct = 0.95,
        mean = Half,
        std = Half,
    };

    private static readonly MaxxVitConfig Pico = Sized([32, 64, 128, 256], [2, 2, 5, 2], 24, 32);
    private static readonly MaxxVitConfig Tiny = Sized([64, 128, 256, 512], [2, 2, 5, 2], 32, 64);
    private static readonly MaxxVitConfig Nano = Tiny with { depths = [1, 2, 3, 1] };
    private static readonly MaxxVitConfig Small = Sized([96, 192, 384, 768], [2, 2, 5, 2], 32, 64);
    private static readonly MaxxVitConfig Base = Small with { depths = [2, 6, 14, 2], head_hidden_size = 768 };

    private static MaxxVitConfig At256(MaxxVitConfig config) => config with { img_size = 256 };
    private static MaxxVitConfig At384(MaxxVitConfig config) => config with { img_size = 384, crop_pct = 1, num_classes = 1000, mean = Half, std = Half };
    private static MaxxVitConfig At512(MaxxVitConfig config) => At384(config) with { img_size = 512 };

    private static MaxxVitConfig Rw(MaxxVitConfig config, string rel_pos = "bias", double? init_values = null) => config with
    {
        conv_cfg = new() { expand_output = false, output_bias = false, attn_ratio = 1.0 / 16, act_layer = "silu" },
        transformer_cfg = new() { expand_first = false, rel_pos_type = rel_pos, init_values = init_values },
    };

    private static MaxxVitConfig ConvNext(MaxxVitConfig config, string rel_pos = "mlp", bool no_block_attn = false) => config with
    {
        conv_cfg = new() { block_type = "convnext", expand_output = false },
        transformer_cfg = new() { expand_first = false, init_values = 1e-6, rel_pos_type = rel_pos, no_block_attn = no_block_attn },
    };

    private static MaxxVitConfig Tf(int[] embed_dim, int[] depths, int stem_width) => Sized(embed_dim, depths, stem_width, stem_width) with
    {
        stem_bias = true,
        head_hidden_size = embed_dim[^1],
        conv_cfg = new() { norm_eps = 1e-3, act_layer = "gelu_tanh", padding = "same" },
        transformer_cfg = new() { norm_eps = 1e-5, act_layer = "gelu_tanh", head_first = false, rel_pos_type = "bias_tf" },
        mean = [0.485, 0.456, 0.406],
        std = [0.229, 0.224, 0.225],
    };

    private static readonly MaxxVitConfig TinyTf = Tf([64, 128, 256, 512], [2, 2, 5, 2], 64);
    private static readonly MaxxVitConfig SmallTf = Tf([96, 192, 384, 768], [2, 2, 5, 2], 64);
    private static readonly MaxxVitConfig BaseTf = Tf([96, 192, 384, 768], [2, 6, 14, 2], 64);
    private static readonly MaxxVitConfig LargeTf = Tf([128, 256, 512, 1024], [2, 6, 14, 2], 128);
    // Published for the classes of ImageNet-21k alone.
    private static readonly MaxxVitConfig XLargeTf = Tf([192, 384, 768, 1536], [2, 6, 14, 2], 192) with { num_classes = 21843, mean = Half, std = Half };

    /// <summary>The variants, by timm's names.</summary>
    public static ModelFamily<MaxxVitConfig> Family { get; } = new()
    {
        Name = "MaxViT",
        Reference = "Tu et al., MaxViT: Multi-Axis Vision Transformer, 2022 (arXiv:2204.01697)",
        Build = config => new MaxxVit(config),
        Table = new Dictionary<string, MaxxVitConfig>
        {
            ["maxvit_pico_rw_256"] = At256(Rw(Pico)),
            ["maxvit_nano_rw_256"] = At256(Rw(Nano)),
            ["maxvit_tiny_rw_224"] = Rw(Tiny),
            ["maxvit_tiny_rw_256"] = At256(Rw(Tiny)),
            ["maxvit_rmlp_pico_rw_256"] = At256(Rw(Pico, "mlp")),
            ["maxvit_rmlp_nano_rw_256"] = At256(Rw(Nano, "mlp")),
            ["maxvit_rmlp_tiny_rw_256"] = At256(Rw(Tiny, "mlp")),
            ["maxvit_rmlp_small_rw_224"] = Rw(Small, "mlp", 1e-6) with { crop_pct = 0.9 },
            ["maxvit_rmlp_small_rw_256"] = At256(Rw(Small, "mlp", 1e-6)),
            ["maxvit_rmlp_base_rw_224"] = Rw(Base, "mlp"),
            ["maxvit_rmlp_base_rw_384"] = At384(Rw(Base, "mlp")),
            ["maxvit_tiny_pm_256"] = At256(Rw(Tiny)) with { block_type = ["PM", "PM", "PM", "PM"] },
            ["maxxvit_rmlp_nano_rw_256"] = At256(ConvNext(Nano)) with { weight_init = "normal" },
            ["maxxvit_rmlp_tiny_rw_256"] = At256(ConvNext(Tiny)),
            ["maxxvit_rmlp_small_rw_256"] = At256(ConvNext(Small)) with { stem_width = [48, 96] },
            ["maxxvitv2_nano_rw_256"] = At256(ConvNext(Sized([96, 192, 384, 768], [1, 2, 3, 1], 48, 96), "bias", true)) with { weight_init = "normal" },
            ["maxxvitv2_rmlp_base_rw_224"] = ConvNext(Sized([128, 256, 512, 1024], [2, 6, 12, 2], 64, 128), no_block_attn: true),
            ["maxxvitv2_rmlp_base_rw_384"] = At384(ConvNext(Sized([128, 256, 512, 1024], [2, 6, 12, 2], 64, 128), no_block_attn: true)),
            ["maxxvitv2_rmlp_large_rw_224"] = ConvNext(Sized([160, 320, 640, 1280], [2, 6, 16, 2], 80, 160), no_block_attn: true) with { head_hidden_size = 1280 },
            ["maxvit_tiny_tf_224"] = TinyTf,
            ["maxvit_tiny_tf_384"] = At384(TinyTf),
            ["maxvit_tiny_tf_512"] = At512(TinyTf),
            ["maxvit_small_tf_224"] = SmallTf,
            ["maxvit_small_tf_384"] = At384(SmallTf),
            ["maxvit_small_tf_512"] = At512(SmallTf),
            ["maxvit_base_tf_224"] = BaseTf,
            ["maxvit_base_tf_384"] = At384(BaseTf),
            ["maxvit_base_tf_512"] = At512(BaseTf),
            ["maxvit_large_tf_224"] = LargeTf,
            ["maxvit_large_tf_384"] = At384(LargeTf),
            ["maxvit_large_tf_512"] = At512(LargeTf),
            ["maxvit_xlarge_tf_224"] = XLargeTf,
            ["maxvit_xlarge_tf_384"] = At384(XLargeTf),
            ["maxvit_xlarge_tf_512"] = At512(XLargeTf),
        },
    };
}
