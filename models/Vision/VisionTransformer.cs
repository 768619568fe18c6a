using Attention.Modules;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Attention.Models.Vision;

/// <summary>A Vision Transformer; fields as in timm.</summary>
public record VitConfig : AttentionHostConfig
{
    public int patch_size { get; init; } = 16;
    public int embed_dim { get; init; } = 768;
    public int depth { get; init; } = 12;
    public int num_heads { get; init; } = 12;
    /// <summary>Width of the MLP in units of embed_dim.</summary>
    public double mlp_ratio { get; init; } = 4;
    public bool qkv_bias { get; init; } = true;
    /// <summary>A norm on each head's queries and keys.</summary>
    public bool qk_norm { get; init; }
    /// <summary>A norm before attention's projection.</summary>
    public bool scale_attn_norm { get; init; }
    /// <summary>A norm before the MLP's last layer.</summary>
    public bool scale_mlp_norm { get; init; }
    /// <summary>Biases of attention's projection and of the MLP.</summary>
    public bool proj_bias { get; init; } = true;
    /// <summary>standard, res_post_norm, parallel_things, parallel_scaling or differential_parallel_scaling: see <see cref="VitBlocks"/>.</summary>
    public string block { get; init; } = "standard";
    /// <summary>attn, or diff: differential attention.</summary>
    public string attn_layer { get; init; } = "attn";
    /// <summary>Start of the layer scales; null for a model without them.</summary>
    public double? init_values { get; init; }
    /// <summary>
    /// mlp; swiglu_packed: half of the hidden layer gates the other, by SiLU; or swiglu: a second layer of its width does.
    /// </summary>
    public string mlp_layer { get; init; } = "mlp";
    /// <summary>
    /// What the head sees: the class token (token), the mean of the patches (avg), their pooling by attention (map), or every
    /// token ("").
    /// </summary>
    public string global_pool { get; init; } = "token";
    public bool class_token { get; init; } = true;
    /// <summary>A distillation token beside the class token, and a second head that reads it: the logits are their mean.</summary>
    public bool distilled { get; init; }
    /// <summary>Registers: learned tokens beside the class token.</summary>
    public int reg_tokens { get; init; }
    /// <summary>No position embedding for class and register tokens.</summary>
    public bool no_embed_class { get; init; }
    /// <summary>A norm before the blocks, and no bias in the patch embedding, as in CLIP.</summary>
    public bool pre_norm { get; init; }
    public bool final_norm { get; init; } = true;
    /// <summary>The final norm after pooling instead of before it; null: where the mean is pooled.</summary>
    public bool? fc_norm { get; init; }
    /// <summary>A norm after the patch embedding.</summary>
    public bool embed_norm { get; init; }
    /// <summary>layernorm or rmsnorm.</summary>
    public string norm_layer { get; init; } = "layernorm";
    public double norm_eps { get; init; } = 1e-6;
    public string act_layer { get; init; } = "gelu";
    /// <summary>Takes images of any size, and resamples the position embedding to fit.</summary>
    public bool dynamic_img_size { get; init; }
    /// <summary>How linear layers begin: truncated normal (""), or Xavier with a zero head as in the JAX releases (jax).</summary>
    public string weight_init { get; init; } = "";
    /// <summary>How position embeddings begin: small random numbers (normal), or sines and cosines of row and column (sincos2d).</summary>
    public string pos_init { get; init; } = "normal";
    public double pos_drop_rate { get; init; }
    public double proj_drop_rate { get; init; }
    public double attn_drop_rate { get; init; }
}

/// <summary>
/// Vision Transformer: Dosovitskiy et al., An Image is Worth 16x16 Words, 2021 (arXiv:2010.11929), with the options of
/// timm's vision_transformer.py and its parameter names.
/// </summary>
public sealed class VisionTransformer : IsotropicModel
{
    private readonly nn.Module<Tensor, Tensor> patch_embed;
    private readonly Parameter? cls_token;
    private readonly Parameter? dist_token;
    private readonly Parameter? reg_token;
    private readonly Parameter pos_embed;
    private readonly Dropout pos_drop;
    private readonly nn.Module<Tensor, Tensor> norm_pre;
    private readonly ModuleList<Block> blocks;
    private readonly nn.Module<Tensor, Tensor> norm;
    private readonly AttentionPool? attn_pool;
    private readonly nn.Module<Tensor, Tensor> fc_norm;
    private readonly Dropout head_drop;
    private nn.Module<Tensor, Tensor> head;
    private nn.Module<Tensor, Tensor>? head_dist;

