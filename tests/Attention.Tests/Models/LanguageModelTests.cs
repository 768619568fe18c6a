using System.Text.Json;
using Attention.Engine.Verification;
using Attention.Models;
using Attention.Models.Language;
using Attention.Modules;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Attention.Tests.Models;

/// <summary>Decoders: recordings of the reference, caches, and what config.json means.</summary>
public class LanguageModelTests
{
    [SkippableTheory]
    [InlineData("gpt2_a")]
    [InlineData("gpt2_gelu_a")]
    [InlineData("llama2_a")]
    [InlineData("llama3_a")]
    [InlineData("llama31_a")]
    [InlineData("llama31_v5_a")]
    [InlineData("llama32_a")]
    [InlineData("llama_linear_a")]
    [InlineData("mistral_a")]
    [InlineData("mixtral_a")]
    [InlineData("qwen2_a")]
    [InlineData("qwen3_a")]
    [InlineData("gemma2_a")]
    [InlineData("gemma3_a")]
    [InlineData("phi3_a")]
    [InlineData("olmo2_a")]
    public void The_decoder_agrees_with_its_recording(string name)
    {
        var result = Verifier.Run(SharedFiles.Require($"parity/language/{name}.json"));
        Assert.True(result.Agrees, string.Join("\n", result.Problems.Take(10)));
        Assert.True(result.OutputError < 1e-4, $"{result.OutputError}");
    }

    private static readonly DecoderConfig small = new()
    {
        vocab_size = 50,
        hidden_size = 24,
        intermediate_size = 40,
        num_hidden_layers = 2,
        num_attention_heads = 4,
        num_key_value_heads = 2,
        max_position_embeddings = 64,
    };

    public static TheoryData<string> Shapes => new("plain", "window", "softcap", "experts", "gpt2", "moh", "moh query_norm", "moh gpt2", "kdgqa", "kdgqa window", "dgqa", "pgqa");

    private static LanguageModel Build(string shape)
    {
        manual_seed(1);
        return shape switch
        {
            "window" => new Decoder(small with { sliding_window = 5, windowed_layers = [true, false] }),
            "softcap" => new Decoder(small with { attn_logit_softcapping = 2, norm_placement = "both", gemma_scaling = true }),
            "experts" => new Decoder(small with { num_local_experts = 4 }),
            "moh" => new Decoder(small with { sliding_window = 5, attention = new MixtureOfHeadAttentionConfig() }),
            "moh query_norm" => new Decoder(small with { qk_norm = "head", fused = true, attention = new MixtureOfHeadAttentionConfig { router = "query_norm" } }),
            "moh gpt2" => new Gpt2(new Gpt2Config { vocab_size = 50, n_embd = 24, n_layer = 2, n_head = 4, n_positions = 64, attention = new MixtureOfHeadAttentionConfig() }),
            "kdgqa" => new Decoder(small with { num_key_value_heads = 4, attention = new KeyDrivenGroupConfig { num_key_value_heads = 2 } }),
            "kdgqa window" => new Decoder(small with { sliding_window = 5, qk_norm = "head", attention = new KeyDrivenGroupConfig() }),
            "dgqa" => new Decoder(small with { attention = new DynamicGroupConfig { kind = "ema", window_size = 3 } }),
            "pgqa" => new Decoder(small with { attention = new PerturbedGroupConfig() }),
            "gpt2" => new Gpt2(new Gpt2Config { vocab_size = 50, n_embd = 24, n_layer = 2, n_head = 4, n_positions = 64 }),
            _ => new Decoder(small),
        };
    }

    [Theory]
    [MemberData(nameof(Shapes))]
    public void Any_split_into_portions_gives_the_logits_of_one_call(string shape)
    {
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        using var model = Build(shape);
        model.eval();
        var tokens = randint(0, 50, [2, 20]).to(ScalarType.Int64);
        var whole = model.call(tokens);
        using var cache = model.CreateCache(2, 20);
        foreach (int[] portions in new int[][] { [20], [1, 19], [7, 1, 1, 1, 10], [3, 4, 13], [6, 6, 1, 7] })
        {
            cache.Clear();
            long at = 0;
            foreach (int count in portions)
            {
                var logits = model.forward(tokens.narrow(1, at, count), cache, last_only: false);
                Assert.True(allclose(whole.narrow(1, at, count), logits, rtol: 1e-4, atol: 1e-5), $"[{string.Join(", ", portions)}] at {at}");
                at += count;
            }
        }
    }

    [Theory]
    [MemberData(nameof(Shapes))]
    public void No_token_sees_a_later_one(string shape)
    {
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        using var model = Build(shape);
        model.eval();
        var tokens = randint(0, 50, [1, 12]).to(ScalarType.Int64);
        var other = tokens.clone();
        other[0, 11] = (tokens[0, 11] + 1) % 50;
        var (a, b) = (model.call(tokens), model.call(other));
        Assert.True(allclose(a.narrow(1, 0, 11), b.narrow(1, 0, 11), rtol: 0, atol: 1e-6));
        Assert.False(allclose(a.narrow(1, 11, 1), b.narrow(1, 11, 1), rtol: 0, atol: 1e-4));
    }

    [Fact]
    public void A_sequence_in_a_batch_gives_what_it_gives_alone()
    {
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        using var model = Build("plain");
        var tokens = randint(0, 50, [3, 9]).to(ScalarType.Int64);
        var together = model.call(tokens);
        for (int row = 0; row < 3; row++)
            Assert.True(allclose(together.narrow(0, row, 1), model.call(tokens.narrow(0, row, 1)), rtol: 1e-4, atol: 1e-5));
    }

