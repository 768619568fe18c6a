using Attention.Modules;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Attention.Models.Vision;

/// <summary>A NAT, DiNAT or ViT with relative positions that keeps one resolution; fields as in the authors' repository.</summary>
public sealed record NatIsotropicConfig : AttentionHostConfig
{
    public int patch_size { get; init; } = 16;
    public int embed_dim { get; init; } = 384;
    public int depth { get; init; } = 12;
    public int num_heads { get; init; } = 12;
    /// <summary>Width of the MLP in units of the channels.</summary>
    public double mlp_ratio { get; init; } = 4;
    public bool qkv_bias { get; init; } = true;
    /// <summary>Side of a neighbourhood; null for attention between all positions.</summary>
    public int? kernel_size { get; init; } = 7;
    /// <summary>Distance of neighbours in every second block.</summary>
    public int dilation { get; init; } = 2;
    public double attn_drop_rate { get; init; }
}

/// <summary>Attention between all positions of a map with a bias for each relative position. (B, H, W, C) to the same.</summary>
internal sealed class BiasedSelfAttention : Block
{
    private readonly Linear qkv;
    private readonly Parameter rpb;
    private readonly Tensor relative_position_index;
    private readonly Linear proj;
    private readonly Dropout proj_drop;
    private readonly int num_heads;
    private readonly double attn_drop;

    public BiasedSelfAttention(NatIsotropicConfig config) : base(nameof(BiasedSelfAttention))
    {
        int dim = config.embed_dim, side = config.img_size / config.patch_size;
        (num_heads, attn_drop) = (config.num_heads, config.attn_drop_rate);
        qkv = nn.Linear(dim, dim * 3, hasBias: config.qkv_bias);
        rpb = new Parameter(zeros(num_heads, 2 * side - 1, 2 * side - 1));
        using (no_grad())
            nn.init.trunc_normal_(rpb, std: 0.02);
        // As in neighbourhood attention, the key's place less the query's.
        using (var index = Windows.RelativePositionIndex(side, side))
            relative_position_index = index.transpose(0, 1).contiguous();
        register_buffer(nameof(relative_position_index), relative_position_index);
        proj = nn.Linear(dim, dim);
        proj_drop = nn.Dropout(config.drop_rate);
        RegisterComponents();
    }

    protected override Tensor Forward(Tensor x)
    {
        var parts = qkv.call(x).flatten(1, 2).unflatten(-1, 3, num_heads, -1).permute(2, 0, 3, 1, 4).unbind(0);
        long tokens = relative_position_index.shape[0];
        var bias = rpb.flatten(1).index_select(1, relative_position_index.view(-1)).view(num_heads, tokens, tokens);
        var attended = ScaledDotProduct.Attend(parts[0], parts[1], parts[2], bias, dropout: training ? attn_drop : 0);
        return proj_drop.call(proj.call(attended.transpose(1, 2).reshape(x.shape)));
    }
}

/// <summary>
/// The isotropic models of Hassani and Shi, Dilated Neighborhood Attention Transformer, 2022 (arXiv:2209.15001). Parameter names
/// as in the authors' repository, SHI-Labs/Neighborhood-Attention-Transformer.
/// </summary>
public sealed class NeighborhoodIsotropic : IsotropicModel
{
    private readonly PaddedPatchEmbed patch_embed;
    private readonly Dropout pos_drop;
    private readonly ModuleList<nn.Module<Tensor, Tensor>> layers;
    private readonly LayerNorm norm;
    private nn.Module<Tensor, Tensor> head;

    private readonly NatIsotropicConfig config;
    private int classes;

    public NeighborhoodIsotropic(NatIsotropicConfig config) : base(nameof(NeighborhoodIsotropic))
    {
        this.config = config;
        int dim = config.embed_dim;
        patch_embed = new PaddedPatchEmbed(config.in_chans, dim, config.patch_size);
        pos_drop = nn.Dropout(config.drop_rate);
        layers = nn.ModuleList(DropPath.Rates(config.drop_path_rate, config.depth).Select((rate, i) =>
            (nn.Module<Tensor, Tensor>)new NatBlock(Attention(config, i), dim, config.mlp_ratio, config.drop_rate, rate, layer_scale: null)).ToArray());
        norm = nn.LayerNorm(dim);
        classes = config.num_classes;
        head = Linears.Classifier(dim, classes);
        RegisterComponents();
        Linears.Initialise(this);
    }

