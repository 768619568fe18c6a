using System.Text.RegularExpressions;
using Attention.Modules;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Attention.Models.Language;

/// <summary>A decoder of Llama's line; fields as in Hugging Face's configs where they have them.</summary>
public sealed record DecoderConfig : LanguageModelConfig
{
    public int hidden_size { get; init; } = 4096;
    /// <summary>Width of the MLP.</summary>
    public int intermediate_size { get; init; } = 11008;
    public int num_hidden_layers { get; init; } = 32;
    public int num_attention_heads { get; init; } = 32;
    /// <summary>Heads of keys and values; null for as many as of queries.</summary>
    public int? num_key_value_heads { get; init; }
    /// <summary>Channels of a head; null for hidden_size / num_attention_heads.</summary>
    public int? head_dim { get; init; }
    public int max_position_embeddings { get; init; } = 2048;
    public string hidden_act { get; init; } = "silu";
    public double rms_norm_eps { get; init; } = 1e-6;
    public bool tie_word_embeddings { get; init; }

    public double rope_theta { get; init; } = 10000;
    /// <summary>How positions stretch beyond those of the first training; null for not at all.</summary>
    public RopeScaling? rope_scaling { get; init; }
    /// <summary>Share of a head's channels that turn with the position.</summary>
    public double partial_rotary_factor { get; init; } = 1;
    /// <summary>Base of the rotary frequencies in layers with a window, without scaling; null for that of all.</summary>
    public double? rope_local_base_freq { get; init; }

    /// <summary>Tokens that a query of a windowed layer sees, itself included; null for no windows.</summary>
    public int? sliding_window { get; init; }
    /// <summary>Which layers have the window; null for all.</summary>
    public bool[]? windowed_layers { get; init; }

    public bool qkv_bias { get; init; }
    public bool out_bias { get; init; }
    public bool mlp_bias { get; init; }
    /// <summary>Queries, keys and values by one layer, gate and gated by another, as in Phi 3.</summary>
    public bool fused { get; init; }
    /// <summary>Norms of queries and keys: none, of each head (head), of all heads together (width).</summary>
    public string qk_norm { get; init; } = "none";
    /// <summary>Where a branch has its norm: before it (pre), after it (post), or both.</summary>
    public string norm_placement { get; init; } = "pre";
    /// <summary>Norms multiply by 1 + weight, and embeddings are scaled by sqrt(hidden_size), as in Gemma.</summary>
    public bool gemma_scaling { get; init; }
    /// <summary>Scores are divided by the root of this; null for head_dim.</summary>
    public double? query_pre_attn_scalar { get; init; }
    /// <summary>Limit of the attention scores, by tanh; null for none.</summary>
    public double? attn_logit_softcapping { get; init; }
    /// <summary>Limit of the logits, by tanh; null for none.</summary>
    public double? final_logit_softcapping { get; init; }

    /// <summary>Experts of each MLP, of which a router chooses; null for one MLP.</summary>
    public int? num_local_experts { get; init; }
    /// <summary>Experts that each token goes to.</summary>
    public int num_experts_per_tok { get; init; } = 2;

    public double attention_dropout { get; init; }
    public double initializer_range { get; init; } = 0.02;

    public override int Context => max_position_embeddings;
    internal int HeadDim => head_dim ?? hidden_size / num_attention_heads;
    internal bool IsWindowed(int layer) => sliding_window is not null && (windowed_layers is null || windowed_layers[layer]);
}

/// <summary>down(act(gate x) · up x). (B, T, C) to the same. Shazeer, GLU Variants Improve Transformer, 2020 (arXiv:2002.05202).</summary>
internal sealed class DecoderMlp : Block
{
    private readonly Linear? gate_proj;
    private readonly Linear? up_proj;
    private readonly Linear? gate_up_proj;
    private readonly Linear down_proj;
    private readonly nn.Module<Tensor, Tensor> act_fn;
    private readonly string activation;

