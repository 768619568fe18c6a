using Attention.Engine.Verification;
using Xunit;

namespace Attention.Tests.Models;

/// <summary>Models against recordings of the reference implementation.</summary>
public class RecordingTests
{
    [SkippableTheory]
    [InlineData("vit_tiny_patch16_224")]
    [InlineData("vit_small_patch16_224")]
    [InlineData("vit_base_patch16_224")]
    [InlineData("deit3_small_patch16_224")]
    [InlineData("deit_tiny_distilled_patch16_224")]
    [InlineData("vit_small_patch14_dinov2")]
    [InlineData("eva02_tiny_patch14_224")]
    [InlineData("swin_tiny_patch4_window7_224")]
    [InlineData("swin_s3_tiny_224")]
    [InlineData("swinv2_tiny_window8_256")]
    [InlineData("pvt_v2_b0")]
    [InlineData("twins_svt_small")]
    [InlineData("crossvit_9_240")]
    [InlineData("convit_tiny")]
    [InlineData("tnt_s_patch16_224")]
    [InlineData("davit_tiny")]
    [InlineData("cait_xxs24_224")]
    [InlineData("xcit_nano_12_p16_224")]
    [InlineData("visformer_tiny")]
    [InlineData("nest_tiny")]
    [InlineData("poolformer_s12")]
    [InlineData("resnet50")]
    [InlineData("ecaresnet50t")]
    [InlineData("eca_resnet18")]
    [InlineData("convnext_tiny")]
    [InlineData("coatnet_0_rw_224")]
    [InlineData("maxvit_tiny_tf_224")]
    [InlineData("halonet26t")]
    [InlineData("botnet26t_256")]
    [InlineData("focalnet_tiny_srf")]
    [InlineData("gcvit_xxtiny")]
    [InlineData("shvit_s1")]
    [InlineData("backbones/van_b0")]
    [InlineData("backbones/crossformer_tiny")]
    [InlineData("backbones/crossformer_small")]
    [InlineData("backbones/litv2_small")]
    [InlineData("backbones/smt_t")]
    [InlineData("backbones/favit_b0")]
    [InlineData("backbones/spectformer_s")]
    [InlineData("backbones/spectformer_xs_vanilla")]
    [InlineData("backbones/stvit_small")]
    [InlineData("backbones/lowformer_b0")]
    [InlineData("backbones/lowformer_b1")]
    [InlineData("backbones/glnet_stl")]
    [InlineData("backbones/glnet_4g")]
    [InlineData("backbones/nat_mini")]
    [InlineData("backbones/dinat_mini")]
    [InlineData("backbones/dinat_s_tiny")]
    [InlineData("backbones/mobilemamba_t2")]
    [InlineData("transnext_micro")]
    [InlineData("moh_transnext_small_75")]
    [InlineData("moh_dit_s_2_75")]
    [InlineData("moh_dit_tiny_listheads")]
    [InlineData("moh_llama_tiny")]
    [InlineData("modules/kdgqa")]
    [InlineData("modules/dgqa_diff")]
    [InlineData("dense/seg_fcn_resnet50")]
    [InlineData("dense/seg_deeplabv3_resnet50")]
    [InlineData("dense/seg_losses")]
    [InlineData("dense/seghead_uper_head")]
    [InlineData("dense/seghead_uper_head_odd")]
    [InlineData("dense/seghead_uper_head_odd_align_corners")]
    [InlineData("dense/seghead_psp_head")]
    [InlineData("dense/seghead_fpn_head")]
    [InlineData("dense/seghead_fcn_head")]
    [InlineData("dense/seghead_aspp_head")]
    [InlineData("dense/seghead_sep_aspp_head")]
    [InlineData("dense/seghead_d2_sem_seg_fpn_head")]
    [InlineData("dense/mask2former_tiny")]
    public void The_model_agrees_with_its_recording(string model)
    {
        var result = Verifier.Run(SharedFiles.Require($"parity/{model}.json"));
        Assert.True(result.Agrees, string.Join("\n", result.Problems.Take(10)));
        Assert.True(result.OutputError < 1e-4 && result.FeatureError < 1e-4, $"{result.OutputError} {result.FeatureError}");
    }

    /// <summary>
    /// Images of another size than the model's: as the authors' segmentation backbones take them, with a mean and a classifier
    /// behind, and oblong ones.
    /// </summary>
    [Theory]
    [InlineData("transnext_interpolated")]
    [InlineData("transnext_extrapolated")]
    [InlineData("rope_axial")]
    [InlineData("rope_mixed")]
    [InlineData("perception_encoder")]
    public void Images_of_other_sizes_agree_with_the_recording(string file)
    {
        var result = Verifier.Run(Path.Combine(AppContext.BaseDirectory, "Models", "Files", $"{file}.json"));
        Assert.True(result.Agrees, string.Join("\n", result.Problems.Take(10)));
        Assert.True(result.OutputError < 1e-4 && result.FeatureError < 1e-4, $"{result.OutputError} {result.FeatureError}");
    }

