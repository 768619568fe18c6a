using Attention.Modules;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Attention.Models.Vision;

/// <summary>A TransNeXt; fields as in the authors' repository.</summary>
public sealed record TransNeXtConfig : AttentionHostConfig
{
    /// <summary>Side of the images of the first training, to whose coordinates positions are scaled; null for img_size.</summary>
    public int? pretrain_size { get; init; }
    /// <summary>Whether the position bias is made anew for maps of another size, beyond what was trained, rather than interpolated.</summary>
    public bool is_extrapolation { get; init; }
    /// <summary>Side of the first patches' stride.</summary>
    public int patch_size { get; init; } = 4;
    /// <summary>Blocks of each stage.</summary>
    public int[] depths { get; init; } = [2, 2, 15, 2];
    /// <summary>Channels of each stage.</summary>
    public int[] embed_dims { get; init; } = [72, 144, 288, 576];
    /// <summary>Heads of each stage.</summary>
    public int[] num_heads { get; init; } = [3, 6, 12, 24];
    /// <summary>Width of the MLP in units of the channels, at each stage.</summary>
    public double[] mlp_ratios { get; init; } = [8, 8, 4, 4];
    /// <summary>Side of the window around each position, at each stage; null or 0 where attention is to the whole map.</summary>
    public int?[] window_size { get; init; } = [3, 3, 3, null];
    /// <summary>Positions of a side that one pooled key stands for, at each stage; 1 for attention to the whole map, one by one.</summary>
    public int[] sr_ratios { get; init; } = [8, 4, 2, 1];
    /// <summary>Side of the pooled maps, whatever the image's size; null to let sr_ratios decide.</summary>
    public int? fixed_pool_size { get; init; }
    public bool qkv_bias { get; init; } = true;
    public double attn_drop_rate { get; init; }
    /// <summary>Heads that every token uses, at each stage, where heads are a mixture as in MoH; null for no mixture.</summary>
    public int[]? shared_head { get; init; }
    /// <summary>Heads that each token chooses among the others, at each stage.</summary>
    public int[]? routed_head { get; init; }
    /// <summary>Weight of the loss that balances the use of heads.</summary>
    public double balance_weight { get; init; } = HeadRouter.DefaultBalanceWeight;
}

/// <summary>Attention and a gated MLP with a convolution. (B, H, W, C) to the same.</summary>
internal sealed class TransNeXtBlock : Block
{
    // Of the norms before and after; those inside an attention and of patches have 1e-5.
    internal const double NormEps = 1e-6;

    private readonly LayerNorm norm1;
    private readonly nn.Module<Tensor, Tensor> attn;
    private readonly LayerNorm norm2;
    private readonly ConvolutionalGlu mlp;
    private readonly nn.Module<Tensor, Tensor> drop_path;
    private readonly HostedAttention mixer;

    public TransNeXtBlock(TransNeXtConfig config, int stage, int index, double drop) : base(nameof(TransNeXtBlock))
    {
        int dim = config.embed_dims[stage];
        norm1 = nn.LayerNorm(dim, NormEps);
        mixer = new HostedAttention(config.attention ?? Own(config, stage), config.Site(dim, config.num_heads[stage], config.patch_size << stage, index));
        attn = mixer.Module;
        norm2 = nn.LayerNorm(dim, NormEps);
        mlp = new ConvolutionalGlu(dim, (int)(dim * config.mlp_ratios[stage]), config.drop_rate);
        drop_path = DropPath.Of(drop);
        RegisterComponents();
    }

    private static CosineAttentionConfig Own(TransNeXtConfig config, int stage)
    {
        int Side(int pixels) => pixels / (config.patch_size << stage);
        CosineAttentionConfig kind = config.sr_ratios[stage] == 1 ? new LengthScaledAttentionConfig() : new AggregatedAttentionConfig
        {
            window_size = config.window_size[stage] ?? 0,
            sr_ratio = config.sr_ratios[stage],
            fixed_pool_size = config.fixed_pool_size,
        };
        return kind with
        {
            qkv_bias = config.qkv_bias,
            trained_size = config.is_extrapolation ? null : Side(config.img_size),
            pretrain_size = Side(config.pretrain_size ?? config.img_size),
            attn_drop = config.attn_drop_rate,
            proj_drop = config.drop_rate,
            shared_head = config.shared_head?[stage],
            routed_head = config.routed_head?[stage] ?? 0,
            balance_weight = config.balance_weight,
        };
    }

    protected override Tensor Forward(Tensor x)
    {
        x = x + drop_path.call(mixer.OnMap(norm1.call(x)));
        return x + drop_path.call(mlp.call(norm2.call(x)));
    }
}

/// <summary>A step down, its blocks and a norm; they belong to the model, under the reference's names. Gives (B, C, H, W).</summary>
internal sealed class TransNeXtStage(OverlapPatchEmbed down, IReadOnlyList<TransNeXtBlock> blocks, LayerNorm norm) : Block(nameof(TransNeXtStage))
{
    protected override Tensor Forward(Tensor x)
    {
        x = down.call(x);
        foreach (var block in blocks)
            using (var input = x)
                x = block.call(input);
        return norm.call(x).permute(0, 3, 1, 2);
    }
}

/// <summary>
/// TransNeXt: Shi, TransNeXt: Robust Foveal Visual Perception for Vision Transformers, 2024 (arXiv:2311.17132). Parameter
/// names as in the authors' repository, DaiShiResearch/TransNeXt. With shared_head and routed_head it is MoH-ViT.
/// Images of other sizes than img_size are taken as the authors' detectors do.
/// </summary>
public sealed class TransNeXt : StagedModel
{
    // The authors exempt every parameter with one of these in its name.
    private static readonly string[] undecayed = ["query_embedding", "relative_pos_bias_local", "cpb", "temperature"];

