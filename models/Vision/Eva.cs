namespace Attention.Models.Vision;

/// <summary>
/// EVA: Fang et al., Exploring the Limits of Masked Visual Representation Learning at Scale, 2022 (arXiv:2211.07636), and
/// EVA-02, with rotary embedding and a gated MLP: Fang et al., A Visual Representation for Neon Genesis, 2023
/// (arXiv:2303.11331). The model is <see cref="Beit"/>. Weights that were trained without labels have no classifier, those of
/// CLIP the projection to the space shared with text.
/// </summary>
public static class Eva
{
    private static readonly BeitConfig Giant = new()
    {
        patch_size = 14,
        embed_dim = 1408,
        depth = 40,
        num_heads = 16,
        mlp_ratio = 6144.0 / 1408,
        crop_pct = 0.9,
        mean = VisionTransformer.ClipMean,
        std = VisionTransformer.ClipStd,
    };
    private static readonly BeitConfig Tiny = Giant with
    {
        embed_dim = 192,
        depth = 12,
        num_heads = 3,
        mlp_ratio = 4 * 2.0 / 3,
        swiglu_mlp = true,
        use_rot_pos_emb = true,
    };
    private static readonly BeitConfig Small = Tiny with { embed_dim = 384, num_heads = 6 };
    private static readonly BeitConfig Base = Tiny with { embed_dim = 768, num_heads = 12, qkv_fused = false, scale_mlp = true };
    private static readonly BeitConfig Large = Base with { embed_dim = 1024, depth = 24, num_heads = 16 };
    private static BeitConfig At(BeitConfig config, int size) => config with { img_size = size, crop_pct = 1 };
    private static BeitConfig Clip(BeitConfig config) => config with { scale_attn_inner = true, global_pool = "token" };

    /// <summary>The variants, by timm's names.</summary>
    public static ModelFamily<BeitConfig> Family { get; } = new()
    {
        Name = "EVA",
        Reference = "Fang et al., EVA-02: A Visual Representation for Neon Genesis, 2023 (arXiv:2303.11331)",
        Build = config => new Beit(config),
        Table = new Dictionary<string, BeitConfig>
        {
            ["eva_giant_patch14_224"] = Giant,
            ["eva_giant_patch14_336"] = At(Giant, 336),
            ["eva_giant_patch14_560"] = At(Giant, 560) with { mean = [0.485, 0.456, 0.406], std = [0.229, 0.224, 0.225] },
            ["eva_giant_patch14_clip_224"] = Giant with { global_pool = "token", num_classes = 1024 },
            ["eva02_tiny_patch14_224"] = Tiny with { num_classes = 0 },
            ["eva02_tiny_patch14_336"] = At(Tiny, 336),
            ["eva02_small_patch14_224"] = Small with { num_classes = 0 },
            ["eva02_small_patch14_336"] = At(Small, 336),
            ["eva02_base_patch14_224"] = Base with { num_classes = 0 },
            ["eva02_base_patch14_448"] = At(Base, 448),
            ["eva02_large_patch14_224"] = Large with { num_classes = 0 },
            ["eva02_large_patch14_448"] = At(Large, 448),
            ["eva02_base_patch16_clip_224"] = Clip(Base) with { patch_size = 16, num_classes = 512 },
            ["eva02_large_patch14_clip_224"] = Clip(Large) with { num_classes = 768 },
            ["eva02_large_patch14_clip_336"] = At(Clip(Large), 336) with { num_classes = 768 },
            ["eva02_enormous_patch14_clip_224"] = Giant with
            {
                embed_dim = 1792,
                depth = 64,
                mlp_ratio = 15360.0 / 1792,
                use_post_norm = true,
                global_pool = "token",
                num_classes = 1024,
            },
        },
    };
}
