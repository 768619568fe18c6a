using Attention.Modules;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Attention.Models.Vision;

/// <summary>A DiT; fields as in the authors' repositories.</summary>
public sealed record DiTConfig : IAttentionHost
{
    /// <summary>Side of the latent image.</summary>
    public int input_size { get; init; } = 32;
    public int patch_size { get; init; } = 2;
    /// <summary>Channels of the latent image.</summary>
    public int in_channels { get; init; } = 4;
    public int hidden_size { get; init; } = 1152;
    /// <summary>Blocks.</summary>
    public int depth { get; init; } = 28;
    /// <summary>Heads of each block; one number for all.</summary>
    public int[] num_heads { get; init; } = [16];
    /// <summary>Channels of a head, where heads are a mixture, for each block or all; null for hidden_size / num_heads.</summary>
    public int[]? head_dim { get; init; }
    public double mlp_ratio { get; init; } = 4;
    /// <summary>How often training hides the class, so that sampling can be led away from classless images.</summary>
    public double class_dropout_prob { get; init; } = 0.1;
    public int num_classes { get; init; } = 1000;
    /// <summary>Whether the model gives variances beside the noise, in twice the channels.</summary>
    public bool learn_sigma { get; init; } = true;
    /// <summary>Whether heads are a mixture.</summary>
    public bool moh { get; init; }
    /// <summary>Heads that every token uses, in each block, where heads are a mixture.</summary>
    public int[] shared_head { get; init; } = [];
    /// <summary>Heads that each token chooses among the others, in each block.</summary>
    public int[] routed_head { get; init; } = [];
    /// <summary>Weight of the loss that balances the use of heads.</summary>
    public double balance_weight { get; init; } = HeadRouter.DefaultBalanceWeight;
    /// <summary>An attention by name in place of the family's own, in every block; null for that.</summary>
    public AttentionConfig? attention { get; init; }

    internal const double NormEps = 1e-6;

    internal int OutChannels => learn_sigma ? in_channels * 2 : in_channels;

    // The value of a block in a list with one for each, or one for all.
    internal static int Of(int[] list, int block) => list.Length == 1 ? list[0] : list[block];
}

/// <summary>Fourier features of a time step through an MLP. (B) to (B, C).</summary>
internal sealed class TimestepEmbedder : Block
{
    private const int Frequencies = 128;
    private const double LongestPeriod = 10000;

    private readonly Sequential mlp;

    public TimestepEmbedder(int hidden_size) : base(nameof(TimestepEmbedder))
    {
        mlp = nn.Sequential(nn.Linear(2 * Frequencies, hidden_size), nn.SiLU(), nn.Linear(hidden_size, hidden_size));
        RegisterComponents();
    }

    protected override Tensor Forward(Tensor t)
    {
        var frequencies = (arange(Frequencies, ScalarType.Float32, t.device) * (-Math.Log(LongestPeriod) / Frequencies)).exp();
        var angles = t.to(ScalarType.Float32).unsqueeze(1) * frequencies;
        return mlp.call(cat([angles.cos(), angles.sin()], -1));
    }
}

/// <summary>A vector for each class, and one for none, which training gives at random. (B) to (B, C).</summary>
internal sealed class LabelEmbedder : Block
{
    private readonly Embedding embedding_table;
    private readonly int num_classes;
    private readonly double dropout_prob;

    public LabelEmbedder(int num_classes, int hidden_size, double dropout_prob) : base(nameof(LabelEmbedder))
    {
        this.num_classes = num_classes;
        this.dropout_prob = dropout_prob;
        embedding_table = nn.Embedding(num_classes + (dropout_prob > 0 ? 1 : 0), hidden_size);
        RegisterComponents();
    }

    protected override Tensor Forward(Tensor labels)
    {
        if (training && dropout_prob > 0)
            labels = where(rand(labels.shape[0], device: labels.device).lt(dropout_prob), full_like(labels, num_classes), labels);
        return embedding_table.call(labels);
    }
}

