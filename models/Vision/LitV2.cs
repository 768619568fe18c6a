using Attention.Modules;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Attention.Models.Vision;

/// <summary>A LITv2; fields as in the authors' repository.</summary>
public sealed record LitV2Config : AttentionHostConfig
{
    public int patch_size { get; init; } = 4;
    /// <summary>Channels of the first stage; each further one has twice as many.</summary>
    public int embed_dim { get; init; } = 96;
    /// <summary>Blocks of each stage.</summary>
    public int[] depths { get; init; } = [2, 2, 6, 2];
    /// <summary>Heads of each stage.</summary>
    public int[] num_heads { get; init; } = [3, 6, 12, 24];
    /// <summary>1 where a stage's blocks have attention, 0 where they are MLPs alone.</summary>
    public int[] has_msa { get; init; } = [0, 0, 1, 1];
    /// <summary>Side of the windows at each stage.</summary>
    public int[] local_ws { get; init; } = [0, 0, 2, 1];
    /// <summary>Share of the heads that see low frequencies.</summary>
    public double alpha { get; init; } = 0.9;
    /// <summary>Width of the MLP in units of the channels.</summary>
    public double mlp_ratio { get; init; } = 4;
    public bool qkv_bias { get; init; } = true;
}

/// <summary>Attention, where the stage has it, and an MLP, each after a norm and added to its input. (B, H, W, C) to the same.</summary>
internal sealed class LitV2Block : Block
{
    private readonly LayerNorm? norm1;
    private readonly nn.Module<Tensor, Tensor>? attn;
    private readonly nn.Module<Tensor, Tensor> drop_path;
    private readonly LayerNorm norm2;
    private readonly DepthwiseMlp mlp;
    private readonly HostedAttention? mixer;

    public LitV2Block(LitV2Config config, int stage, int index, double drop) : base(nameof(LitV2Block))
    {
        int dim = config.embed_dim << stage;
        if (config.has_msa[stage] == 1 || config.attention is not null)
        {
            norm1 = nn.LayerNorm(dim);
            mixer = new HostedAttention(config.attention ?? new HiLoAttentionConfig { window_size = config.local_ws[stage], alpha = config.alpha, qkv_bias = config.qkv_bias },
                config.Site(dim, config.num_heads[stage], config.patch_size << stage, index));
            attn = mixer.Module;
        }
        drop_path = DropPath.Of(drop);
        norm2 = nn.LayerNorm(dim);
        mlp = new DepthwiseMlp(dim, (long)(dim * config.mlp_ratio), config.drop_rate);
        RegisterComponents();
    }

    protected override Tensor Forward(Tensor x)
    {
        if (mixer is not null)
            x = x + drop_path.call(mixer.OnMap(norm1!.call(x)));
        return x + drop_path.call(mlp.call(norm2.call(x)));
    }
}

/// <summary>Deformable token merging: each 2x2 tokens, moved by offsets, to one. (B, H, W, C) to (B, H/2, W/2, 2C).</summary>
internal sealed class DeformableMerging : Block
{
    private readonly DeformableConvolution dconv;
    private readonly BatchNorm2d norm_layer;
    private readonly GELU act_layer;

    public DeformableMerging(int dim) : base(nameof(DeformableMerging))
    {
        dconv = new DeformableConvolution(dim, 2 * dim, kernel_size: 2);
        norm_layer = nn.BatchNorm2d(2 * dim);
        act_layer = nn.GELU();
        RegisterComponents();
    }

    protected override Tensor Forward(Tensor x) => act_layer.call(norm_layer.call(dconv.call(x.permute(0, 3, 1, 2)))).permute(0, 2, 3, 1);
}

/// <summary>
/// LITv2: Pan et al., Fast Vision Transformers with HiLo Attention, 2022 (arXiv:2205.13213). Parameter names as in the authors'
/// repository, ziplab/LITv2. Images of any size that the patches divide are taken; windows are padded.
/// </summary>
public sealed class LitV2 : LayeredModel
{
    private readonly LayerNorm norm;

    public LitV2(LitV2Config config) : base(nameof(LitV2), Checked(config), "layers", config.depths, [.. config.depths.Select((_, i) => config.embed_dim << i)],
        new PatchEmbed(config.img_size, config.patch_size, config.in_chans, config.embed_dim, flatten: false, norm_eps: 1e-5),
        (stage, index, rate) => new LitV2Block(config, stage, index, rate),
        stage => new DeformableMerging(config.embed_dim << stage))
    {
        norm = nn.LayerNorm(num_features);
        RegisterComponents();
    }

    private static LitV2Config Checked(LitV2Config config) =>
        new[] { config.num_heads.Length, config.has_msa.Length, config.local_ws.Length }.All(length => length == config.depths.Length) ? config
            : throw new UserError($"depths has {config.depths.Length} stages, other fields have another number", "give num_heads, has_msa and local_ws one number for each stage");

    protected override bool ChannelsLast => true;

    protected override Tensor AfterStages(Tensor x) => norm.call(x);

    // --- variants --------------------------------------------------------------------------------

    private static readonly LitV2Config Small = new() { crop_pct = 0.875 };
    private static readonly LitV2Config Medium = Small with { depths = [2, 2, 18, 2] };
    private static readonly LitV2Config Base = Medium with { embed_dim = 128, num_heads = [4, 8, 16, 32] };

    /// <summary>The variants, by the authors' names.</summary>
    public static ModelFamily<LitV2Config> Family { get; } = new()
    {
        Name = "LITv2",
        Reference = "Pan et al., Fast Vision Transformers with HiLo Attention, 2022 (arXiv:2205.13213)",
        Build = config => new LitV2(config),
        Table = new Dictionary<string, LitV2Config>
        {
            ["litv2_small"] = Small,
            ["litv2_medium"] = Medium,
            ["litv2_base"] = Base,
            ["litv2_base_384"] = Base with { img_size = 384, crop_pct = 1 },
        },
    };
}
