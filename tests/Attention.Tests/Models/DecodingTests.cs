using Attention.Models.Language;
using Attention.Modules;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Attention.Tests.Models;

/// <summary>Decoding token by token gives what the whole sequence gives at once, in every family and type of weights.</summary>
public class DecodingTests
{
    private const int Vocabulary = 50;

    private static readonly DecoderConfig plain = new()
    {
        vocab_size = Vocabulary,
        hidden_size = 24,
        intermediate_size = 40,
        num_hidden_layers = 2,
        num_attention_heads = 4,
        num_key_value_heads = 2,
        max_position_embeddings = 64,
        initializer_range = 0.2,
    };

    private static readonly Gpt2Config gpt2 = new() { vocab_size = Vocabulary, n_embd = 24, n_layer = 2, n_head = 4, n_positions = 64, initializer_range = 0.2 };

    private static readonly Dictionary<string, Func<LanguageModel>> models = new()
    {
        ["gpt2"] = () => new Gpt2(gpt2),
        ["gpt2 untied, no bias"] = () => new Gpt2(gpt2 with { tie_word_embeddings = false, bias = false, activation_function = "gelu" }),
        ["llama"] = () => new Decoder(plain),
        ["mistral"] = () => new Decoder(plain with { sliding_window = 5 }),
        ["qwen2"] = () => new Decoder(plain with { qkv_bias = true, tie_word_embeddings = true }),
        ["qwen3"] = () => new Decoder(plain with { qk_norm = "head", head_dim = 10 }),
        ["gemma2"] = () => new Decoder(plain with
        {
            attn_logit_softcapping = 2,
            final_logit_softcapping = 3,
            norm_placement = "both",
            gemma_scaling = true,
            tie_word_embeddings = true,
            hidden_act = "gelu_tanh",
            query_pre_attn_scalar = 7,
            sliding_window = 6,
            windowed_layers = [true, false],
        }),
        ["phi3"] = () => new Decoder(plain with { fused = true, partial_rotary_factor = 0.7 }),
        ["olmo2"] = () => new Decoder(plain with { norm_placement = "post", qk_norm = "width" }),
    };

    public static TheoryData<string> Names => new(models.Keys);

    private static LanguageModel Build(string name, ScalarType type = ScalarType.Float32)
    {
        manual_seed(1);
        var model = models[name]();
        model.to(type);
        model.eval();
        return model;
    }

    // Largest difference between the logits of a session and of the whole sequence, each position's.
    private static float Difference(LanguageModel model, int rows, int prompt, int length)
    {
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        var tokens = randint(0, Vocabulary, [rows, length]).to(ScalarType.Int64);
        var whole = model.call(tokens).to(ScalarType.Float32);
        using var session = model.StartDecoding(rows, length);
        Assert.Null(session.WhyPlain);
        float worst = 0;
        for (int at = prompt; at <= length; at++)
        {
            var fed = at == prompt ? tokens.narrow(1, 0, prompt) : tokens.narrow(1, at - 1, 1);
            session.Feed(fed.contiguous().data<long>().ToArray());
            for (int row = 0; row < rows; row++)
                worst = Math.Max(worst, (tensor(session.Logits(row).ToArray()) - whole[row, at - 1]).abs().max().item<float>());
        }
        Assert.Equal(length, session.Length);
        return worst;
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void In_fp32(string name)
    {
        using var model = Build(name);
        Assert.True(Difference(model, rows: 1, prompt: 1, length: 30) < 1e-4);
        Assert.True(Difference(model, rows: 3, prompt: 9, length: 20) < 1e-4);
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void In_int8_with_the_rounded_weights(string name)
    {
        using var exact = Build(name);
        using var model = Build(name);
        model.RoundToInt8();
        Assert.True(Difference(model, rows: 2, prompt: 4, length: 20) < 3e-3);
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        var tokens = randint(0, Vocabulary, [2, 20]).to(ScalarType.Int64);
        var (a, b) = (exact.call(tokens), model.call(tokens));
        float change = (a - b).abs().max().item<float>(), size = a.abs().max().item<float>();
        Assert.InRange(change, 1e-6f, 0.2f * size);
    }

    // The layers round their activations to 8 bits of mantissa, the fused operator does not.
    [Theory]
    [MemberData(nameof(Names))]
    public void In_bf16(string name)
    {
        using var model = Build(name, ScalarType.BFloat16);
        using var wide = Build(name, ScalarType.BFloat16);
        wide.to(ScalarType.Float32);
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        var tokens = randint(0, Vocabulary, [1, 20]).to(ScalarType.Int64);
        var whole = wide.call(tokens)[0, 19];
        using var session = model.StartDecoding(1, 20);
        foreach (long token in tokens.data<long>().ToArray())
            session.Feed([token]);
        Assert.Null(session.WhyPlain);
        var error = (tensor(session.Logits(0).ToArray()) - whole).abs().max().item<float>();
        var of_layers = (model.call(tokens)[0, 19].to(ScalarType.Float32) - whole).abs().max().item<float>();
        Assert.True(error < Math.Max(0.02f, of_layers), $"{error} against {of_layers} of the layers");
    }

    [Fact]
    public void A_token_makes_no_tensor_and_takes_no_memory()
    {
        using var scope = NewDisposeScope();
        using var model = Build("gpt2");
        using var session = model.StartDecoding(1);
        long[] token = [3];
        for (int i = 0; i < 10; i++)
            session.Feed(token);
        var statistics = DisposeScopeManager.Statistics.TensorStatistics;
        var before = (statistics.CreatedInScopeCount, statistics.CreatedOutsideScopeCount, Tensor.TotalCount);
        long managed = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < 50; i++)
            session.Feed(token);
        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - managed);
        Assert.Equal(before, (statistics.CreatedInScopeCount, statistics.CreatedOutsideScopeCount, Tensor.TotalCount));
    }

