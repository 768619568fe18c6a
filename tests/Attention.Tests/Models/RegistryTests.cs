using System.Reflection;
using Attention.Engine.Verification;
using Attention.Models;
using Attention.Models.Vision;
using Attention.Modules;
using TorchSharp;
using TorchSharp.Modules;
using Xunit;
using static TorchSharp.torch;

namespace Attention.Tests.Models;

/// <summary>The contract of <see cref="ImageModel"/>, over the whole registry.</summary>
public class RegistryTests
{
    // One small model for each thing that a family can do: enough to run forward and backward in an instant.
    private static readonly Dictionary<string, Func<object, object>> small = new()
    {
        ["vit_tiny_patch16_224"] = config => Small((VitConfig)config),
        ["vit_so150m_patch16_reg4_map_256"] = config => Small((VitConfig)config),
        ["vit_base_patch16_reg4_gap_256"] = config => Small((VitConfig)config),
        ["deit_tiny_distilled_patch16_224"] = config => Small((VitConfig)config),
        ["vit_base_patch32_clip_quickgelu_224"] = config => Small((VitConfig)config),
        ["vit_giant_patch14_reg4_dinov2"] = config => Small((VitConfig)config),
        ["vit_large_patch16_siglip_512"] = config => Small((VitConfig)config),
        ["vit_base_patch16_rpn_224"] = config => Small((VitConfig)config),
        ["vit_small_patch16_18x2_224"] = config => Small((VitConfig)config),
        ["vit_base_patch16_xp_224"] = config => Small((VitConfig)config),
        ["vit_dwee_patch16_reg1_gap_256"] = config => Small((VitConfig)config),
        ["vit_dpwee_patch16_reg1_gap_256"] = config => Small((VitConfig)config),
        ["beit3_base_patch16_224"] = config => Small((VitConfig)config),
        ["aimv2_large_patch14_224"] = config => Small((VitConfig)config),
        ["beit_base_patch16_224"] = config => Small((BeitConfig)config),
        ["eva_giant_patch14_224"] = config => Small((BeitConfig)config),
        ["eva02_tiny_patch14_224"] = config => Small((BeitConfig)config),
        ["eva02_base_patch16_clip_224"] = config => Small((BeitConfig)config),
        ["vit_small_plus_patch16_dinov3"] = config => Small((BeitConfig)config),
        ["vit_medium_patch16_rope_reg1_gap_256"] = config => Small((BeitConfig)config),
        ["vit_small_patch16_rope_224"] = config => Small((BeitConfig)config),
        ["vit_small_patch16_rope_mixed_ape_224"] = config => Small((BeitConfig)config),
        ["vit_pe_core_tiny_patch16_384"] = config => Small((BeitConfig)config) with { attn_pool_num_heads = 2 },
        ["vit_pe_spatial_gigantic_patch14_448"] = config => Small((BeitConfig)config),
        ["swin_tiny_patch4_window7_224"] = config => (SwinConfig)config with
        {
            img_size = 64,
            embed_dim = 12,
            depths = [2, 2, 2, 1],
            num_heads = [1, 2, 2, 2],
            window_size = [4],
            num_classes = 5,
        },
        ["swinv2_cr_tiny_ns_224"] = config => (SwinV2CrConfig)config with
        {
            img_size = 64,
            embed_dim = 12,
            depths = [2, 2, 2, 1],
            num_heads = [1, 2, 2, 2],
            window_size = 4,
            init_values = 0.5,
            num_classes = 5,
        },
        ["swinv2_tiny_window8_256"] = config => (SwinV2Config)config with
        {
            img_size = 64,
            embed_dim = 12,
            depths = [2, 2, 2, 1],
            num_heads = [1, 2, 2, 2],
            window_size = 4,
            num_classes = 5,
        },
        ["pvt_v2_b2"] = config => Small((PvtConfig)config),
        ["pvt_v2_b2_li"] = config => Small((PvtConfig)config),
        ["twins_svt_small"] = config => Small((TwinsConfig)config) with { wss = [4, 4, 4, 2] },
        ["twins_pcpvt_small"] = config => Small((TwinsConfig)config),
        ["biformer_tiny"] = config => Small((BiFormerConfig)config),
        ["biformer_stl"] = config => Small((BiFormerConfig)config),
        ["crossvit_9_240"] = config => Small((CrossVitConfig)config),
        ["crossvit_15_dagger_408"] = config => Small((CrossVitConfig)config) with { depth = [[1, 2, 1]] },
        ["convit_tiny"] = config => (ConVitConfig)config with { img_size = 64, embed_dim = 12, num_heads = 2, depth = 3, local_up_to_layer = 2, num_classes = 5 },
        ["tnt_s_patch16_224"] = config => Small((TntConfig)config),
        ["tnt_s_legacy_patch16_224"] = config => Small((TntConfig)config),
        ["davit_tiny"] = config => Small((DaVitConfig)config),
        ["davit_base_fl"] = config => Small((DaVitConfig)config),
        ["cait_xxs24_224"] = config => (CaitConfig)config with { img_size = 64, embed_dim = 24, depth = 2, num_heads = 2, num_classes = 5 },
        ["xcit_nano_12_p16_224"] = config => Small((XcitConfig)config),
        ["xcit_tiny_12_p8_224"] = config => Small((XcitConfig)config),
        ["visformer_tiny"] = config => (VisformerConfig)config with { img_size = 64, init_channels = 8, embed_dim = 16, depth = [1, 1, 1], num_heads = 2, num_classes = 5 },
        ["nest_tiny"] = config => Small((NestConfig)config),
        ["nest_tiny_jx"] = config => Small((NestConfig)config),
        ["poolformer_s12"] = config => Small((MetaFormerConfig)config),
        ["poolformerv2_s12"] = config => Small((MetaFormerConfig)config),
        ["convformer_s18"] = config => Small((MetaFormerConfig)config),
        ["caformer_s18"] = config => Small((MetaFormerConfig)config),
        ["transnext_micro"] = config => Small((TransNeXtConfig)config),
        ["transnext_micro_AAAA"] = config => Small((TransNeXtConfig)config),
        ["moh_transnext_base_50"] = config => Small((TransNeXtConfig)config) with { num_heads = [4, 4, 4, 4], shared_head = [2, 1, 0, 4], routed_head = [1, 2, 2, 0] },
        ["vit_relpos_small_patch16_224"] = config => Small((VitRelPosConfig)config),
        ["vit_srelpos_small_patch16_224"] = config => Small((VitRelPosConfig)config) with { class_token = true },
        ["vit_relpos_medium_patch16_cls_224"] = config => Small((VitRelPosConfig)config) with { rel_pos_type = "bias", qk_norm = true },
        ["vit_relpos_base_patch16_rpn_224"] = config => Small((VitRelPosConfig)config) with { rel_pos_type = "mlp_swin" },
        ["vit_tiny_r_s16_p8_224"] = config => Small((VitHybridConfig)config),
        ["vit_small_r26_s32_224"] = config => Small((VitHybridConfig)config) with { layers = [1, 2] },
        ["vit_base_resnet26d_224"] = config => Small((VitHybridConfig)config) with { layers = [1, 1, 1] },
        ["vit_base_mci_224"] = config => Small((VitHybridConfig)config),
        ["resnet18d"] = config => (ResNetConfig)config with { img_size = 64, layers = [1, 1, 1, 1], num_classes = 5 },
        ["seresnext50_32x4d"] = config => (ResNetConfig)config with { img_size = 64, layers = [1, 1, 1, 1], num_classes = 5 },
        ["eca_resnet18"] = config => (ResNetConfig)config with { img_size = 64, layers = [1, 1, 1, 1], num_classes = 5 },
        ["ecaresnet26t"] = config => (ResNetConfig)config with { img_size = 64, layers = [1, 1, 1, 1], num_classes = 5 },
        ["resnet50_gn"] = config => (ResNetConfig)config with { img_size = 64, layers = [1, 1, 1, 1], num_classes = 5 },
        ["senet154"] = config => (ResNetConfig)config with { img_size = 64, layers = [1, 1, 1, 1], num_classes = 5 },
        ["resnetblur18"] = config => (ResNetConfig)config with { img_size = 64, layers = [1, 1, 1, 1], num_classes = 5 },
        ["resnetaa50d"] = config => (ResNetConfig)config with { img_size = 64, layers = [1, 1, 1, 1], num_classes = 5 },
        ["resnetrs50"] = config => (ResNetConfig)config with { img_size = 64, layers = [1, 1, 1, 1], num_classes = 5 },
        ["convnext_tiny"] = config => Small((ConvNeXtConfig)config),
        ["convnext_atto_ols"] = config => Small((ConvNeXtConfig)config),
        ["convnext_zepto_rms_ols"] = config => Small((ConvNeXtConfig)config),
        ["convnext_atto_rms"] = config => Small((ConvNeXtConfig)config),
        ["convnext_tiny_hnf"] = config => Small((ConvNeXtConfig)config),
        ["convnext_large_mlp"] = config => Small((ConvNeXtConfig)config) with { head_hidden_size = 24 },
        ["convnextv2_tiny"] = config => Small((ConvNeXtConfig)config),
        ["coatnet_0_rw_224"] = config => Small((MaxxVitConfig)config),
        ["coatnet_bn_0_rw_224"] = config => Small((MaxxVitConfig)config),
        ["coatnet_rmlp_2_rw_224"] = config => Small((MaxxVitConfig)config),
        ["coatnet_nano_cc_224"] = config => Small((MaxxVitConfig)config) with { depths = [1, 1, 2, 2] },
        ["coatnext_nano_rw_224"] = config => Small((MaxxVitConfig)config),
        ["coatnet_0_224"] = config => Small((MaxxVitConfig)config),
        ["maxvit_rmlp_small_rw_224"] = config => Small((MaxxVitConfig)config),
        ["maxvit_tiny_pm_256"] = config => Small((MaxxVitConfig)config),
        ["maxxvitv2_nano_rw_256"] = config => Small((MaxxVitConfig)config),
        ["maxvit_tiny_tf_224"] = config => Small((MaxxVitConfig)config),
        ["halonet26t"] = config => Small((HaloNetConfig)config),
        ["sehalonet33ts"] = config => Small((HaloNetConfig)config) with { num_features = 24 },
        ["eca_botnext26ts_256"] = config => Small((HaloNetConfig)config),
        ["lambda_resnet26rpt_256"] = config => Small((HaloNetConfig)config),
        ["lamhalobotnet50ts_256"] = config => Small((HaloNetConfig)config),
        ["haloregnetz_b"] = config => Small((HaloNetConfig)config) with { channels = [16, 16, 16, 16], stem_chs = 16, num_features = 24 },
        ["focalnet_tiny_srf"] = config => (FocalNetConfig)config with { img_size = 64, embed_dim = 8, depths = [1, 1, 1, 1], num_classes = 5 },
        ["focalnet_huge_fl4"] = config => (FocalNetConfig)config with { img_size = 64, embed_dim = 8, depths = [1, 1, 1, 1], num_classes = 5 },
        ["gcvit_xxtiny"] = config => (GcVitConfig)config with { img_size = 64, embed_dim = 8, depths = [2, 2, 2, 2], num_heads = [1, 2, 2, 2], num_classes = 5 },
        ["van_b0"] = config => (VanConfig)config with { img_size = 64, embed_dims = [8, 12, 16, 24], depths = [1, 1, 2, 1], num_classes = 5 },
        ["crossformer_pp_small"] = config => (CrossFormerConfig)config with
        {
            img_size = 64,
            embed_dim = 16,
            depths = [1, 2, 4, 1],
            num_heads = [1, 2, 2, 2],
            group_size = [3, 2, 2, 2],
            crs_interval = [2, 2, 2, 1],
            num_classes = 5,
        },
        ["litv2_small"] = config => (LitV2Config)config with { img_size = 64, embed_dim = 8, depths = [1, 1, 2, 1], num_heads = [2, 2, 4, 4], alpha = 0.5, num_classes = 5 },
        ["smt_t"] = config => (SmtConfig)config with { img_size = 64, embed_dims = [8, 12, 16, 24], sa_num_heads = [-1, -1, 2, 2], depths = [1, 1, 2, 1], num_classes = 5 },
        ["smt_b"] = config => (SmtConfig)config with
        {
            img_size = 64,
            embed_dims = [8, 12, 16, 24],
            sa_num_heads = [-1, -1, 2, 2],
            depths = [1, 1, 2, 1],
            use_layerscale = true,
            num_classes = 5,
        },
        ["favit_b0"] = config => (FaVitConfig)config with { img_size = 64, embed_dims = [16, 16, 32, 32], num_heads = [1, 1, 2, 2], depths = [1, 1, 1, 1], num_classes = 5 },
        ["spectformer_s"] = config => Small((SpectFormerConfig)config),
        ["spectformer_b"] = config => Small((SpectFormerConfig)config) with { token_label = false },
        ["spectformer_xs_vanilla"] = config => (SpectFormerVanillaConfig)config with { img_size = 64, embed_dim = 24, depth = 6, num_heads = 2, num_classes = 5 },
        ["stvit_small"] = config => Small((StVitConfig)config),
        ["stvit_base"] = config => Small((StVitConfig)config) with { n_iter = [2, 1, 1, 1] },
        ["lowformer_b1"] = config => Small((LowFormerConfig)config),
        ["lowformer_b2"] = config => Small((LowFormerConfig)config) with { depth_list = [0, 0, 0, 1, 1] },
        ["lowformer_e1"] = config => Small((LowFormerConfig)config),
        ["lowformer_e3"] = config => Small((LowFormerConfig)config) with { depth_list = [1, 2, 1, 1, 1] },
        ["glnet_4g"] = config => Small((GlNetConfig)config),
        ["glnet_16g"] = config => Small((GlNetConfig)config),
        ["glnet_stl"] = config => Small((GlNetConfig)config),
        ["glnet_stl_paramslot"] = config => Small((GlNetConfig)config),
        ["L2ViT_Tiny"] = config => (L2VitConfig)config with { img_size = 64, dims = [8, 12, 16, 24], depths = [1, 2, 2, 1], num_heads = [1, 2, 2, 2], window_size = 3, num_classes = 5 },
        ["fcaformer_l1"] = config => (FcaFormerConfig)config with { img_size = 64, embed_dims = [8, 12, 16, 24], depths = [1, 1, 3, 2], num_heads = [0, 0, 2, 2], drop_path_rate = 0, num_classes = 5 },
        ["nat_small"] = config => Small((NatConfig)config),
        ["dinat_mini"] = config => Small((NatConfig)config) with { dilations = [4, 2, 1, 1] },
        ["dinat_s_tiny"] = config => Small((NatConfig)config) with { dilations = [4, 2, 1, 1] },
        ["dinat_isotropic_small"] = config => (NatIsotropicConfig)config with { img_size = 96, embed_dim = 24, depth = 2, num_heads = 2, kernel_size = 3, drop_path_rate = 0, num_classes = 5 },
        ["vitrpb_small"] = config => (NatIsotropicConfig)config with { img_size = 64, embed_dim = 24, depth = 2, num_heads = 2, drop_path_rate = 0, num_classes = 5 },
        // The authors train the second classifier with a loss of its own.
        ["overlock_xt"] = config => Small((OverLockConfig)config),
        ["overlock_xt_reparam"] = config => Small((OverLockConfig)config) with { res_scale = false, ls_init_value = [1, null, 1, 1] },
        ["mobilemamba_t2"] = config => (MobileMambaConfig)config with { img_size = 128, embed_dim = [24, 32, 48], depth = [1, 1, 1], num_classes = 5 },
        ["mobilemamba_b1"] = config => (MobileMambaConfig)config with { img_size = 128, embed_dim = [24, 32, 48], depth = [1, 1, 1], distillation = true, drop_path_rate = 0, num_classes = 5 },
        ["shvit_s1"] = config => (ShVitConfig)config with
        {
            img_size = 128,
            embed_dim = [16, 20, 24],
            partial_dim = [8, 8, 8],
            qk_dim = [4, 4, 4],
            depth = [1, 1, 2],
            num_classes = 5,
        },
    };

