using Attention.Modules;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Attention.Models.Vision;

/// <summary>A CaiT; fields as in timm.</summary>
public sealed record CaitConfig : AttentionHostConfig
{
    public int patch_size { get; init; } = 16;
    public int embed_dim { get; init; } = 192;
    public int depth { get; init; } = 24;
    public int num_heads { get; init; } = 4;
    /// <summary>Width of the MLP in units of embed_dim.</summary>
    public double mlp_ratio { get; init; } = 4;
    public bool qkv_bias { get; init; } = true;
    /// <summary>Start of the layer scales.</summary>
    public double init_values { get; init; } = 1e-5;
    /// <summary>Blocks after the others, in which the class token alone is changed.</summary>
    public int depth_token_only { get; init; } = 2;
    /// <summary>Width of their MLP in units of embed_dim.</summary>
    public double mlp_ratio_token_only { get; init; } = 4;
    /// <summary>What the head sees: the class token (token), the mean of the patches (avg), or every token ("").</summary>
    public string global_pool { get; init; } = "token";
    public double norm_eps { get; init; } = 1e-6;
    public double pos_drop_rate { get; init; }
    public double proj_drop_rate { get; init; }
    public double attn_drop_rate { get; init; }
}

/// <summary>
/// Attention and MLP, each after a norm, scaled and added. Patches (B, N, C) to the same by talking heads; or class token
/// and patches (B, 1 + N, C) to the class token (B, 1, C).
/// </summary>
internal sealed class CaitBlock : Block
{
    private readonly LayerNorm norm1;
    private readonly nn.Module<Tensor, Tensor> attn;
    private readonly nn.Module<Tensor, Tensor> drop_path;
    private readonly LayerNorm norm2;
    private readonly Mlp mlp;
    private readonly Parameter gamma_1;
    private readonly Parameter gamma_2;
    private readonly bool token_only;
    private readonly HostedAttention mixer;

    public CaitBlock(CaitConfig config, int index, bool token_only) : base(nameof(CaitBlock))
    {
        this.token_only = token_only;
        int dim = config.embed_dim;
        norm1 = nn.LayerNorm(dim, config.norm_eps);
        var site = config.Site(dim, config.num_heads, config.patch_size, index);
        mixer = token_only
            ? new HostedAttention(new ClassAttention(dim, new ClassAttentionConfig { num_heads = config.num_heads, qkv_bias = config.qkv_bias }), AttentionLayout.Sequence, site)
            : new HostedAttention(config.attention ?? new TalkingHeadsAttentionConfig
            {
                qkv_bias = config.qkv_bias,
                attn_drop = config.attn_drop_rate,
                proj_drop = config.proj_drop_rate,
            }, site);
        attn = mixer.Module;
        // The same rate for every block, and nothing is dropped of the class token.
        drop_path = DropPath.Of(token_only ? 0 : config.drop_path_rate);
        norm2 = nn.LayerNorm(dim, config.norm_eps);
        mlp = new Mlp(dim, (long)(dim * (token_only ? config.mlp_ratio_token_only : config.mlp_ratio)), drop: token_only ? 0 : config.proj_drop_rate);
        gamma_1 = new Parameter(full(dim, config.init_values));
        gamma_2 = new Parameter(full(dim, config.init_values));
        RegisterComponents();
    }

    protected override Tensor Forward(Tensor x)
    {
        var kept = token_only ? x.slice(1, 0, 1, 1) : x;
        kept = kept + drop_path.call(gamma_1 * mixer.OnTokens(norm1.call(x)));
        return kept + drop_path.call(gamma_2 * mlp.call(norm2.call(kept)));
    }
}

/// <summary>
/// CaiT: Touvron et al., Going deeper with Image Transformers, 2021 (arXiv:2103.17239). Parameter names as in timm's cait.py.
/// </summary>
public sealed class Cait : IsotropicModel
{
    private readonly PatchEmbed patch_embed;
    private readonly Parameter cls_token;
    private readonly Parameter pos_embed;
    private readonly Dropout pos_drop;
    private readonly ModuleList<CaitBlock> blocks;
    private readonly ModuleList<CaitBlock> blocks_token_only;
    private readonly LayerNorm norm;
    private readonly Dropout head_drop;
    private nn.Module<Tensor, Tensor> head;

    private readonly CaitConfig config;
    private int classes;

