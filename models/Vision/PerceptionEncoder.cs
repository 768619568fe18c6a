namespace Attention.Models.Vision;

/// <summary>
/// The image towers of the Perception Encoder: core, trained with text and pooled by attention, whose head is the projection
/// to the space shared with text; lang and spatial, tuned for language models and for dense prediction, without norm and
/// head at the end. Bolya et al., Perception Encoder: The best visual embeddings are not at the output of the network, 2025
/// (arXiv:2504.13181). The model is <see cref="Beit"/>.
/// </summary>
public static class PerceptionEncoder
{
    private static readonly BeitConfig Base = new()
    {
        attn_type = "rope",
        use_pre_transformer_norm = true,
        use_rot_pos_emb = true,
        rope_grid_offset = 1,
        rope_grid_indexing = "xy",
        norm_eps = 1e-5,
        num_classes = 0,
        crop_pct = 1,
        mean = [0.5, 0.5, 0.5],
        std = [0.5, 0.5, 0.5],
    };
    private static readonly BeitConfig Tiny = Base with { embed_dim = 192, num_heads = 3 };
    private static readonly BeitConfig Small = Base with { embed_dim = 384, num_heads = 6 };
    private static readonly BeitConfig Large = Base with { patch_size = 14, embed_dim = 1024, depth = 24, num_heads = 16 };
    private static readonly BeitConfig Gigantic = Base with
    {
        patch_size = 14,
        embed_dim = 1536,
        depth = 50,
        num_heads = 16,
        mlp_ratio = 8960.0 / 1536,
        class_token = false,
        rope_grid_offset = 0,
    };
    private static BeitConfig Core(BeitConfig config, int size, int projection) => config with
    {
        img_size = size,
        ref_feat_size = size / config.patch_size,
        global_pool = "map",
        attn_pool_num_heads = 8,
        attn_pool_mlp_ratio = 4,
        num_classes = projection,
    };
    private static BeitConfig Plain(BeitConfig config, int size) => config with
    {
        img_size = size,
        ref_feat_size = size / config.patch_size,
        use_post_transformer_norm = false,
        use_fc_norm = false,
    };

    /// <summary>The variants, by timm's names.</summary>
    public static ModelFamily<BeitConfig> Family { get; } = new()
    {
        Name = "Perception Encoder",
        Reference = "Bolya et al., Perception Encoder, 2025 (arXiv:2504.13181)",
        Build = config => new Beit(config),
        Table = new Dictionary<string, BeitConfig>
        {
            ["vit_pe_core_tiny_patch16_384"] = Core(Tiny, 384, 512),
            ["vit_pe_core_small_patch16_384"] = Core(Small, 384, 512),
            ["vit_pe_core_base_patch16_224"] = Core(Base, 224, 1024),
            ["vit_pe_core_large_patch14_336"] = Core(Large, 336, 1024),
            ["vit_pe_core_gigantic_patch14_448"] = Core(Gigantic, 448, 1280),
            ["vit_pe_lang_large_patch14_448"] = Plain(Large, 448) with { depth = 23, init_values = 0.1 },
            ["vit_pe_lang_gigantic_patch14_448"] = Plain(Gigantic, 448) with { depth = 47, init_values = 0.1 },
            ["vit_pe_spatial_tiny_patch16_512"] = Plain(Tiny, 512),
            ["vit_pe_spatial_small_patch16_512"] = Plain(Small, 512),
            ["vit_pe_spatial_base_patch16_512"] = Plain(Base, 512),
            ["vit_pe_spatial_large_patch14_448"] = Plain(Large, 448),
            ["vit_pe_spatial_gigantic_patch14_448"] = Plain(Gigantic, 448) with { init_values = 0.1 },
        },
    };
}
