using System.Text.Json;
using Attention.Modules;

namespace Attention.Models.Language;

/// <summary>
/// What a Hugging Face config.json means: its keys, and the defaults that transformers' classes have for absent ones. Both
/// spellings of the rotary settings are read, rope_scaling and (from version 5 on) rope_parameters.
/// </summary>
public static class HuggingFaceDecoders
{
    private static readonly Dictionary<string, Func<Keys, LanguageModelConfig>> byType = new()
    {
        ["llama"] = keys => Llama(keys) with { qkv_bias = keys.Flag("attention_bias"), out_bias = keys.Flag("attention_bias"), mlp_bias = keys.Flag("mlp_bias") },
        ["mistral"] = keys => Windowed(Llama(keys), keys.Integer("sliding_window")),
        ["mixtral"] = keys => Windowed(Llama(keys), keys.Integer("sliding_window")) with
        {
            num_local_experts = keys.Integer("num_local_experts") ?? 8,
            num_experts_per_tok = keys.Integer("num_experts_per_tok") ?? 2,
        },
        ["qwen2"] = keys => Qwen(keys) with { qkv_bias = true },
        ["qwen3"] = keys => Qwen(keys) with
        {
            head_dim = keys.Integer("head_dim") ?? 128,
            qk_norm = "head",
            qkv_bias = keys.Flag("attention_bias"),
            out_bias = keys.Flag("attention_bias"),
        },
        ["gemma2"] = keys => Gemma(keys) with
        {
            attn_logit_softcapping = keys.Has("attn_logit_softcapping") ? keys.Number("attn_logit_softcapping") : 50,
            final_logit_softcapping = keys.Has("final_logit_softcapping") ? keys.Number("final_logit_softcapping") : 30,
            sliding_window = keys.Has("sliding_window") ? keys.Integer("sliding_window") : 4096,
            windowed_layers = keys.LayerTypes() ?? Layers(keys, layer => layer % 2 == 0),
        },
        ["gemma3_text"] = keys => Gemma(keys) with
        {
            qk_norm = "head",
            rope_theta = keys.RopeTheta(1e6),
            rope_local_base_freq = keys.LocalTheta() ?? 10000,
            sliding_window = keys.Has("sliding_window") ? keys.Integer("sliding_window") : 4096,
            windowed_layers = keys.LayerTypes() ?? Layers(keys, layer => (layer + 1) % (keys.Integer("sliding_window_pattern") ?? 6) != 0),
        },
        ["phi3"] = keys => Windowed(Llama(keys), keys.Integer("sliding_window")) with { fused = true, partial_rotary_factor = keys.PartialRotary() },
        ["olmo2"] = keys => Llama(keys) with
        {
            norm_placement = "post",
            qk_norm = "width",
            qkv_bias = keys.Flag("attention_bias"),
            out_bias = keys.Flag("attention_bias"),
        },
        ["gpt2"] = Gpt2,
    };

    /// <summary>The families that are known, as config.json's model_type has them.</summary>
    public static IReadOnlyCollection<string> ModelTypes => byType.Keys;

    /// <summary>The config of a model.</summary>
    /// <param name="config">The JSON object of a config.json.</param>
    /// <exception cref="UserError">The family is not known, or a value is of another kind than it has there.</exception>
    public static LanguageModelConfig Read(JsonElement config)
    {
        var keys = new Keys(config);
        var type = keys.Text("model_type") ?? throw new UserError("config.json has no 'model_type'", "give a folder of a Hugging Face language model");
        return byType.TryGetValue(type, out var read) ? read(keys)
            : throw new UserError($"config.json's model_type '{type}' is not known", $"there are {string.Join(", ", byType.Keys)}");
    }

    /// <summary>A new model with that config, freshly initialised.</summary>
    public static LanguageModel Create(LanguageModelConfig config) => config switch
    {
        DecoderConfig decoder => new Decoder(decoder),
        Gpt2Config gpt2 => new Gpt2(gpt2),
        _ => throw new ArgumentException($"no language model has a {config.GetType().Name}"),
    };

    private static DecoderConfig Llama(Keys keys) => new()
    {
        vocab_size = keys.Needed("vocab_size"),
        hidden_size = keys.Needed("hidden_size"),
        intermediate_size = keys.Needed("intermediate_size"),
        num_hidden_layers = keys.Needed("num_hidden_layers"),
        num_attention_heads = keys.Needed("num_attention_heads"),
        num_key_value_heads = keys.Integer("num_key_value_heads"),
        head_dim = keys.Integer("head_dim"),
        max_position_embeddings = keys.Integer("max_position_embeddings") ?? 2048,
        hidden_act = Activation(keys.Text("hidden_act") ?? "silu"),
        rms_norm_eps = keys.Number("rms_norm_eps") ?? 1e-6,
        tie_word_embeddings = keys.Flag("tie_word_embeddings"),
        rope_theta = keys.RopeTheta(10000),
        rope_scaling = keys.Scaling(),
        attention_dropout = keys.Number("attention_dropout") ?? 0,
        initializer_range = keys.Number("initializer_range") ?? 0.02,
    };

    private static DecoderConfig Windowed(DecoderConfig config, int? window) => config with { sliding_window = window };

    // The window counts only where use_sliding_window says so, and then from layer max_window_layers on.
    private static DecoderConfig Qwen(Keys keys)
    {
        var config = Llama(keys);
        if (!keys.Flag("use_sliding_window"))
            return config;
        int first = keys.Integer("max_window_layers") ?? 28;
        return config with { sliding_window = keys.Integer("sliding_window"), windowed_layers = keys.LayerTypes() ?? Layers(keys, layer => layer >= first) };
    }

