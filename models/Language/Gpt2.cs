using System.Text.RegularExpressions;
using Attention.Modules;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Attention.Models.Language;

/// <summary>A GPT-2; fields as in Hugging Face's config.</summary>
public sealed record Gpt2Config : LanguageModelConfig
{
    public Gpt2Config() => vocab_size = 50257;

    /// <summary>Tokens of the longest context.</summary>
    public int n_positions { get; init; } = 1024;
    /// <summary>Channels.</summary>
    public int n_embd { get; init; } = 768;
    public int n_layer { get; init; } = 12;
    public int n_head { get; init; } = 12;
    /// <summary>Width of the MLP; null for four times the channels.</summary>
    public int? n_inner { get; init; }
    public string activation_function { get; init; } = "gelu_tanh";
    public double layer_norm_epsilon { get; init; } = 1e-5;
    /// <summary>No biases in linear layers and norms, as nanoGPT likes it.</summary>
    public bool bias { get; init; } = true;
    public double embd_pdrop { get; init; }
    public double resid_pdrop { get; init; }
    public double attn_pdrop { get; init; }
    public bool tie_word_embeddings { get; init; } = true;
    public double initializer_range { get; init; } = 0.02;

    public override int Context => n_positions;
}

/// <summary>A linear layer whose weight is (in, out), as GPT-2's checkpoints have it. (..., in) to (..., out).</summary>
internal sealed class Conv1D : Block
{
    private readonly Parameter weight;
    private readonly Parameter? bias;

    public Conv1D(long inputs, long outputs, bool bias) : base(nameof(Conv1D))
    {
        weight = new Parameter(zeros(inputs, outputs));
        this.bias = bias ? new Parameter(zeros(outputs)) : null;
        RegisterComponents();
    }

    protected override Tensor Forward(Tensor x)
    {
        FlopCounter.Add(x.numel() * weight.shape[1]);
        return nn.functional.linear(x, weight.t(), bias);
    }

    public Slot Write(DecodeProgram program, Slot x, Slot? to = null, DecodeActivation activation = DecodeActivation.None) =>
        program.Linear(x, weight, bias, transposed: true, to, activation);
}

/// <summary>Causal attention with GPT-2's parameter names. (B, T, C) to the same.</summary>
internal sealed class Gpt2Attention : CausalAttention
{
    private readonly Conv1D c_attn;
    private readonly Conv1D c_proj;
    private readonly Dropout resid_dropout;
    private readonly double attn_drop;

    public Gpt2Attention(CausalSite site, Gpt2Config config) : base(nameof(Gpt2Attention), site)
    {
        c_attn = new Conv1D(site.Dim, 3 * site.Dim, config.bias);
        c_proj = new Conv1D(site.Dim, site.Dim, config.bias);
        resid_dropout = nn.Dropout(config.resid_pdrop);
        attn_drop = config.attn_pdrop;
        RegisterComponents();
    }

    public override ILayerCache CreateCache(long batch, long capacity, ScalarType dtype, Device device) =>
        new KeyValueCache(batch, Site.NumHeads, Site.HeadDim, capacity, null, dtype, device);

    protected override Tensor Forward(Tensor x)
    {
        var (batch, tokens, dim) = (x.shape[0], x.shape[1], x.shape[2]);
        var parts = c_attn.call(x).reshape(batch, tokens, 3, Site.NumHeads, Site.HeadDim).permute(2, 0, 3, 1, 4).unbind(0);
        var (q, k, v) = (parts[0], parts[1], parts[2]);
        if (Site.Context.Cache?.Layer(Site.Index) is KeyValueCache cache)
            (k, v) = cache.Append(k, v);
        var attended = ScaledDotProduct.Attend(q, k, v, Site.Context.Mask(tokens, k.shape[2], null, q), dropout: training ? attn_drop : 0);
        return resid_dropout.call(c_proj.call(attended.transpose(1, 2).reshape(batch, tokens, dim)));
    }

