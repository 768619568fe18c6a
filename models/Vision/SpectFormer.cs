using Attention.Modules;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Attention.Models.Vision;

/// <summary>A hierarchical SpectFormer; fields as in the authors' repository.</summary>
public sealed record SpectFormerConfig : AttentionHostConfig
{
    /// <summary>Channels of the stem's convolutions.</summary>
    public int stem_hidden_dim { get; init; } = 32;
    /// <summary>Channels of each stage.</summary>
    public int[] embed_dims { get; init; } = [64, 128, 320, 448];
    /// <summary>Heads of each stage; the first two have spectral filters instead.</summary>
    public int[] num_heads { get; init; } = [2, 4, 10, 14];
    /// <summary>Width of the MLP in units of the channels, at each stage.</summary>
    public double[] mlp_ratios { get; init; } = [8, 8, 4, 4];
    /// <summary>Blocks of each stage.</summary>
    public int[] depths { get; init; } = [3, 4, 6, 3];
    /// <summary>A second classifier for each position, as token labelling trains it; half of its maximum is added to the first's.</summary>
    public bool token_label { get; init; } = true;
}

/// <summary>Queries, and keys with values, by a layer each. (B, N, C) to the same; for the class token alone where it is asked for.</summary>
internal sealed class SpectFormerAttention : Block
{
    private readonly Linear q;
    private readonly Linear kv;
    private readonly Linear proj;
    private readonly int num_heads;
    private readonly bool first;

    /// <param name="dim">C.</param>
    /// <param name="num_heads">Heads.</param>
    /// <param name="first">Whether the first token alone asks: (B, N, C) to (B, 1, C).</param>
    public SpectFormerAttention(int dim, int num_heads, bool first) : base(nameof(SpectFormerAttention))
    {
        (this.num_heads, this.first) = (num_heads, first);
        if (num_heads < 1 || dim % num_heads != 0)
            throw new UserError($"{dim} channels do not divide into num_heads {num_heads}", "choose a number of heads that divides the channels");
        q = nn.Linear(dim, dim);
        kv = nn.Linear(dim, 2 * dim);
        proj = nn.Linear(dim, dim);
        RegisterComponents();
    }

    protected override Tensor Forward(Tensor x)
    {
        Tensor Heads(Tensor t) => t.unflatten(-1, num_heads, -1).transpose(1, 2);
        var parts = kv.call(x).chunk(2, -1);
        var attended = ScaledDotProduct.Attend(Heads(q.call(first ? x.narrow(1, 0, 1) : x)), Heads(parts[0]), Heads(parts[1]));
        return proj.call(attended.transpose(1, 2).flatten(2));
    }
}

/// <summary>A spectral filter or attention, and an MLP, each after a norm and added to its input. (B, H, W, C) to the same.</summary>
internal sealed class SpectFormerBlock : Block
{
    /// <summary>Stages with spectral filters.</summary>
    private const int SpectralStages = 2;

    private readonly LayerNorm norm1;
    private readonly LayerNorm norm2;
    private readonly nn.Module<Tensor, Tensor> attn;
    private readonly DepthwiseMlp mlp;
    private readonly nn.Module<Tensor, Tensor> drop_path;
    private readonly HostedAttention mixer;

    public SpectFormerBlock(SpectFormerConfig config, int stage, int index, double drop) : base(nameof(SpectFormerBlock))
    {
        int dim = config.embed_dims[stage];
        norm1 = nn.LayerNorm(dim, 1e-6);
        norm2 = nn.LayerNorm(dim, 1e-6);
        var site = config.Site(dim, config.num_heads[stage], 4 << stage, index);
        mixer = config.attention is { } chosen ? new HostedAttention(chosen, site)
            : stage < SpectralStages ? new HostedAttention(new SpectralGatingConfig(), site)
            : new HostedAttention(new SpectFormerAttention(dim, config.num_heads[stage], first: false), AttentionLayout.Sequence, site);
        attn = mixer.Module;
        mlp = new DepthwiseMlp(dim, (long)(dim * config.mlp_ratios[stage]));
        drop_path = DropPath.Of(drop);
        RegisterComponents();
    }

    protected override Tensor Forward(Tensor x)
    {
        x = x + drop_path.call(mixer.OnMap(norm1.call(x)));
        return x + drop_path.call(mlp.call(norm2.call(x)));
    }
}

/// <summary>The class token, which asks all tokens. (B, 1 + N, C) to the same.</summary>
internal sealed class SpectFormerClassBlock : Block
{
    private readonly LayerNorm norm1;
    private readonly LayerNorm norm2;
    private readonly SpectFormerAttention attn;
    private readonly Mlp mlp;

    public SpectFormerClassBlock(int dim, int num_heads, double mlp_ratio) : base(nameof(SpectFormerClassBlock))
    {
        norm1 = nn.LayerNorm(dim, 1e-6);
        norm2 = nn.LayerNorm(dim, 1e-6);
        attn = new SpectFormerAttention(dim, num_heads, first: true);
        mlp = new Mlp(dim, (long)(dim * mlp_ratio));
        RegisterComponents();
    }

    protected override Tensor Forward(Tensor x)
    {
        var token = x.narrow(1, 0, 1) + attn.call(norm1.call(x));
        token = token + mlp.call(norm2.call(token));
        return cat([token, x.narrow(1, 1, x.shape[1] - 1)], 1);
    }
}