    public Cait(CaitConfig config) : base(nameof(Cait))
    {
        this.config = config;
        if (config.global_pool is not ("token" or "avg" or ""))
            throw new UserError($"global_pool '{config.global_pool}' is not known", "choose token, avg or \"\" (no pooling)");
        if (config.img_size < config.patch_size || config.img_size % config.patch_size != 0)
            throw new UserError($"img_size {config.img_size} does not divide into patches of {config.patch_size}", "choose an img_size that is a multiple of patch_size");
        int dim = config.embed_dim;
        patch_embed = new PatchEmbed(config.img_size, config.patch_size, config.in_chans, dim);
        cls_token = new Parameter(zeros(1, 1, dim));
        pos_embed = new Parameter(zeros(1, patch_embed.num_patches, dim));
        pos_drop = nn.Dropout(config.pos_drop_rate);
        blocks = nn.ModuleList(Enumerable.Range(0, config.depth).Select(i => new CaitBlock(config, i, token_only: false)).ToArray());
        blocks_token_only = nn.ModuleList(Enumerable.Range(0, config.depth_token_only).Select(i => new CaitBlock(config, i, token_only: true)).ToArray());
        norm = nn.LayerNorm(dim, config.norm_eps);
        head_drop = nn.Dropout(config.drop_rate);
        classes = config.num_classes;
        head = Linears.Classifier(dim, classes);
        RegisterComponents();
        Linears.Initialise(this);
        using var _ = no_grad();
        nn.init.trunc_normal_(cls_token, std: 0.02);
        nn.init.trunc_normal_(pos_embed, std: 0.02);
    }

    public override int num_classes => classes;
    public override int num_features => config.embed_dim;
    public override IReadOnlySet<string> no_weight_decay => new HashSet<string> { nameof(pos_embed), nameof(cls_token) };

    protected override IReadOnlyList<nn.Module<Tensor, Tensor>> Blocks => [.. blocks];
    protected override nn.Module<Tensor, Tensor> FinalNorm => norm;
    protected override int PatchSize => config.patch_size;
    protected override int PrefixTokens => 0;

    public override int layer_of(string parameter)
    {
        // As in timm, the class token's blocks have the layers of the last blocks.
        var parts = parameter.Split('.');
        return parts[0] == nameof(blocks_token_only)
            ? Math.Max(int.Parse(parts[1]) + blocks.Count - blocks_token_only.Count + 1, 1) : base.layer_of(parameter);
    }

    protected override Tensor Embed(Tensor images)
    {
        RequireSize(images, config.img_size);
        using var scope = NewDisposeScope();
        return scope.MoveToOuter(pos_drop.call(patch_embed.call(images) + pos_embed));
    }

    protected override Tensor AfterBlocks(Tensor x)
    {
        var token = cls_token.expand(x.shape[0], -1, -1);
        foreach (var block in blocks_token_only)
            token = block.call(cat([token, x], 1));
        return cat([token, x], 1);
    }

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

    private static readonly CaitConfig Xxs24 = new() { crop_pct = 1 };
    private static readonly CaitConfig S24 = Xxs24 with { embed_dim = 384, num_heads = 8 };
    private static readonly CaitConfig M36 = Xxs24 with { embed_dim = 768, depth = 36, num_heads = 16, init_values = 1e-6 };
    private static CaitConfig Wide(CaitConfig config) => config with { img_size = 384 };

    /// <summary>The variants, by timm's names.</summary>
    public static ModelFamily<CaitConfig> Family { get; } = new()
    {
        Name = "CaiT",
        Reference = "Touvron et al., Going deeper with Image Transformers, 2021 (arXiv:2103.17239)",
        Build = config => new Cait(config),
        Table = new Dictionary<string, CaitConfig>
        {
            ["cait_xxs24_224"] = Xxs24,
            ["cait_xxs24_384"] = Wide(Xxs24),
            ["cait_xxs36_224"] = Xxs24 with { depth = 36 },
            ["cait_xxs36_384"] = Wide(Xxs24) with { depth = 36 },
            ["cait_xs24_384"] = Wide(Xxs24) with { embed_dim = 288, num_heads = 6 },
            ["cait_s24_224"] = S24,
            ["cait_s24_384"] = Wide(S24),
            ["cait_s36_384"] = Wide(S24) with { depth = 36, init_values = 1e-6 },
            ["cait_m36_384"] = Wide(M36),
            ["cait_m48_448"] = M36 with { depth = 48, img_size = 448 },
        },
    };
}