    public override Slot Write(DecodeProgram program, Slot x, Slot? to)
    {
        var all = c_attn.Write(program, x);
        var (q, k, v) = (all.Part(0, x.Width), all.Part(x.Width, x.Width), all.Part(2 * x.Width, x.Width));
        return c_proj.Write(program, program.Attend(q, k, v, Site.NumHeads, program.CacheOf(Site.Index), 1 / Math.Sqrt(Site.HeadDim)), to);
    }
}

/// <summary>Two layers. (B, T, C) to the same.</summary>
internal sealed class Gpt2Mlp : Block
{
    private readonly Conv1D c_fc;
    private readonly nn.Module<Tensor, Tensor> act;
    private readonly Conv1D c_proj;
    private readonly Dropout dropout;
    private readonly string activation;

    public Gpt2Mlp(Gpt2Config config) : base(nameof(Gpt2Mlp))
    {
        activation = config.activation_function;
        long hidden = config.n_inner ?? 4 * config.n_embd;
        c_fc = new Conv1D(config.n_embd, hidden, config.bias);
        act = Activations.Create(activation);
        c_proj = new Conv1D(hidden, config.n_embd, config.bias);
        dropout = nn.Dropout(config.resid_pdrop);
        RegisterComponents();
    }

    protected override Tensor Forward(Tensor x) => dropout.call(c_proj.call(act.call(c_fc.call(x))));

    public Slot Write(DecodeProgram program, Slot x, Slot to) =>
        c_proj.Write(program, c_fc.Write(program, x, activation: DecodeProgram.Activation(activation)), to);
}

/// <summary>Attention and MLP, each after a norm and added to its input. (B, T, C) to the same.</summary>
internal sealed class Gpt2Block : Block
{
    private readonly LayerNorm ln_1;
    private readonly CausalAttention attn;
    private readonly LayerNorm ln_2;
    private readonly Gpt2Mlp mlp;

    public Gpt2Block(Gpt2Config config, CausalSite site) : base(nameof(Gpt2Block))
    {
        ln_1 = nn.LayerNorm(config.n_embd, config.layer_norm_epsilon, bias: config.bias);
        attn = config.attention is null ? new Gpt2Attention(site, config)
            : LayerAttention.Of(config.attention, new() { qkv_bias = config.bias, out_bias = config.bias, attn_drop = config.attn_pdrop }, site);
        ln_2 = nn.LayerNorm(config.n_embd, config.layer_norm_epsilon, bias: config.bias);
        mlp = new Gpt2Mlp(config);
        RegisterComponents();
    }

    public CausalAttention Attention => attn;

    protected override Tensor Forward(Tensor x)
    {
        x = x + attn.call(ln_1.call(x));
        return x + mlp.call(ln_2.call(x));
    }

    public void Write(DecodeProgram program, Slot x)
    {
        attn.Write(program, program.Norm(x, ln_1), x);
        mlp.Write(program, program.Norm(x, ln_2), x);
    }
}

/// <summary>Embeddings, blocks, norm. Token numbers (B, T) to hidden states (B, T, C).</summary>
internal sealed class Gpt2Stack : Block
{
    private readonly Embedding wte;
    private readonly Embedding wpe;
    private readonly Dropout drop;
    private readonly ModuleList<Gpt2Block> h;
    private readonly LayerNorm ln_f;
    private readonly CausalContext context;

    public Gpt2Stack(Gpt2Config config, CausalContext context) : base(nameof(Gpt2Stack))
    {
        this.context = context;
        wte = nn.Embedding(config.vocab_size, config.n_embd);
        wpe = nn.Embedding(config.n_positions, config.n_embd);
        drop = nn.Dropout(config.embd_pdrop);
        h = nn.ModuleList(Enumerable.Range(0, config.n_layer)
            .Select(i => new Gpt2Block(config, new CausalSite(config.n_embd, config.n_head, i, context, null) { NormEps = config.layer_norm_epsilon })).ToArray());
        ln_f = nn.LayerNorm(config.n_embd, config.layer_norm_epsilon, bias: config.bias);
        RegisterComponents();
    }

    public Embedding Embedding => wte;
    public IEnumerable<CausalAttention> Attentions => h.Select(block => block.Attention);

    protected override Tensor Forward(Tensor tokens)
    {
        var positions = arange(context.Start, context.Start + tokens.shape[1], ScalarType.Int64, tokens.device);
        var x = drop.call(wte.call(tokens) + wpe.call(positions));
        foreach (var block in h)
            x = Next(block, x);
        return ln_f.call(x);
    }