/// <summary>Four convolutions and a norm. (B, C, H, W) to (B, H/4, W/4, C').</summary>
internal sealed class SpectFormerStem : Block
{
    private readonly Sequential conv;
    private readonly Conv2d proj;
    private readonly LayerNorm norm;

    public SpectFormerStem(int in_chans, int hidden, int dim) : base(nameof(SpectFormerStem))
    {
        conv = nn.Sequential(
            nn.Conv2d(in_chans, hidden, kernel_size: 7, stride: 2, padding: 3, bias: false), nn.BatchNorm2d(hidden), nn.ReLU(),
            nn.Conv2d(hidden, hidden, kernel_size: 3, padding: 1, bias: false), nn.BatchNorm2d(hidden), nn.ReLU(),
            nn.Conv2d(hidden, hidden, kernel_size: 3, padding: 1, bias: false), nn.BatchNorm2d(hidden), nn.ReLU());
        proj = nn.Conv2d(hidden, dim, kernel_size: 3, stride: 2, padding: 1);
        norm = nn.LayerNorm(dim);
        RegisterComponents();
    }

    protected override Tensor Forward(Tensor x) => norm.call(proj.call(conv.call(x)).permute(0, 2, 3, 1));
}

/// <summary>
/// SpectFormer: Patro et al., SpectFormer: Frequency and Attention is what you need in a Vision Transformer, 2023
/// (arXiv:2304.06446), hierarchical. Parameter names as in the authors' repository, badripatro/SpectFormers. On images of other
/// sizes the filters are resampled.
/// </summary>
public sealed class SpectFormer : PyramidModel
{
    private readonly ModuleList<SpectFormerClassBlock> post_network;
    private nn.Module<Tensor, Tensor>? aux_head;

    public SpectFormer(SpectFormerConfig config) : base(nameof(SpectFormer), config, config.depths, config.embed_dims,
        stage => stage == 0
            ? new SpectFormerStem(config.in_chans, config.stem_hidden_dim, config.embed_dims[0])
            : new OverlapPatchEmbed(config.embed_dims[stage - 1], config.embed_dims[stage], patch_size: 3, stride: 2),
        (stage, index, rate) => new SpectFormerBlock(config, stage, index, rate),
        stage => nn.LayerNorm(config.embed_dims[stage], 1e-6), normsLast: false)
    {
        int dim = config.embed_dims[^1];
        post_network = nn.ModuleList(new SpectFormerClassBlock(dim, config.num_heads[^1], config.mlp_ratios[^1]));
        aux_head = config.token_label ? Linears.Classifier(dim, config.num_classes) : null;
        RegisterComponents();
        Linears.Initialise(post_network);
    }

    public override int layer_of(string parameter) =>
        parameter.StartsWith(nameof(post_network), StringComparison.Ordinal) || parameter.StartsWith(nameof(aux_head), StringComparison.Ordinal)
            ? num_layers - 1 : base.layer_of(parameter);

    /// <summary>
    /// The map (B, C, H, W) to tokens (B, 1 + H * W, C), first the class token, which starts as their mean; without
    /// token_label to that alone, (B, C).
    /// </summary>
    protected override Tensor AfterStages(Tensor x)
    {
        var tokens = x.flatten(2).transpose(1, 2);
        tokens = cat([tokens.mean([1], keepdim: true), tokens], 1);
        foreach (var block in post_network)
            tokens = block.call(tokens);
        return LastNorm.call(aux_head is null ? tokens.select(1, 0) : tokens);
    }

    public override Tensor forward_head(Tensor x, bool pre_logits = false)
    {
        using var scope = NewDisposeScope();
        var token = aux_head is null ? x.alias() : x.select(1, 0);
        if (pre_logits || num_classes == 0)
            return scope.MoveToOuter(token);
        var logits = Classify(token);
        return scope.MoveToOuter(aux_head is null ? logits : logits + 0.5 * aux_head.call(x.narrow(1, 1, x.shape[1] - 1)).max(1).values);
    }

    public override void reset_classifier(int num_classes)
    {
        base.reset_classifier(num_classes);
        if (aux_head is not null)
            this.Replace(nameof(aux_head), ref aux_head, Linears.Classifier(num_features, num_classes));
    }

    // --- variants --------------------------------------------------------------------------------

    private static readonly SpectFormerConfig Small = new() { crop_pct = 0.9 };

    /// <summary>The variants, by the authors' names.</summary>
    public static ModelFamily<SpectFormerConfig> Family { get; } = new()
    {
        Name = "SpectFormer",
        Reference = "Patro et al., SpectFormer: Frequency and Attention is what you need in a Vision Transformer, 2023 (arXiv:2304.06446)",
        Build = config => new SpectFormer(config),
        Table = new Dictionary<string, SpectFormerConfig>
        {
            ["spectformer_s"] = Small,
            ["spectformer_b"] = Small with { stem_hidden_dim = 64, embed_dims = [64, 128, 320, 512], num_heads = [2, 4, 10, 16], depths = [3, 4, 12, 3] },
            ["spectformer_l"] = Small with { stem_hidden_dim = 64, embed_dims = [96, 192, 384, 512], num_heads = [3, 6, 12, 16], depths = [3, 6, 18, 3] },
        },
    };
}
