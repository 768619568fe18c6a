namespace Attention.Models.Vision;

/// <summary>
/// Vision transformers trained without labels, with registers and a rotary embedding that takes any image size: Siméoni et
/// al., DINOv3, 2025 (arXiv:2508.10104). The model is <see cref="Beit"/>; the weights have no classifier. The head takes the
/// mean of the patches, as timm does; the authors take the class token: <c>global_pool: token</c>.
/// </summary>
public static class DinoV3
{
    private static readonly BeitConfig Base = new()
    {
        qkv_bias = false,
        init_values = 1e-5,
        use_abs_pos_emb = false,
        use_rot_pos_emb = true,
        rope_type = "dinov3",
        rope_temperature = 100,
        num_reg_tokens = 4,
        dynamic_img_size = true,
        use_fc_norm = false,
        norm_eps = 1e-5,
        img_size = 256,
        crop_pct = 1,
        num_classes = 0,
    };
    private static readonly BeitConfig Small = Base with { embed_dim = 384, num_heads = 6 };
    private static readonly BeitConfig Large = Base with { embed_dim = 1024, depth = 24, num_heads = 16 };
    private static readonly BeitConfig Huge = Gated(Base with { embed_dim = 1280, depth = 32, num_heads = 20 });
    private static BeitConfig Gated(BeitConfig config) => config with { swiglu_mlp = true, swiglu_align_to = 8 };
    private static BeitConfig Biased(BeitConfig config) => config with { qkv_bias = true };

    /// <summary>The variants, by timm's names.</summary>
    public static ModelFamily<BeitConfig> Family { get; } = new()
    {
        Name = "DINOv3",
        Reference = "Siméoni et al., DINOv3, 2025 (arXiv:2508.10104)",
        Build = config => new Beit(config),
        Table = new Dictionary<string, BeitConfig>
        {
            ["vit_tiny_patch16_dinov3_qkvb"] = Biased(Base) with { embed_dim = 192, num_heads = 3 },
            ["vit_small_patch16_dinov3"] = Small,
            ["vit_small_patch16_dinov3_qkvb"] = Biased(Small),
            ["vit_small_plus_patch16_dinov3"] = Gated(Small),
            ["vit_small_plus_patch16_dinov3_qkvb"] = Biased(Gated(Small)),
            ["vit_base_patch16_dinov3"] = Base,
            ["vit_base_patch16_dinov3_qkvb"] = Biased(Base),
            ["vit_large_patch16_dinov3"] = Large,
            ["vit_large_patch16_dinov3_qkvb"] = Biased(Large),
            ["vit_huge_plus_patch16_dinov3"] = Huge,
            ["vit_huge_plus_patch16_dinov3_qkvb"] = Biased(Huge),
            ["vit_7b_patch16_dinov3"] = Gated(Base) with { embed_dim = 4096, depth = 40, num_heads = 32, mlp_ratio = 2, swiglu_align_to = 64 },
        },
    };
}
