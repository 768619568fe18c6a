using Attention.Modules;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Attention.Models.Vision;

/// <summary>An STViT; fields as in the authors' repository.</summary>
public sealed record StVitConfig : AttentionHostConfig
{
    /// <summary>Channels of each stage.</summary>
    public int[] embed_dim { get; init; } = [64, 128, 320, 512];
    /// <summary>Blocks of each stage.</summary>
    public int[] depths { get; init; } = [3, 5, 9, 3];
    /// <summary>Heads of each stage.</summary>
    public int[] num_heads { get; init; } = [1, 2, 5, 8];
    /// <summary>How often positions are associated with super tokens, at each stage.</summary>
    public int[] n_iter { get; init; } = [1, 1, 1, 1];
    /// <summary>Side of a super token's cell at each stage; 1 for attention between all positions.</summary>
    public int[] stoken_size { get; init; } = [8, 4, 1, 1];
    /// <summary>Width of the MLP in units of the channels.</summary>
    public double mlp_ratio { get; init; } = 4;
    public bool qkv_bias { get; init; } = true;
    /// <summary>Channels before the head.</summary>
    public int projection { get; init; } = 1024;
    /// <summary>Stages whose branches have learned factors.</summary>
    public bool[] layerscale { get; init; } = [false, false, false, false];
    /// <summary>Where those start.</summary>
    public double init_values { get; init; } = 1e-5;
    public double attn_drop_rate { get; init; }
}

/// <summary>A depthwise 3x3 convolution, added to the map. (B, C, H, W) to the same.</summary>
internal sealed class ResidualDepthwise : Block
{
    private readonly Conv2d conv;

    public ResidualDepthwise(long dim) : base(nameof(ResidualDepthwise))
    {
        conv = nn.Conv2d(dim, dim, kernel_size: 3, padding: 1, groups: dim);
        RegisterComponents();
    }

    protected override Tensor Forward(Tensor x) => x + conv.call(x);
}

/// <summary>Layer norm over channels under the authors' name. (B, C, H, W) to (B, H, W, C).</summary>
internal sealed class StVitNorm : Block
{
    private readonly LayerNorm norm;

    public StVitNorm(long dim) : base(nameof(StVitNorm))
    {
        norm = nn.LayerNorm(dim, 1e-6);
        RegisterComponents();
    }

    protected override Tensor Forward(Tensor x) => norm.call(x.permute(0, 2, 3, 1));
}

/// <summary>Two 1x1 convolutions with GELU and a depthwise convolution between them. (B, C, H, W) to the same.</summary>
internal sealed class StVitMlp : Block
{
    private readonly Conv2d fc1;
    private readonly GELU act1;
    private readonly Conv2d fc2;
    private readonly Dropout drop;
    private readonly ResidualDepthwise conv;

    public StVitMlp(long dim, long hidden, double drop_rate) : base(nameof(StVitMlp))
    {
        fc1 = nn.Conv2d(dim, hidden, kernel_size: 1);
        act1 = nn.GELU();
        fc2 = nn.Conv2d(hidden, dim, kernel_size: 1);
        drop = nn.Dropout(drop_rate);
        conv = new ResidualDepthwise(hidden);
        RegisterComponents();
    }

    protected override Tensor Forward(Tensor x) => drop.call(fc2.call(conv.call(drop.call(act1.call(fc1.call(x))))));
}

/// <summary>Positions by a convolution, super token attention and an MLP. (B, C, H, W) to the same.</summary>
internal sealed class StVitBlock : Block
{
    private readonly ResidualDepthwise pos_embed;
    private readonly StVitNorm norm1;
    private readonly nn.Module<Tensor, Tensor> attn;
    private readonly nn.Module<Tensor, Tensor> drop_path;
    private readonly BatchNorm2d norm2;
    private readonly StVitMlp mlp2;
    private readonly Parameter? gamma_1;
    private readonly Parameter? gamma_2;
    private readonly HostedAttention mixer;

    public StVitBlock(StVitConfig config, int stage, int index, double drop) : base(nameof(StVitBlock))
    {
        int dim = config.embed_dim[stage];
        pos_embed = new ResidualDepthwise(dim);
        norm1 = new StVitNorm(dim);
        mixer = new HostedAttention(config.attention ?? new SuperTokenAttentionConfig
        {
            stoken_size = config.stoken_size[stage],
            n_iter = config.n_iter[stage],
            qkv_bias = config.qkv_bias,
            attn_drop = config.attn_drop_rate,
            proj_drop = config.drop_rate,
        }, config.Site(dim, config.num_heads[stage], 4 << stage, index));
        attn = mixer.Module;
        drop_path = DropPath.Of(drop);
        norm2 = nn.BatchNorm2d(dim);
        mlp2 = new StVitMlp(dim, (long)(dim * config.mlp_ratio), config.drop_rate);
        if (config.layerscale[stage])
            (gamma_1, gamma_2) = (new Parameter(full([1, dim, 1, 1], config.init_values)), new Parameter(full([1, dim, 1, 1], config.init_values)));
        RegisterComponents();
    }