    private readonly VitConfig config;
    private readonly int grid_size;
    private int classes;

    /// <param name="config">See there.</param>
    /// <param name="hybrid">What makes the tokens, in place of patches of pixels.</param>
    public VisionTransformer(VitConfig config, HybridEmbed? hybrid = null) : base(nameof(VisionTransformer))
    {
        this.config = config;
        Check(config);
        // A fixed size may leave a rim of pixels that no patch takes, as SigLIP's 384 pixels in patches of 14 do.
        if (hybrid is null && (config.img_size < config.patch_size || config.dynamic_img_size && config.img_size % config.patch_size != 0))
            throw new UserError($"img_size {config.img_size} does not divide into patches of {config.patch_size}",
                "choose an img_size that is a multiple of patch_size");
        int dim = config.embed_dim;
        grid_size = hybrid?.grid_size ?? config.img_size / config.patch_size;
        patch_embed = (nn.Module<Tensor, Tensor>?)hybrid ?? new PatchEmbed(config.img_size, config.patch_size, config.in_chans, dim, bias: !config.pre_norm,
            norm_eps: config.embed_norm ? config.norm_eps : null, norm_layer: config.norm_layer);
        cls_token = config.class_token ? new Parameter(zeros(1, 1, dim)) : null;
        dist_token = config.distilled ? new Parameter(zeros(1, 1, dim)) : null;
        reg_token = config.reg_tokens > 0 ? new Parameter(zeros(1, config.reg_tokens, dim)) : null;
        pos_embed = new Parameter(zeros(1, grid_size * grid_size + (config.no_embed_class ? 0 : num_prefix_tokens), dim));
        pos_drop = nn.Dropout(config.pos_drop_rate);
        norm_pre = config.pre_norm ? Norms.Create(config.norm_layer, dim, config.norm_eps) : nn.Identity();
        var rates = DropPath.Rates(config.drop_path_rate, config.depth);
        blocks = nn.ModuleList(rates.Select((rate, i) =>
            VitBlocks.Create(config, new AttentionSite(dim, config.num_heads, grid_size, grid_size, i, num_prefix_tokens), rate)).ToArray());

        bool afterPool = config.fc_norm ?? config.global_pool == "avg";
        norm = config.final_norm && !afterPool ? Norms.Create(config.norm_layer, dim, config.norm_eps) : nn.Identity();
        attn_pool = config.global_pool == "map"
            ? new AttentionPool(dim, config.num_heads, config.mlp_ratio, config.norm_layer, config.norm_eps, config.act_layer) : null;
        fc_norm = config.final_norm && afterPool ? Norms.Create(config.norm_layer, dim, config.norm_eps) : nn.Identity();
        head_drop = nn.Dropout(config.drop_rate);
        classes = config.num_classes;
        head = Linears.Classifier(config.embed_dim, classes);
        head_dist = config.distilled ? Linears.Classifier(config.embed_dim, classes) : null;
        RegisterComponents();
        InitialiseWeights();
    }

    public override int num_classes => classes;
    public override int num_features => config.embed_dim;
    public override bool fixed_input_size => !config.dynamic_img_size;
    public override IReadOnlySet<string> no_weight_decay =>
        new[] { "pos_embed", "cls_token", "dist_token", "reg_token" }.Where(has_parameter).ToHashSet();

    protected override IReadOnlyList<nn.Module<Tensor, Tensor>> Blocks => [.. blocks];
    protected override nn.Module<Tensor, Tensor> FinalNorm => norm;
    protected override int PatchSize => patch_embed is HybridEmbed hybrid ? hybrid.stride : config.patch_size;
    protected override long TokensAlong(long pixels) => patch_embed is HybridEmbed hybrid ? hybrid.TokensAlong(pixels) : base.TokensAlong(pixels);
    protected override int PrefixTokens => num_prefix_tokens;

