using Attention.Modules;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Attention.Models.Vision;

/// <summary>A BEiT, an EVA-02 or one of their relatives; fields as in timm.</summary>
public sealed record BeitConfig : AttentionHostConfig
{
    public int patch_size { get; init; } = 16;
    public int embed_dim { get; init; } = 768;
    public int depth { get; init; } = 12;
    public int num_heads { get; init; } = 12;
    /// <summary>Width of the MLP in units of embed_dim.</summary>
    public double mlp_ratio { get; init; } = 4;
    /// <summary>One layer for queries, keys and values, or one for each.</summary>
    public bool qkv_fused { get; init; } = true;
    /// <summary>Whether queries and values have a bias.</summary>
    public bool qkv_bias { get; init; } = true;
    /// <summary>Which of timm's attentions: eva, whose keys have no bias, or rope, whose keys have one with the others.</summary>
    public string attn_type { get; init; } = "eva";
    /// <summary>Half of the MLP gates the other, by SiLU.</summary>
    public bool swiglu_mlp { get; init; }
    /// <summary>What the gated MLP's width is rounded up to a multiple of; its gate has a layer of its own then. 0 for neither.</summary>
    public int swiglu_align_to { get; init; }
    /// <summary>Layer norm inside the gated MLP.</summary>
    public bool scale_mlp { get; init; }
    /// <summary>Layer norm inside the attention, before its last layer.</summary>
    public bool scale_attn_inner { get; init; }
    /// <summary>Norms at the end of each branch rather than at its start.</summary>
    public bool use_post_norm { get; init; }
    /// <summary>A norm before the blocks, and no bias in the patch embedding.</summary>
    public bool use_pre_transformer_norm { get; init; }
    /// <summary>The last norm before the pooling; null for that where it does not come after.</summary>
    public bool? use_post_transformer_norm { get; init; }
    public bool class_token { get; init; } = true;
    /// <summary>A learned embedding of each position.</summary>
    public bool use_abs_pos_emb { get; init; } = true;
    /// <summary>No such embedding for class and register tokens.</summary>
    public bool no_embed_class { get; init; }
    /// <summary>A learned bias of relative positions in each block.</summary>
    public bool use_rel_pos_bias { get; init; }
    /// <summary>Rotary embedding of queries and keys.</summary>
    public bool use_rot_pos_emb { get; init; }
    /// <summary>Patches along a side to whose positions the rotary embedding scales; null for positions as they are.</summary>
    public int? ref_feat_size { get; init; } = 16;
    /// <summary>cat: as in EVA-02; dinov3: positions from -1 to 1 whatever the grid; mixed: with learned frequencies.</summary>
    public string rope_type { get; init; } = "cat";
    /// <summary>How much slower the slowest pair of channels turns than the fastest.</summary>
    public double rope_temperature { get; init; } = 10000;
    /// <summary>Position of the first row and column, in patches; of rope_type cat alone.</summary>
    public double rope_grid_offset { get; init; }
    /// <summary>The axis that comes first in the rotary embedding: the row (ij) or the column (xy).</summary>
    public string rope_grid_indexing { get; init; } = "ij";
    /// <summary>Tokens of no patch beside the class token, which the head does not see.</summary>
    public int num_reg_tokens { get; init; }
    /// <summary>Images of any size that divides into patches, rather than of img_size alone.</summary>
    public bool dynamic_img_size { get; init; }
    /// <summary>Start of the layer scales; null for a model without them.</summary>
    public double? init_values { get; init; }
    /// <summary>What the head sees: the mean of the patches (avg), the class token (token), or all tokens' pooling by attention (map).</summary>
    public string global_pool { get; init; } = "avg";
    /// <summary>Heads of that pooling; null for num_heads.</summary>
    public int? attn_pool_num_heads { get; init; }
    /// <summary>Width of its MLP in units of embed_dim; null for mlp_ratio.</summary>
    public double? attn_pool_mlp_ratio { get; init; }
    /// <summary>The last norm after the pooling instead of before it; null for that where the mean is taken.</summary>
    public bool? use_fc_norm { get; init; }
    public double norm_eps { get; init; } = 1e-6;
    public double pos_drop_rate { get; init; }
    public double proj_drop_rate { get; init; }
    public double attn_drop_rate { get; init; }

    internal int PrefixTokens => (class_token ? 1 : 0) + num_reg_tokens;
}