    private static Tensor Scaled(Parameter? gamma, Tensor x) => gamma is null ? x : gamma * x;

    protected override Tensor Forward(Tensor x)
    {
        x = pos_embed.call(x);
        x = x + drop_path.call(Scaled(gamma_1, mixer.OnMap(norm1.call(x)).permute(0, 3, 1, 2)));
        return x + drop_path.call(Scaled(gamma_2, mlp2.call(norm2.call(x))));
    }
}

/// <summary>The stem, or a step down. (B, C, H, W) to (B, C', H/4, W/4), or to half the size.</summary>
internal sealed class StVitEmbed : Block
{
    private readonly Sequential proj;

    private StVitEmbed(Sequential proj) : base(nameof(StVitEmbed))
    {
        this.proj = proj;
        RegisterComponents();
    }

    private static Conv2d Convolution(long inputs, long outputs, int stride) => nn.Conv2d(inputs, outputs, kernel_size: 3, stride: stride, padding: 1);

    /// <summary>Four convolutions, where the norm comes after the activation.</summary>
    public static StVitEmbed Stem(long inputs, long dim) => new(nn.Sequential(
        Convolution(inputs, dim / 2, 2), nn.GELU(), nn.BatchNorm2d(dim / 2),
        Convolution(dim / 2, dim / 2, 1), nn.GELU(), nn.BatchNorm2d(dim / 2),
        Convolution(dim / 2, dim, 2), nn.GELU(), nn.BatchNorm2d(dim),
        Convolution(dim, dim, 1), nn.GELU(), nn.BatchNorm2d(dim)));

    public static StVitEmbed Down(long inputs, long outputs) => new(nn.Sequential(Convolution(inputs, outputs, 2), nn.BatchNorm2d(outputs)));

    protected override Tensor Forward(Tensor x) => proj.call(x);
}

/// <summary>
/// STViT: Huang et al., Vision Transformer with Super Token Sampling, 2023 (arXiv:2211.11167), also called SViT. Parameter names
/// as in the authors' repository, hhb072/STViT. Images of any size are taken; cells are padded.
/// </summary>
public sealed class StVit : LayeredModel
{
    private readonly Conv2d proj;
    private readonly BatchNorm2d norm;
    private readonly SiLU swish;

    public StVit(StVitConfig config) : base(nameof(StVit), Checked(config), "layers", config.depths, config.embed_dim,
        StVitEmbed.Stem(config.in_chans, config.embed_dim[0]),
        (stage, index, rate) => new StVitBlock(config, stage, index, rate),
        stage => StVitEmbed.Down(config.embed_dim[stage], config.embed_dim[stage + 1]), config.projection)
    {
        proj = nn.Conv2d(config.embed_dim[^1], config.projection, kernel_size: 1);
        norm = nn.BatchNorm2d(config.projection);
        swish = nn.SiLU();
        RegisterComponents();
    }

    private static StVitConfig Checked(StVitConfig config) =>
        new[] { config.embed_dim.Length, config.num_heads.Length, config.n_iter.Length, config.stoken_size.Length, config.layerscale.Length }
            .All(length => length == config.depths.Length) ? config
            : throw new UserError($"depths has {config.depths.Length} stages, other fields have another number",
                "give embed_dim, num_heads, n_iter, stoken_size and layerscale one entry for each stage");

    public override int layer_of(string parameter) =>
        parameter.StartsWith("proj.", StringComparison.Ordinal) ? num_layers - 1 : base.layer_of(parameter);

    protected override Tensor AfterStages(Tensor x) => swish.call(norm.call(proj.call(x)));

    // --- variants --------------------------------------------------------------------------------

    private static readonly StVitConfig Small = new();
    private static readonly StVitConfig Base = Small with
    {
        embed_dim = [96, 192, 384, 512],
        depths = [4, 6, 14, 6],
        num_heads = [2, 3, 6, 8],
        layerscale = [false, false, true, true],
        init_values = 1e-6,
    };

    /// <summary>The variants, by the authors' names.</summary>
    public static ModelFamily<StVitConfig> Family { get; } = new()
    {
        Name = "STViT",
        Reference = "Huang et al., Vision Transformer with Super Token Sampling, 2023 (arXiv:2211.11167)",
        Build = config => new StVit(config),
        Table = new Dictionary<string, StVitConfig>
        {
            ["stvit_small"] = Small,
            ["stvit_base"] = Base,
            ["stvit_large"] = Base with { embed_dim = [96, 192, 448, 640], depths = [4, 7, 19, 8], num_heads = [2, 3, 7, 10] },
        },
    };
}