    public DecoderMlp(DecoderConfig config) : base(nameof(DecoderMlp))
    {
        activation = config.hidden_act;
        var (dim, hidden) = (config.hidden_size, config.intermediate_size);
        if (config.fused)
            gate_up_proj = nn.Linear(dim, 2 * hidden, hasBias: config.mlp_bias);
        else
        {
            gate_proj = nn.Linear(dim, hidden, hasBias: config.mlp_bias);
            up_proj = nn.Linear(dim, hidden, hasBias: config.mlp_bias);
        }
        down_proj = nn.Linear(hidden, dim, hasBias: config.mlp_bias);
        act_fn = Activations.Create(config.hidden_act);
        RegisterComponents();
    }

    protected override Tensor Forward(Tensor x)
    {
        if (gate_up_proj is null)
            return down_proj.call(act_fn.call(gate_proj!.call(x)) * up_proj!.call(x));
        var halves = gate_up_proj.call(x).chunk(2, -1);
        return down_proj.call(act_fn.call(halves[0]) * halves[1]);
    }

    public Slot Write(DecodeProgram program, Slot x, Slot? to)
    {
        Slot gate, up;
        if (gate_up_proj is null)
            (gate, up) = (program.Linear(x, gate_proj!), program.Linear(x, up_proj!));
        else
        {
            var all = program.Linear(x, gate_up_proj);
            (gate, up) = (all.Part(0, all.Width / 2), all.Part(all.Width / 2, all.Width / 2));
        }
        return program.Linear(program.Gated(gate, up, DecodeProgram.Activation(activation)), down_proj, to);
    }
}

/// <summary>One expert: w2(act(w1 x) · w3 x).</summary>
internal sealed class Expert : Block
{
    private readonly Linear w1;
    private readonly Linear w2;
    private readonly Linear w3;
    private readonly nn.Module<Tensor, Tensor> act_fn;

    public Expert(DecoderConfig config) : base(nameof(Expert))
    {
        w1 = nn.Linear(config.hidden_size, config.intermediate_size, hasBias: false);
        w2 = nn.Linear(config.intermediate_size, config.hidden_size, hasBias: false);
        w3 = nn.Linear(config.hidden_size, config.intermediate_size, hasBias: false);
        act_fn = Activations.Create(config.hidden_act);
        RegisterComponents();
    }

    protected override Tensor Forward(Tensor x) => w2.call(act_fn.call(w1.call(x)) * w3.call(x));
}

/// <summary>
/// A mixture of experts: each token goes to the few that its router scores highest, weighted by the softmax of their scores.
/// (B, T, C) to the same. Jiang et al., Mixtral of Experts, 2024 (arXiv:2401.04088).
/// </summary>
internal sealed class SparseMixture : Block
{
    private readonly Linear gate;
    private readonly ModuleList<Expert> experts;
    private readonly int chosen;

    public SparseMixture(DecoderConfig config, int count) : base(nameof(SparseMixture))
    {
        chosen = config.num_experts_per_tok;
        if (chosen < 1 || chosen > count)
            throw new UserError($"num_experts_per_tok {chosen} is not between 1 and num_local_experts {count}", "change the one or the other");
        gate = nn.Linear(config.hidden_size, count, hasBias: false);
        experts = nn.ModuleList(Enumerable.Range(0, count).Select(_ => new Expert(config)).ToArray());
        RegisterComponents();
    }

    protected override Tensor Forward(Tensor x)
    {
        var tokens = x.reshape(-1, x.shape[^1]);
        var (scores, indices) = gate.call(tokens).topk(chosen, -1);
        var weights = scores.to(ScalarType.Float32).softmax(-1).to(x.dtype);
        var output = zeros_like(tokens);
        for (int i = 0; i < experts.Count; i++)
        {
            var places = indices.eq(i).nonzero();
            if (places.shape[0] == 0)
                continue;
            var (rows, ranks) = (places.select(1, 0), places.select(1, 1));
            var share = weights.view(-1).index_select(0, rows * chosen + ranks).unsqueeze(1);
            output = output.index_add(0, rows, experts[i].call(tokens.index_select(0, rows)) * share, 1);
        }
        return output.view(x.shape);
    }
}

