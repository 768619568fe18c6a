namespace Attention.Models.Vision;

/// <summary>
/// Vision transformers with rotary position embedding: along the axes, or mixed, with frequencies that are learned in each
/// block and head; ape variants have a learned embedding of each position too. Heo et al., Rotary Position Embedding for
/// Vision Transformer, 2024 (arXiv:2403.13298). The gap variants are timm's own, with registers and the mean of the patches.
/// The model is <see cref="Beit"/>.
/// </summary>
public static class RopeVit
{
    private static readonly BeitConfig Base = new()
    {
        attn_type = "rope",
        init_values = 1e-5,
        use_abs_pos_emb = false,
        use_rot_pos_emb = true,
        rope_grid_indexing = "xy",
        rope_temperature = 100,
        ref_feat_size = null,
        global_pool = "token",
        crop_pct = 0.9,
    };
    private static readonly BeitConfig Small = Base with { embed_dim = 384, num_heads = 6 };
    private static readonly BeitConfig Large = Base with { embed_dim = 1024, depth = 24, num_heads = 16 };
    private static BeitConfig Mixed(BeitConfig config) => config with { rope_type = "mixed", rope_temperature = 10 };
    private static BeitConfig Absolute(BeitConfig config) => config with { use_abs_pos_emb = true, no_embed_class = true };

    private static readonly BeitConfig Mean = new()
    {
        init_values = 1e-5,
        class_token = false,
        num_reg_tokens = 1,
        use_abs_pos_emb = false,
        use_rot_pos_emb = true,
        img_size = 256,
        crop_pct = 0.95,
        mean = [0.5, 0.5, 0.5],
        std = [0.5, 0.5, 0.5],
    };
    private static readonly BeitConfig Medium = Mean with { embed_dim = 512, num_heads = 8 };

    /// <summary>The variants, by timm's names.</summary>
    public static ModelFamily<BeitConfig> Family { get; } = new()
    {
        Name = "RoPE-ViT",
        Reference = "Heo et al., Rotary Position Embedding for Vision Transformer, 2024 (arXiv:2403.13298)",
        Build = config => new Beit(config),
        Table = new Dictionary<string, BeitConfig>
        {
            ["vit_small_patch16_rope_224"] = Small,
            ["vit_base_patch16_rope_224"] = Base,
            ["vit_large_patch16_rope_224"] = Large,
            ["vit_small_patch16_rope_mixed_224"] = Mixed(Small),
            ["vit_base_patch16_rope_mixed_224"] = Mixed(Base),
            ["vit_large_patch16_rope_mixed_224"] = Mixed(Large),
            ["vit_small_patch16_rope_ape_224"] = Absolute(Small),
            ["vit_base_patch16_rope_ape_224"] = Absolute(Base),
            ["vit_large_patch16_rope_ape_224"] = Absolute(Large),
            ["vit_small_patch16_rope_mixed_ape_224"] = Absolute(Mixed(Small)),
            ["vit_base_patch16_rope_mixed_ape_224"] = Absolute(Mixed(Base)),
            ["vit_large_patch16_rope_mixed_ape_224"] = Absolute(Mixed(Large)),
            ["vit_medium_patch16_rope_reg1_gap_256"] = Medium,
            ["vit_mediumd_patch16_rope_reg1_gap_256"] = Medium with { depth = 20, qkv_bias = false },
            ["vit_betwixt_patch16_rope_reg4_gap_256"] = Mean with
            {
                embed_dim = 640,
                num_heads = 10,
                num_reg_tokens = 4,
                mean = VisionTransformer.ClipMean,
                std = VisionTransformer.ClipStd,
            },
            ["vit_base_patch16_rope_reg1_gap_256"] = Mean,
        },
    };
}
