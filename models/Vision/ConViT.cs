using Attention.Modules;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Attention.Models.Vision;

/// <summary>A ConViT; fields as in timm.</summary>
public sealed record ConVitConfig : AttentionHostConfig
{
    public int patch_size { get; init; } = 16;
    /// <summary>Channels of a head: the tokens have num_heads times as many.</summary>
    public int embed_dim { get; init; } = 48;
    public int depth { get; init; } = 12;
    public int num_heads { get; init; } = 4;
    /// <summary>Width of the MLP in units of the channels.</summary>
    public double mlp_ratio { get; init; } = 4;
    public bool qkv_bias { get; init; }
    /// <summary>Blocks whose attention is gated and positional; the class token joins after them.</summary>
    public int local_up_to_layer { get; init; } = 10;
    /// <summary>How sharply the heads of those blocks start out looking at their own place.</summary>
    public double locality_strength { get; init; } = 1;
    public bool use_pos_embed { get; init; } = true;
    /// <summary>What the head sees: the class token (token), the mean of the patches (avg), or every token ("").</summary>
    public string global_pool { get; init; } = "token";
    public double norm_eps { get; init; } = 1e-6;
    public double pos_drop_rate { get; init; }
    public double proj_drop_rate { get; init; }
    public double attn_drop_rate { get; init; }
}

/// <summary>Attention, gated and positional or plain, and an MLP. (B, N, C) to the same.</summary>
internal sealed class ConVitBlock : Block
{
    private readonly LayerNorm norm1;
    private readonly nn.Module<Tensor, Tensor> attn;
    private readonly nn.Module<Tensor, Tensor> drop_path;
    private readonly LayerNorm norm2;
    private readonly Mlp mlp;
    private readonly HostedAttention mixer;

    public ConVitBlock(ConVitConfig config, int index, double drop) : base(nameof(ConVitBlock))
    {
        int dim = config.embed_dim * config.num_heads;
        norm1 = nn.LayerNorm(dim, config.norm_eps);
        bool local = index < config.local_up_to_layer;
        AttentionConfig own = local
            ? new GatedPositionalAttentionConfig
            {
                qkv_bias = config.qkv_bias,
                locality_strength = config.locality_strength,
                attn_drop = config.attn_drop_rate,
                proj_drop = config.proj_drop_rate,
            }
            : new SelfAttentionConfig
            {
                qkv_bias = config.qkv_bias,
                attn_drop = config.attn_drop_rate,
                proj_drop = config.proj_drop_rate,
            };
        mixer = new HostedAttention(config.attention ?? own, config.Site(dim, config.num_heads, config.patch_size, index, prefix_tokens: local ? 0 : 1));
        attn = mixer.Module;
        drop_path = DropPath.Of(drop);
        norm2 = nn.LayerNorm(dim, config.norm_eps);
        mlp = new Mlp(dim, (long)(dim * config.mlp_ratio), drop: config.proj_drop_rate);
        RegisterComponents();
    }

    protected override Tensor Forward(Tensor x)
    {
        x = x + drop_path.call(mixer.OnTokens(norm1.call(x)));
        return x + drop_path.call(mlp.call(norm2.call(x)));
    }
}

/// <summary>
/// ConViT: d'Ascoli et al., Improving Vision Transformers with Soft Convolutional Inductive Biases, 2021 (arXiv:2103.10697).
/// Parameter names as in timm's convit.py.
/// </summary>
public sealed class ConVit : IsotropicModel
{
    private readonly PatchEmbed patch_embed;
    private readonly Parameter cls_token;
    private readonly Parameter? pos_embed;
    private readonly Dropout pos_drop;
    private readonly ModuleList<ConVitBlock> blocks;
    private readonly LayerNorm norm;
    private readonly Dropout head_drop;
    private nn.Module<Tensor, Tensor> head;

    private readonly ConVitConfig config;
    private int classes;