/// <summary>Attention and MLP, each with its norms and added to its input. (B, T, C) to the same.</summary>
internal sealed class DecoderLayer : Block
{
    private readonly RmsNorm? input_layernorm;
    private readonly CausalAttention self_attn;
    private readonly RmsNorm? post_attention_layernorm;
    private readonly RmsNorm? pre_feedforward_layernorm;
    private readonly RmsNorm? post_feedforward_layernorm;
    private readonly DecoderMlp? mlp;
    private readonly SparseMixture? block_sparse_moe;
    private readonly bool before, after;

    public DecoderLayer(DecoderConfig config, CausalSite site) : base(nameof(DecoderLayer))
    {
        (before, after) = (config.norm_placement != "post", config.norm_placement != "pre");
        RmsNorm Norm() => new(config.hidden_size, config.rms_norm_eps, config.gemma_scaling);
        self_attn = LayerAttention.Of(config.attention, new GroupedQueryConfig
        {
            qkv_bias = config.qkv_bias,
            out_bias = config.out_bias,
            fused_qkv = config.fused,
            qk_norm = config.qk_norm,
            unit_offset_norm = config.gemma_scaling,
            scale = config.query_pre_attn_scalar is { } scalar ? 1 / Math.Sqrt(scalar) : null,
            softcap = config.attn_logit_softcapping,
            attn_drop = config.attention_dropout,
        }, site);
        input_layernorm = before ? Norm() : null;
        // With norms on one side only, Hugging Face calls the second one so, wherever it stands.
        post_attention_layernorm = Norm();
        pre_feedforward_layernorm = before && after ? Norm() : null;
        post_feedforward_layernorm = after ? Norm() : null;
        if (config.num_local_experts is { } count)
            block_sparse_moe = new SparseMixture(config, count);
        else
            mlp = new DecoderMlp(config);
        RegisterComponents();
    }

    public CausalAttention Attention => self_attn;

    protected override Tensor Forward(Tensor x)
    {
        var mixed = self_attn.call(before ? input_layernorm!.call(x) : x);
        x = x + (after ? post_attention_layernorm!.call(mixed) : mixed);
        var normal = !before ? x : after ? pre_feedforward_layernorm!.call(x) : post_attention_layernorm!.call(x);
        var transformed = mlp is null ? block_sparse_moe!.call(normal) : mlp.call(normal);
        return x + (after ? post_feedforward_layernorm!.call(transformed) : transformed);
    }

    public void Write(DecodeProgram program, Slot x)
    {
        var mixed = self_attn.Write(program, before ? input_layernorm!.Write(program, x) : x, after ? null : x);
        if (after)
            program.Add(x, post_attention_layernorm!.Write(program, mixed));
        var normal = !before ? x : (after ? pre_feedforward_layernorm! : post_attention_layernorm!).Write(program, x);
        if (mlp is null)
            throw new NotDecodableException("a mixture of experts chooses its layers token by token");
        var transformed = mlp.Write(program, normal, after ? null : x);
        if (after)
            program.Add(x, post_feedforward_layernorm!.Write(program, transformed));
    }
}

/// <summary>Embedding, layers, norm. Token numbers (B, T) to hidden states (B, T, C).</summary>
internal sealed class DecoderStack : Block
{
    private readonly Embedding embed_tokens;
    private readonly ModuleList<DecoderLayer> layers;
    private readonly RmsNorm norm;
    private readonly double scale;

    public DecoderStack(DecoderConfig config, Func<int, CausalSite> site) : base(nameof(DecoderStack))
    {
        embed_tokens = nn.Embedding(config.vocab_size, config.hidden_size);
        layers = nn.ModuleList(Enumerable.Range(0, config.num_hidden_layers).Select(i => new DecoderLayer(config, site(i))).ToArray());
        norm = new RmsNorm(config.hidden_size, config.rms_norm_eps, config.gemma_scaling);
        scale = config.gemma_scaling ? Math.Sqrt(config.hidden_size) : 1;
        RegisterComponents();
    }

