namespace Attention.Models.Vision;

/// <summary>
/// Vision transformers trained without labels, with layer scale, and a gated MLP in the giant. Oquab et al., DINOv2, 2023
/// (arXiv:2304.07193); registers: Darcet et al., Vision Transformers Need Registers, 2023 (arXiv:2309.16588). The weights
/// have no classifier.
/// </summary>
public static class DinoV2
{
    private static readonly VitConfig Base = new() { patch_size = 14, img_size = 518, init_values = 1e-5, crop_pct = 1, num_classes = 0 };
    private static readonly VitConfig Small = Base with { embed_dim = 384, num_heads = 6 };
    private static readonly VitConfig Large = Base with { embed_dim = 1024, depth = 24, num_heads = 16 };
    private static readonly VitConfig Giant = Base with { embed_dim = 1536, depth = 40, num_heads = 24, mlp_ratio = 2.66667 * 2, mlp_layer = "swiglu_packed" };
    private static VitConfig Registers(VitConfig config) => config with { reg_tokens = 4, no_embed_class = true };
    // Weights of TIPS start their layer scales at one and take pixels in [0, 1].
    private static VitConfig Tips(VitConfig config) =>
        config with { reg_tokens = 1, no_embed_class = true, init_values = 1, img_size = 448, mean = [0, 0, 0], std = [1, 1, 1] };

    /// <summary>The variants, by timm's names.</summary>
    public static ModelFamily<VitConfig> Family { get; } = new()
    {
        Name = "DINOv2",
        Reference = "Oquab et al., DINOv2: Learning Robust Visual Features without Supervision, 2023 (arXiv:2304.07193)",
        Build = config => new VisionTransformer(config),
        Table = new Dictionary<string, VitConfig>
        {
            ["vit_small_patch14_dinov2"] = Small,
            ["vit_base_patch14_dinov2"] = Base,
            ["vit_large_patch14_dinov2"] = Large,
            ["vit_giant_patch14_dinov2"] = Giant,
            ["vit_small_patch14_reg4_dinov2"] = Registers(Small),
            ["vit_base_patch14_reg4_dinov2"] = Registers(Base),
            ["vit_large_patch14_reg4_dinov2"] = Registers(Large),
            ["vit_giant_patch14_reg4_dinov2"] = Registers(Giant),
            ["vit_base_patch14_reg1_tipsv2"] = Tips(Base),
            ["vit_large_patch14_reg1_tipsv2"] = Tips(Large),
            ["vit_so400m_patch14_reg1_tipsv2"] = Tips(Base) with { embed_dim = 1152, depth = 27, num_heads = 16, mlp_ratio = 4304.0 / 1152 },
            ["vit_giant_patch14_reg1_tipsv2"] = Tips(Giant),
        },
    };
}