    private static SpectFormerConfig Small(SpectFormerConfig config) =>
        config with { img_size = 64, stem_hidden_dim = 8, embed_dims = [8, 12, 16, 24], num_heads = [1, 2, 2, 2], depths = [1, 1, 1, 1], num_classes = 5 };

    private static StVitConfig Small(StVitConfig config) =>
        config with { img_size = 64, embed_dim = [8, 12, 16, 24], depths = [1, 1, 1, 1], num_heads = [1, 2, 2, 2], projection = 32, num_classes = 5 };

    private static LowFormerConfig Small(LowFormerConfig config) =>
        config with { img_size = 64, width_list = [8, 8, 12, 64, 256], depth_list = [0, 1, 1, 1, 1], num_classes = 5 };

    private static GlNetConfig Small(GlNetConfig config) =>
        config with { img_size = 64, depth = [1, 1, 2, 1], embed_dim = [8, 12, 16, 24], head_dim = 4, num_slots = 4, num_classes = 5 };

    private static NatConfig Small(NatConfig config) =>
        config with { img_size = 64, embed_dim = 8, depths = [2, 2, 2, 1], num_heads = [1, 2, 2, 2], kernel_size = 3, drop_path_rate = 0, num_classes = 5 };

    private static OverLockConfig Small(OverLockConfig config) => config with
    {
        img_size = 64,
        depth = [1, 1, 1, 1],
        sub_depth = [1, 2],
        embed_dim = [8, 12, 16, 16],
        kernel_size = [7, 7, 7, 5],
        sub_num_heads = [1, 2],
        projection = 24,
        use_ds = false,
        num_classes = 5,
    };