    private int num_prefix_tokens => (config.class_token ? 1 : 0) + (config.distilled ? 1 : 0) + config.reg_tokens;

    private static void Check(VitConfig config)
    {
        if (config.global_pool is not ("token" or "avg" or "map" or ""))
            throw new UserError($"global_pool '{config.global_pool}' is not known", "choose token, avg, map or \"\" (no pooling)");
        if (config.global_pool == "token" && !config.class_token)
            throw new UserError("global_pool 'token' needs a class token", "set class_token: true, or global_pool: avg");
        if (config.distilled && config.global_pool != "token")
            throw new UserError($"a distilled model reads its tokens, not global_pool '{config.global_pool}'", "set global_pool: token");
        if (config.weight_init is not ("" or "jax"))
            throw new UserError($"weight_init '{config.weight_init}' is not known", "choose \"\" (truncated normal) or jax");
        if (config.pos_init is not ("normal" or "sincos2d"))
            throw new UserError($"pos_init '{config.pos_init}' is not known", "choose normal or sincos2d");
    }

    // As timm: truncated normal for linear layers and positions, zero biases, a class token near zero.
    private void InitialiseWeights()
    {
        using var _ = no_grad();
        if (config.pos_init == "sincos2d")
            pos_embed.copy_(PositionEmbedding.SinCos2d(grid_size, config.embed_dim, config.no_embed_class ? 0 : num_prefix_tokens));
        else
            nn.init.trunc_normal_(pos_embed, std: 0.02);
        if (cls_token is not null)
            nn.init.normal_(cls_token, std: 1e-6);
        if (dist_token is not null)
            nn.init.trunc_normal_(dist_token, std: 0.02);
        if (reg_token is not null)
            nn.init.normal_(reg_token, std: 1e-6);
        if (config.weight_init == "jax")
            InitialiseAsJax();
        else
            Linears.Initialise(this);
    }

    // As the JAX releases: Xavier for linear layers, a head of zeros, a LeCun normal for the patches.
    private void InitialiseAsJax()
    {
        foreach (var (name, module) in named_modules())
            switch (module)
            {
                case Linear linear:
                    if (name.StartsWith("head", StringComparison.Ordinal))
                        nn.init.zeros_(linear.weight);
                    else
                        nn.init.xavier_uniform_(linear.weight);
                    if (linear.bias is not null && name.Contains("mlp", StringComparison.Ordinal))
                        nn.init.normal_(linear.bias, std: 1e-6);
                    else if (linear.bias is not null)
                        nn.init.zeros_(linear.bias);
                    break;
                case Conv2d conv:
                    nn.init.normal_(conv.weight, std: Math.Sqrt((double)conv.weight.shape[0] / conv.weight.numel()));
                    if (conv.bias is not null)
                        nn.init.zeros_(conv.bias);
                    break;
            }
    }

    public override void reset_classifier(int num_classes)
    {
        classes = num_classes;
        this.Replace(nameof(head), ref head, Linears.Classifier(config.embed_dim, num_classes));
        if (head_dist is not null)
            this.Replace(nameof(head_dist), ref head_dist, Linears.Classifier(config.embed_dim, num_classes));
    }

    protected override Tensor Embed(Tensor images)
    {
        using var scope = NewDisposeScope();
        int height = (int)TokensAlong(images.shape[2]);
        int width = (int)TokensAlong(images.shape[3]);
        bool resample = height != grid_size || width != grid_size;
        if (!config.dynamic_img_size && (images.shape[2] != config.img_size || images.shape[3] != config.img_size))
            throw new ArgumentException(
                $"the model takes images of {config.img_size}x{config.img_size}, not {images.shape[2]}x{images.shape[3]}: set img_size, or dynamic_img_size: true");
        int positioned = config.no_embed_class ? 0 : num_prefix_tokens;
        var positions = resample ? PositionEmbedding.Resample(pos_embed, height, width, positioned) : pos_embed;

        var patches = patch_embed.call(config.dynamic_img_size || patch_embed is not PatchEmbed ? images : images[.., .., ..(height * config.patch_size), ..(width * config.patch_size)]);
        var prefix = new List<Tensor>();
        if (cls_token is not null)
            prefix.Add(cls_token.expand(patches.shape[0], -1, -1));
        if (dist_token is not null)
            prefix.Add(dist_token.expand(patches.shape[0], -1, -1));
        if (reg_token is not null)
            prefix.Add(reg_token.expand(patches.shape[0], -1, -1));
        var tokens = config.no_embed_class
            ? Joined(prefix, patches + positions)
            : Joined(prefix, patches) + positions;
        return scope.MoveToOuter(norm_pre.call(pos_drop.call(tokens)));
    }

