using Attention.Modules;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Attention.Models.Vision;

/// <summary>A Transformer in Transformer; fields as in timm.</summary>
public sealed record TntConfig : AttentionHostConfig
{
    public int patch_size { get; init; } = 16;
    /// <summary>Channels of a patch.</summary>
    public int embed_dim { get; init; } = 384;
    /// <summary>Channels of a pixel embedding.</summary>
    public int inner_dim { get; init; } = 24;
    public int depth { get; init; } = 12;
    public int num_heads_inner { get; init; } = 4;
    public int num_heads_outer { get; init; } = 6;
    /// <summary>Width of the patches' MLP in units of embed_dim; that of the pixels' is 4 inner_dim.</summary>
    public double mlp_ratio { get; init; } = 4;
    public bool qkv_bias { get; init; }
    /// <summary>Image pixels per pixel embedding, along each side.</summary>
    public int first_stride { get; init; } = 4;
    /// <summary>As in timm's first release: pixels embedded before the patches are cut, and norms of pixels instead of patches.</summary>
    public bool legacy { get; init; }
    /// <summary>What the head sees: the class token (token), the mean of the patches (avg), or every token ("").</summary>
    public string global_pool { get; init; } = "token";
    public double norm_eps { get; init; } = 1e-5;
    public double pos_drop_rate { get; init; }
    public double proj_drop_rate { get; init; }
    public double attn_drop_rate { get; init; }

    /// <summary>Patches along a side of the image.</summary>
    internal int Grid => img_size / patch_size;

    /// <summary>Pixel embeddings along a side of a patch.</summary>
    internal int Pixels => (patch_size + first_stride - 1) / first_stride;
}

/// <summary>Self-attention with a layer for queries and keys and one for values. (B, N, C) to the same.</summary>
internal sealed class TntAttention : Block
{
    private readonly Linear qk;
    private readonly Linear v;
    private readonly Linear proj;
    private readonly Dropout proj_drop;
    private readonly int num_heads;
    private readonly double attn_drop;

    public TntAttention(TntConfig config, int dim, int num_heads) : base(nameof(TntAttention))
    {
        if (num_heads < 1 || dim % num_heads != 0)
            throw new UserError($"{dim} channels do not divide into {num_heads} heads", "choose num_heads_inner to divide inner_dim, and num_heads_outer embed_dim");
        this.num_heads = num_heads;
        attn_drop = config.attn_drop_rate;
        qk = nn.Linear(dim, dim * 2, hasBias: config.qkv_bias);
        v = nn.Linear(dim, dim, hasBias: config.qkv_bias);
        proj = nn.Linear(dim, dim);
        proj_drop = nn.Dropout(config.proj_drop_rate);
        RegisterComponents();
    }

    protected override Tensor Forward(Tensor x)
    {
        var (batch, tokens, dim) = (x.shape[0], x.shape[1], x.shape[2]);
        var parts = qk.call(x).reshape(batch, tokens, 2, num_heads, dim / num_heads).permute(2, 0, 3, 1, 4).unbind(0);
        var values = v.call(x).reshape(batch, tokens, num_heads, dim / num_heads).transpose(1, 2);
        var attended = ScaledDotProduct.Attend(parts[0], parts[1], values, dropout: training ? attn_drop : 0);
        return proj_drop.call(proj.call(attended.transpose(1, 2).reshape(batch, tokens, dim)));
    }
}

/// <summary>
/// A block for the pixels of each patch, whose result is added to the patch, and a block for the patches, whose attention
/// can be any.
/// </summary>
internal sealed class TntBlock : MultiBlock
{
    private readonly LayerNorm norm_in;
    private readonly TntAttention attn_in;
    private readonly LayerNorm norm_mlp_in;
    private readonly Mlp mlp_in;
    private readonly LayerNorm norm1_proj;
    private readonly Linear proj;
    private readonly LayerNorm? norm2_proj;
    private readonly LayerNorm norm_out;
    private readonly nn.Module<Tensor, Tensor> attn_out;
    private readonly nn.Module<Tensor, Tensor> drop_path;
    private readonly LayerNorm norm_mlp;
    private readonly Mlp mlp;
    private readonly HostedAttention mixer;

    public TntBlock(TntConfig config, int index, double drop) : base(nameof(TntBlock))
    {
        var (inner, outer, eps) = (config.inner_dim, config.embed_dim, config.norm_eps);
        int joined = inner * config.Pixels * config.Pixels;
        norm_in = nn.LayerNorm(inner, eps);
        attn_in = new TntAttention(config, inner, config.num_heads_inner);
        norm_mlp_in = nn.LayerNorm(inner, eps);
        mlp_in = new Mlp(inner, inner * 4, drop: config.proj_drop_rate);
        norm1_proj = nn.LayerNorm(config.legacy ? inner : joined, eps);
        proj = nn.Linear(joined, outer, hasBias: config.legacy);
        norm2_proj = config.legacy ? null : nn.LayerNorm(outer, eps);
        norm_out = nn.LayerNorm(outer, eps);
        var site = config.Site(outer, config.num_heads_outer, config.patch_size, index, prefix_tokens: 1);
        mixer = config.attention is { } chosen ? new HostedAttention(chosen, site)
            : new HostedAttention(new TntAttention(config, outer, config.num_heads_outer), AttentionLayout.Sequence, site);
        attn_out = mixer.Module;
        drop_path = DropPath.Of(drop);
        norm_mlp = nn.LayerNorm(outer, eps);
        mlp = new Mlp(outer, (long)(outer * config.mlp_ratio), drop: config.proj_drop_rate);
        RegisterComponents();
    }