    public Embedding Embedding => embed_tokens;
    public IEnumerable<CausalAttention> Attentions => layers.Select(layer => layer.Attention);

    protected override Tensor Forward(Tensor tokens)
    {
        var x = embed_tokens.call(tokens);
        if (scale != 1)
            x = x * scale;
        foreach (var layer in layers)
            x = Next(layer, x);
        return norm.call(x);
    }

    public Slot Write(DecodeProgram program)
    {
        var x = program.Embed(embed_tokens.weight!, factor: scale);
        foreach (var layer in layers)
            program.Layer(() => layer.Write(program, x));
        return norm.Write(program, x);
    }

    // Frees each layer's input as soon as the next is there.
    private static Tensor Next(DecoderLayer layer, Tensor x)
    {
        using (x)
            return layer.call(x);
    }
}

/// <summary>
/// The decoder of Llama: Touvron et al., Llama 2, 2023 (arXiv:2307.09288), and of what descends from it: Llama 3, Mistral,
/// Qwen 2 and 3, Gemma 2 and 3, Phi 3, OLMo 2, Mixtral, MoH-LLaMA3. Parameter names as in Hugging Face's transformers.
/// </summary>
public sealed class Decoder : LanguageModel, IPublishedNames
{
    private readonly DecoderStack model;
    private readonly OutputHead lm_head;

    private readonly DecoderConfig config;
    private readonly RotaryEmbedding rotary;
    private readonly RotaryEmbedding? rotaryLocal;

    public Decoder(DecoderConfig config) : base(nameof(Decoder))
    {
        this.config = config;
        Check(config);
        int turning = (int)(config.HeadDim * config.partial_rotary_factor);
        rotary = new RotaryEmbedding(turning, config.rope_theta, config.rope_scaling);
        rotaryLocal = config.rope_local_base_freq is { } theta ? new RotaryEmbedding(turning, theta) : null;
        model = new DecoderStack(config, Site);
        lm_head = new OutputHead(model.Embedding, config.tie_word_embeddings, config.vocab_size, config.hidden_size);
        RegisterComponents();
        InitialiseWeights();
    }

    public override int vocab_size => config.vocab_size;
    public override int max_position_embeddings => config.max_position_embeddings;
    public override int num_layers => config.num_hidden_layers + 2;
    protected override IEnumerable<CausalAttention> Attentions => model.Attentions;

    private CausalSite Site(int layer) =>
        new(config.hidden_size, config.num_attention_heads, layer, Shared, config.IsWindowed(layer) ? rotaryLocal ?? rotary : rotary)
        {
            KeyValueHeads = config.num_key_value_heads ?? config.num_attention_heads,
            HeadDim = config.HeadDim,
            Window = config.IsWindowed(layer) ? config.sliding_window : null,
            NormEps = config.rms_norm_eps,
        };

    private static void Check(DecoderConfig config)
    {
        if (config.norm_placement is not ("pre" or "post" or "both"))
            throw new UserError($"norm_placement '{config.norm_placement}' is not known", "choose pre, post or both");
        if (config.head_dim is null && config.hidden_size % config.num_attention_heads != 0)
            throw new UserError($"hidden_size {config.hidden_size} does not divide into num_attention_heads {config.num_attention_heads}", "choose a number that divides it, or give head_dim");
        if (config.HeadDim % 2 != 0)
            throw new UserError($"head_dim {config.HeadDim} is odd, and rotary positions turn pairs of channels", "choose an even head_dim");
        if (config.windowed_layers is { } layers && layers.Length != config.num_hidden_layers)
            throw new UserError($"windowed_layers has {layers.Length} entries for {config.num_hidden_layers} layers", "give one for each layer");
    }

    private void InitialiseWeights()
    {
        using var _ = no_grad();
        foreach (var (name, parameter) in named_parameters())
            if (parameter.ndim > 1)
                nn.init.normal_(parameter, std: config.initializer_range);
            else if (name.EndsWith("bias", StringComparison.Ordinal))
                nn.init.zeros_(parameter);
    }