    [Fact]
    public void Decoding_leaves_nothing_behind()
    {
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        using var model = Build("window");
        using var cache = model.CreateCache(1);
        var token = zeros(1, 1, dtype: ScalarType.Int64);
        model.forward(token, cache).Dispose();
        for (int step = 0; step < 10; step++)
            model.forward(token, cache).Dispose();
        long before = DisposeScopeManager.Statistics.ThreadTotalLiveCount;
        for (int step = 0; step < 40; step++)
            model.forward(token, cache).Dispose();
        // The mask is kept from call to call, and nothing else.
        Assert.InRange(DisposeScopeManager.Statistics.ThreadTotalLiveCount - before, -1, 1);
    }

    [Fact]
    public void Too_many_tokens_are_refused()
    {
        using var model = Build("plain");
        using var cache = model.CreateCache(1, 4);
        using var five = zeros(1, 5, dtype: ScalarType.Int64);
        Assert.Equal("5 tokens do not fit into a context of 4", Assert.Throws<UserError>(() => model.forward(five, cache)).Message);
        using var many = zeros(1, 65, dtype: ScalarType.Int64);
        Assert.Equal("65 tokens are more than the model's context of 64", Assert.Throws<UserError>(() => model.call(many)).Message);
    }

    [Theory]
    [InlineData(4, 0, "learned")]
    [InlineData(2, 2, "learned")]
    [InlineData(0, 4, "learned")]
    [InlineData(1, 3, "query_norm")]
    public void A_mixture_of_all_heads_alike_is_the_dense_model(int shared, int routed, string router)
    {
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        using var dense = Build("plain");
        using var mixture = new Decoder(small with { attention = new MixtureOfHeadAttentionConfig { shared_head = shared, routed_head = routed, router = router } });
        var weights = dense.state_dict();
        // Routers that score all heads alike; the others' weights are the dense model's.
        foreach (var (name, tensor) in mixture.state_dict())
            if (weights.TryGetValue(name, out var weight))
                tensor.copy_(weight);
            else
                tensor.zero_();
        dense.eval();
        mixture.eval();
        var tokens = randint(0, 50, [2, 20]).to(ScalarType.Int64);
        Assert.True(allclose(dense.call(tokens), mixture.call(tokens), rtol: 1e-5, atol: 1e-6));
    }

    [Fact]
    public void An_attention_that_looks_ahead_is_refused()
    {
        var error = Assert.Throws<UserError>(() => new Decoder(small with { attention = new SelfAttentionConfig() }));
        Assert.Equal("attention 'self' lets tokens see later ones, which a decoder must not", error.Message);
        Assert.Contains("grouped_query", error.Advice);
    }

    [Theory]
    [InlineData(5, null, "24 channels do not divide into num_heads 5")]
    [InlineData(8, null, "num_heads 8 makes heads of 3 channels, but the host's rotary positions are for 6")]
    [InlineData(null, -1, "sliding_window -1 is below 0")]
    public void An_attention_that_does_not_fit_the_decoder_is_named(int? heads, int? window, string message)
    {
        var attention = new GroupedQueryConfig { num_heads = heads, sliding_window = window };
        Assert.Equal(message, Assert.Throws<UserError>(() => new Decoder(small with { attention = attention })).Message);
    }

    [Theory]
    [InlineData("{}", "config.json has no 'model_type'")]
    [InlineData("""{"model_type": "bert"}""", "config.json's model_type 'bert' is not known")]
    [InlineData("""{"model_type": "llama"}""", "config.json has no 'vocab_size'")]
    [InlineData("""{"model_type": "llama", "vocab_size": "many"}""", "config.json's 'vocab_size' is \"many\", but must be a whole number")]
    [InlineData("""{"model_type": "gpt2", "activation_function": "mish9"}""", "config.json's activation 'mish9' is not known")]
    public void A_config_that_says_nothing_usable_is_named(string json, string message)
    {
        using var document = JsonDocument.Parse(json);
        Assert.Equal(message, Assert.Throws<UserError>(() => HuggingFaceDecoders.Read(document.RootElement)).Message);
    }

    [Fact]
    public void Layers_go_from_the_embedding_to_the_head()
    {
        foreach (var shape in new[] { "plain", "gpt2" })
        {
            using var model = Build(shape);
            var layers = model.named_parameters().Select(p => model.layer_of(p.name)).ToArray();
            Assert.Equal(0, layers[0]);
            Assert.Equal(Enumerable.Range(0, model.num_layers), layers.Distinct().Order());
        }
    }

    [Theory]
    [InlineData("gpt2", 124_439_808)]
    [InlineData("llama2_7b", 6_738_415_616)]
    [InlineData("moh_llama3_8b", 8_297_648_128)]
    [InlineData("llama3.1_8b", 8_030_261_248)]
    [InlineData("llama3.2_1b", 1_235_814_400)]
    [InlineData("mistral_7b_v0.3", 7_248_023_552)]
    [InlineData("mixtral_8x7b", 46_702_792_704)]
    [InlineData("qwen2.5_0.5b", 494_032_768)]
    [InlineData("qwen3_0.6b", 596_049_920)]
    [InlineData("gemma2_2b", 2_614_341_888)]
    [InlineData("phi3_mini_4k", 3_821_079_552)]
    public void Published_sizes_have_their_parameters(string name, long parameters)
    {
        var before = get_default_device();
        set_default_device(META);
        try
        {
            using var model = ModelRegistry.Create(name);
            Assert.Equal(parameters, model.parameters().Sum(p => p.numel()));
        }
        finally
        {
            set_default_device(before);
        }
    }
}
