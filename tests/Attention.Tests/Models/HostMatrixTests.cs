using System.Reflection;
using Attention.Engine;
using Attention.Engine.Configuration;
using Attention.Models;
using Attention.Modules;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Attention.Tests.Models;

/// <summary>Every attention by name in every host.</summary>
public class HostMatrixTests
{
    // Options with which a module fits maps of 1x1 to 8x8 and 12 channels; an empty string for none.
    private static readonly Dictionary<string, string> attentions = new()
    {
        ["self"] = "",
        ["window"] = "window_size: 2",
        ["continuous_window"] = "window_size: 2",
        ["spatial_reduction"] = "sr_ratio: 2",
        ["bi_level_routing"] = "n_win: 2, topk: 2",
        ["enhanced_self"] = "",
        ["partition"] = "window_size: 2",
        ["halo"] = "block_size: 2, halo_size: 1",
        ["bottleneck"] = "",
        ["lambda"] = "dim_head: 4, r: 3",
        ["focal_modulation"] = "",
        ["global_context"] = "window_size: 2",
        ["single_head"] = "partial_dim: 4",
        ["large_kernel"] = "",
        ["gated_positional"] = "",
        ["channel_group"] = "",
        ["cross_covariance"] = "",
        ["talking_heads"] = "",
        ["grouped_query"] = "num_key_value_heads: 1",
        ["sliding_window"] = "window: 3",
        ["kdgqa"] = "",
        ["dgqa"] = "window_size: 2",
        ["pgqa"] = "",
        ["aggregated"] = "",
        ["length_scaled"] = "",
        ["differential"] = "",
        ["moh"] = "",
        ["relative_position"] = "rel_pos_dim: 8",
        ["long_short_distance"] = "group_size: 2",
        ["hilo"] = "",
        ["scale_aware_modulation"] = "num_scales: 2",
        ["spectral_gating"] = "",
        ["super_token"] = "stoken_size: 2",
        ["low_resolution"] = "",
        ["global_local_mix"] = "num_slots: 4",
        ["linear"] = "min_denominator: 1",
        ["neighborhood"] = "kernel_size: 3",
    };