    private static VitRelPosConfig Small(VitRelPosConfig config) =>
        config with { img_size = 64, patch_size = 16, embed_dim = 24, depth = 2, num_heads = 2, num_classes = 5, rel_pos_dim = 8 };

    private static VitHybridConfig Small(VitHybridConfig config) =>
        config with { img_size = 64, embed_dim = 24, depth = 2, num_heads = 2, num_classes = 5 };

    private static VitConfig Small(VitConfig config) =>
        config with { img_size = 4 * config.patch_size, embed_dim = 24, num_heads = 2, depth = 2, num_classes = 5 };

    private static BeitConfig Small(BeitConfig config) =>
        config with { img_size = 4 * config.patch_size, embed_dim = 24, num_heads = 2, depth = 2, num_classes = 5 };

    private static PvtConfig Small(PvtConfig config) =>
        config with { img_size = 64, depths = [1, 1, 1, 1], embed_dims = [8, 12, 16, 24], num_heads = [1, 2, 2, 2], num_classes = 5 };

    private static TwinsConfig Small(TwinsConfig config) =>
        config with { img_size = 64, depths = [2, 2, 2, 2], embed_dims = [8, 12, 16, 24], num_heads = [1, 2, 2, 2], num_classes = 5 };

    private static BiFormerConfig Small(BiFormerConfig config) => config with
    {
        img_size = 64,
        depth = [1, 1, 1, 1],
        embed_dim = [8, 16, 16, 24],
        head_dim = 4,
        n_win = 2,
        topks = [1, 2, 4, 0],
        num_classes = 5,
    };