/// <summary>Attention and MLP whose norms are shifted and scaled, and whose results are gated, by the condition. (B, N, C) and (B, C) to (B, N, C).</summary>
internal sealed class DiTBlock : nn.Module<Tensor, Tensor, Tensor>
{
    private readonly LayerNorm norm1;
    private readonly nn.Module<Tensor, Tensor> attn;
    private readonly LayerNorm norm2;
    private readonly Mlp mlp;
    private readonly Sequential adaLN_modulation;
    private readonly HostedAttention mixer;

    public DiTBlock(DiTConfig config, int index) : base(nameof(DiTBlock))
    {
        int dim = config.hidden_size, side = config.input_size / config.patch_size;
        norm1 = nn.LayerNorm(dim, DiTConfig.NormEps, elementwise_affine: false);
        mixer = new HostedAttention(config.attention ?? Own(config, index), new AttentionSite(dim, DiTConfig.Of(config.num_heads, index), side, side, index));
        attn = mixer.Module;
        norm2 = nn.LayerNorm(dim, DiTConfig.NormEps, elementwise_affine: false);
        mlp = new Mlp(dim, (long)(dim * config.mlp_ratio), "gelu_tanh");
        adaLN_modulation = nn.Sequential(nn.SiLU(), nn.Linear(dim, 6 * dim));
        RegisterComponents();
    }

    private static AttentionConfig Own(DiTConfig config, int index) => !config.moh ? new SelfAttentionConfig() : new MixtureOfHeadAttentionConfig
    {
        shared_head = config.shared_head[index],
        routed_head = config.routed_head[index],
        head_dim = config.head_dim is { } widths ? DiTConfig.Of(widths, index) : null,
        balance_weight = config.balance_weight,
    };

    public override Tensor forward(Tensor x, Tensor condition)
    {
        using var scope = NewDisposeScope();
        var parts = adaLN_modulation.call(condition).unsqueeze(1).chunk(6, -1);
        x = x + parts[2] * mixer.OnTokens(Modulation.Apply(norm1.call(x), parts[0], parts[1]));
        return scope.MoveToOuter(x + parts[5] * mlp.call(Modulation.Apply(norm2.call(x), parts[3], parts[4])));
    }
}

/// <summary>Tokens to the pixels of their patches. (B, N, C) and (B, C) to (B, N, patch² * channels).</summary>
internal sealed class DiTFinalLayer : nn.Module<Tensor, Tensor, Tensor>
{
    private readonly LayerNorm norm_final;
    private readonly Linear linear;
    private readonly Sequential adaLN_modulation;

    public DiTFinalLayer(DiTConfig config) : base(nameof(DiTFinalLayer))
    {
        int dim = config.hidden_size;
        norm_final = nn.LayerNorm(dim, DiTConfig.NormEps, elementwise_affine: false);
        linear = nn.Linear(dim, config.patch_size * config.patch_size * config.OutChannels);
        adaLN_modulation = nn.Sequential(nn.SiLU(), nn.Linear(dim, 2 * dim));
        RegisterComponents();
    }

    public override Tensor forward(Tensor x, Tensor condition)
    {
        using var scope = NewDisposeScope();
        var parts = adaLN_modulation.call(condition).unsqueeze(1).chunk(2, -1);
        return scope.MoveToOuter(linear.call(Modulation.Apply(norm_final.call(x), parts[0], parts[1])));
    }
}

internal static class Modulation
{
    public static Tensor Apply(Tensor x, Tensor shift, Tensor scale) => x * (scale + 1) + shift;
}

/// <summary>
/// A diffusion transformer: a noisy latent image (B, C, H, W), its time steps (B) and classes (B) to the noise in it, with
/// variances behind it in further channels. Peebles and Xie, Scalable Diffusion Models with Transformers, 2023
/// (arXiv:2212.09748); parameter names as in facebookresearch/DiT. With <c>moh</c> it is MoH-DiT: Jin et al., 2024
/// (arXiv:2410.11842), SkyworkAI/MoH.
/// </summary>
public sealed class DiT : nn.Module<Tensor, Tensor, Tensor, Tensor>
{
    private readonly PatchEmbed x_embedder;
    private readonly TimestepEmbedder t_embedder;
    private readonly LabelEmbedder y_embedder;
    private readonly Parameter pos_embed;
    private readonly ModuleList<DiTBlock> blocks;
    private readonly DiTFinalLayer final_layer;