/// <summary>Attention and MLP with layer scale. (B, N, C) to the same.</summary>
internal sealed class BeitBlock : Block
{
    private readonly LayerNorm norm1;
    private readonly nn.Module<Tensor, Tensor> attn;
    private readonly Parameter? gamma_1;
    private readonly nn.Module<Tensor, Tensor> drop_path1;
    private readonly LayerNorm norm2;
    private readonly nn.Module<Tensor, Tensor> mlp;
    private readonly Parameter? gamma_2;
    private readonly nn.Module<Tensor, Tensor> drop_path2;
    private readonly HostedAttention mixer;
    private readonly bool postNorm;

    public BeitBlock(BeitConfig config, int index, double drop_path, IRotary? rotary) : base(nameof(BeitBlock))
    {
        int dim = config.embed_dim;
        var site = config.Site(dim, config.num_heads, config.patch_size, index, config.PrefixTokens);
        postNorm = config.use_post_norm;
        norm1 = nn.LayerNorm(dim, config.norm_eps);
        mixer = config.attention is { } chosen ? new HostedAttention(chosen, site) : new HostedAttention(Own(config, rotary), AttentionLayout.Sequence, site);
        attn = mixer.Module;
        gamma_1 = config.init_values is { } start ? new Parameter(full(dim, start)) : null;
        drop_path1 = DropPath.Of(drop_path);
        norm2 = nn.LayerNorm(dim, config.norm_eps);
        long hidden = (long)(dim * config.mlp_ratio);
        long aligned = Aligned(hidden, config.swiglu_align_to);
        mlp = !config.swiglu_mlp ? new Mlp(dim, hidden, drop: config.proj_drop_rate)
            : config.scale_mlp || config.swiglu_align_to > 0
                ? new SwiGlu(dim, aligned, config.proj_drop_rate, config.scale_mlp ? nn.LayerNorm(aligned, config.norm_eps) : null)
            : new GluMlp(dim, hidden * 2, drop: config.proj_drop_rate);
        gamma_2 = config.init_values is { } again ? new Parameter(full(dim, again)) : null;
        drop_path2 = DropPath.Of(drop_path);
        RegisterComponents();
    }

    private static long Aligned(long width, int unit) => unit > 0 ? (width + unit - 1) / unit * unit : width;

    private static PositionedSelfAttention Own(BeitConfig config, IRotary? rotary) => new(config.embed_dim, new PositionedSelfAttentionConfig
    {
        num_heads = config.num_heads,
        qkv_fused = config.qkv_fused,
        qkv_bias = config.qkv_bias,
        key_bias = config.attn_type == "rope",
        relative_grid = config.use_rel_pos_bias ? config.img_size / config.patch_size : null,
        scale_norm = config.scale_attn_inner,
        attn_drop = config.attn_drop_rate,
        proj_drop = config.proj_drop_rate,
        norm_eps = config.norm_eps,
    }, rotary);

    protected override Tensor Forward(Tensor x)
    {
        x = x + drop_path1.call(Branch(mixer.OnTokens, norm1, gamma_1, x));
        return x + drop_path2.call(Branch(mlp.call, norm2, gamma_2, x));
    }

    private Tensor Branch(Func<Tensor, Tensor> branch, LayerNorm norm, Parameter? gamma, Tensor x)
    {
        x = postNorm ? norm.call(branch(x)) : branch(norm.call(x));
        return gamma is null ? x : gamma * x;
    }

    /// <summary>Later blocks start smaller: the last layer of each branch is divided by sqrt(2 depth).</summary>
    public void ScaleByDepth(int depth)
    {
        foreach (var (name, parameter) in named_parameters())
            if (name is "attn.proj.weight" or "mlp.fc2.weight")
                parameter.div_(Math.Sqrt(2.0 * depth));
    }
}

/// <summary>
/// BEiT: Bao et al., BERT Pre-Training of Image Transformers, 2021 (arXiv:2106.08254), version 2: Peng et al., 2022
/// (arXiv:2208.06366); with rotary embedding and gated MLP EVA-02: Fang et al., 2023 (arXiv:2303.11331), and with register
/// tokens too DINOv3: Siméoni et al., 2025 (arXiv:2508.10104). The variants of each stand in a file of their own. Parameter
/// names as in timm's beit.py and eva.py.
/// </summary>
public sealed class Beit : IsotropicModel
{
    private readonly Parameter? cls_token;
    private readonly Parameter? reg_token;
    private readonly Parameter? pos_embed;
    private readonly PatchEmbed patch_embed;
    private readonly Dropout pos_drop;
    private readonly MixedRotary? rope;
    private readonly nn.Module<Tensor, Tensor> norm_pre;
    private readonly ModuleList<nn.Module<Tensor, Tensor>> blocks;
    private readonly nn.Module<Tensor, Tensor> norm;
    private readonly AttentionPool? attn_pool;
    private readonly nn.Module<Tensor, Tensor> fc_norm;
    private readonly Dropout head_drop;
    private nn.Module<Tensor, Tensor> head;