    private static HostedAttention Attention(NatIsotropicConfig config, int index)
    {
        var site = config.Site(config.embed_dim, config.num_heads, config.patch_size, index);
        if (config.attention is { } chosen)
            return new HostedAttention(chosen, site);
        if (config.kernel_size is not { } kernel)
            return new HostedAttention(new BiasedSelfAttention(config), AttentionLayout.Map, site);
        return new HostedAttention(new NeighborhoodAttention(site.Dim, new NeighborhoodAttentionConfig
        {
            num_heads = config.num_heads,
            kernel_size = kernel,
            dilation = index % 2 == 0 ? 1 : config.dilation,
            qkv_bias = config.qkv_bias,
            attn_drop = config.attn_drop_rate,
            proj_drop = config.drop_rate,
        }), AttentionLayout.Map, site);
    }

    public override int num_classes => classes;
    public override int num_features => config.embed_dim;
    protected override IReadOnlyList<nn.Module<Tensor, Tensor>> Blocks => [.. layers];
    protected override nn.Module<Tensor, Tensor> FinalNorm => norm;
    protected override int PatchSize => config.patch_size;
    protected override int PrefixTokens => 0;

    public override IReadOnlyList<FeatureInfo> feature_info =>
        [.. Enumerable.Range(0, config.depth).Select(i => new FeatureInfo($"layers.{i}", num_features, PatchSize))];

    public override int layer_of(string parameter) => parameter.StartsWith("layers.", StringComparison.Ordinal)
        ? int.Parse(parameter.Split('.')[1]) + 1 : base.layer_of(parameter);

    public override IReadOnlySet<string> no_weight_decay =>
        named_parameters().Select(p => p.name).Where(name => name.EndsWith(".rpb", StringComparison.Ordinal)).ToHashSet();

    protected override Tensor Embed(Tensor images)
    {
        RequireSize(images, config.img_size);
        return pos_drop.call(patch_embed.call(images));
    }

    // Blocks keep the map, (B, H, W, C).
    protected override Tensor ToMap(Tensor tokens, int prefix, long height, long width) => FinalNorm.call(tokens).permute(0, 3, 1, 2).contiguous();

    public override Tensor forward_head(Tensor x, bool pre_logits = false)
    {
        using var scope = NewDisposeScope();
        x = x.mean([1, 2]);
        return scope.MoveToOuter(pre_logits ? x : head.call(x));
    }

    public override void reset_classifier(int num_classes)
    {
        classes = num_classes;
        this.Replace(nameof(head), ref head, Linears.Classifier(num_features, num_classes));
    }

    // --- variants --------------------------------------------------------------------------------

    private static readonly NatIsotropicConfig Small = new() { drop_path_rate = 0.1, crop_pct = 0.875 };
    private static readonly NatIsotropicConfig Base = Small with { embed_dim = 768, num_heads = 24, drop_path_rate = 0.4 };

    /// <summary>The variants, by the authors' names.</summary>
    public static ModelFamily<NatIsotropicConfig> Family { get; } = new()
    {
        Name = "NAT and DiNAT, isotropic",
        Reference = "Hassani and Shi, Dilated Neighborhood Attention Transformer, 2022 (arXiv:2209.15001)",
        Build = config => new NeighborhoodIsotropic(config),
        Table = new Dictionary<string, NatIsotropicConfig>
        {
            ["vitrpb_small"] = Small with { kernel_size = null },
            ["nat_isotropic_small"] = Small with { dilation = 1 },
            ["dinat_isotropic_small"] = Small,
            ["vitrpb_base"] = Base with { kernel_size = null },
            ["nat_isotropic_base"] = Base with { dilation = 1 },
            ["dinat_isotropic_base"] = Base,
        },
    };
}