    private readonly TransNeXtConfig config;
    private readonly TransNeXtStage[] stages;
    private nn.Module<Tensor, Tensor> head;
    private int classes;

    public TransNeXt(TransNeXtConfig config) : base(nameof(TransNeXt))
    {
        this.config = config;
        Check(config);
        var rates = DropPath.StageRates(config.drop_path_rate, config.depths);
        stages = [.. rates.Select((rate, stage) => MakeStage(stage, rate))];
        classes = config.num_classes;
        head = Linears.Classifier(num_features, classes);
        RegisterComponents();
        Linears.Initialise(this);
        Convolutions.Initialise(this);
    }

    private TransNeXtStage MakeStage(int stage, double[] rates)
    {
        int dim = config.embed_dims[stage];
        var down = stage == 0
            ? new OverlapPatchEmbed(config.in_chans, dim, patch_size: config.patch_size * 2 - 1, stride: config.patch_size)
            : new OverlapPatchEmbed(config.embed_dims[stage - 1], dim, patch_size: 3, stride: 2);
        var blocks = nn.ModuleList(rates.Select((rate, i) => new TransNeXtBlock(config, stage, i, rate)).ToArray());
        var norm = nn.LayerNorm(dim, TransNeXtBlock.NormEps);
        register_module($"patch_embed{stage + 1}", down);
        register_module(StageName(stage), blocks);
        register_module($"norm{stage + 1}", norm);
        return new TransNeXtStage(down, [.. blocks], norm);
    }

    private static void Check(TransNeXtConfig config)
    {
        int count = config.depths.Length;
        int?[] lengths = [config.embed_dims.Length, config.num_heads.Length, config.mlp_ratios.Length, config.window_size.Length,
            config.sr_ratios.Length, config.shared_head?.Length, config.routed_head?.Length];
        if (lengths.Any(length => length is not null && length != count))
            throw new UserError($"depths has {count} stages, other fields have another number",
                "give embed_dims, num_heads, mlp_ratios, window_size, sr_ratios, shared_head and routed_head one number for each stage");
    }

    public override int num_classes => classes;
    protected override IReadOnlyList<nn.Module<Tensor, Tensor>> Stages => stages;
    protected override IReadOnlyList<int> Depths => config.depths;
    protected override IReadOnlyList<int> Channels => config.embed_dims;
    protected override int FirstStride => config.patch_size;
    protected override string StageName(int stage) => $"block{stage + 1}";

    public override IReadOnlyList<FeatureInfo> feature_info =>
        [.. base.feature_info.Select((info, stage) => info with { Module = $"norm{stage + 1}" })];

    public override IReadOnlySet<string> no_weight_decay =>
        named_parameters().Select(p => p.name).Where(name => undecayed.Any(part => name.Contains(part, StringComparison.Ordinal))).ToHashSet();

    public override int layer_of(string parameter)
    {
        // A step down goes with the first block after it, a norm with the last block before it.
        var part = parameter.Split('.')[0];
        int stage = part[^1] - '1';
        if (part.StartsWith("patch_embed", StringComparison.Ordinal) && stage > 0)
            return base.layer_of($"{StageName(stage)}.0.");
        if (part.StartsWith("norm", StringComparison.Ordinal) && stage < Depths.Count - 1)
            return base.layer_of($"{StageName(stage)}.{Depths[stage] - 1}.");
        return base.layer_of(parameter);
    }

    protected override Tensor Stem(Tensor images) => images.alias();

    public override Tensor forward_head(Tensor x, bool pre_logits = false)
    {
        using var scope = NewDisposeScope();
        x = x.mean([2, 3]);
        return scope.MoveToOuter(pre_logits ? x : head.call(x));
    }

    public override void reset_classifier(int num_classes)
    {
        classes = num_classes;
        this.Replace(nameof(head), ref head, Linears.Classifier(num_features, num_classes));
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing)
            foreach (var stage in stages)
                stage.Dispose();
        base.Dispose(disposing);
    }

    // --- variants --------------------------------------------------------------------------------

    private static readonly TransNeXtConfig Tiny = new();
    private static readonly TransNeXtConfig Micro = Tiny with { embed_dims = [48, 96, 192, 384], num_heads = [2, 4, 8, 16] };
    private static readonly TransNeXtConfig Aggregated = Micro with { window_size = [3, 3, 3, 3], sr_ratios = [16, 8, 4, 2] };
    internal static readonly TransNeXtConfig Small = Tiny with { depths = [5, 5, 22, 5] };
    internal static readonly TransNeXtConfig Base = new() { depths = [5, 5, 23, 5], embed_dims = [96, 192, 384, 768], num_heads = [4, 8, 16, 32] };
    private static TransNeXtConfig Wide(TransNeXtConfig config) => config with { img_size = 384, pretrain_size = 224, crop_pct = 1 };

    /// <summary>The variants, by the authors' names; those with a size are their configs for it.</summary>
    public static ModelFamily<TransNeXtConfig> Family { get; } = new()
    {
        Name = "TransNeXt",
        Reference = "Shi, TransNeXt: Robust Foveal Visual Perception for Vision Transformers, 2024 (arXiv:2311.17132)",
        Build = config => new TransNeXt(config),
        Table = new Dictionary<string, TransNeXtConfig>
        {
            ["transnext_micro"] = Micro,
            ["transnext_tiny"] = Tiny,
            ["transnext_small"] = Small,
            ["transnext_base"] = Base,
            ["transnext_micro_AAAA"] = Aggregated,
            ["transnext_micro_AAAA_256"] = Aggregated with { img_size = 256 },
            ["transnext_small_384"] = Wide(Small),
            ["transnext_base_384"] = Wide(Base),
        },
    };
}