    [Fact]
    public void Sessions_and_roundings_leave_nothing_behind()
    {
        using var scope = NewDisposeScope();
        using var model = Build("phi3");
        model.RoundToInt8();
        long[] token = [3];
        void Use()
        {
            using var session = model.StartDecoding(1);
            session.Feed(token);
            session.Clear();
            session.Feed(token);
        }
        Use();
        long before = Tensor.TotalCount;
        Use();
        model.RoundToInt8();
        Use();
        Assert.Equal(before, Tensor.TotalCount);
    }

    [Fact]
    public void A_mixture_of_experts_goes_through_its_layers()
    {
        using var scope = NewDisposeScope();
        manual_seed(1);
        using var model = new Decoder(plain with { num_local_experts = 4 });
        using var session = model.StartDecoding(2, 8);
        Assert.Equal("a mixture of experts chooses its layers token by token", session.WhyPlain);
        long[] tokens = [1, 2, 3, 4, 5, 6];
        session.Feed([1, 2, 4, 5]);
        session.Feed([3, 6]);
        using var _ = no_grad();
        var whole = model.call(tensor(tokens, [2, 3]));
        for (int row = 0; row < 2; row++)
            Assert.True(allclose(tensor(session.Logits(row).ToArray()), whole[row, 2], rtol: 1e-4, atol: 1e-5));
        var error = Assert.Throws<UserError>(model.RoundToInt8);
        Assert.Equal("int8 does not work for this model: a mixture of experts chooses its layers token by token", error.Message);
    }

    // They derive from grouped-query attention, and compute something else.
    [Theory]
    [InlineData("moh")]
    [InlineData("kdgqa")]
    public void Other_attentions_go_through_their_layers(string name)
    {
        using var scope = NewDisposeScope();
        manual_seed(1);
        using var model = new Decoder(plain with { attention = name == "moh" ? new MixtureOfHeadAttentionConfig() : new KeyDrivenGroupConfig() });
        model.eval();
        using var session = model.StartDecoding(1, 8);
        Assert.EndsWith("is not written in decoding steps", session.WhyPlain);
        long[] tokens = [1, 2, 3, 4];
        foreach (long token in tokens)
            session.Feed([token]);
        using var _ = no_grad();
        Assert.True(allclose(tensor(session.Logits(0).ToArray()), model.call(tensor(tokens, [1, 4]))[0, 3], rtol: 1e-4, atol: 1e-5));
    }

    [Fact]
    public void An_adapter_keeps_to_the_layers()
    {
        using var scope = NewDisposeScope();
        using var model = Build("llama");
        using var extra = nn.Linear(2, 2);
        model.named_modules().First(each => each.name.EndsWith("q_proj", StringComparison.Ordinal)).module.register_module("lora", extra);
        using var session = model.StartDecoding(1, 8);
        Assert.Equal("a linear layer has an adapter", session.WhyPlain);
    }

    [Fact]
    public void A_full_context_is_named()
    {
        using var model = Build("gpt2");
        using var session = model.StartDecoding(1, 100);
        session.Feed(new long[64]);
        Assert.Equal("65 tokens do not fit into a context of 64", Assert.Throws<UserError>(() => session.Feed([1])).Message);
    }
}