    private static CrossVitConfig Small(CrossVitConfig config) =>
        config with { img_size = 48, img_scale = [1, 1], embed_dim = [16, 24], depth = [[1, 2, 0], [1, 1, 0]], num_heads = [2, 2], num_classes = 5 };

    private static TntConfig Small(TntConfig config) =>
        config with { img_size = 64, embed_dim = 24, inner_dim = 8, depth = 2, num_heads_inner = 2, num_heads_outer = 2, num_classes = 5 };

    private static DaVitConfig Small(DaVitConfig config) =>
        config with { img_size = 64, depths = [1, 1, 1, 1], embed_dims = [8, 12, 16, 24], num_heads = [1, 2, 2, 2], window_size = 4, num_classes = 5 };

    private static XcitConfig Small(XcitConfig config) =>
        config with { img_size = 64, embed_dim = 24, depth = 2, num_heads = 2, num_classes = 5 };

    private static TransNeXtConfig Small(TransNeXtConfig config) =>
        config with { img_size = 64, depths = [1, 2, 1, 1], embed_dims = [8, 12, 16, 24], num_heads = [1, 2, 2, 2], mlp_ratios = [2, 2, 2, 2], num_classes = 5 };

    private static NestConfig Small(NestConfig config) =>
        config with { img_size = 64, embed_dims = [8, 12, 24], depths = [1, 1, 1], num_heads = [1, 2, 2], num_classes = 5 };