    public Slot Write(DecodeProgram program)
    {
        var x = program.Embed(wte.weight!, wpe.weight);
        foreach (var block in h)
            program.Layer(() => block.Write(program, x));
        return program.Norm(x, ln_f);
    }

    private static Tensor Next(Gpt2Block block, Tensor x)
    {
        using (x)
            return block.call(x);
    }
}

/// <summary>
/// GPT-2: Radford et al., Language Models are Unsupervised Multitask Learners, 2019. Parameter names as in Hugging Face's
/// transformers.
/// </summary>
public sealed class Gpt2 : LanguageModel, IPublishedNames
{
    private readonly Gpt2Stack transformer;
    private readonly OutputHead lm_head;

    private readonly Gpt2Config config;

    public Gpt2(Gpt2Config config) : base(nameof(Gpt2))
    {
        this.config = config;
        if (config.n_head < 1 || config.n_embd % config.n_head != 0)
            throw new UserError($"n_embd {config.n_embd} does not divide into n_head {config.n_head}", "choose a number of heads that divides n_embd");
        transformer = new Gpt2Stack(config, Shared);
        lm_head = new OutputHead(transformer.Embedding, config.tie_word_embeddings, config.vocab_size, config.n_embd);
        RegisterComponents();
        InitialiseWeights();
    }

    public override int vocab_size => config.vocab_size;
    public override int max_position_embeddings => config.n_positions;
    public override int num_layers => config.n_layer + 2;
    protected override IEnumerable<CausalAttention> Attentions => transformer.Attentions;

    // As the paper: the last layer of each branch starts smaller, by the number of branches.
    private void InitialiseWeights()
    {
        using var _ = no_grad();
        foreach (var (name, parameter) in named_parameters())
            if (parameter.ndim > 1)
                nn.init.normal_(parameter, std: name.EndsWith("c_proj.weight", StringComparison.Ordinal)
                    ? config.initializer_range / Math.Sqrt(2 * config.n_layer) : config.initializer_range);
            else if (name.EndsWith("bias", StringComparison.Ordinal))
                nn.init.zeros_(parameter);
    }

    /// <summary>The first published files have no <c>transformer.</c> before their names, and keep their masks.</summary>
    public string? Rename(string published) =>
        Regex.IsMatch(published, @"^(transformer\.)?h\.\d+\.attn\.(bias|masked_bias)$") || published == "lm_head.weight" && config.tie_word_embeddings ? null
        : Regex.IsMatch(published, @"^(wte|wpe|h|ln_f)\.") ? $"transformer.{published}" : published;

    protected override Tensor Hidden(Tensor tokens) => transformer.call(tokens);

    protected override Tensor Logits(Tensor hidden) => lm_head.call(hidden);

    private protected override Slot Write(DecodeProgram program) => lm_head.Write(program, transformer.Write(program));

    public override int layer_of(string parameter)
    {
        var layer = Regex.Match(parameter, @"^transformer\.h\.(\d+)\.");
        return layer.Success ? int.Parse(layer.Groups[1].Value) + 1
            : Regex.IsMatch(parameter, @"^transformer\.(wte|wpe)\.") ? 0 : num_layers - 1;
    }

    // --- variants --------------------------------------------------------------------------------

    private static readonly Gpt2Config Small = new();

    /// <summary>The published sizes.</summary>
    public static ModelFamily<Gpt2Config> Family { get; } = new()
    {
        Name = "GPT-2",
        Reference = "Radford et al., Language Models are Unsupervised Multitask Learners, 2019",
        Build = config => new Gpt2(config),
        Table = new Dictionary<string, Gpt2Config>
        {
            ["gpt2"] = Small,
            ["gpt2_medium"] = Small with { n_embd = 1024, n_layer = 24, n_head = 16 },
            ["gpt2_large"] = Small with { n_embd = 1280, n_layer = 36, n_head = 20 },
            ["gpt2_xl"] = Small with { n_embd = 1600, n_layer = 48, n_head = 25 },
        },
    };
}