    // One small model of each host, two blocks deep where the host alternates.
    private static readonly Dictionary<string, string> hosts = new()
    {
        ["vit_tiny_patch16_224"] = "img_size: 32, patch_size: 8, embed_dim: 12, depth: 2, num_heads: 2",
        ["vit_relpos_small_patch16_224"] = "img_size: 32, patch_size: 8, embed_dim: 12, depth: 2, num_heads: 2",
        ["vit_tiny_r_s16_p8_224"] = "img_size: 32, patch_size: 4, embed_dim: 12, depth: 2, num_heads: 2",
        ["deit_tiny_distilled_patch16_224"] = "img_size: 32, patch_size: 8, embed_dim: 12, depth: 2, num_heads: 2",
        ["beit_base_patch16_224"] = "img_size: 32, patch_size: 8, embed_dim: 12, depth: 2, num_heads: 2",
        ["swin_tiny_patch4_window7_224"] = "img_size: 32, embed_dim: 12, depths: [2, 1], num_heads: [2, 2], window_size: [2]",
        ["swinv2_tiny_window8_256"] = "img_size: 32, embed_dim: 12, depths: [2, 1], num_heads: [2, 2], window_size: 2, pretrained_window_sizes: [0, 0]",
        ["swinv2_cr_tiny_224"] = "img_size: 32, embed_dim: 12, depths: [2, 1], num_heads: [2, 2], window_size: 2, init_values: 1",
        ["pvt_v2_b0"] = "img_size: 32, embed_dims: [8, 12, 12, 12], depths: [1, 1, 1, 1], num_heads: [2, 2, 2, 2]",
        ["twins_svt_small"] = "img_size: 32, embed_dims: [8, 12, 12, 12], depths: [2, 1, 1, 1], num_heads: [2, 2, 2, 2]",
        ["focalnet_tiny_srf"] = "img_size: 32, embed_dim: 12, depths: [2, 1], focal_levels: [1, 1], focal_windows: [3, 3]",
        ["gcvit_xxtiny"] = "img_size: 32, embed_dim: 12, depths: [2, 1], num_heads: [2, 2], window_size: [2, 2]",
        ["shvit_s1"] = "img_size: 32, embed_dim: [16, 12], partial_dim: [4, 4], qk_dim: [4, 4], depth: [2, 1], types: [s, s]",
        ["van_b0"] = "img_size: 32, embed_dims: [8, 12, 12, 12], mlp_ratios: [2, 2, 2, 2], depths: [1, 1, 1, 1]",
        ["crossformer_small"] = "img_size: 32, embed_dim: 12, depths: [2, 1], num_heads: [2, 2], group_size: [2, 2], crs_interval: [2, 1], mlp_ratio: [2, 2], merge_size: [[2, 4]]",
        ["litv2_small"] = "img_size: 32, embed_dim: 12, depths: [1, 1], num_heads: [2, 2], has_msa: [0, 1], local_ws: [0, 2]",
        ["smt_t"] = "img_size: 32, embed_dims: [8, 12, 12, 12], sa_num_heads: [2, 2, 2, 2], mlp_ratios: [2, 2, 2, 2], depths: [1, 1, 1, 1]",
        ["favit_b0"] = "img_size: 32, embed_dims: [8, 12, 12, 12], num_heads: [2, 2, 2, 2], mlp_ratios: [2, 2, 2, 2], depths: [1, 1, 1, 1]",
        ["spectformer_s"] = "img_size: 32, stem_hidden_dim: 8, embed_dims: [8, 12, 12, 12], num_heads: [2, 2, 2, 2], mlp_ratios: [2, 2, 2, 2], depths: [1, 1, 1, 1], token_label: false",
        ["spectformer_xs_vanilla"] = "img_size: 32, patch_size: 8, embed_dim: 12, depth: 5, num_heads: 2",
        ["stvit_small"] = "img_size: 32, embed_dim: [8, 12, 12, 12], depths: [1, 1, 1, 1], num_heads: [2, 2, 2, 2], projection: 24",
        ["lowformer_b0"] = "img_size: 32, width_list: [8, 8, 8, 12, 12], depth_list: [0, 1, 1, 1, 1]",
        ["glnet_4g"] = "img_size: 32, depth: [1, 1, 1, 1], embed_dim: [8, 12, 12, 12], head_dim: 4",
        ["L2ViT_Tiny"] = "img_size: 32, dims: [8, 12, 12, 12], depths: [1, 1, 2, 1], num_heads: [2, 2, 2, 2], window_size: 2",
        ["dinat_mini"] = "img_size: 32, embed_dim: 12, depths: [2, 1], num_heads: [2, 2], dilations: [2, 1], kernel_size: 3",
        ["dinat_isotropic_small"] = "img_size: 32, patch_size: 8, embed_dim: 12, depth: 2, num_heads: 2, kernel_size: 3, dilation: 1",
        ["crossvit_9_240"] = "img_size: 32, img_scale: [1, 1], patch_size: [8, 16], embed_dim: [12, 12], depth: [[1, 1, 0]], num_heads: [2, 2]",
        ["convit_tiny"] = "img_size: 32, patch_size: 8, embed_dim: 6, depth: 2, num_heads: 2, local_up_to_layer: 1",
        ["tnt_s_patch16_224"] = "img_size: 32, patch_size: 8, embed_dim: 12, inner_dim: 4, depth: 2, num_heads_inner: 2, num_heads_outer: 2",
        ["davit_tiny"] = "img_size: 32, embed_dims: [8, 12], depths: [1, 1], num_heads: [2, 2], window_size: 2",
        ["cait_xxs24_224"] = "img_size: 32, patch_size: 8, embed_dim: 12, depth: 2, num_heads: 2, init_values: 1",
        ["xcit_nano_12_p8_224"] = "img_size: 32, embed_dim: 12, depth: 2, num_heads: 2",
        ["visformer_tiny"] = "img_size: 32, init_channels: 8, embed_dim: 12, depth: [1, 1, 1], num_heads: 2, group: 2",
        ["nest_tiny"] = "img_size: 32, embed_dims: [8, 12], depths: [1, 1], num_heads: [2, 2]",
        ["poolformer_s12"] = "img_size: 32, dims: [8, 12], depths: [1, 1], token_mixers: [pooling, pooling], res_scale: [false, false], layer_scale_init_value: 1",
        ["biformer_tiny"] = "img_size: 32, embed_dim: [8, 12, 12, 12], depth: [1, 1, 1, 1], head_dim: 4, n_win: 2, topks: [1, 2, 2, 0]",
        ["coatnet_0_rw_224"] = "img_size: 32, embed_dim: [8, 12, 12, 12], depths: [1, 1, 1, 1], stem_width: [8, 8], transformer_cfg: {dim_head: 4}",
        ["maxvit_nano_rw_256"] = "img_size: 32, embed_dim: [8, 12, 12, 12], depths: [1, 1, 1, 1], stem_width: [8, 8], transformer_cfg: {dim_head: 4}",
        ["halonet26t"] = "img_size: 32, blocks: [c, c, a, a], channels: [16, 16, 16, 16], bottle_ratio: [1, 1, 1, 1], stem_chs: 16, num_heads: 2",
        ["transnext_micro"] = "img_size: 32, embed_dims: [8, 12, 12, 12], depths: [1, 1, 1, 1], num_heads: [2, 2, 2, 2]",
    };

