namespace Attention.Models.Vision;

/// <summary>
/// MoH-ViT: TransNeXt whose heads are a mixture. Jin et al., MoH: Multi-Head Attention as Mixture-of-Head Attention, 2024
/// (arXiv:2410.11842). Parameter names as in the authors' repository, SkyworkAI/MoH.
/// </summary>
public static class MohVit
{
    /// <summary>The variants, by the authors' names; the number is the percentage of heads that a token uses.</summary>
    public static ModelFamily<TransNeXtConfig> Family { get; } = new()
    {
        Name = "MoH-ViT",
        Reference = "Jin et al., MoH: Multi-Head Attention as Mixture-of-Head Attention, 2024 (arXiv:2410.11842)",
        Build = config => new TransNeXt(config),
        Table = new Dictionary<string, TransNeXtConfig>
        {
            ["moh_transnext_base_75"] = TransNeXt.Base with { shared_head = [4, 8, 4, 5], routed_head = [0, 0, 8, 16] },
            ["moh_transnext_base_50"] = TransNeXt.Base with { shared_head = [2, 2, 2, 4], routed_head = [2, 4, 6, 8] },
            ["moh_transnext_small_80"] = TransNeXt.Small with { shared_head = [3, 6, 3, 8], routed_head = [0, 0, 6, 12] },
            ["moh_transnext_small_75"] = TransNeXt.Small with { shared_head = [3, 6, 3, 4], routed_head = [0, 0, 6, 12] },
        },
    };
}
