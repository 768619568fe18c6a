using Attention.Modules;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Attention.Models.Vision;

/// <summary>An FcaFormer; fields as in the authors' repository.</summary>
public sealed record FcaFormerConfig : ImageModelConfig
{
    /// <summary>Channels of each stage.</summary>
    public int[] embed_dims { get; init; } = [64, 128, 192, 320];
    /// <summary>Blocks of each stage.</summary>
    public int[] depths { get; init; } = [2, 2, 6, 2];
    /// <summary>Heads of each stage; the first two have convolutions instead.</summary>
    public int[] num_heads { get; init; } = [0, 0, 6, 10];
    /// <summary>Width of the MLP in units of the channels.</summary>
    public double mlp_ratio { get; init; } = 4;
    /// <summary>Where learned factors of a block's branches start.</summary>
    public double layer_scale_init_value { get; init; } = 1e-6;
    /// <summary>Earlier blocks of the stage whose tokens a block attends to besides its own.</summary>
    public int cab_max_d { get; init; } = 12;
}

/// <summary>A ConvNeXt block under the authors' names. (B, C, H, W) to the same.</summary>
internal sealed class FcaConvBlock : Block
{
    private readonly Conv2d dwconv;
    private readonly LayerNorm norm;
    private readonly Linear pwconv1;
    private readonly GELU act;
    private readonly Linear pwconv2;
    private readonly Parameter gamma;
    private readonly nn.Module<Tensor, Tensor> drop_path;

    public FcaConvBlock(int dim, double drop, double layer_scale) : base(nameof(FcaConvBlock))
    {
        dwconv = nn.Conv2d(dim, dim, kernel_size: 7, padding: 3, groups: dim);
        norm = nn.LayerNorm(dim, 1e-6);
        pwconv1 = nn.Linear(dim, 4 * dim);
        act = nn.GELU();
        pwconv2 = nn.Linear(4 * dim, dim);
        gamma = new Parameter(full(dim, layer_scale));
        drop_path = DropPath.Of(drop);
        RegisterComponents();
    }

    protected override Tensor Forward(Tensor x)
    {
        var mixed = pwconv2.call(act.call(pwconv1.call(norm.call(dwconv.call(x).permute(0, 2, 3, 1)))));
        return x + drop_path.call((gamma * mixed).permute(0, 3, 1, 2));
    }
}

/// <summary>A norm and an MLP. (..., C) to the same.</summary>
internal sealed class FcaMlp : Block
{
    private readonly LayerNorm norm;
    private readonly Linear fc1;
    private readonly Linear fc2;
    private readonly GELU act;
    private readonly Dropout drop;

    public FcaMlp(int dim, int hidden, double drop_rate) : base(nameof(FcaMlp))
    {
        norm = nn.LayerNorm(dim);
        fc1 = nn.Linear(dim, hidden);
        fc2 = nn.Linear(hidden, dim);
        act = nn.GELU();
        drop = nn.Dropout(drop_rate);
        RegisterComponents();
    }

    protected override Tensor Forward(Tensor x) => drop.call(fc2.call(drop.call(act.call(fc1.call(norm.call(x))))));
}

/// <summary>
/// Attention of a map's tokens to each other and to coarse tokens of earlier blocks, a depthwise convolution and an MLP.
/// Takes the map (B, H, W, C) and earlier blocks' tokens (B, M, C), if any; gives the map and, except in a stage's last block,
/// its own coarse tokens (B, M', C).
/// </summary>
internal sealed class FcaBlock : MultiBlock
{
    /// <summary>Positions of a side that one coarse token stands for.</summary>
    private const int Step = 4;

    private readonly Parameter gamma_1;
    private readonly Parameter gamma_2;
    private readonly Conv2d? dw_conv;
    private readonly Parameter? s_token_bias;
    private readonly LayerNorm? s_norm;
    private readonly Parameter? s_scale_factors;
    private readonly LayerNorm norm1;
    private readonly Parameter attention_biases;
    private readonly Tensor attention_bias_idxs;
    private readonly Linear qkv;
    private readonly Linear proj;
    private readonly Dropout proj_drop;
    private readonly ConvNorm local_conv;
    private readonly nn.Module<Tensor, Tensor> drop_path;
    private readonly LayerNorm norm2;
    private readonly FcaMlp mlp;