    private static readonly Dictionary<string, string> decoders = new()
    {
        ["gpt2"] = "vocab_size: 8, n_positions: 16, n_embd: 12, n_layer: 2, n_head: 2",
        ["llama2_7b"] = "vocab_size: 8, max_position_embeddings: 16, hidden_size: 12, intermediate_size: 24, num_hidden_layers: 2, num_attention_heads: 2",
    };

    public static TheoryData<string, string> Pairs() => Product(hosts.Keys, attentions.Keys);

    public static TheoryData<string, string> CausalPairs() => Product(decoders.Keys, attentions.Keys.Where(name => AttentionModules.Defaults(name) is ICausalAttentionConfig));

    private static TheoryData<string, string> Product(IEnumerable<string> ours, IEnumerable<string> theirs)
    {
        var pairs = new TheoryData<string, string>();
        foreach (var host in ours)
            foreach (var attention in theirs)
                pairs.Add(host, attention);
        return pairs;
    }

    private sealed record ModelSection
    {
        public NamedPart model { get; init; } = "";
    }

    private static NamedPart Part(string host, string options, string attention)
    {
        string chosen = attentions[attention] == "" ? $"name: {attention}" : $"name: {attention}, {attentions[attention]}";
        string yaml = $"model: {{name: {host}, {options}, attention: {{{chosen}}}}}";
        return ConfigLoader.Parse<ModelSection>(yaml).Value.model;
    }

    private static nn.Module<Tensor, Tensor> Build(string host, string options, string attention)
    {
        manual_seed(0);
        return (nn.Module<Tensor, Tensor>)ModelBuilder.Build(Part(host, options, attention));
    }

    [Fact]
    public void The_matrix_has_every_host_and_every_attention()
    {
        Assert.Equal(AttentionModules.Names.Order(), attentions.Keys.Order());
        var covered = hosts.Keys.Concat(decoders.Keys).Select(name => ModelRegistry.Family(name).Config(name).GetType()).ToHashSet();
        var all = ModelRegistry.Names.Select(name => ModelRegistry.Family(name).Config(name)).OfType<AttentionHostConfig>().Select(config => config.GetType());
        Assert.Empty(all.Distinct().Where(type => !covered.Contains(type)).Select(type => type.Name));
    }

