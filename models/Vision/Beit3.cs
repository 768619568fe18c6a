namespace Attention.Models.Vision;

/// <summary>
/// The image towers of BEiT-3: plain transformers with norms inside attention and MLP.
/// Wang et al., Image as a Foreign Language, 2022 (arXiv:2208.10442).
/// </summary>
public static class Beit3
{
    private static readonly VitConfig Base = new() { scale_attn_norm = true, scale_mlp_norm = true, global_pool = "avg", norm_eps = 1e-5, crop_pct = 1 };
    private static readonly VitConfig Giant = Base with { patch_size = 14, embed_dim = 1408, depth = 40, num_heads = 16, mlp_ratio = 4.3637 };

    /// <summary>The variants, by timm's names.</summary>
    public static ModelFamily<VitConfig> Family { get; } = new()
    {
        Name = "BEiT-3",
        Reference = "Wang et al., Image as a Foreign Language, 2022 (arXiv:2208.10442)",
        Build = config => new VisionTransformer(config),
        Table = new Dictionary<string, VitConfig>
        {
            ["beit3_base_patch16_224"] = Base,
            ["beit3_large_patch16_224"] = Base with { embed_dim = 1024, depth = 24, num_heads = 16 },
            ["beit3_giant_patch14_224"] = Giant,
            ["beit3_giant_patch14_336"] = Giant with { img_size = 336 },
        },
    };
}