    private static MetaFormerConfig Small(MetaFormerConfig config) =>
        config with { img_size = 64, depths = [1, 1, 1, 1], dims = [8, 12, 16, 24], num_classes = 5 };

    private static ConvNeXtConfig Small(ConvNeXtConfig config) =>
        config with { img_size = 64, depths = [1, 1, 1, 1], dims = [8, 12, 16, 24], num_classes = 5 };

    private static MaxxVitConfig Small(MaxxVitConfig config) => config with
    {
        img_size = 64,
        depths = [1, 1, 1, 1],
        embed_dim = [8, 16, 16, 32],
        stem_width = [6, 8],
        head_hidden_size = config.head_hidden_size is null ? null : 20,
        transformer_cfg = config.transformer_cfg with { dim_head = 4, rel_pos_dim = 12 },
        num_classes = 5,
    };

    private static HaloNetConfig Small(HaloNetConfig config) =>
        config with { img_size = 64, blocks = ["c", "ca", "ca", "a"], channels = [64, 64, 64, 64], stem_chs = 16, num_classes = 5 };

    public static TheoryData<string> SmallModels => new(small.Keys);
    public static TheoryData<string> Variants => new(ModelRegistry.Names.Where(name => ModelRegistry.Family(name).Config(name) is ImageModelConfig));

