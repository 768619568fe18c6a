namespace Attention.Models.Vision;

/// <summary>
/// The image towers of SigLIP, which pool their patches by attention, and their gap variants, which take the mean of the
/// patches. Zhai et al., Sigmoid Loss for Language Image Pre-Training, 2023 (arXiv:2303.15343).
/// </summary>
public static class SigLip
{
    private static readonly VitConfig Base = new() { class_token = false, num_classes = 0, crop_pct = 0.9, mean = [0.5, 0.5, 0.5], std = [0.5, 0.5, 0.5] };
    private static readonly VitConfig Large = Base with { embed_dim = 1024, depth = 24, num_heads = 16 };
    private static readonly VitConfig Shape400M = Base with { embed_dim = 1152, depth = 27, num_heads = 16, mlp_ratio = 3.7362 };
    private static readonly VitConfig Shape400M14 = Shape400M with { patch_size = 14 };
    private static readonly VitConfig Giant = Base with { embed_dim = 1536, depth = 40, num_heads = 16 };
    private static VitConfig Tanh(VitConfig config) => config with { act_layer = "gelu_tanh" };
    private static VitConfig Mean(VitConfig config, int size) => config with { global_pool = "avg", fc_norm = false, img_size = size };
    private static VitConfig Pooled(VitConfig config, int size) => config with { global_pool = "map", img_size = size };

    /// <summary>The variants, by timm's names.</summary>
    public static ModelFamily<VitConfig> Family { get; } = new()
    {
        Name = "SigLIP",
        Reference = "Zhai et al., Sigmoid Loss for Language Image Pre-Training, 2023 (arXiv:2303.15343)",
        Build = config => new VisionTransformer(config),
        Table = new Dictionary<string, VitConfig>
        {
            ["vit_base_patch32_siglip_256"] = Tanh(Pooled(Base, 256)) with { patch_size = 32 },
            ["vit_base_patch16_siglip_224"] = Pooled(Base, 224),
            ["vit_base_patch16_siglip_256"] = Pooled(Base, 256),
            ["vit_base_patch16_siglip_384"] = Pooled(Base, 384),
            ["vit_base_patch16_siglip_512"] = Pooled(Base, 512),
            ["vit_large_patch16_siglip_256"] = Pooled(Large, 256),
            ["vit_large_patch16_siglip_384"] = Pooled(Large, 384),
            ["vit_large_patch16_siglip_512"] = Tanh(Pooled(Large, 512)),
            ["vit_so400m_patch14_siglip_224"] = Pooled(Shape400M14, 224),
            ["vit_so400m_patch14_siglip_378"] = Pooled(Shape400M14, 378),
            ["vit_so400m_patch14_siglip_384"] = Pooled(Shape400M14, 384),
            ["vit_so400m_patch16_siglip_256"] = Tanh(Pooled(Shape400M, 256)),
            ["vit_so400m_patch16_siglip_384"] = Tanh(Pooled(Shape400M, 384)),
            ["vit_so400m_patch16_siglip_512"] = Tanh(Pooled(Shape400M, 512)),
            ["vit_giantopt_patch16_siglip_256"] = Tanh(Pooled(Giant, 256)),
            ["vit_giantopt_patch16_siglip_384"] = Tanh(Pooled(Giant, 384)),
            ["vit_base_patch32_siglip_gap_256"] = Tanh(Mean(Base, 256)) with { patch_size = 32 },
            ["vit_base_patch16_siglip_gap_224"] = Mean(Base, 224),
            ["vit_base_patch16_siglip_gap_256"] = Mean(Base, 256),
            ["vit_base_patch16_siglip_gap_384"] = Mean(Base, 384),
            ["vit_base_patch16_siglip_gap_512"] = Mean(Base, 512),
            ["vit_large_patch16_siglip_gap_256"] = Mean(Large, 256),
            ["vit_large_patch16_siglip_gap_384"] = Mean(Large, 384),
            ["vit_large_patch16_siglip_gap_512"] = Tanh(Mean(Large, 512)),
            ["vit_so400m_patch14_siglip_gap_224"] = Mean(Shape400M14, 224),
            ["vit_so400m_patch14_siglip_gap_378"] = Mean(Shape400M14, 378),
            ["vit_so400m_patch14_siglip_gap_384"] = Mean(Shape400M14, 384) with { crop_pct = 1 },
            ["vit_so400m_patch14_siglip_gap_448"] = Mean(Shape400M14, 448) with { crop_pct = 1 },
            ["vit_so400m_patch14_siglip_gap_896"] = Mean(Shape400M14, 896) with { crop_pct = 1 },
            ["vit_so400m_patch16_siglip_gap_256"] = Tanh(Mean(Shape400M, 256)),
            ["vit_so400m_patch16_siglip_gap_384"] = Tanh(Mean(Shape400M, 384)),
            ["vit_so400m_patch16_siglip_gap_512"] = Tanh(Mean(Shape400M, 512)),
            ["vit_giantopt_patch16_siglip_gap_256"] = Tanh(Mean(Giant, 256)),
            ["vit_giantopt_patch16_siglip_gap_384"] = Tanh(Mean(Giant, 384)),
        },
    };
}