    private static Tensor Joined(List<Tensor> prefix, Tensor patches) => prefix.Count == 0 ? patches : cat([.. prefix, patches], 1);

    public override Tensor forward_head(Tensor x, bool pre_logits = false)
    {
        using var scope = NewDisposeScope();
        if (head_dist is not null)
            return scope.MoveToOuter(Distilled(x[.., 0], x[.., 1], pre_logits));
        x = attn_pool is null ? PoolTokens(x, config.global_pool, num_prefix_tokens) : attn_pool.call(x.slice(1, num_prefix_tokens, x.shape[1], 1));
        x = head_drop.call(fc_norm.call(x));
        return scope.MoveToOuter(pre_logits ? x : head.call(x));
    }

    private Tensor Distilled(Tensor token, Tensor distillation, bool pre_logits)
    {
        if (!pre_logits)
            (token, distillation) = (head.call(token), head_dist!.call(distillation));
        return (token + distillation) / 2;
    }

    // --- variants --------------------------------------------------------------------------------

    // Weights of the AugReg releases were trained on pixels in [-1, 1].
    private static readonly VitConfig Base = new() { crop_pct = 0.9, mean = [0.5, 0.5, 0.5], std = [0.5, 0.5, 0.5] };
    private static readonly VitConfig Tiny = Base with { embed_dim = 192, num_heads = 3 };
    private static readonly VitConfig Small = Base with { embed_dim = 384, num_heads = 6 };
    private static readonly VitConfig Medium = Base with { embed_dim = 512, num_heads = 8 };
    private static readonly VitConfig Large = Base with { embed_dim = 1024, depth = 24, num_heads = 16 };
    private static readonly VitConfig Huge = Base with { embed_dim = 1280, depth = 32, num_heads = 16 };
    private static readonly VitConfig Giant = Base with { embed_dim = 1408, depth = 40, num_heads = 16, mlp_ratio = 48.0 / 11 };
    private static readonly VitConfig Gigantic = Base with { embed_dim = 1664, depth = 48, num_heads = 16, mlp_ratio = 64.0 / 13 };
    private static VitConfig Wide(VitConfig config) => config with { img_size = 384, crop_pct = 1 };
    // Trained without labels: no classifier, and the usual mean and deviation of pixels.
    private static VitConfig Unlabelled(VitConfig config) =>
        config with { num_classes = 0, mean = [0.485, 0.456, 0.406], std = [0.229, 0.224, 0.225] };
    private static VitConfig Pooled(VitConfig config) => config with { class_token = false, global_pool = "avg", fc_norm = false };
    private static VitConfig Registers(VitConfig config, int count) =>
        config with { class_token = false, no_embed_class = true, reg_tokens = count, global_pool = "avg", init_values = 1e-5, img_size = 256, crop_pct = 0.95 };
    private static readonly VitConfig Betwixt = Base with { embed_dim = 640, num_heads = 10 };
    private static readonly VitConfig Plus = Base with { embed_dim = 896, num_heads = 14, init_values = 1e-5, crop_pct = 0.95 };
    private static VitConfig Scaled(VitConfig config) =>
        config with { pre_norm = true, no_embed_class = true, norm_layer = "rmsnorm", qkv_bias = false, qk_norm = true, block = "parallel_scaling" };
    private static readonly VitConfig Wee = Base with { embed_dim = 256, depth = 14, num_heads = 4, mlp_ratio = 5 };
    private static readonly VitConfig Little = Base with { embed_dim = 320, depth = 14, num_heads = 5, mlp_ratio = 5.6 };
    private static readonly VitConfig Flexi = Base with { no_embed_class = true, img_size = 240, crop_pct = 0.95 };
    private static readonly VitConfig Shape150M = Base with { embed_dim = 896, depth = 18, num_heads = 14, mlp_ratio = 2.572, class_token = false, reg_tokens = 4, img_size = 256 };
    private static readonly VitConfig Shape150M2 = Base with
    {
        embed_dim = 832,
        depth = 21,
        num_heads = 13,
        mlp_ratio = 34.0 / 13,
        init_values = 1e-5,
        qkv_bias = false,
        class_token = false,
        reg_tokens = 1,
        global_pool = "avg",
        img_size = 256,
        crop_pct = 1,
    };
    // The images of CLIP's training, and of what follows it.
    internal static readonly double[] ClipMean = [0.48145466, 0.4578275, 0.40821073];
    internal static readonly double[] ClipStd = [0.26862954, 0.26130258, 0.27577711];
    private static readonly VitConfig Eva = Large with { patch_size = 14, global_pool = "avg", crop_pct = 1, mean = ClipMean, std = ClipStd };