    private static ImageModel Build(string variant)
    {
        manual_seed(0);
        return (ImageModel)ModelRegistry.Family(variant).Create(small[variant](ModelRegistry.Family(variant).Config(variant)));
    }

    private static ImageModelConfig ConfigOf(string variant) => (ImageModelConfig)small[variant](ModelRegistry.Family(variant).Config(variant));

    [Fact]
    public void Every_family_of_image_models_has_a_small_model_here()
    {
        var covered = small.Keys.Select(ModelRegistry.Family).ToHashSet();
        var families = ModelRegistry.Names.Select(name => (ModelRegistry.Family(name), ModelRegistry.Family(name).Config(name)))
            .Where(pair => pair.Item2 is ImageModelConfig).Select(pair => pair.Item1).Distinct();
        Assert.Empty(families.Where(family => !covered.Contains(family)).Select(family => family.Name));
    }

    [Theory]
    [MemberData(nameof(SmallModels))]
    public void Every_parameter_receives_a_gradient(string variant)
    {
        using var scope = NewDisposeScope();
        using var model = Build(variant);
        Fill(model);
        var config = ConfigOf(variant);
        var output = model.call(FormulaFill.Input("input", [2, 3, config.img_size, config.img_size]));
        Assert.Equal(new long[] { 2, 5 }, output.shape);
        (output * FormulaFill.Probe("probe", output.shape)).sum().backward();
        // What adds the same to all scores of a head is forgotten by the softmax.
        static bool IsForgotten(string name) => name.EndsWith("meta_mlp.fc2.bias", StringComparison.Ordinal);
        var without = model.named_parameters().Where(p => p.parameter.requires_grad && !IsForgotten(p.name)).Where(p => p.parameter.grad is not { } grad || grad.abs().max().item<float>() is 0 or float.NaN);
        Assert.Empty(without.Select(p => p.name));
    }

    // A fresh model may start with zeros in its last layers, behind which no gradient can be seen.
    private static void Fill(ImageModel model)
    {
        using var _ = no_grad();
        foreach (var (name, parameter) in model.named_parameters().Where(p => p.parameter.requires_grad))
        {
            string rule = parameter.ndim > 1 ? "weight" : name.EndsWith("weight", StringComparison.Ordinal) || name.Contains("gamma", StringComparison.Ordinal) ? "scale" : "shift";
            using var values = FormulaFill.Parameter(name, parameter.shape, rule, 1);
            parameter.copy_(values);
        }
    }

    [Theory]
    [MemberData(nameof(SmallModels))]
    public void The_halves_make_the_whole_and_the_classifier_can_be_replaced(string variant)
    {
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        using var model = Build(variant);
        model.eval();
        var input = FormulaFill.Input("input", [1, 3, ConfigOf(variant).img_size, ConfigOf(variant).img_size]);
        var features = model.forward_features(input);
        Assert.True(allclose(model.call(input), model.forward_head(features), rtol: 1e-4, atol: 1e-5));
        var pooled = model.forward_head(features, pre_logits: true);

        model.reset_classifier(7);
        Assert.Equal(7, model.num_classes);
        Assert.Equal(new long[] { 1, 7 }, model.call(input).shape);
        Assert.True(allclose(pooled, model.forward_head(features, pre_logits: true), rtol: 1e-4, atol: 1e-5));
        model.reset_classifier(0);
        Assert.Equal(pooled.shape, model.call(input).shape);
    }

