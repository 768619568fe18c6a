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
    [InlineData("transnext_micro")]
    [InlineData("moh_transnext_small_75")]
    [InlineData("moh_dit_s_2_75")]
    [InlineData("moh_dit_tiny_listheads")]
    [InlineData("moh_llama_tiny")]
    [InlineData("modules/kdgqa")]
    [InlineData("modules/dgqa_diff")]
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