    /// <summary>The variants, by timm's names.</summary>
    public static ModelFamily<VitConfig> Family { get; } = new()
    {
        Name = "ViT",
        Reference = "Dosovitskiy et al., An Image is Worth 16x16 Words, 2021 (arXiv:2010.11929)",
        Build = config => new VisionTransformer(config),
        Table = new Dictionary<string, VitConfig>
        {
            ["vit_tiny_patch16_224"] = Tiny,
            ["vit_tiny_patch16_384"] = Wide(Tiny),
            ["vit_small_patch32_224"] = Small with { patch_size = 32 },
            ["vit_small_patch32_384"] = Wide(Small) with { patch_size = 32 },
            ["vit_small_patch16_224"] = Small,
            ["vit_small_patch16_384"] = Wide(Small),
            ["vit_small_patch8_224"] = Unlabelled(Small) with { patch_size = 8 },
            ["vit_base_patch32_224"] = Base with { patch_size = 32 },
            ["vit_base_patch32_384"] = Wide(Base) with { patch_size = 32 },
            ["vit_base_patch16_224"] = Base,
            ["vit_base_patch16_384"] = Wide(Base),
            ["vit_base_patch8_224"] = Base with { patch_size = 8 },
            ["vit_large_patch32_224"] = Large with { patch_size = 32, num_classes = 0 },
            ["vit_large_patch32_384"] = Wide(Large) with { patch_size = 32 },
            ["vit_large_patch16_224"] = Large,
            ["vit_large_patch16_384"] = Wide(Large),
            ["vit_large_patch14_224"] = Large with { patch_size = 14 },
            ["vit_huge_patch14_224"] = Huge with { patch_size = 14, num_classes = 0 },
            ["vit_giant_patch14_224"] = Giant with { patch_size = 14 },
            ["vit_gigantic_patch14_224"] = Gigantic with { patch_size = 14 },
            ["vit_medium_patch16_gap_240"] = Pooled(Medium) with { qkv_bias = false, init_values = 1e-6, img_size = 240, crop_pct = 0.95, num_classes = 11821 },
            ["vit_medium_patch16_gap_256"] = Pooled(Medium) with { qkv_bias = false, init_values = 1e-6, img_size = 256, crop_pct = 0.95 },
            ["vit_medium_patch16_gap_384"] = Pooled(Medium) with { qkv_bias = false, init_values = 1e-6, img_size = 384, crop_pct = 0.95 },
            ["vit_base_patch16_gap_224"] = Pooled(Base) with { num_heads = 16 },
            ["vit_medium_patch16_reg1_gap_256"] = Registers(Medium, 1),
            ["vit_medium_patch16_reg4_gap_256"] = Registers(Medium, 4),
            ["vit_mediumd_patch16_reg4_gap_256"] = Registers(Medium, 4) with { depth = 20 },
            ["vit_base_patch16_reg4_gap_256"] = Registers(Base, 4) with { init_values = null, crop_pct = 0.9 },
            ["vit_mediumd_patch16_reg4_gap_384"] = Registers(Medium, 4) with { depth = 20, img_size = 384, crop_pct = 1 },
            ["vit_betwixt_patch16_gap_256"] = Pooled(Betwixt) with { qkv_bias = false, init_values = 1e-6, img_size = 256, crop_pct = 0.95 },
            ["vit_betwixt_patch16_reg1_gap_256"] = Registers(Betwixt, 1),
            ["vit_betwixt_patch16_reg4_gap_256"] = Registers(Betwixt, 4),
            ["vit_betwixt_patch16_reg4_gap_384"] = Registers(Betwixt, 4) with { img_size = 384, crop_pct = 1 },
            ["vit_wee_patch16_reg1_gap_256"] = Registers(Wee, 1),
            ["vit_little_patch16_reg1_gap_256"] = Registers(Little, 1),
            ["vit_little_patch16_reg4_gap_256"] = Registers(Little, 4),
            ["vit_huge_patch14_gap_224"] = Unlabelled(Pooled(Huge)) with { patch_size = 14 },
            ["vit_huge_patch16_gap_448"] = Unlabelled(Pooled(Huge)) with { img_size = 448, crop_pct = 1 },
            ["vit_giant_patch16_gap_224"] = Unlabelled(Pooled(Giant)),
            ["vit_so150m_patch16_reg4_map_256"] = Shape150M with { global_pool = "map" },
            ["vit_so150m_patch16_reg4_gap_256"] = Shape150M with { global_pool = "avg", fc_norm = false, crop_pct = 0.95 },
            ["vit_so150m_patch16_reg4_gap_384"] = Shape150M with { global_pool = "avg", fc_norm = false, img_size = 384, crop_pct = 1 },
            ["vit_so150m2_patch16_reg1_gap_256"] = Shape150M2,
            ["vit_so150m2_patch16_reg1_gap_384"] = Shape150M2 with { img_size = 384 },
            ["vit_so150m2_patch16_reg1_gap_448"] = Shape150M2 with { img_size = 448 },
            ["vit_base_patch32_plus_256"] = Plus with { patch_size = 32, img_size = 256 },
            ["vit_base_patch16_plus_240"] = Plus with { img_size = 240 },
            ["vit_small_patch16_36x1_224"] = Small with { depth = 36, init_values = 1e-5 },
            ["vit_base_patch16_rpn_224"] = Base with { qkv_bias = false, init_values = 1e-5, class_token = false, global_pool = "avg", block = "res_post_norm" },
            ["vit_small_patch16_18x2_224"] = Small with { depth = 18, init_values = 1e-5, block = "parallel_things" },
            ["vit_base_patch16_18x2_224"] = Base with { depth = 18, init_values = 1e-5, block = "parallel_things" },
            ["vit_base_patch16_xp_224"] = Scaled(Base),
            ["vit_large_patch14_xp_224"] = Scaled(Large) with { patch_size = 14 },
            ["vit_huge_patch14_xp_224"] = Scaled(Huge) with { patch_size = 14 },
            ["vit_dwee_patch16_reg1_gap_256"] = Registers(Wee, 1) with { attn_layer = "diff" },
            ["vit_pwee_patch16_reg1_gap_256"] = Registers(Wee, 1) with { depth = 16, block = "parallel_scaling" },
            ["vit_dpwee_patch16_reg1_gap_256"] = Registers(Wee, 1) with { depth = 16, block = "differential_parallel_scaling" },
            ["vit_dlittle_patch16_reg1_gap_256"] = Registers(Little, 1) with { attn_layer = "diff" },
            ["vit_base_patch16_224_miil"] = Base with
            {
                qkv_bias = false,
                crop_pct = 0.875,
                interpolation = "bilinear",
                mean = [0, 0, 0],
                std = [1, 1, 1],
                num_classes = 11221,
            },
            ["eva_large_patch14_196"] = Eva with { img_size = 196 },
            ["eva_large_patch14_336"] = Eva with { img_size = 336 },
            ["flexivit_small"] = Flexi with { embed_dim = 384, num_heads = 6 },
            ["flexivit_base"] = Flexi,
            ["flexivit_large"] = Flexi with { embed_dim = 1024, depth = 24, num_heads = 16 },
            ["vit_intern300m_patch14_448"] = new VitConfig
            {
                embed_dim = 1024,
                depth = 24,
                num_heads = 16,
                patch_size = 14,
                img_size = 448,
                init_values = 0.1,
                final_norm = false,
                dynamic_img_size = true,
                crop_pct = 1,
                num_classes = 0,
            },
        },
    };
}
