namespace Attention.Models.Vision;

/// <summary>
/// The image towers of CLIP models: a norm before the blocks, and quick GELU in those of OpenAI and their like. The head is
/// the classifier that the weights were tuned with, or else the projection to the space shared with text. Radford et al., Learning Transferable Visual Models From Natural Language
/// Supervision, 2021 (arXiv:2103.00020).
/// </summary>
public static class ClipVit
{
    private static readonly VitConfig Base = new()
    {
        pre_norm = true,
        norm_eps = 1e-5,
        mean = VisionTransformer.ClipMean,
        std = VisionTransformer.ClipStd,
        crop_pct = 0.9,
    };
    private static readonly VitConfig Base32 = Base with { patch_size = 32 };
    private static readonly VitConfig Medium = Base with { embed_dim = 512, num_heads = 8 };
    private static readonly VitConfig Large = Base with { embed_dim = 1024, depth = 24, num_heads = 16, patch_size = 14, crop_pct = 1 };
    private static readonly VitConfig Huge = Large with { embed_dim = 1280, depth = 32 };
    private static readonly VitConfig Giant = Large with { embed_dim = 1408, depth = 40, mlp_ratio = 48.0 / 11 };
    private static readonly VitConfig Gigantic = Large with { embed_dim = 1664, depth = 48, mlp_ratio = 64.0 / 13 };
    private static VitConfig At(VitConfig config, int size) => config with { img_size = size, crop_pct = 1 };
    private static VitConfig Quick(VitConfig config) => config with { act_layer = "quick_gelu" };

    /// <summary>The variants, by timm's names.</summary>
    public static ModelFamily<VitConfig> Family { get; } = new()
    {
        Name = "CLIP ViT",
        Reference = "Radford et al., Learning Transferable Visual Models From Natural Language Supervision, 2021 (arXiv:2103.00020)",
        Build = config => new VisionTransformer(config),
        Table = new Dictionary<string, VitConfig>
        {
            ["vit_xsmall_patch16_clip_224"] = Base with { embed_dim = 256, depth = 10, num_heads = 4, num_classes = 512 },
            ["vit_medium_patch32_clip_224"] = Medium with { patch_size = 32, num_classes = 512 },
            ["vit_medium_patch16_clip_224"] = Medium with { num_classes = 512 },
            ["vit_betwixt_patch32_clip_224"] = Base32 with { embed_dim = 640, num_heads = 10, num_classes = 512 },
            ["vit_base_patch32_clip_224"] = Base32,
            ["vit_base_patch32_clip_256"] = At(Base32, 256) with { num_classes = 512 },
            ["vit_base_patch32_clip_384"] = At(Base32, 384),
            ["vit_base_patch32_clip_448"] = At(Base32, 448),
            ["vit_base_patch16_clip_224"] = Base with { crop_pct = 0.95 },
            ["vit_base_patch16_clip_384"] = At(Base, 384),
            ["vit_base_patch16_plus_clip_240"] = At(Base, 240) with { embed_dim = 896, num_heads = 14, num_classes = 640 },
            // These weights were trained on pixels in [-1, 1].
            ["vit_large_patch14_clip_224"] = Large with { mean = [0.5, 0.5, 0.5], std = [0.5, 0.5, 0.5] },
            ["vit_large_patch14_clip_336"] = At(Large, 336) with { mean = [0.5, 0.5, 0.5], std = [0.5, 0.5, 0.5] },
            ["vit_huge_patch14_clip_224"] = Huge,
            ["vit_huge_patch14_clip_336"] = At(Huge, 336),
            ["vit_huge_patch14_clip_378"] = At(Huge, 378) with { num_classes = 1024 },
            ["vit_giant_patch14_clip_224"] = Giant with { num_classes = 1024 },
            ["vit_gigantic_patch14_clip_224"] = Gigantic with { num_classes = 1280 },
            ["vit_gigantic_patch14_clip_378"] = At(Gigantic, 378) with { num_classes = 1280 },
            ["vit_base_patch32_clip_quickgelu_224"] = Quick(Base32) with { num_classes = 512 },
            ["vit_base_patch16_clip_quickgelu_224"] = Quick(At(Base, 224)) with { num_classes = 512 },
            ["vit_large_patch14_clip_quickgelu_224"] = Quick(Large) with { num_classes = 768 },
            ["vit_large_patch14_clip_quickgelu_336"] = Quick(At(Large, 336)) with { num_classes = 768 },
            ["vit_huge_patch14_clip_quickgelu_224"] = Quick(Huge) with { num_classes = 1024 },
            ["vit_huge_patch14_clip_quickgelu_378"] = Quick(At(Huge, 378)) with { num_classes = 1024 },
            ["vit_gigantic_patch14_clip_quickgelu_224"] = Quick(Gigantic) with { num_classes = 1280 },
        },
    };
}
