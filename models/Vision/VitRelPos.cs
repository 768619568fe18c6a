using Attention.Modules;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Attention.Models.Vision;

/// <summary>A Vision Transformer with biases of relative positions; fields as in timm.</summary>
public sealed record VitRelPosConfig : AttentionHostConfig
{
    public int patch_size { get; init; } = 16;
    public int embed_dim { get; init; } = 768;
    public int depth { get; init; } = 12;
    public int num_heads { get; init; } = 12;
    /// <summary>Width of the MLP in units of embed_dim.</summary>
    public double mlp_ratio { get; init; } = 4;
    public bool qkv_bias { get; init; } = true;
    /// <summary>Layer norm on each head's queries and keys.</summary>
    public bool qk_norm { get; init; }
    /// <summary>Start of the layer scales, or of the norms' factors in post_norm blocks; null for no scales and factors of 1.</summary>
    public double? init_values { get; init; } = 1e-6;
    /// <summary>Norms at the end of the residual branches, as in Swin V2, rather than at their start.</summary>
    public bool post_norm { get; init; }
    public bool class_token { get; init; }
    /// <summary>What the head sees: the class token (token), the mean of the patches (avg), or every token ("").</summary>
    public string global_pool { get; init; } = "avg";
    /// <summary>The final norm after pooling instead of before it.</summary>
    public bool fc_norm { get; init; }
    /// <summary>Where biases come from: mlp, mlp_swin (a network of the offsets) or bias (a table).</summary>
    public string rel_pos_type { get; init; } = "mlp";
    /// <summary>Width of that network.</summary>
    public int rel_pos_dim { get; init; } = 128;
    /// <summary>One set of biases for all blocks.</summary>
    public bool shared_rel_pos { get; init; }
    public double norm_eps { get; init; } = 1e-6;
    public double proj_drop_rate { get; init; }
    public double attn_drop_rate { get; init; }
}

/// <summary>Attention and MLP, each with a norm before or after it, and added to its input. (B, N, C) to the same.</summary>
internal sealed class RelPosBlock : Block
{
    private readonly LayerNorm norm1;
    private readonly nn.Module<Tensor, Tensor> attn;
    private readonly nn.Module<Tensor, Tensor> ls1;
    private readonly nn.Module<Tensor, Tensor> drop_path1;
    private readonly LayerNorm norm2;
    private readonly Mlp mlp;
    private readonly nn.Module<Tensor, Tensor> ls2;
    private readonly nn.Module<Tensor, Tensor> drop_path2;
    private readonly HostedAttention mixer;
    private readonly bool post_norm;

    public RelPosBlock(VitRelPosConfig config, HostedAttention mixer, double drop_path) : base(nameof(RelPosBlock))
    {
        this.mixer = mixer;
        post_norm = config.post_norm;
        int dim = config.embed_dim;
        norm1 = nn.LayerNorm(dim, config.norm_eps);
        attn = mixer.Module;
        ls1 = LayerScale.Of(dim, post_norm ? null : config.init_values);
        drop_path1 = DropPath.Of(drop_path);
        norm2 = nn.LayerNorm(dim, config.norm_eps);
        mlp = new Mlp(dim, (long)(dim * config.mlp_ratio), drop: config.proj_drop_rate);
        ls2 = LayerScale.Of(dim, post_norm ? null : config.init_values);
        drop_path2 = DropPath.Of(drop_path);
        RegisterComponents();
        if (post_norm && config.init_values is { } start)
            foreach (var norm in new[] { norm1, norm2 })
                nn.init.constant_(norm.weight!, start);
    }

    protected override Tensor Forward(Tensor x)
    {
        if (post_norm)
        {
            x = x + drop_path1.call(norm1.call(mixer.OnTokens(x)));
            return x + drop_path2.call(norm2.call(mlp.call(x)));
        }
        x = x + drop_path1.call(ls1.call(mixer.OnTokens(norm1.call(x))));
        return x + drop_path2.call(ls2.call(mlp.call(norm2.call(x))));
    }
}