    /// <summary>Pixels (B N, P², inner_dim) and class token and patches (B, 1 + N, embed_dim), to the same.</summary>
    protected override Tensor[] Forward(Tensor[] x)
    {
        var (pixels, patches) = (x[0], x[1]);
        pixels = pixels + drop_path.call(attn_in.call(norm_in.call(pixels)));
        pixels = pixels + drop_path.call(mlp_in.call(norm_mlp_in.call(pixels)));

        var (batch, tokens) = (patches.shape[0], patches.shape[1]);
        var inside = norm2_proj is null
            ? proj.call(norm1_proj.call(pixels).reshape(batch, tokens - 1, -1))
            : norm2_proj.call(proj.call(norm1_proj.call(pixels.reshape(batch, tokens - 1, -1))));
        patches = cat([patches.slice(1, 0, 1, 1), patches.slice(1, 1, tokens, 1) + inside], 1);
        patches = patches + drop_path.call(mixer.OnTokens(norm_out.call(patches)));
        return [pixels, patches + drop_path.call(mlp.call(norm_mlp.call(patches)))];
    }
}

/// <summary>Embeds the pixels of each patch by a convolution. (B, C, H, W) to (B N, P², inner_dim).</summary>
internal sealed class PixelEmbed : Block
{
    private readonly Conv2d proj;
    private readonly TntConfig config;
    private readonly Func<Tensor> positions;

    /// <param name="config">The model's.</param>
    /// <param name="positions">The model's embeddings of a pixel's place in its patch, (1, inner_dim, P, P).</param>
    public PixelEmbed(TntConfig config, Func<Tensor> positions) : base(nameof(PixelEmbed))
    {
        this.config = config;
        this.positions = positions;
        proj = nn.Conv2d(config.in_chans, config.inner_dim, kernel_size: 7, stride: config.first_stride, padding: 3);
        RegisterComponents();
    }

    protected override Tensor Forward(Tensor x)
    {
        x = config.legacy ? Cut(proj.call(x), config.Pixels) : proj.call(Cut(x, config.patch_size));
        return (x + positions()).flatten(2).transpose(1, 2);
    }

    // (B, C, H, W) to (B N, C, side, side); what is left over at the bottom and right is dropped.
    private Tensor Cut(Tensor x, int side)
    {
        int grid = config.Grid;
        var (batch, channels) = (x.shape[0], x.shape[1]);
        x = x.slice(2, 0, grid * side, 1).slice(3, 0, grid * side, 1);
        return x.reshape(batch, channels, grid, side, grid, side).permute(0, 2, 4, 1, 3, 5).reshape(batch * grid * grid, channels, side, side);
    }
}

/// <summary>
/// TNT: Han et al., Transformer in Transformer, 2021 (arXiv:2103.00112). Parameter names as in timm's tnt.py.
/// </summary>
public sealed class TransformerInTransformer : ImageModel
{
    private readonly PixelEmbed pixel_embed;
    private readonly LayerNorm norm1_proj;
    private readonly Linear proj;
    private readonly LayerNorm norm2_proj;
    private readonly Parameter cls_token;
    private readonly Parameter patch_pos;
    private readonly Parameter pixel_pos;
    private readonly Dropout pos_drop;
    private readonly ModuleList<TntBlock> blocks;
    private readonly LayerNorm norm;
    private readonly Dropout head_drop;
    private nn.Module<Tensor, Tensor> head;

    private readonly TntConfig config;
    private int classes;

    public TransformerInTransformer(TntConfig config) : base(nameof(TransformerInTransformer))
    {
        this.config = config;
        Check(config);
        int dim = config.embed_dim;
        int joined = config.inner_dim * config.Pixels * config.Pixels;
        pixel_pos = new Parameter(zeros(1, config.inner_dim, config.Pixels, config.Pixels));
        pixel_embed = new PixelEmbed(config, () => pixel_pos!);
        norm1_proj = nn.LayerNorm(joined, config.norm_eps);
        proj = nn.Linear(joined, dim);
        norm2_proj = nn.LayerNorm(dim, config.norm_eps);
        cls_token = new Parameter(zeros(1, 1, dim));
        patch_pos = new Parameter(zeros(1, config.Grid * config.Grid + 1, dim));
        pos_drop = nn.Dropout(config.pos_drop_rate);
        blocks = nn.ModuleList(DropPath.Rates(config.drop_path_rate, config.depth).Select((rate, i) => new TntBlock(config, i, rate)).ToArray());
        norm = nn.LayerNorm(dim, config.norm_eps);
        head_drop = nn.Dropout(config.drop_rate);
        classes = config.num_classes;
        head = Linears.Classifier(dim, classes);
        RegisterComponents();
        InitialiseWeights();
    }