    private readonly int num_heads, side;

    public FcaBlock(FcaFormerConfig config, int stage, int index, double drop) : base(nameof(FcaBlock))
    {
        int dim = config.embed_dims[stage];
        num_heads = config.num_heads[stage];
        if (num_heads < 1 || dim % num_heads != 0)
            throw new UserError($"{dim} channels do not divide into num_heads {num_heads}", "choose a number of heads that divides the channels");
        side = (config.img_size / 4) >> stage;
        (gamma_1, gamma_2) = (new Parameter(full(dim, config.layer_scale_init_value)), new Parameter(full(dim, config.layer_scale_init_value)));
        if (index < config.depths[stage] - 1)
            dw_conv = nn.Conv2d(dim, dim, kernel_size: 7, stride: Step, padding: 3, groups: dim, bias: false);
        if (index > 0)
        {
            int coarse = (side + Step - 1) / Step, others = Math.Min(index, config.cab_max_d) * coarse * coarse;
            s_token_bias = new Parameter(zeros(1, num_heads, 1, others));
            s_norm = nn.LayerNorm(dim);
            s_scale_factors = new Parameter(ones(1, others, 1));
        }
        norm1 = nn.LayerNorm(dim);
        attention_bias_idxs = Distances(side);
        register_buffer(nameof(attention_bias_idxs), attention_bias_idxs, persistent: false);
        attention_biases = new Parameter(zeros(num_heads, side * side));
        qkv = nn.Linear(dim, dim * 3);
        proj = nn.Linear(dim, dim);
        proj_drop = nn.Dropout(config.drop_rate);
        local_conv = new ConvNorm(dim, dim, kernel_size: 3, groups: dim);
        drop_path = DropPath.Of(drop);
        norm2 = nn.LayerNorm(dim);
        mlp = new FcaMlp(dim, (int)(dim * config.mlp_ratio), config.drop_rate);
        RegisterComponents();
    }

    // Which bias each pair of positions has, by the distances of their rows and columns: (side², side²). Since the first position
    // meets all distances in order, they are numbered row by row.
    private static Tensor Distances(int side)
    {
        int tokens = side * side;
        var index = new long[tokens * tokens];
        for (int i = 0; i < tokens; i++)
            for (int j = 0; j < tokens; j++)
                index[i * tokens + j] = Math.Abs(i / side - j / side) * side + Math.Abs(i % side - j % side);
        return tensor(index, [tokens, tokens]);
    }

    protected override Tensor[] Forward(Tensor[] x)
    {
        var tokens = x[0] + drop_path.call(gamma_1 * Attend(norm1.call(x[0]), x.Length > 1 ? x[1] : null));
        var map = tokens.permute(0, 3, 1, 2);
        // Without residual, unlike all else.
        tokens = local_conv.call(map).permute(0, 2, 3, 1);
        var output = tokens + drop_path.call(gamma_2 * mlp.call(norm2.call(tokens)));
        return dw_conv is null ? [output] : [output, dw_conv.call(map).flatten(2).transpose(1, 2)];
    }

    private Tensor Attend(Tensor x, Tensor? earlier)
    {
        Tensor[] Parts(Tensor t) => qkv.call(t).unflatten(-1, 3, num_heads, -1).permute(2, 0, 3, 1, 4).unbind(0);
        var own = Parts(x.flatten(1, 2));
        long tokens = x.shape[1] * x.shape[2];
        var bias = attention_biases.index_select(1, attention_bias_idxs.view(-1)).view(1, num_heads, tokens, tokens);
        var (keys, values) = (own[1], own[2]);
        if (earlier is not null)
        {
            var others = Parts(s_norm!.call(earlier * s_scale_factors!));
            (keys, values) = (cat([keys, others[1]], 2), cat([values, others[2]], 2));
            bias = cat([bias, s_token_bias!.expand(1, num_heads, tokens, s_token_bias.shape[3])], -1);
        }
        var attended = ScaledDotProduct.Attend(own[0], keys, values, bias);
        return proj_drop.call(proj.call(attended.transpose(1, 2).reshape(x.shape)));
    }
}

/// <summary>Three convolutions that halve the map. (B, C, H, W) to (B, C', H/2, W/2), or with the channels last.</summary>
internal sealed class FcaMerging : Block
{
    private readonly GELU act;
    private readonly ConvNorm conv1;
    private readonly ConvNorm conv2;
    private readonly ConvNorm conv3;
    private readonly bool channelsLast;