    /// <summary>Some files hold a tied head all the same, and the frequencies of the rotary embedding.</summary>
    public string? Rename(string published) =>
        published == "lm_head.weight" && config.tie_word_embeddings || published.EndsWith("rotary_emb.inv_freq", StringComparison.Ordinal) ? null : published;

    protected override Tensor Hidden(Tensor tokens) => model.call(tokens);

    protected override Tensor Logits(Tensor hidden)
    {
        var logits = lm_head.call(hidden);
        return config.final_logit_softcapping is { } cap ? (logits / cap).tanh() * cap : logits;
    }

    private protected override Slot Write(DecodeProgram program) =>
        lm_head.Write(program, model.Write(program), config.final_logit_softcapping);

    public override int layer_of(string parameter)
    {
        var layer = Regex.Match(parameter, @"^model\.layers\.(\d+)\.");
        return layer.Success ? int.Parse(layer.Groups[1].Value) + 1
            : parameter.StartsWith("model.embed_tokens", StringComparison.Ordinal) ? 0 : num_layers - 1;
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            rotary.Dispose();
            rotaryLocal?.Dispose();
        }
        base.Dispose(disposing);
    }

    // --- variants --------------------------------------------------------------------------------

    private static readonly DecoderConfig Llama2 = new() { rms_norm_eps = 1e-5, max_position_embeddings = 4096 };
    private static readonly DecoderConfig Llama3 = Llama2 with
    {
        vocab_size = 128256,
        intermediate_size = 14336,
        num_key_value_heads = 8,
        rope_theta = 500000,
        max_position_embeddings = 8192,
    };
    private static RopeScaling Stretched(double factor) => new() { rope_type = "llama3", factor = factor };
    private static readonly DecoderConfig Llama31 = Llama3 with { max_position_embeddings = 131072, rope_scaling = Stretched(8) };
    private static readonly DecoderConfig Llama32 = Llama31 with { rope_scaling = Stretched(32), tie_word_embeddings = true };
    private static readonly DecoderConfig Qwen2 = new()
    {
        vocab_size = 151936,
        rope_theta = 1e6,
        max_position_embeddings = 32768,
        qkv_bias = true,
    };
    private static readonly DecoderConfig Qwen3 = Qwen2 with { qkv_bias = false, qk_norm = "head", head_dim = 128, num_key_value_heads = 8, max_position_embeddings = 40960 };
    private static readonly DecoderConfig Gemma2 = new()
    {
        vocab_size = 256000,
        max_position_embeddings = 8192,
        hidden_act = "gelu_tanh",
        tie_word_embeddings = true,
        norm_placement = "both",
        gemma_scaling = true,
        attn_logit_softcapping = 50,
        final_logit_softcapping = 30,
        query_pre_attn_scalar = 256,
        head_dim = 256,
        sliding_window = 4096,
    };
    // As the authors' code: half of the heads shared, a quarter chosen by the lengths of their queries.
    private static readonly MixtureOfHeadAttentionConfig Moh = new() { router = "query_norm" };
    private static bool[] EverySecond(int layers) => [.. Enumerable.Range(0, layers).Select(layer => layer % 2 == 0)];
    private static readonly DecoderConfig Mistral = new()
    {
        vocab_size = 32768,
        intermediate_size = 14336,
        num_key_value_heads = 8,
        rms_norm_eps = 1e-5,
        rope_theta = 1e6,
        max_position_embeddings = 32768,
    };

    /// <summary>The published sizes, by short names.</summary>
    public static ModelFamily<DecoderConfig> Family { get; } = new()
    {
        Name = "Llama line",
        Reference = "Touvron et al., Llama 2: Open Foundation and Fine-Tuned Chat Models, 2023 (arXiv:2307.09288)",
        Build = config => new Decoder(config),
        Table = new Dictionary<string, DecoderConfig>
        {
            ["llama2_7b"] = Llama2,
            ["llama2_13b"] = Llama2 with { hidden_size = 5120, intermediate_size = 13824, num_hidden_layers = 40, num_attention_heads = 40 },
            ["llama2_70b"] = Llama2 with { hidden_size = 8192, intermediate_size = 28672, num_hidden_layers = 80, num_attention_heads = 64, num_key_value_heads = 8 },
            ["llama3_8b"] = Llama3,
            ["moh_llama3_8b"] = Llama3 with { vocab_size = 160896, attention = Moh },
            ["moh_llama"] = Llama3 with
            {
                vocab_size = 512,
                hidden_size = 128,
                intermediate_size = 352,
                num_hidden_layers = 4,
                num_attention_heads = 8,
                num_key_value_heads = 4,
                max_position_embeddings = 128,
                attention = Moh,
            },
            ["llama3.1_8b"] = Llama31,
            ["llama3.1_70b"] = Llama31 with { hidden_size = 8192, intermediate_size = 28672, num_hidden_layers = 80, num_attention_heads = 64 },
            ["llama3.2_1b"] = Llama32 with { hidden_size = 2048, intermediate_size = 8192, num_hidden_layers = 16, num_attention_heads = 32 },
            ["llama3.2_3b"] = Llama32 with { hidden_size = 3072, intermediate_size = 8192, num_hidden_layers = 28, num_attention_heads = 24 },
            ["tinyllama_1.1b"] = Llama2 with { hidden_size = 2048, intermediate_size = 5632, num_hidden_layers = 22, num_key_value_heads = 4, max_position_embeddings = 2048 },
            ["mistral_7b_v0.1"] = Mistral with { vocab_size = 32000, rope_theta = 10000, sliding_window = 4096 },
            ["mistral_7b_v0.3"] = Mistral,
            ["mixtral_8x7b"] = Mistral with { vocab_size = 32000, num_local_experts = 8 },
            ["qwen2.5_0.5b"] = Qwen2 with { hidden_size = 896, intermediate_size = 4864, num_hidden_layers = 24, num_attention_heads = 14, num_key_value_heads = 2, tie_word_embeddings = true },
            ["qwen2.5_1.5b"] = Qwen2 with { hidden_size = 1536, intermediate_size = 8960, num_hidden_layers = 28, num_attention_heads = 12, num_key_value_heads = 2, tie_word_embeddings = true },
            ["qwen2.5_7b"] = Qwen2 with { vocab_size = 152064, hidden_size = 3584, intermediate_size = 18944, num_hidden_layers = 28, num_attention_heads = 28, num_key_value_heads = 4 },
            ["qwen3_0.6b"] = Qwen3 with { hidden_size = 1024, intermediate_size = 3072, num_hidden_layers = 28, num_attention_heads = 16, tie_word_embeddings = true },
            ["qwen3_1.7b"] = Qwen3 with { hidden_size = 2048, intermediate_size = 6144, num_hidden_layers = 28, num_attention_heads = 16, tie_word_embeddings = true },
            ["qwen3_8b"] = Qwen3 with { hidden_size = 4096, intermediate_size = 12288, num_hidden_layers = 36, num_attention_heads = 32 },
            ["gemma2_2b"] = Gemma2 with { hidden_size = 2304, intermediate_size = 9216, num_hidden_layers = 26, num_attention_heads = 8, num_key_value_heads = 4, windowed_layers = EverySecond(26) },
            ["gemma2_9b"] = Gemma2 with { hidden_size = 3584, intermediate_size = 14336, num_hidden_layers = 42, num_attention_heads = 16, num_key_value_heads = 8, windowed_layers = EverySecond(42) },
            ["phi3_mini_4k"] = new DecoderConfig
            {
                vocab_size = 32064,
                hidden_size = 3072,
                intermediate_size = 8192,
                rms_norm_eps = 1e-5,
                max_position_embeddings = 4096,
                sliding_window = 2047,
                fused = true,
            },
            ["olmo2_1b"] = new DecoderConfig
            {
                vocab_size = 100352,
                hidden_size = 2048,
                intermediate_size = 8192,
                num_hidden_layers = 16,
                num_attention_heads = 16,
                rope_theta = 500000,
                max_position_embeddings = 4096,
                qk_norm = "width",
                norm_placement = "post",
            },
        },
    };
}