    private readonly BeitConfig config;
    private readonly RotaryGrid? rotary;
    private int classes;

    public Beit(BeitConfig config) : base(nameof(Beit))
    {
        this.config = config;
        Check(config);
        int dim = config.embed_dim;
        patch_embed = new PatchEmbed(config.img_size, config.patch_size, config.in_chans, dim, bias: !config.use_pre_transformer_norm);
        cls_token = config.class_token ? new Parameter(zeros(1, 1, dim)) : null;
        reg_token = config.num_reg_tokens > 0 ? new Parameter(zeros(1, config.num_reg_tokens, dim)) : null;
        pos_embed = config.use_abs_pos_emb ? new Parameter(zeros(1, patch_embed.num_patches + PositionedPrefix, dim)) : null;
        pos_drop = nn.Dropout(config.pos_drop_rate);
        bool rotates = config.use_rot_pos_emb && config.attention is null;
        rope = rotates && config.rope_type == "mixed" ? LearnedRotary(config, patch_embed.grid_size) : null;
        rotary = rotates && rope is null ? FixedRotary(config, patch_embed.grid_size) : null;
        norm_pre = config.use_pre_transformer_norm ? nn.LayerNorm(dim, config.norm_eps) : nn.Identity();
        var rates = DropPath.Rates(config.drop_path_rate, config.depth);
        blocks = nn.ModuleList(rates.Select((rate, i) =>
            (nn.Module<Tensor, Tensor>)new BeitBlock(config, i, rate, rope is null ? rotary : rope.Of(i))).ToArray());
        bool afterPool = config.use_fc_norm ?? config.global_pool == "avg";
        norm = config.use_post_transformer_norm ?? !afterPool ? nn.LayerNorm(dim, config.norm_eps) : nn.Identity();
        attn_pool = config.global_pool == "map"
            ? new AttentionPool(dim, config.attn_pool_num_heads ?? config.num_heads, config.attn_pool_mlp_ratio ?? config.mlp_ratio, "layernorm", config.norm_eps, "gelu")
            : null;
        fc_norm = afterPool ? nn.LayerNorm(dim, config.norm_eps) : nn.Identity();
        head_drop = nn.Dropout(config.drop_rate);
        classes = config.num_classes;
        head = Linears.Classifier(dim, classes);
        RegisterComponents();
        InitialiseWeights();
    }

    private static void Check(BeitConfig config)
    {
        if (config.global_pool is not ("avg" or "token" or "map"))
            throw new UserError($"global_pool '{config.global_pool}' is not known", "choose avg, token or map");
        if (config.global_pool == "token" && !config.class_token)
            throw new UserError("global_pool 'token' needs a class token", "set class_token: true, or global_pool: avg");
        if (config.use_rel_pos_bias && config.attention is null && config.PrefixTokens != 1)
            throw new UserError("use_rel_pos_bias is for a class token without registers", "set class_token: true and num_reg_tokens: 0");
        if (config.attn_type is not ("eva" or "rope"))
            throw new UserError($"attn_type '{config.attn_type}' is not known", "choose eva or rope");
        if (config.rope_type is not ("cat" or "dinov3" or "mixed"))
            throw new UserError($"rope_type '{config.rope_type}' is not known", "choose cat, dinov3 or mixed");
        if (config.rope_grid_indexing is not ("ij" or "xy"))
            throw new UserError($"rope_grid_indexing '{config.rope_grid_indexing}' is not known", "choose ij or xy");
    }

    private static MixedRotary LearnedRotary(BeitConfig config, int grid_size) => new(config.embed_dim / config.num_heads, config.depth,
        config.num_heads, grid_size, config.PrefixTokens, config.rope_temperature, column_first: config.rope_grid_indexing == "xy");

    private static RotaryGrid FixedRotary(BeitConfig config, int grid_size)
    {
        bool centred = config.rope_type == "dinov3";
        return new RotaryGrid(config.embed_dim / config.num_heads, grid_size, config.PrefixTokens, new RotaryGridOptions
        {
            reference_size = config.ref_feat_size,
            temperature = config.rope_temperature,
            offset = config.rope_grid_offset,
            column_first = !centred && config.rope_grid_indexing == "xy",
            centred = centred,
        });
    }

    public override int num_classes => classes;
    public override int num_features => config.embed_dim;
    protected override IReadOnlyList<nn.Module<Tensor, Tensor>> Blocks => [.. blocks];
    protected override nn.Module<Tensor, Tensor> FinalNorm => norm;
    protected override int PatchSize => config.patch_size;
    protected override int PrefixTokens => config.PrefixTokens;