/// <summary>
/// A Vision Transformer without position embeddings: each block's attention has a bias that depends on where a key lies
/// relative to its query. Follows timm's vision_transformer_relpos.py, with its parameter names.
/// </summary>
public sealed class VitRelPos : IsotropicModel
{
    private readonly PatchEmbed patch_embed;
    private readonly RelativePosition? shared_rel_pos;
    private readonly Parameter? cls_token;
    private readonly ModuleList<RelPosBlock> blocks;
    private readonly nn.Module<Tensor, Tensor> norm;
    private readonly nn.Module<Tensor, Tensor> fc_norm;
    private readonly Dropout head_drop;
    private nn.Module<Tensor, Tensor> head;

    private readonly VitRelPosConfig config;
    private int classes;

    public VitRelPos(VitRelPosConfig config) : base(nameof(VitRelPos))
    {
        this.config = config;
        Check(config);
        int dim = config.embed_dim;
        patch_embed = new PatchEmbed(config.img_size, config.patch_size, config.in_chans, dim);
        var own = new RelativePositionAttentionConfig
        {
            num_heads = config.num_heads,
            qkv_bias = config.qkv_bias,
            qk_norm = config.qk_norm,
            rel_pos_type = config.rel_pos_type,
            rel_pos_dim = config.rel_pos_dim,
            attn_drop = config.attn_drop_rate,
            proj_drop = config.proj_drop_rate,
            norm_eps = config.norm_eps,
        };
        shared_rel_pos = config.shared_rel_pos && config.attention is null ? own.Positions(SiteOf(0)) : null;
        cls_token = config.class_token ? new Parameter(zeros(1, 1, dim)) : null;
        HostedAttention Mixer(int block) => config.attention is { } other
            ? new HostedAttention(other, SiteOf(block))
            : new HostedAttention(new RelativePositionAttention(dim, own, SiteOf(block), shared_rel_pos), own.Layout, SiteOf(block));
        blocks = nn.ModuleList(DropPath.Rates(config.drop_path_rate, config.depth).Select((rate, i) => new RelPosBlock(config, Mixer(i), rate)).ToArray());
        norm = config.fc_norm ? nn.Identity() : nn.LayerNorm(dim, config.norm_eps);
        fc_norm = config.fc_norm ? nn.LayerNorm(dim, config.norm_eps) : nn.Identity();
        head_drop = nn.Dropout(config.drop_rate);
        classes = config.num_classes;
        head = Linears.Classifier(dim, classes);
        RegisterComponents();
        InitialiseWeights();
    }

    public override int num_classes => classes;
    public override int num_features => config.embed_dim;
    public override IReadOnlySet<string> no_weight_decay => new[] { nameof(cls_token) }.Where(has_parameter).ToHashSet();

    protected override IReadOnlyList<nn.Module<Tensor, Tensor>> Blocks => [.. blocks];
    protected override nn.Module<Tensor, Tensor> FinalNorm => norm;
    protected override int PatchSize => config.patch_size;
    protected override int PrefixTokens => config.class_token ? 1 : 0;

    private AttentionSite SiteOf(int block) => config.Site(config.embed_dim, config.num_heads, config.patch_size, block, PrefixTokens);

    private static void Check(VitRelPosConfig config)
    {
        if (config.global_pool is not ("token" or "avg" or ""))
            throw new UserError($"global_pool '{config.global_pool}' is not known", "choose token, avg or \"\" (no pooling)");
        if (config.global_pool == "token" && !config.class_token)
            throw new UserError("global_pool 'token' needs a class token", "set class_token: true, or global_pool: avg");
        if (config.rel_pos_type is not ("mlp" or "mlp_swin" or "bias"))
            throw new UserError($"rel_pos_type '{config.rel_pos_type}' is not known", "choose mlp, mlp_swin or bias");
        if (config.img_size < config.patch_size || config.img_size % config.patch_size != 0)
            throw new UserError($"img_size {config.img_size} does not divide into patches of {config.patch_size}",
                "choose an img_size that is a multiple of patch_size");
    }