    public ConVit(ConVitConfig config) : base(nameof(ConVit))
    {
        this.config = config;
        if (config.global_pool is not ("token" or "avg" or ""))
            throw new UserError($"global_pool '{config.global_pool}' is not known", "choose token, avg or \"\" (no pooling)");
        if (config.img_size < config.patch_size || config.img_size % config.patch_size != 0)
            throw new UserError($"img_size {config.img_size} does not divide into patches of {config.patch_size}", "choose an img_size that is a multiple of patch_size");
        patch_embed = new PatchEmbed(config.img_size, config.patch_size, config.in_chans, num_features);
        cls_token = new Parameter(zeros(1, 1, num_features));
        pos_embed = config.use_pos_embed ? new Parameter(zeros(1, patch_embed.num_patches, num_features)) : null;
        pos_drop = nn.Dropout(config.pos_drop_rate);
        blocks = nn.ModuleList(DropPath.Rates(config.drop_path_rate, config.depth).Select((rate, i) => new ConVitBlock(config, i, rate)).ToArray());
        norm = nn.LayerNorm(num_features, config.norm_eps);
        head_drop = nn.Dropout(config.drop_rate);
        classes = config.num_classes;
        head = Linears.Classifier(num_features, classes);
        RegisterComponents();
        InitialiseWeights();
    }

    public override int num_classes => classes;
    public override int num_features => config.embed_dim * config.num_heads;
    public override IReadOnlySet<string> no_weight_decay =>
        new[] { nameof(pos_embed), nameof(cls_token) }.Where(has_parameter).ToHashSet();

    protected override IReadOnlyList<nn.Module<Tensor, Tensor>> Blocks => [.. blocks];
    protected override nn.Module<Tensor, Tensor> FinalNorm => norm;
    protected override int PatchSize => config.patch_size;
    protected override int PrefixTokens => 1;
    protected override int PrefixTokensAfter(int block) => block < config.local_up_to_layer ? 0 : 1;

    private void InitialiseWeights()
    {
        using var _ = no_grad();
        Linears.Initialise(this);
        foreach (var attention in modules().OfType<GatedPositionalAttention>())
            attention.InitialiseAsConvolution();
        nn.init.trunc_normal_(cls_token, std: 0.02);
        if (pos_embed is not null)
            nn.init.trunc_normal_(pos_embed, std: 0.02);
    }

    protected override Tensor Embed(Tensor images)
    {
        RequireSize(images, config.img_size);
        using var scope = NewDisposeScope();
        var patches = patch_embed.call(images);
        return scope.MoveToOuter(pos_drop.call(pos_embed is null ? patches : patches + pos_embed));
    }

    protected override Tensor Enter(int block, Tensor x) =>
        block == config.local_up_to_layer ? cat([cls_token.expand(x.shape[0], -1, -1), x], 1) : x;

    public override Tensor forward_head(Tensor x, bool pre_logits = false)
    {
        using var scope = NewDisposeScope();
        x = head_drop.call(PoolTokens(x, config.global_pool, prefix_tokens: 1));
        return scope.MoveToOuter(pre_logits ? x : head.call(x));
    }

    public override void reset_classifier(int num_classes)
    {
        classes = num_classes;
        this.Replace(nameof(head), ref head, Linears.Classifier(num_features, num_classes));
    }

    // --- variants --------------------------------------------------------------------------------

    private static readonly ConVitConfig Tiny = new();

    /// <summary>The variants, by timm's names.</summary>
    public static ModelFamily<ConVitConfig> Family { get; } = new()
    {
        Name = "ConViT",
        Reference = "d'Ascoli et al., ConViT: Improving Vision Transformers with Soft Convolutional Inductive Biases, 2021 (arXiv:2103.10697)",
        Build = config => new ConVit(config),
        Table = new Dictionary<string, ConVitConfig>
        {
            ["convit_tiny"] = Tiny,
            ["convit_small"] = Tiny with { num_heads = 9 },
            ["convit_base"] = Tiny with { num_heads = 16 },
        },
    };
}