    public override int num_classes => classes;
    public override int num_features => config.embed_dim;
    public override int num_layers => config.depth + 2;
    public override bool fixed_input_size => true;

    public override IReadOnlyList<FeatureInfo> feature_info =>
        [.. Enumerable.Range(0, config.depth).Select(i => new FeatureInfo($"blocks.{i}", num_features, config.patch_size))];

    public override IReadOnlySet<string> no_weight_decay => new HashSet<string> { nameof(patch_pos), nameof(pixel_pos), nameof(cls_token) };

    public override int layer_of(string parameter)
    {
        var parts = parameter.Split('.');
        return parts[0] switch
        {
            "blocks" => int.Parse(parts[1]) + 1,
            "norm" or "head" => num_layers - 1,
            _ => 0,
        };
    }

    private static void Check(TntConfig config)
    {
        if (config.global_pool is not ("token" or "avg" or ""))
            throw new UserError($"global_pool '{config.global_pool}' is not known", "choose token, avg or \"\" (no pooling)");
        if (config.img_size < config.patch_size)
            throw new UserError($"img_size {config.img_size} is smaller than a patch of {config.patch_size}", "choose a larger img_size");
        if (config.legacy && config.patch_size % config.first_stride != 0)
            throw new UserError($"patch_size {config.patch_size} is no multiple of first_stride {config.first_stride}", "choose one that is, or legacy: false");
    }

    private void InitialiseWeights()
    {
        using var _ = no_grad();
        nn.init.trunc_normal_(cls_token, std: 0.02);
        nn.init.trunc_normal_(patch_pos, std: 0.02);
        nn.init.trunc_normal_(pixel_pos, std: 0.02);
        Linears.Initialise(this);
    }

    // Pixels (B N, P², inner_dim), and class token and patches (B, 1 + N, embed_dim).
    private Tensor[] Embed(Tensor images)
    {
        RequireSize(images, config.img_size);
        long batch = images.shape[0];
        var pixels = pixel_embed.call(images);
        var patches = norm2_proj.call(proj.call(norm1_proj.call(pixels.reshape(batch, config.Grid * config.Grid, -1))));
        return [pixels, pos_drop.call(cat([cls_token.expand(batch, -1, -1), patches], 1) + patch_pos)];
    }

    private static Tensor[] Next(TntBlock block, Tensor[] x)
    {
        var next = block.call(x);
        foreach (var tensor in x)
            tensor.Dispose();
        return next;
    }

    /// <summary>Class token and patches (B, 1 + N, embed_dim).</summary>
    public override Tensor forward_features(Tensor x)
    {
        using var scope = NewDisposeScope();
        var tokens = Embed(x);
        foreach (var block in blocks)
            tokens = Next(block, tokens);
        return scope.MoveToOuter(norm.call(tokens[1]));
    }

    public override Tensor[] forward_intermediates(Tensor x, IReadOnlyList<int>? indices = null)
    {
        using var scope = NewDisposeScope();
        var wanted = indices ?? [.. Enumerable.Range(0, config.depth)];
        var features = new Tensor[wanted.Count];
        var tokens = Embed(x);
        for (int i = 0; i <= wanted.Max(); i++)
        {
            tokens = Next(blocks[i], tokens);
            for (int j = 0; j < wanted.Count; j++)
                if (wanted[j] == i)
                    features[j] = scope.MoveToOuter(ToMap(tokens[1]));
        }
        return features;
    }

    private Tensor ToMap(Tensor tokens) =>
        norm.call(tokens).slice(1, 1, tokens.shape[1], 1).transpose(1, 2).reshape(tokens.shape[0], num_features, config.Grid, config.Grid);

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

    private static readonly TntConfig Small = new() { crop_pct = 0.9, mean = [0.5, 0.5, 0.5], std = [0.5, 0.5, 0.5] };

    /// <summary>The variants, by timm's names.</summary>
    public static ModelFamily<TntConfig> Family { get; } = new()
    {
        Name = "TNT",
        Reference = "Han et al., Transformer in Transformer, 2021 (arXiv:2103.00112)",
        Build = config => new TransformerInTransformer(config),
        Table = new Dictionary<string, TntConfig>
        {
            ["tnt_s_legacy_patch16_224"] = Small with { legacy = true },
            ["tnt_s_patch16_224"] = Small,
            ["tnt_b_patch16_224"] = Small with { embed_dim = 640, inner_dim = 40, num_heads_outer = 10 },
        },
    };
}