    // As timm's reset: linear layers start as PyTorch has them.
    private void InitialiseWeights()
    {
        using var _ = no_grad();
        if (cls_token is not null)
            nn.init.normal_(cls_token, std: 1e-6);
    }

    protected override Tensor Embed(Tensor images)
    {
        RequireSize(images, config.img_size);
        using var scope = NewDisposeScope();
        var patches = patch_embed.call(images);
        return scope.MoveToOuter(cls_token is null ? patches : cat([cls_token.expand(patches.shape[0], -1, -1), patches], 1));
    }

    public override Tensor forward_head(Tensor x, bool pre_logits = false)
    {
        using var scope = NewDisposeScope();
        x = head_drop.call(fc_norm.call(PoolTokens(x, config.global_pool, PrefixTokens)));
        return scope.MoveToOuter(pre_logits ? x : head.call(x));
    }

    public override void reset_classifier(int num_classes)
    {
        classes = num_classes;
        this.Replace(nameof(head), ref head, Linears.Classifier(num_features, num_classes));
    }

    // --- variants --------------------------------------------------------------------------------

    private static readonly VitRelPosConfig Plain = new() { crop_pct = 0.9, mean = [0.5, 0.5, 0.5], std = [0.5, 0.5, 0.5] };
    private static readonly VitRelPosConfig Plus = Plain with { embed_dim = 896, num_heads = 14 };
    private static readonly VitRelPosConfig Base = Plain with { qkv_bias = false };
    private static readonly VitRelPosConfig Medium = Base with { embed_dim = 512, num_heads = 8 };
    private static readonly VitRelPosConfig Small = Base with { embed_dim = 384, num_heads = 6 };
    private static VitRelPosConfig Pooled(VitRelPosConfig config) => config with { fc_norm = true };
    private static VitRelPosConfig Shared(VitRelPosConfig config) => config with { shared_rel_pos = true, rel_pos_dim = config.embed_dim };
    private static VitRelPosConfig Token(VitRelPosConfig config) => config with { class_token = true, global_pool = "token" };
    private static VitRelPosConfig PostNorm(VitRelPosConfig config) => config with { post_norm = true };

    /// <summary>The variants, by timm's names.</summary>
    public static ModelFamily<VitRelPosConfig> Family { get; } = new()
    {
        Name = "ViT with relative positions",
        Reference = "Wightman, PyTorch Image Models, 2022 (github.com/huggingface/pytorch-image-models)",
        Build = config => new VitRelPos(config),
        Table = new Dictionary<string, VitRelPosConfig>
        {
            ["vit_relpos_base_patch32_plus_rpn_256"] = PostNorm(Plus) with { patch_size = 32, img_size = 256 },
            ["vit_relpos_base_patch16_plus_240"] = Plus with { img_size = 240 },
            ["vit_relpos_small_patch16_224"] = Pooled(Small),
            ["vit_relpos_medium_patch16_224"] = Pooled(Medium),
            ["vit_relpos_base_patch16_224"] = Pooled(Base),
            ["vit_srelpos_small_patch16_224"] = Shared(Small),
            ["vit_srelpos_medium_patch16_224"] = Shared(Medium),
            ["vit_relpos_medium_patch16_cls_224"] = Token(Medium) with { rel_pos_dim = 256 },
            ["vit_relpos_base_patch16_cls_224"] = Token(Base),
            // The class token takes part in attention, and the mean of the patches is pooled.
            ["vit_relpos_base_patch16_clsgap_224"] = Pooled(Base) with { class_token = true },
            ["vit_relpos_small_patch16_rpn_224"] = PostNorm(Small),
            ["vit_relpos_medium_patch16_rpn_224"] = PostNorm(Medium),
            ["vit_relpos_base_patch16_rpn_224"] = PostNorm(Base),
        },
    };
}