    [Theory]
    [MemberData(nameof(SmallModels))]
    public void Models_without_a_fixed_grid_take_other_sizes(string variant)
    {
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        using var model = Build(variant);
        model.eval();
        if (ConfigOf(variant) is BeitConfig { dynamic_img_size: true })
        {
            Assert.Equal(new long[] { 1, 5 }, model.call(zeros(1, 3, ConfigOf(variant).img_size * 2, ConfigOf(variant).img_size)).shape);
            return;
        }
        if (model.fixed_input_size)
        {
            var refusal = Assert.ThrowsAny<ArgumentException>(() => model.call(zeros(1, 3, ConfigOf(variant).img_size * 2, ConfigOf(variant).img_size)));
            Assert.Contains("img_size", refusal.Message);
            return;
        }
        var maps = model.forward_intermediates(zeros(1, 3, 96, 160));
        // CrossViT brings images to its own size first.
        if (model is not CrossVit)
            foreach (var (map, info) in maps.Zip(model.feature_info))
                AssertMap(info, 96, 160, map);
        Assert.Equal(new long[] { 1, 5 }, model.call(zeros(1, 3, 96, 160)).shape);
    }

    // Of what a stride leaves over, patches take nothing, and convolutions with padding one more.
    private static void AssertMap(FeatureInfo info, int height, int width, Tensor map)
    {
        Assert.Equal(new long[] { 1, info.Channels }, map.shape[..2]);
        Assert.InRange(map.shape[2], height / info.Stride, (height + info.Stride - 1) / info.Stride);
        Assert.InRange(map.shape[3], width / info.Stride, (width + info.Stride - 1) / info.Stride);
    }

    [Theory]
    [MemberData(nameof(SmallModels))]
    public void Features_can_be_asked_for_by_index(string variant)
    {
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        using var model = Build(variant);
        model.eval();
        var input = FormulaFill.Input("input", [1, 3, ConfigOf(variant).img_size, ConfigOf(variant).img_size]);
        var all = model.forward_intermediates(input);
        var some = model.forward_intermediates(input, [1, 0]);
        Assert.Equal(model.feature_info.Count, all.Length);
        Assert.True(allclose(all[1], some[0], rtol: 1e-4, atol: 1e-5));
        Assert.True(allclose(all[0], some[1], rtol: 1e-4, atol: 1e-5));
    }

    [Theory]
    [MemberData(nameof(Variants))]
    public void Every_variant_keeps_the_contract(string variant)
    {
        var family = ModelRegistry.Family(variant);
        var config = (ImageModelConfig)family.Config(variant);
        var before = get_default_device();
        set_default_device(META);
        try
        {
            using var scope = NewDisposeScope();
            using var _ = no_grad();
            using var model = (ImageModel)family.Create(config);
            model.eval();
            Assert.Empty(Unregistered(model));

            var input = empty(1, config.in_chans, config.img_size, config.img_size);
            using (var counter = new FlopCounter(model))
            {
                Assert.Equal(new long[] { 1, config.num_classes > 0 ? config.num_classes : model.num_features }, model.call(input).shape);
                // Otherwise: ./attention models --measure --json > models/model_sizes.json
                Assert.Equal(new ModelSize(variant, model.parameters().Sum(p => p.numel()), counter.Total), ModelSizes.Find(variant));
            }
            int last = model.feature_info.Count - 1;
            var map = model.forward_intermediates(input, [last])[0];
            AssertMap(model.feature_info[last], config.img_size, config.img_size, map);

            var names = model.named_parameters().Select(p => p.name).ToArray();
            Assert.Subset(names.ToHashSet(), model.no_weight_decay.ToHashSet());
            // Without a classifier, the last layer may be empty.
            int layers = config.num_classes > 0 ? model.num_layers : model.num_layers - 1;
            Assert.Equal(Enumerable.Range(0, layers), names.Select(model.layer_of).Distinct().Order().Take(layers));
        }
        finally
        {
            set_default_device(before);
        }
    }

    // Modules and parameters that are in a field of one of the model's modules, and that the model does not know.
    private static List<string> Unregistered(nn.Module root)
    {
        var missing = new List<string>();
        foreach (var module in root.modules().Append(root))
        {
            var known = module.children().Concat<object>(module.parameters(recurse: false)).ToHashSet(ReferenceEqualityComparer.Instance);
            for (var type = module.GetType(); type?.Namespace?.StartsWith("Attention", StringComparison.Ordinal) == true; type = type.BaseType)
                foreach (var field in type.GetFields(BindingFlags.Instance | BindingFlags.NonPublic | BindingFlags.Public | BindingFlags.DeclaredOnly))
                    if (field.GetValue(module) is nn.Module or Parameter && !known.Contains(field.GetValue(module)!))
                        missing.Add($"{type.Name}.{field.Name}");
        }
        return missing;
    }
}
