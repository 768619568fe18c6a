namespace Attention.Models.Vision;

/// <summary>
/// The image towers of AIMv2: RMS norms, gated MLPs and no biases but that of the patches.
/// Fini et al., Multimodal Autoregressive Pre-training of Large Vision Encoders, 2024 (arXiv:2411.14402).
/// </summary>
public static class Aimv2
{
    private static readonly VitConfig Large = new()
    {
        patch_size = 14,
        embed_dim = 1024,
        depth = 24,
        num_heads = 8,
        mlp_ratio = 2.75,
        class_token = false,
        global_pool = "avg",
        fc_norm = false,
        qkv_bias = false,
        proj_bias = false,
        act_layer = "silu",
        norm_layer = "rmsnorm",
        norm_eps = 1e-5,
        embed_norm = true,
        mlp_layer = "swiglu",
        num_classes = 0,
        crop_pct = 1,
        mean = VisionTransformer.ClipMean,
        std = VisionTransformer.ClipStd,
    };
    private static readonly VitConfig Huge = Large with { embed_dim = 1536, num_heads = 12, mlp_ratio = 2.6667 };
    private static readonly VitConfig Billion = Large with { embed_dim = 2048, num_heads = 16 };
    private static readonly VitConfig ThreeBillion = Large with { embed_dim = 3072, num_heads = 24, mlp_ratio = 2.6667 };

    /// <summary>The variants, by timm's names.</summary>
    public static ModelFamily<VitConfig> Family { get; } = new()
    {
        Name = "AIMv2",
        Reference = "Fini et al., Multimodal Autoregressive Pre-training of Large Vision Encoders, 2024 (arXiv:2411.14402)",
        Build = config => new VisionTransformer(config),
        Table = new Dictionary<string, VitConfig>
        {
            ["aimv2_large_patch14_224"] = Large,
            ["aimv2_large_patch14_336"] = Large with { img_size = 336 },
            ["aimv2_large_patch14_448"] = Large with { img_size = 448 },
            ["aimv2_huge_patch14_224"] = Huge,
            ["aimv2_huge_patch14_336"] = Huge with { img_size = 336 },
            ["aimv2_huge_patch14_448"] = Huge with { img_size = 448 },
            ["aimv2_1b_patch14_224"] = Billion,
            ["aimv2_1b_patch14_336"] = Billion with { img_size = 336 },
            ["aimv2_1b_patch14_448"] = Billion with { img_size = 448 },
            ["aimv2_3b_patch14_224"] = ThreeBillion,
            ["aimv2_3b_patch14_336"] = ThreeBillion with { img_size = 336 },
            ["aimv2_3b_patch14_448"] = ThreeBillion with { img_size = 448 },
        },
    };
}