    private static DecoderConfig Gemma(Keys keys) => Llama(keys) with
    {
        head_dim = keys.Integer("head_dim") ?? 256,
        hidden_act = Activation(keys.Text("hidden_activation") ?? "gelu_pytorch_tanh"),
        tie_word_embeddings = !keys.Has("tie_word_embeddings") || keys.Flag("tie_word_embeddings"),
        norm_placement = "both",
        gemma_scaling = true,
        query_pre_attn_scalar = keys.Number("query_pre_attn_scalar") ?? 256,
        attn_logit_softcapping = keys.Number("attn_logit_softcapping"),
        final_logit_softcapping = keys.Number("final_logit_softcapping"),
        qkv_bias = keys.Flag("attention_bias"),
        out_bias = keys.Flag("attention_bias"),
    };

    private static Gpt2Config Gpt2(Keys keys) => new()
    {
        vocab_size = keys.Integer("vocab_size") ?? 50257,
        n_positions = keys.Integer("n_positions") ?? 1024,
        n_embd = keys.Integer("n_embd") ?? 768,
        n_layer = keys.Integer("n_layer") ?? 12,
        n_head = keys.Integer("n_head") ?? 12,
        n_inner = keys.Integer("n_inner"),
        activation_function = Activation(keys.Text("activation_function") ?? "gelu_new"),
        layer_norm_epsilon = keys.Number("layer_norm_epsilon") ?? 1e-5,
        embd_pdrop = keys.Number("embd_pdrop") ?? 0.1,
        resid_pdrop = keys.Number("resid_pdrop") ?? 0.1,
        attn_pdrop = keys.Number("attn_pdrop") ?? 0.1,
        tie_word_embeddings = !keys.Has("tie_word_embeddings") || keys.Flag("tie_word_embeddings"),
        initializer_range = keys.Number("initializer_range") ?? 0.02,
    };

    private static bool[] Layers(Keys keys, Func<int, bool> windowed) => [.. Enumerable.Range(0, keys.Needed("num_hidden_layers")).Select(windowed)];

    private static string Activation(string name) => name switch
    {
        "gelu_new" or "gelu_pytorch_tanh" or "gelu_fast" => "gelu_tanh",
        "swish" => "silu",
        _ when Activations.Names.Contains(name) => name,
        _ => throw new UserError($"config.json's activation '{name}' is not known", $"there are {string.Join(", ", Activations.Names)}"),
    };

    // The keys of a config.json; null counts as absent.
    private sealed class Keys(JsonElement config)
    {
        public bool Has(string key) => config.TryGetProperty(key, out _);

        private JsonElement? Find(string key) => config.TryGetProperty(key, out var value) && value.ValueKind != JsonValueKind.Null ? value : null;

        public string? Text(string key) => Find(key) is not { } value ? null
            : value.ValueKind == JsonValueKind.String ? value.GetString() : throw Wrong(key, value, "a text");

        public double? Number(string key) => Find(key) is not { } value ? null
            : value.ValueKind == JsonValueKind.Number ? value.GetDouble() : throw Wrong(key, value, "a number");

        public int? Integer(string key) => Find(key) is not { } value ? null
            : value.ValueKind == JsonValueKind.Number && value.TryGetInt32(out int whole) ? whole : throw Wrong(key, value, "a whole number");

        public int Needed(string key) => Integer(key) ?? throw new UserError($"config.json has no '{key}'", "give a whole config.json");

        public bool Flag(string key) => Find(key) is { } value
            && (value.ValueKind is JsonValueKind.True or JsonValueKind.False ? value.GetBoolean() : throw Wrong(key, value, "true or false"));

        public double RopeTheta(double usual) => Number("rope_theta") ?? Rope("full_attention")?.Number("rope_theta") ?? usual;

        public double? LocalTheta() => Number("rope_local_base_freq") ?? Nested("rope_parameters")?.Nested("sliding_attention")?.Number("rope_theta");

        public double PartialRotary() => Number("partial_rotary_factor") ?? Rope("full_attention")?.Number("partial_rotary_factor") ?? 1;

        public RopeScaling? Scaling()
        {
            if ((Nested("rope_scaling") ?? Rope("full_attention")) is not { } rope || (rope.Text("rope_type") ?? rope.Text("type")) is not { } type || type == "default")
                return null;
            if (type is not ("linear" or "llama3"))
                throw new UserError($"config.json's rope type '{type}' is not known", "there are default, linear, llama3");
            return new RopeScaling
            {
                rope_type = type,
                factor = rope.Number("factor") ?? 1,
                low_freq_factor = rope.Number("low_freq_factor") ?? 1,
                high_freq_factor = rope.Number("high_freq_factor") ?? 4,
                original_max_position_embeddings = rope.Number("original_max_position_embeddings") ?? Number("max_position_embeddings") ?? 8192,
            };
        }

        /// <summary>Which layers have the window, where the file lists their types.</summary>
        public bool[]? LayerTypes() => Find("layer_types") is { ValueKind: JsonValueKind.Array } list
            ? [.. list.EnumerateArray().Select(each => each.GetString() == "sliding_attention")] : null;

        // Version 5 has the settings at once, or for each kind of layer.
        private Keys? Rope(string kind) => Nested("rope_parameters") is { } all ? all.Nested(kind) ?? all : null;

        private Keys? Nested(string key) => Find(key) is { ValueKind: JsonValueKind.Object } value ? new Keys(value) : null;

        private static UserError Wrong(string key, JsonElement value, string wanted) =>
            new($"config.json's '{key}' is {value.GetRawText()}, but must be {wanted}", "correct the file");
    }
}