    [Theory]
    [MemberData(nameof(Pairs))]
    public void Any_attention_learns_in_any_host(string host, string attention)
    {
        using var model = Build(host, $"num_classes: 2, drop_path_rate: 0, {hosts[host]}", attention);
        Learns(model, Placed(attention), () =>
        {
            var (images, classes) = Task();
            return nn.functional.cross_entropy(model.call(images), classes);
        });
    }

    [Theory]
    [MemberData(nameof(CausalPairs))]
    public void Any_causal_attention_learns_in_any_decoder(string host, string attention)
    {
        using var model = Build(host, decoders[host], attention);
        // Counting from any start.
        Learns(model, PlacedInDecoder(attention), () =>
        {
            var tokens = (arange(12, ScalarType.Int64) + randint(0, 8, [4, 1]).to(ScalarType.Int64)) % 8;
            return nn.functional.cross_entropy(model.call(tokens.narrow(1, 0, 11)).reshape(-1, 8), tokens.narrow(1, 1, 11).reshape(-1));
        });
    }

    /// <summary>Operations are counted on shapes alone, for which an attention has to need no numbers.</summary>
    [Theory]
    [MemberData(nameof(CausalPairs))]
    public void Any_decoder_s_operations_are_counted(string host, string attention) =>
        Assert.True(ModelCatalogue.MultiplyAddsOfToken(Part(host, decoders[host], attention), 8) > 0);

    [Theory]
    [InlineData("moh", "router: query_norm")]
    [InlineData("kdgqa", "num_key_value_heads: 1")]
    [InlineData("dgqa", "num_key_value_heads: 1")]
    [InlineData("pgqa", "num_key_value_heads: 1")]
    public void Operations_of_routed_heads_are_counted(string attention, string options)
    {
        var section = ConfigLoader.Parse<ModelSection>($"model: {{name: vit_tiny_patch16_224, img_size: 32, depth: 1, num_heads: 4, attention: {{name: {attention}, {options}}}}}").Value.model;
        Assert.True(ModelCatalogue.MultiplyAdds(section) > 0);
    }

    private static void Learns(nn.Module<Tensor, Tensor> model, Type attention, Func<Tensor> forward)
    {
        Assert.Contains(model.modules(), module => module.GetType() == attention);
        using var optimizer = optim.AdamW(model.parameters(), lr: 1e-2);
        double first = 0, last = 0;
        for (int step = 0; step < 60; step++)
        {
            using var scope = NewDisposeScope();
            var loss = forward();
            optimizer.zero_grad();
            loss.backward();
            if (step == 0)
                Assert.Empty(model.named_parameters().Where(p => p.parameter.requires_grad).Where(p => p.parameter.grad is not { } grad || grad.isfinite().logical_not().any().item<bool>()).Select(p => p.name));
            optimizer.step();
            last = loss.item<float>();
            if (step == 0)
                first = last;
            if (last < 0.5 * first)
                break;
        }
        Assert.True(last < 0.7 * first, $"the loss went from {first:g3} to {last:g3}");
    }

    // Whether the first or the second channel is bright: 4 images with a little noise.
    private static (Tensor images, Tensor classes) Task()
    {
        var images = randn(4, 3, 32, 32) * 0.1;
        for (int i = 0; i < 4; i++)
            images[i, i % 2] += 1;
        return (images, tensor(new long[] { 0, 1, 0, 1 }));
    }

    // The type that the record says it makes.
    private static Type Placed(string attention) => AttentionModules.Defaults(attention).GetType()
        .GetMethods(BindingFlags.Public | BindingFlags.Instance).Where(method => method.Name == nameof(AttentionConfig.Create))
        .Select(method => method.ReturnType).Single(type => !type.IsAbstract);

    private static Type PlacedInDecoder(string attention)
    {
        using var context = new CausalContext();
        using var module = ((ICausalAttentionConfig)AttentionModules.Defaults(attention)).CreateCausal(new CausalSite(12, 2, 0, context, null));
        return module.GetType();
    }
}