    public FcaMerging(int dim, int outputs, bool channelsLast) : base(nameof(FcaMerging))
    {
        this.channelsLast = channelsLast;
        act = nn.GELU();
        conv1 = new ConvNorm(dim, outputs);
        conv2 = new ConvNorm(outputs, outputs, kernel_size: 3, stride: 2, groups: outputs);
        conv3 = new ConvNorm(outputs, outputs);
        RegisterComponents();
    }

    protected override Tensor Forward(Tensor x) => channelsLast ? Merged(x.permute(0, 3, 1, 2)).permute(0, 2, 3, 1) : Merged(x);

    private Tensor Merged(Tensor x) => conv3.call(act.call(conv2.call(act.call(conv1.call(x)))));
}

/// <summary>Two strided convolutions. (B, C, H, W) to (B, C', H/4, W/4).</summary>
internal sealed class FcaEmbed : Block
{
    private readonly Sequential seq;

    public FcaEmbed(int in_chans, int dim) : base(nameof(FcaEmbed))
    {
        seq = nn.Sequential(new ConvNorm(in_chans, dim / 2, kernel_size: 3, stride: 2), nn.GELU(), new ConvNorm(dim / 2, dim, kernel_size: 3, stride: 2));
        RegisterComponents();
    }

    protected override Tensor Forward(Tensor x) => seq.call(x);
}

/// <summary>A layer's blocks by number, each with the tokens of earlier ones. (B, H, W, C) to the same.</summary>
internal sealed class FcaBlocks : Block
{
    private readonly FcaBlock[] blocks;
    private readonly int most;

    public FcaBlocks(IEnumerable<FcaBlock> blocks, int most) : base(nameof(FcaBlocks))
    {
        (this.blocks, this.most) = ([.. blocks], most);
        for (int i = 0; i < this.blocks.Length; i++)
            register_module($"{i}", this.blocks[i]);
    }

    protected override Tensor Forward(Tensor x)
    {
        var earlier = new List<Tensor>();
        foreach (var block in blocks)
        {
            var result = block.call(earlier.Count == 0 ? [x] : [x, cat([.. earlier.TakeLast(most)], 1)]);
            x = result[0];
            if (result.Length > 1)
                earlier.Add(result[1]);
        }
        return x;
    }
}

/// <summary>Blocks and the step down that the state dict has after them; the model calls them.</summary>
internal sealed class FcaLayer : nn.Module
{
    private readonly nn.Module<Tensor, Tensor> blocks;
    private readonly FcaMerging? downsample;

    public FcaLayer(nn.Module<Tensor, Tensor> blocks, FcaMerging? downsample) : base(nameof(FcaLayer))
    {
        (this.blocks, this.downsample) = (blocks, downsample);
        RegisterComponents();
    }

    public nn.Module<Tensor, Tensor> Blocks => blocks;
    public FcaMerging? Downsample => downsample;
}

/// <summary>The step down from the layer before, if any, and a layer's blocks, which may have the channels last. (B, C, H, W) to the same of another size.</summary>
internal sealed class FcaStep(FcaMerging? down, bool downLast, nn.Module<Tensor, Tensor> blocks, bool blocksLast) : Block(nameof(FcaStep))
{
    protected override Tensor Forward(Tensor x)
    {
        if (down is not null)
            x = downLast ? down.call(x.permute(0, 2, 3, 1)) : down.call(x);
        if (!blocksLast)
            return blocks.call(x);
        return blocks.call(downLast ? x : x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2);
    }
}

/// <summary>
/// FcaFormer: Zhang et al., FcaFormer: Forward Cross Attention in Hybrid Vision Transformer, 2023 (arXiv:2211.07198). Parameter
/// names as in the authors' repository, hkzhang-git/FcaFormer. Images of img_size alone are taken, for which the biases are.
/// </summary>
public sealed class FcaFormer : StagedModel
{
    private const int StageCount = 4, FirstAttention = 2;

    private readonly FcaEmbed patch_embed;
    private readonly FcaLayer layer_0, layer_1, layer_2, layer_3;
    private readonly LayerNorm norm_head;
    private readonly Dropout head_drop;
    private nn.Module<Tensor, Tensor> head;

