using Attention.Modules;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Attention.Models.Vision;

/// <summary>A SpectFormer that keeps one resolution; fields as in the authors' repository.</summary>
public sealed record SpectFormerVanillaConfig : AttentionHostConfig
{
    public int patch_size { get; init; } = 16;
    public int embed_dim { get; init; } = 384;
    /// <summary>Blocks, of which the first four have spectral filters and the others attention.</summary>
    public int depth { get; init; } = 12;
    public int num_heads { get; init; } = 6;
    /// <summary>Width of the MLP in units of the channels.</summary>
    public double mlp_ratio { get; init; } = 4;
}

/// <summary>A filter and an MLP as one branch, added to the input. (B, N, C) to the same.</summary>
internal sealed class SpectralBlock : Block
{
    private readonly LayerNorm norm1;
    private readonly nn.Module<Tensor, Tensor> filter;
    private readonly nn.Module<Tensor, Tensor> drop_path;
    private readonly LayerNorm norm2;
    private readonly Mlp mlp;
    private readonly HostedAttention mixer;

    public SpectralBlock(SpectFormerVanillaConfig config, int index, double drop) : base(nameof(SpectralBlock))
    {
        int dim = config.embed_dim;
        norm1 = nn.LayerNorm(dim, 1e-6);
        mixer = new HostedAttention(config.attention ?? new SpectralGatingConfig(), config.Site(dim, config.num_heads, config.patch_size, index));
        filter = mixer.Module;
        drop_path = DropPath.Of(drop);
        norm2 = nn.LayerNorm(dim, 1e-6);
        mlp = new Mlp(dim, (long)(dim * config.mlp_ratio), drop: config.drop_rate);
        RegisterComponents();
    }

    protected override Tensor Forward(Tensor x) => x + drop_path.call(mlp.call(norm2.call(mixer.OnTokens(norm1.call(x)))));
}

/// <summary>Attention and an MLP, each after a norm and added to its input. (B, N, C) to the same.</summary>
internal sealed class SpectFormerAttentionBlock : Block
{
    private readonly LayerNorm norm1;
    private readonly nn.Module<Tensor, Tensor> drop_path;
    private readonly LayerNorm norm2;
    private readonly Mlp mlp;
    private readonly nn.Module<Tensor, Tensor> attn;
    private readonly HostedAttention mixer;

    public SpectFormerAttentionBlock(SpectFormerVanillaConfig config, int index, double drop) : base(nameof(SpectFormerAttentionBlock))
    {
        int dim = config.embed_dim;
        norm1 = nn.LayerNorm(dim, 1e-6);
        mixer = new HostedAttention(config.attention ?? new SelfAttentionConfig { attn_drop = config.drop_rate, proj_drop = config.drop_rate },
            config.Site(dim, config.num_heads, config.patch_size, index));
        attn = mixer.Module;
        drop_path = DropPath.Of(drop);
        norm2 = nn.LayerNorm(dim, 1e-6);
        mlp = new Mlp(dim, (long)(dim * config.mlp_ratio), drop: config.drop_rate);
        RegisterComponents();
    }

    protected override Tensor Forward(Tensor x)
    {
        x = x + drop_path.call(mixer.OnTokens(norm1.call(x)));
        return x + drop_path.call(mlp.call(norm2.call(x)));
    }
}

/// <summary>
/// SpectFormer: Patro et al., SpectFormer: Frequency and Attention is what you need in a Vision Transformer, 2023
/// (arXiv:2304.06446), vanilla. Parameter names as in the authors' repository, badripatro/SpectFormers.
/// </summary>
public sealed class SpectFormerVanilla : IsotropicModel
{
    /// <summary>Blocks with spectral filters.</summary>
    private const int SpectralBlocks = 4;

    private readonly PatchEmbed patch_embed;
    private readonly Parameter pos_embed;
    private readonly Dropout pos_drop;
    private readonly ModuleList<nn.Module<Tensor, Tensor>> blocks;
    private readonly LayerNorm norm;
    private nn.Module<Tensor, Tensor> head;

    private readonly SpectFormerVanillaConfig config;
    private int classes;

    public SpectFormerVanilla(SpectFormerVanillaConfig config) : base(nameof(SpectFormerVanilla))
    {
        this.config = config;
        patch_embed = new PatchEmbed(config.img_size, config.patch_size, config.in_chans, config.embed_dim);
        pos_embed = new Parameter(zeros(1, patch_embed.num_patches, config.embed_dim));
        pos_drop = nn.Dropout(config.drop_rate);
        var rates = DropPath.Rates(config.drop_path_rate, config.depth);
        blocks = nn.ModuleList(rates.Select((rate, i) => i < SpectralBlocks
            ? (nn.Module<Tensor, Tensor>)new SpectralBlock(config, i, rate) : new SpectFormerAttentionBlock(config, i, rate)).ToArray());
        norm = nn.LayerNorm(config.embed_dim, 1e-6);
        classes = config.num_classes;
        head = Linears.Classifier(config.embed_dim, classes);
        RegisterComponents();
        Linears.Initialise(this);
        using var _ = no_grad();
        nn.init.trunc_normal_(pos_embed, std: 0.02);
    }

    public override int num_classes => classes;
    public override int num_features => config.embed_dim;
    public override IReadOnlySet<string> no_weight_decay => new HashSet<string> { nameof(pos_embed) };
    protected override IReadOnlyList<nn.Module<Tensor, Tensor>> Blocks => [.. blocks];
    protected override nn.Module<Tensor, Tensor> FinalNorm => norm;
    protected override int PatchSize => config.patch_size;
    protected override int PrefixTokens => 0;

    protected override Tensor Embed(Tensor images)
    {
        RequireSize(images, config.img_size);
        return pos_drop.call(patch_embed.call(images) + pos_embed);
    }

    public override Tensor forward_head(Tensor x, bool pre_logits = false)
    {
        using var scope = NewDisposeScope();
        x = x.mean([1]);
        return scope.MoveToOuter(pre_logits ? x : head.call(x));
    }

    public override void reset_classifier(int num_classes)
    {
        classes = num_classes;
        this.Replace(nameof(head), ref head, Linears.Classifier(num_features, num_classes));
    }

    // --- variants --------------------------------------------------------------------------------

    private static readonly SpectFormerVanillaConfig Small = new() { depth = 19, crop_pct = 0.9 };

    /// <summary>The variants, by the names of the authors' training program; _vanilla tells them from the hierarchical ones.</summary>
    public static ModelFamily<SpectFormerVanillaConfig> Family { get; } = new()
    {
        Name = "SpectFormer, vanilla",
        Reference = "Patro et al., SpectFormer: Frequency and Attention is what you need in a Vision Transformer, 2023 (arXiv:2304.06446)",
        Build = config => new SpectFormerVanilla(config),
        // The authors write 6 heads at any width and 4 and 12 in a comment: 256 and 512 channels run with 4 and 8 only.
        Table = new Dictionary<string, SpectFormerVanillaConfig>
        {
            ["spectformer_ti_vanilla"] = Small with { embed_dim = 256, depth = 12, num_heads = 4 },
            ["spectformer_xs_vanilla"] = Small with { depth = 12 },
            ["spectformer_s_vanilla"] = Small,
            ["spectformer_b_vanilla"] = Small with { embed_dim = 512, num_heads = 8 },
        },
    };
}