    /// <summary>Small models of timm 1.0.28: each kind of block, and an image whose rim no patch takes.</summary>
    [Theory]
    [InlineData("vit_res_post_norm")]
    [InlineData("vit_parallel_things")]
    [InlineData("vit_parallel_scaling")]
    [InlineData("vit_differential")]
    [InlineData("vit_differential_parallel_scaling")]
    [InlineData("vit_siglip_rim")]
    [InlineData("beit3")]
    [InlineData("aimv2")]
    public void Blocks_agree_with_their_recording(string file)
    {
        var result = Verifier.Run(Path.Combine(AppContext.BaseDirectory, "Models", "Files", $"{file}.json"));
        Assert.True(result.Agrees, string.Join("\n", result.Problems.Take(10)));
        Assert.True(result.OutputError < 1e-4 && result.FeatureError < 1e-4, $"{result.OutputError} {result.FeatureError}");
    }

    /// <summary>
    /// Small models of the authors' code, with sides that stages and windows do not divide, and with options that no recorded
    /// variant has.
    /// </summary>
    [Theory]
    [InlineData("crossformer_padded")]
    [InlineData("favit_odd")]
    [InlineData("fcaformer_small")]
    [InlineData("glnet_odd")]
    [InlineData("glnet_paramslot_odd")]
    [InlineData("l2vit_odd")]
    [InlineData("lowformer_e1_small")]
    [InlineData("lowformer_e3_small")]
    [InlineData("nat_odd")]
    [InlineData("dinat_s_odd")]
    [InlineData("dinat_isotropic")]
    [InlineData("vitrpb")]
    [InlineData("overlock_branch_scale")]
    [InlineData("overlock_odd")]
    [InlineData("smt_odd")]
    [InlineData("spectformer_token_label")]
    [InlineData("spectformer_vanilla_odd")]
    [InlineData("stvit_odd")]
    public void Backbones_of_other_sizes_agree_with_their_recording(string file)
    {
        var result = Verifier.Run(Path.Combine(AppContext.BaseDirectory, "Models", "Files", "backbones", $"{file}.json"));
        Assert.True(result.Agrees, string.Join("\n", result.Problems.Take(10)));
        Assert.True(result.OutputError < 1e-4 && result.FeatureError < 1e-4, $"{result.OutputError} {result.FeatureError}");
    }

    /// <summary>
    /// Recorded from one image, where libtorch 1.13's batch norm gives wrong gradients to the references, whose incoming gradients
    /// are transposed tokens. With two images, or with contiguous gradients, the same code agrees in gradients too: see above.
    /// </summary>
    [SkippableTheory]
    [InlineData("fcaformer_l1")]
    [InlineData("L2ViT_Tiny")]
    [InlineData("overlock_xt")]
    [InlineData("overlock_xt_reparam")]
    public void Outputs_and_features_agree_where_the_recorded_gradients_are_wrong(string model)
    {
        var result = Verifier.Run(SharedFiles.Require($"parity/backbones/{model}.json"));
        Assert.All(result.Problems, problem => Assert.StartsWith("gradient of ", problem));
        Assert.True(result.OutputError < 1e-4 && result.FeatureError < 1e-4, $"{result.OutputError} {result.FeatureError}");
    }

    [SkippableFact]
    public void The_formula_gives_the_reference_bits()
    {
        var lines = File.ReadAllLines(SharedFiles.Require("parity/formula-values.txt"));
        (string name, long[] shape, string rule) = ("", [], "");
        int compared = 0;
        foreach (var line in lines)
        {
            var words = line.Split([' ', '[', ']', ','], StringSplitOptions.RemoveEmptyEntries);
            if (words.Length < 4)
                continue;
            if (!line.StartsWith(' '))
            {
                name = words[0];
                shape = [.. words[1..^2].Select(long.Parse)];
                rule = words[^2];
                continue;
            }
            using var tensor = rule switch
            {
                "input" => FormulaFill.Input(name, shape),
                "probe" => FormulaFill.Probe(name, shape),
                _ => FormulaFill.Parameter(name, shape, rule, 1),
            };
            var value = tensor.data<float>()[long.Parse(words[0])];
            var bits = words.First(w => w.StartsWith("bits=", StringComparison.Ordinal))["bits=0x".Length..];
            Assert.Equal(Convert.ToUInt32(bits, 16), BitConverter.SingleToUInt32Bits(value));
            compared++;
        }
        Assert.True(compared > 10);
    }
}
