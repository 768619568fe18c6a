using Attention.Modules;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Attention.Models.Vision;

/// <summary>An XCiT; fields as in timm.</summary>
public sealed record XcitConfig : AttentionHostConfig
{
    /// <summary>Side of a patch, 8 or 16.</summary>
    public int patch_size { get; init; } = 16;
    public int embed_dim { get; init; } = 128;
    public int depth { get; init; } = 12;
    public int num_heads { get; init; } = 4;
    /// <summary>Width of the MLP in units of embed_dim.</summary>
    public double mlp_ratio { get; init; } = 4;
    public bool qkv_bias { get; init; } = true;
    /// <summary>Blocks after the others, in which the class token attends to the patches.</summary>
    public int cls_attn_layers { get; init; } = 2;
    public bool use_pos_embed { get; init; } = true;
    /// <summary>Start of the layer scales.</summary>
    public double eta { get; init; } = 1;
    /// <summary>Those blocks norm all tokens before their MLP, not the class token alone.</summary>
    public bool tokens_norm { get; init; } = true;
    /// <summary>What the head sees: the class token (token), the mean of the patches (avg), or every token ("").</summary>
    public string global_pool { get; init; } = "token";
    public double norm_eps { get; init; } = 1e-6;
    public double pos_drop_rate { get; init; }
    public double proj_drop_rate { get; init; }
    public double attn_drop_rate { get; init; }
}

/// <summary>Sines and cosines of row and column, through a 1x1 convolution: the positions of a map. (B, H, W, C) to (B, C, H, W).</summary>
internal sealed class FourierPositions : Block
{
    private const int Frequencies = 32;

    private readonly Conv2d token_projection;

    public FourierPositions(int dim) : base(nameof(FourierPositions))
    {
        token_projection = nn.Conv2d(Frequencies * 2, dim, kernel_size: 1);
        RegisterComponents();
    }

    protected override Tensor Forward(Tensor x)
    {
        var (height, width) = (x.shape[1], x.shape[2]);
        var rows = Waves(height, x.device).unsqueeze(1).expand(height, width, Frequencies);
        var columns = Waves(width, x.device).unsqueeze(0).expand(height, width, Frequencies);
        var waves = cat([rows, columns], -1).permute(2, 0, 1).unsqueeze(0).to(x.dtype);
        return token_projection.call(waves).expand(x.shape[0], -1, -1, -1);
    }

    // (length, frequencies), sine and cosine in turn; a side measures 2 pi.
    private static Tensor Waves(long length, Device device)
    {
        var place = arange(1, length + 1, ScalarType.Float32, device) / (length + 1e-6) * (2 * Math.PI);
        var exponent = arange(0, Frequencies / 2, ScalarType.Float32, device) * (2.0 / Frequencies);
        var angles = place.unsqueeze(1) / (exponent * Math.Log(10000)).exp();
        return stack([angles.sin(), angles.cos()], -1).flatten(1);
    }
}

/// <summary>Patches by overlapping convolutions, each to half the size. (B, in_chans, H, W) to (B, H/patch, W/patch, C).</summary>
internal sealed class XcitPatchEmbed : Block
{
    private readonly Sequential proj;

    public XcitPatchEmbed(XcitConfig config) : base(nameof(XcitPatchEmbed))
    {
        if (config.patch_size is not (8 or 16))
            throw new UserError($"patch_size {config.patch_size} is not possible", "choose 8 or 16");
        int steps = config.patch_size == 16 ? 4 : 3;
        var layers = new List<nn.Module<Tensor, Tensor>>();
        int before = config.in_chans;
        for (int step = 0; step < steps; step++)
        {
            int after = config.embed_dim >> (steps - 1 - step);
            if (step > 0)
                layers.Add(nn.GELU());
            layers.Add(nn.Sequential(nn.Conv2d(before, after, kernel_size: 3, stride: 2, padding: 1, bias: false), nn.BatchNorm2d(after)));
            before = after;
        }
        proj = nn.Sequential(layers);
        RegisterComponents();
    }

    protected override Tensor Forward(Tensor x)
    {
        x = proj.call(x);
        var (batch, height, width) = (x.shape[0], x.shape[2], x.shape[3]);
        // By way of a sequence: for a single image, libtorch 1.13's batch norm misreads the gradient of a permuted map.
        return x.flatten(2).transpose(1, 2).reshape(batch, height, width, -1);
    }
}

/// <summary>Two depthwise convolutions, by which patches see their neighbours. (B, H, W, C) to the same.</summary>
internal sealed class LocalPatchInteraction : Block
{
    private readonly Conv2d conv1;
    private readonly GELU act;
    private readonly BatchNorm2d bn;
    private readonly Conv2d conv2;

    public LocalPatchInteraction(int dim) : base(nameof(LocalPatchInteraction))
    {
        conv1 = nn.Conv2d(dim, dim, kernel_size: 3, padding: 1, groups: dim);
        act = nn.GELU();
        bn = nn.BatchNorm2d(dim);
        conv2 = nn.Conv2d(dim, dim, kernel_size: 3, padding: 1, groups: dim);
        RegisterComponents();
    }