    private readonly DiTConfig config;

    public DiT(DiTConfig config) : base(nameof(DiT))
    {
        this.config = config;
        Check(config);
        x_embedder = new PatchEmbed(config.input_size, config.patch_size, config.in_channels, config.hidden_size);
        t_embedder = new TimestepEmbedder(config.hidden_size);
        y_embedder = new LabelEmbedder(config.num_classes, config.hidden_size, config.class_dropout_prob);
        pos_embed = new Parameter(PositionEmbedding.SinCos2d(x_embedder.grid_size, config.hidden_size, num_prefix_tokens: 0), requires_grad: false);
        blocks = nn.ModuleList(Enumerable.Range(0, config.depth).Select(i => new DiTBlock(config, i)).ToArray());
        final_layer = new DiTFinalLayer(config);
        RegisterComponents();
        InitialiseWeights();
    }

    private static void Check(DiTConfig config)
    {
        if (config.input_size % config.patch_size != 0)
            throw new UserError($"input_size {config.input_size} does not divide into patches of {config.patch_size}", "choose a multiple of patch_size");
        bool Fits(int[]? list) => list is null || list.Length == config.depth || list.Length == 1;
        bool Each(int[] list) => !config.moh || list.Length == config.depth;
        if (!Fits(config.num_heads) || !Fits(config.head_dim) || !Each(config.shared_head) || !Each(config.routed_head))
            throw new UserError($"depth is {config.depth}, the lists of heads have another length", "give num_heads, head_dim, shared_head and routed_head one number for each block");
    }

    // As the authors: Xavier, the patches as a linear layer, and zeros where a block adds, so that each starts as the identity.
    private void InitialiseWeights()
    {
        using var _ = no_grad();
        foreach (var (name, module) in named_modules())
            switch (module)
            {
                case Linear linear:
                    if (name.Contains("adaLN_modulation", StringComparison.Ordinal) || name == "final_layer.linear")
                        nn.init.zeros_(linear.weight);
                    else if (name.StartsWith("t_embedder", StringComparison.Ordinal))
                        nn.init.normal_(linear.weight, std: 0.02);
                    else
                        nn.init.xavier_uniform_(linear.weight);
                    if (linear.bias is not null)
                        nn.init.zeros_(linear.bias);
                    break;
                case Conv2d conv:
                    nn.init.xavier_uniform_(conv.weight.flatten(1));
                    nn.init.zeros_(conv.bias!);
                    break;
                case Embedding embedding:
                    nn.init.normal_(embedding.weight!, std: 0.02);
                    break;
            }
    }

    /// <summary>(B, C, H, W), time steps (B) and classes (B) to (B, C or 2C, H, W).</summary>
    public override Tensor forward(Tensor x, Tensor t, Tensor y)
    {
        using var scope = NewDisposeScope();
        var tokens = x_embedder.call(x) + pos_embed;
        var condition = t_embedder.call(t) + y_embedder.call(y);
        foreach (var block in blocks)
            using (var input = tokens)
                tokens = block.call(input, condition);
        return scope.MoveToOuter(Unpatchify(final_layer.call(tokens, condition)));
    }

    /// <summary>
    /// The same, led away from classless images: the batch is given twice, the second half with the class num_classes.
    /// Ho and Salimans, Classifier-Free Diffusion Guidance, 2022. As the authors do, only the first three channels are led.
    /// </summary>
    public Tensor forward_with_cfg(Tensor x, Tensor t, Tensor y, double cfg_scale)
    {
        using var scope = NewDisposeScope();
        var half = x.narrow(0, 0, x.shape[0] / 2);
        var made = call(cat([half, half], 0), t, y);
        var led = made.narrow(1, 0, 3).chunk(2, 0);
        var noise = led[1] + (led[0] - led[1]) * cfg_scale;
        return scope.MoveToOuter(cat([cat([noise, noise], 0), made.narrow(1, 3, made.shape[1] - 3)], 1));
    }

    private Tensor Unpatchify(Tensor x)
    {
        int side = x_embedder.grid_size, patch = config.patch_size;
        return x.reshape(x.shape[0], side, side, patch, patch, config.OutChannels).permute(0, 5, 1, 3, 2, 4)
            .reshape(x.shape[0], config.OutChannels, config.input_size, config.input_size);
    }