    private int PositionedPrefix => config.no_embed_class ? 0 : PrefixTokens;

    public override IReadOnlySet<string> no_weight_decay => named_parameters().Select(p => p.name)
        .Where(name => name is "pos_embed" or "cls_token" or "reg_token" or "rope.freqs"
            || name.EndsWith("relative_position_bias_table", StringComparison.Ordinal)).ToHashSet();

    private void InitialiseWeights()
    {
        using var _ = no_grad();
        Linears.Initialise(this);
        if (cls_token is not null)
            nn.init.trunc_normal_(cls_token, std: 0.02);
        if (reg_token is not null)
            nn.init.trunc_normal_(reg_token, std: 0.02);
        if (pos_embed is not null)
            nn.init.trunc_normal_(pos_embed, std: 0.02);
        for (int i = 0; i < blocks.Count; i++)
            ((BeitBlock)blocks[i]).ScaleByDepth(i + 1);
    }

    protected override Tensor Embed(Tensor images)
    {
        using var scope = NewDisposeScope();
        int height = (int)images.shape[2] / config.patch_size;
        int width = (int)images.shape[3] / config.patch_size;
        if (!config.dynamic_img_size && (height, width) != (patch_embed.grid_size, patch_embed.grid_size))
            throw new ArgumentException(
                $"the model takes images of {config.img_size}x{config.img_size}, not {images.shape[2]}x{images.shape[3]}: set img_size, or dynamic_img_size: true");
        rotary?.Fit(height, width);
        rope?.Fit(height, width);
        var tokens = patch_embed.call(images);
        var positions = pos_embed is null ? null : PositionEmbedding.Resample(pos_embed, height, width, PositionedPrefix);
        if (config.no_embed_class && positions is not null)
            tokens = tokens + positions;
        tokens = WithPrefix(tokens);
        if (!config.no_embed_class && positions is not null)
            tokens = tokens + positions;
        return scope.MoveToOuter(norm_pre.call(pos_drop.call(tokens)));
    }

    private Tensor WithPrefix(Tensor patches)
    {
        var parts = new[] { cls_token, reg_token }.OfType<Tensor>().Select(token => token.expand(patches.shape[0], -1, -1)).Append(patches).ToArray();
        return parts.Length == 1 ? patches : cat(parts, 1);
    }

    public override Tensor forward_head(Tensor x, bool pre_logits = false)
    {
        using var scope = NewDisposeScope();
        x = config.global_pool switch
        {
            "avg" => x.slice(1, PrefixTokens, x.shape[1], 1).mean([1]),
            "map" => attn_pool!.call(x),
            _ => x[.., 0],
        };
        x = head_drop.call(fc_norm.call(x));
        return scope.MoveToOuter(pre_logits ? x : head.call(x));
    }

    public override void reset_classifier(int num_classes)
    {
        classes = num_classes;
        this.Replace(nameof(head), ref head, Linears.Classifier(config.embed_dim, num_classes));
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing)
            rotary?.Dispose();
        base.Dispose(disposing);
    }

    // --- variants --------------------------------------------------------------------------------

    private static readonly BeitConfig Base = new()
    {
        use_abs_pos_emb = false,
        use_rel_pos_bias = true,
        init_values = 0.1,
        crop_pct = 0.9,
        mean = [0.5, 0.5, 0.5],
        std = [0.5, 0.5, 0.5],
    };
    private static readonly BeitConfig Large = Base with { embed_dim = 1024, depth = 24, num_heads = 16, init_values = 1e-5 };
    private static BeitConfig Second(BeitConfig config) => config with { init_values = 1e-5, mean = [0.485, 0.456, 0.406], std = [0.229, 0.224, 0.225] };

    /// <summary>The variants, by timm's names.</summary>
    public static ModelFamily<BeitConfig> Family { get; } = new()
    {
        Name = "BEiT",
        Reference = "Bao et al., BEiT: BERT Pre-Training of Image Transformers, 2021 (arXiv:2106.08254)",
        Build = config => new Beit(config),
        Table = new Dictionary<string, BeitConfig>
        {
            ["beit_base_patch16_224"] = Base,
            ["beit_base_patch16_384"] = Base with { img_size = 384, crop_pct = 1 },
            ["beit_large_patch16_224"] = Large,
            ["beit_large_patch16_384"] = Large with { img_size = 384, crop_pct = 1 },
            ["beit_large_patch16_512"] = Large with { img_size = 512, crop_pct = 1 },
            ["beitv2_base_patch16_224"] = Second(Base),
            ["beitv2_large_patch16_224"] = Second(Large) with { crop_pct = 0.95 },
        },
    };
}