    protected override Tensor Forward(Tensor x) => conv2.call(bn.call(act.call(conv1.call(x.permute(0, 3, 1, 2))))).permute(0, 2, 3, 1);
}

/// <summary>Attention over channels, convolutions over neighbours, and an MLP. (B, H, W, C) to the same.</summary>
internal sealed class XcitBlock : Block
{
    private readonly LayerNorm norm1;
    private readonly nn.Module<Tensor, Tensor> attn;
    private readonly nn.Module<Tensor, Tensor> drop_path1;
    private readonly LayerNorm norm3;
    private readonly LocalPatchInteraction local_mp;
    private readonly nn.Module<Tensor, Tensor> drop_path3;
    private readonly LayerNorm norm2;
    private readonly Mlp mlp;
    private readonly nn.Module<Tensor, Tensor> drop_path2;
    private readonly Parameter gamma1;
    private readonly Parameter gamma3;
    private readonly Parameter gamma2;
    private readonly HostedAttention mixer;

    public XcitBlock(XcitConfig config, int index) : base(nameof(XcitBlock))
    {
        int dim = config.embed_dim;
        norm1 = nn.LayerNorm(dim, config.norm_eps);
        mixer = new HostedAttention(config.attention ?? new CrossCovarianceAttentionConfig
        {
            qkv_bias = config.qkv_bias,
            attn_drop = config.attn_drop_rate,
            proj_drop = config.proj_drop_rate,
        }, config.Site(dim, config.num_heads, config.patch_size, index));
        attn = mixer.Module;
        drop_path1 = DropPath.Of(config.drop_path_rate);
        norm3 = nn.LayerNorm(dim, config.norm_eps);
        local_mp = new LocalPatchInteraction(dim);
        drop_path3 = DropPath.Of(config.drop_path_rate);
        norm2 = nn.LayerNorm(dim, config.norm_eps);
        mlp = new Mlp(dim, (long)(dim * config.mlp_ratio), drop: config.proj_drop_rate);
        drop_path2 = DropPath.Of(config.drop_path_rate);
        gamma1 = new Parameter(full(dim, config.eta));
        gamma3 = new Parameter(full(dim, config.eta));
        gamma2 = new Parameter(full(dim, config.eta));
        RegisterComponents();
    }

    protected override Tensor Forward(Tensor x)
    {
        x = x + drop_path1.call(gamma1 * mixer.OnMap(norm1.call(x)));
        x = x + drop_path3.call(gamma3 * local_mp.call(norm3.call(x)));
        return x + drop_path2.call(gamma2 * mlp.call(norm2.call(x)));
    }
}

/// <summary>The class token attends to all tokens and has an MLP; the others pass by the layer scale alone. (B, N, C) to the same.</summary>
internal sealed class XcitClassBlock : Block
{
    private readonly LayerNorm norm1;
    private readonly ClassAttention attn;
    private readonly LayerNorm norm2;
    private readonly Mlp mlp;
    private readonly Parameter gamma1;
    private readonly Parameter gamma2;
    private readonly bool tokens_norm;

    public XcitClassBlock(XcitConfig config) : base(nameof(XcitClassBlock))
    {
        int dim = config.embed_dim;
        tokens_norm = config.tokens_norm;
        norm1 = nn.LayerNorm(dim, config.norm_eps);
        attn = new ClassAttention(dim, new ClassAttentionConfig
        {
            num_heads = config.num_heads,
            qkv_bias = config.qkv_bias,
            attn_drop = config.attn_drop_rate,
            proj_drop = config.drop_rate,
        });
        norm2 = nn.LayerNorm(dim, config.norm_eps);
        mlp = new Mlp(dim, (long)(dim * config.mlp_ratio), drop: config.drop_rate);
        gamma1 = new Parameter(full(dim, config.eta));
        gamma2 = new Parameter(full(dim, config.eta));
        RegisterComponents();
    }

    protected override Tensor Forward(Tensor x)
    {
        var normed = norm1.call(x);
        x = x + gamma1 * cat([attn.call(normed), Patches(normed)], 1);
        x = tokens_norm ? norm2.call(x) : cat([norm2.call(x.slice(1, 0, 1, 1)), Patches(x)], 1);
        // The patches are doubled here, as in the authors' code.
        return x + cat([gamma2 * mlp.call(x.slice(1, 0, 1, 1)), Patches(x)], 1);
    }

    private static Tensor Patches(Tensor tokens) => tokens.slice(1, 1, tokens.shape[1], 1);
}

/// <summary>
/// XCiT: El-Nouby et al., Cross-Covariance Image Transformers, 2021 (arXiv:2106.09681). Parameter names as in timm's
/// xcit.py. Images of any size are taken.
/// </summary>
public sealed class Xcit : IsotropicModel
{
    private readonly XcitPatchEmbed patch_embed;
    private readonly Parameter cls_token;
    private readonly FourierPositions? pos_embed;
    private readonly Dropout pos_drop;
    private readonly ModuleList<XcitBlock> blocks;
    private readonly ModuleList<XcitClassBlock> cls_attn_blocks;
    private readonly LayerNorm norm;
    private readonly Dropout head_drop;
    private nn.Module<Tensor, Tensor> head;