    private readonly FcaFormerConfig config;
    private readonly FcaStep[] steps;
    private int classes;

    public FcaFormer(FcaFormerConfig config) : base(nameof(FcaFormer))
    {
        this.config = config;
        if (new[] { config.depths.Length, config.embed_dims.Length, config.num_heads.Length }.Any(length => length != StageCount))
            throw new UserError($"depths has {config.depths.Length} stages, embed_dims {config.embed_dims.Length}, num_heads {config.num_heads.Length}", $"give each {StageCount} numbers");
        patch_embed = new FcaEmbed(config.in_chans, config.embed_dims[0]);
        var rates = DropPath.StageRates(config.drop_path_rate, config.depths);
        var layers = rates.Select((stage, i) => new FcaLayer(
            i < FirstAttention
                ? nn.Sequential(stage.Select(rate => (nn.Module<Tensor, Tensor>)new FcaConvBlock(config.embed_dims[i], rate, config.layer_scale_init_value)))
                : new FcaBlocks(stage.Select((rate, j) => new FcaBlock(config, i, j, rate)), config.cab_max_d),
            i < StageCount - 1 ? new FcaMerging(config.embed_dims[i], config.embed_dims[i + 1], channelsLast: i >= FirstAttention) : null)).ToArray();
        steps = [.. layers.Select((layer, i) => new FcaStep(i > 0 ? layers[i - 1].Downsample : null, i > FirstAttention, layer.Blocks, i >= FirstAttention))];
        (layer_0, layer_1, layer_2, layer_3) = (layers[0], layers[1], layers[2], layers[3]);
        norm_head = nn.LayerNorm(num_features);
        head_drop = nn.Dropout(config.drop_rate);
        classes = config.num_classes;
        head = Linears.Classifier(num_features, classes);
        RegisterComponents();
        Linears.Initialise(this);
        Convolutions.InitialiseTruncated(this);
    }

    public override int num_classes => classes;
    public override bool fixed_input_size => true;
    protected override IReadOnlyList<nn.Module<Tensor, Tensor>> Stages => steps;
    protected override IReadOnlyList<int> Depths => config.depths;
    protected override IReadOnlyList<int> Channels => config.embed_dims;
    protected override string StageName(int stage) => $"layer_{stage}";

    // A step down goes with the first block after it.
    public override int layer_of(string parameter) => parameter.Split('.') is [var layer, "downsample", ..]
        ? base.layer_of($"{StageName(layer[^1] - '0' + 1)}.blocks.0.") : base.layer_of(parameter);

    protected override Tensor Stem(Tensor images)
    {
        RequireSize(images, config.img_size);
        return patch_embed.call(images);
    }

    public override Tensor forward_head(Tensor x, bool pre_logits = false)
    {
        using var scope = NewDisposeScope();
        x = head_drop.call(norm_head.call(x.mean([2, 3])));
        return scope.MoveToOuter(pre_logits ? x : head.call(x));
    }

    public override void reset_classifier(int num_classes)
    {
        classes = num_classes;
        this.Replace(nameof(head), ref head, Linears.Classifier(num_features, num_classes));
    }

    // --- variants --------------------------------------------------------------------------------

    private static readonly FcaFormerConfig L1 = new() { drop_path_rate = 0.1 };

    /// <summary>The variants, by the authors' names.</summary>
    public static ModelFamily<FcaFormerConfig> Family { get; } = new()
    {
        Name = "FcaFormer",
        Reference = "Zhang et al., FcaFormer: Forward Cross Attention in Hybrid Vision Transformer, 2023 (arXiv:2211.07198)",
        Build = config => new FcaFormer(config),
        Table = new Dictionary<string, FcaFormerConfig>
        {
            ["fcaformer_l1"] = L1,
            ["fcaformer_l2"] = L1 with { embed_dims = [96, 192, 320, 480], depths = [2, 2, 7, 2], num_heads = [0, 0, 10, 15] },
            ["fcaformer_l3"] = L1 with { embed_dims = [96, 192, 320, 512], depths = [3, 6, 12, 3], num_heads = [0, 0, 10, 16] },
            ["fcaformer_l4"] = L1 with { embed_dims = [128, 256, 512, 768], depths = [3, 6, 12, 3], num_heads = [0, 0, 16, 24] },
        },
    };
}
