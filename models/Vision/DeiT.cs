namespace Attention.Models.Vision;

/// <summary>
/// Vision transformers trained on ImageNet alone. DeiT: Touvron et al., Training data-efficient image transformers and
/// distillation through attention, 2021 (arXiv:2012.12877); DeiT III: Touvron et al., 2022 (arXiv:2204.07118).
/// </summary>
public static class DeiT
{
    private static readonly VitConfig Base = new() { crop_pct = 0.9 };
    private static readonly VitConfig Small = Base with { embed_dim = 384, num_heads = 6 };
    private static readonly VitConfig Tiny = Base with { embed_dim = 192, num_heads = 3 };
    private static readonly VitConfig Medium = Base with { embed_dim = 512, num_heads = 8 };
    private static readonly VitConfig Large = Base with { embed_dim = 1024, depth = 24, num_heads = 16 };
    private static readonly VitConfig Huge = Base with { embed_dim = 1280, depth = 32, num_heads = 16, patch_size = 14 };
    private static VitConfig Wide(VitConfig config) => config with { img_size = 384, crop_pct = 1 };
    private static VitConfig Third(VitConfig config) => config with { no_embed_class = true, init_values = 1e-6 };

    /// <summary>The variants, by timm's names.</summary>
    public static ModelFamily<VitConfig> Family { get; } = new()
    {
        Name = "DeiT",
        Reference = "Touvron et al., Training data-efficient image transformers, 2021 (arXiv:2012.12877); DeiT III, 2022 (arXiv:2204.07118)",
        Build = config => new VisionTransformer(config),
        Table = new Dictionary<string, VitConfig>
        {
            ["deit_tiny_patch16_224"] = Tiny,
            ["deit_small_patch16_224"] = Small,
            ["deit_base_patch16_224"] = Base,
            ["deit_base_patch16_384"] = Wide(Base),
            ["deit_tiny_distilled_patch16_224"] = Tiny with { distilled = true },
            ["deit_small_distilled_patch16_224"] = Small with { distilled = true },
            ["deit_base_distilled_patch16_224"] = Base with { distilled = true },
            ["deit_base_distilled_patch16_384"] = Wide(Base) with { distilled = true },
            ["deit3_small_patch16_224"] = Third(Small),
            ["deit3_small_patch16_384"] = Third(Wide(Small)),
            ["deit3_medium_patch16_224"] = Third(Medium),
            ["deit3_base_patch16_224"] = Third(Base),
            ["deit3_base_patch16_384"] = Third(Wide(Base)),
            ["deit3_large_patch16_224"] = Third(Large),
            ["deit3_large_patch16_384"] = Third(Wide(Large)),
            ["deit3_huge_patch14_224"] = Third(Huge),
        },
    };
}