    private readonly XcitConfig config;
    private int classes;

    public Xcit(XcitConfig config) : base(nameof(Xcit))
    {
        this.config = config;
        if (config.global_pool is not ("token" or "avg" or ""))
            throw new UserError($"global_pool '{config.global_pool}' is not known", "choose token, avg or \"\" (no pooling)");
        int dim = config.embed_dim;
        patch_embed = new XcitPatchEmbed(config);
        cls_token = new Parameter(zeros(1, 1, dim));
        pos_embed = config.use_pos_embed ? new FourierPositions(dim) : null;
        pos_drop = nn.Dropout(config.pos_drop_rate);
        blocks = nn.ModuleList(Enumerable.Range(0, config.depth).Select(i => new XcitBlock(config, i)).ToArray());
        cls_attn_blocks = nn.ModuleList(Enumerable.Range(0, config.cls_attn_layers).Select(_ => new XcitClassBlock(config)).ToArray());
        norm = nn.LayerNorm(dim, config.norm_eps);
        head_drop = nn.Dropout(config.drop_rate);
        classes = config.num_classes;
        head = Linears.Classifier(dim, classes);
        RegisterComponents();
        Linears.Initialise(this);
        using var _ = no_grad();
        nn.init.trunc_normal_(cls_token, std: 0.02);
    }

    public override int num_classes => classes;
    public override int num_features => config.embed_dim;
    public override int num_layers => base.num_layers + cls_attn_blocks.Count;
    public override bool fixed_input_size => false;

    // What stands for the positions' own name in timm is a module here, whose weights are a convolution's.
    public override IReadOnlySet<string> no_weight_decay =>
        named_parameters().Select(p => p.name).Where(name => name == nameof(cls_token) || name.EndsWith(".temperature", StringComparison.Ordinal)).ToHashSet();

    protected override IReadOnlyList<nn.Module<Tensor, Tensor>> Blocks => [.. blocks];
    protected override nn.Module<Tensor, Tensor> FinalNorm => norm;
    protected override int PatchSize => config.patch_size;
    protected override int PrefixTokens => 0;

    public override int layer_of(string parameter)
    {
        var parts = parameter.Split('.');
        return parts[0] == nameof(cls_attn_blocks) ? blocks.Count + 1 + int.Parse(parts[1]) : base.layer_of(parameter);
    }

    protected override Tensor Embed(Tensor images)
    {
        using var scope = NewDisposeScope();
        var map = patch_embed.call(images);
        if (pos_embed is not null)
            map = map + pos_embed.call(map).permute(0, 2, 3, 1);
        return scope.MoveToOuter(pos_drop.call(map));
    }

    protected override Tensor AfterBlocks(Tensor x)
    {
        x = cat([cls_token.expand(x.shape[0], -1, -1), x.flatten(1, 2)], 1);
        foreach (var block in cls_attn_blocks)
            x = block.call(x);
        return x;
    }

    protected override Tensor ToMap(Tensor map, int prefix, long height, long width) => FinalNorm.call(map).permute(0, 3, 1, 2).contiguous();

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

    private static readonly XcitConfig Nano12 = new() { tokens_norm = false, crop_pct = 1 };
    private static readonly XcitConfig Tiny12 = new() { embed_dim = 192, crop_pct = 1 };
    private static readonly XcitConfig Small12 = Tiny12 with { embed_dim = 384, num_heads = 8 };
    private static readonly XcitConfig Tiny24 = Tiny12 with { depth = 24, eta = 1e-5 };
    private static readonly XcitConfig Small24 = Small12 with { depth = 24, eta = 1e-5 };
    private static readonly XcitConfig Medium24 = Small24 with { embed_dim = 512 };
    private static readonly XcitConfig Large24 = Small24 with { embed_dim = 768, num_heads = 16 };

    // Each comes with patches of 16 and 8 pixels, and for images of 224 and 384.
    private static Dictionary<string, XcitConfig> AllOf(params (string Name, XcitConfig Config)[] sizes)
    {
        var table = new Dictionary<string, XcitConfig>();
        foreach (int patch in new[] { 16, 8 })
            foreach (var (name, config) in sizes)
                foreach (int side in new[] { 224, 384 })
                    table[$"xcit_{name}_p{patch}_{side}"] = config with { patch_size = patch, img_size = side };
        return table;
    }

    /// <summary>The variants, by timm's names.</summary>
    public static ModelFamily<XcitConfig> Family { get; } = new()
    {
        Name = "XCiT",
        Reference = "El-Nouby et al., XCiT: Cross-Covariance Image Transformers, 2021 (arXiv:2106.09681)",
        Build = config => new Xcit(config),
        Table = AllOf(("nano_12", Nano12), ("tiny_12", Tiny12), ("small_12", Small12), ("tiny_24", Tiny24),
            ("small_24", Small24), ("medium_24", Medium24), ("large_24", Large24)),
    };
}