    // --- variants --------------------------------------------------------------------------------

    private static readonly DiTConfig Huge = new();
    private static readonly DiTConfig Large = Huge with { depth = 24, hidden_size = 1024 };
    private static readonly DiTConfig Base = Huge with { depth = 12, hidden_size = 768, num_heads = [12] };
    private static readonly DiTConfig Small = Huge with { depth = 12, hidden_size = 384, num_heads = [6] };

    /// <summary>The variants, by the authors' names: size and patch.</summary>
    public static ModelFamily<DiTConfig> Family { get; } = new()
    {
        Name = "DiT",
        Reference = "Peebles and Xie, Scalable Diffusion Models with Transformers, 2023 (arXiv:2212.09748)",
        Build = config => new DiT(config),
        Table = new Dictionary<string, DiTConfig>
        {
            // The class itself, whose every field is open.
            ["dit"] = Huge,
            ["dit_xl_2"] = Huge,
            ["dit_xl_4"] = Huge with { patch_size = 4 },
            ["dit_xl_8"] = Huge with { patch_size = 8 },
            ["dit_l_2"] = Large,
            ["dit_l_4"] = Large with { patch_size = 4 },
            ["dit_l_8"] = Large with { patch_size = 8 },
            ["dit_b_2"] = Base,
            ["dit_b_4"] = Base with { patch_size = 4 },
            ["dit_b_8"] = Base with { patch_size = 8 },
            ["dit_s_2"] = Small,
            ["dit_s_4"] = Small with { patch_size = 4 },
            ["dit_s_8"] = Small with { patch_size = 8 },
        },
    };

    // A list of counts in runs: (blocks, value) one after another.
    private static int[] Runs(params (int Blocks, int Value)[] runs) => [.. runs.SelectMany(run => Enumerable.Repeat(run.Value, run.Blocks))];

    private static DiTConfig Mixed(DiTConfig config, int[] shared, int[] routed) => config with { moh = true, shared_head = shared, routed_head = routed };

    // The larger ones have fewer heads in early blocks and more in late ones, all of the same width.
    private static readonly DiTConfig MixedHuge = Huge with { num_heads = Runs((9, 8), (10, 16), (9, 24)), head_dim = [72] };
    private static readonly DiTConfig MixedLarge = Large with { num_heads = Runs((8, 8), (8, 16), (8, 24)), head_dim = [64] };

    /// <summary>MoH-DiT's variants, by the authors' names: size, patch, and the percentage of heads that a token uses.</summary>
    public static ModelFamily<DiTConfig> MohFamily { get; } = new()
    {
        Name = "MoH-DiT",
        Reference = MohVit.Family.Reference,
        Build = config => new DiT(config),
        Table = new Dictionary<string, DiTConfig>
        {
            ["moh_dit_xl_2_90"] = Mixed(MixedHuge, Runs((9, 8), (19, 16)), Runs((19, 0), (9, 3))),
            ["moh_dit_xl_2_75"] = Mixed(MixedHuge, Runs((9, 8), (10, 10), (9, 14)), Runs((9, 0), (19, 2))),
            ["moh_dit_l_2_90"] = Mixed(MixedLarge, Runs((8, 8), (16, 16)), Runs((16, 0), (8, 3))),
            ["moh_dit_l_2_75"] = Mixed(MixedLarge, Runs((16, 8), (8, 12)), Runs((8, 0), (16, 4))),
            ["moh_dit_b_2_90"] = Mixed(Base, Runs((5, 6), (5, 7), (2, 12)), Runs((10, 4), (2, 0))),
            ["moh_dit_b_2_75"] = Mixed(Base, Runs((2, 4), (8, 6), (2, 12)), Runs((2, 2), (8, 3), (2, 0))),
            ["moh_dit_s_2_90"] = Mixed(Small, Runs((8, 3), (4, 6)), Runs((8, 2), (4, 0))),
            ["moh_dit_s_2_75"] = Mixed(Small, Runs((2, 2), (8, 3), (2, 6)), Runs((6, 1), (4, 2), (2, 0))),
        },
    };
}
