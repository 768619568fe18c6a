using Attention.Modules;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Attention.Models.Vision;

/// <summary>A MobileMamba; fields as in the authors' repository.</summary>
public sealed record MobileMambaConfig : ImageModelConfig
{
    /// <summary>Channels of each stage.</summary>
    public int[] embed_dim { get; init; } = [192, 384, 448];
    /// <summary>Blocks of each stage.</summary>
    public int[] depth { get; init; } = [1, 2, 2];
    /// <summary>Share of the channels that are mixed globally, by scans and wavelets, at each stage.</summary>
    public double[] global_ratio { get; init; } = [0.8, 0.7, 0.6];
    /// <summary>Share that are mixed locally, by convolutions; what is left passes by.</summary>
    public double[] local_ratio { get; init; } = [0.2, 0.2, 0.3];
    /// <summary>Sides of the convolutions at each stage.</summary>
    public int[] kernels { get; init; } = [7, 5, 3];
    /// <summary>Channels of the scans in units of those that enter.</summary>
    public double ssm_ratio { get; init; } = 2;
    /// <summary>A second classifier, for distillation; the output is the mean of both.</summary>
    public bool distillation { get; init; }
}

/// <summary>Two 1x1 convolutions with norms. (B, C, H, W) to the same.</summary>
internal sealed class MobileMambaFfn : Block
{
    private readonly ConvNorm pw1;
    private readonly ReLU act;
    private readonly ConvNorm pw2;

    public MobileMambaFfn(int dim, bool zero = true) : base(nameof(MobileMambaFfn))
    {
        pw1 = new ConvNorm(dim, 2 * dim);
        act = nn.ReLU();
        pw2 = new ConvNorm(2 * dim, dim, zero: zero);
        RegisterComponents();
    }

    protected override Tensor Forward(Tensor x) => pw2.call(act.call(pw1.call(x)));
}

/// <summary>
/// Scans of a map row by row, forward and backward, gated by the map itself. (B, C, H, W) to the same. Parameter names as in
/// VMamba. Liu et al., VMamba: Visual State Space Model, 2024 (arXiv:2401.10166).
/// </summary>
internal sealed class BidirectionalScan : Block
{
    /// <summary>Directions, and states of each channel.</summary>
    private const int Directions = 2, States = 1;

    private readonly Parameter x_proj_weight;
    private readonly Parameter Ds;
    private readonly Parameter A_logs;
    private readonly Parameter dt_projs_weight;
    private readonly Parameter dt_projs_bias;
    private readonly LayerNorm2d out_norm;
    private readonly ConvNorm in_proj;
    private readonly Conv2d conv2d;
    private readonly ConvNorm out_proj;
    private readonly int inner, rank;

    public BidirectionalScan(int dim, double ratio) : base(nameof(BidirectionalScan))
    {
        (inner, rank) = ((int)(ratio * dim), (dim + 15) / 16);
        out_norm = new LayerNorm2d(inner, 1e-5);
        in_proj = new ConvNorm(dim, 2 * inner);
        conv2d = nn.Conv2d(inner, inner, kernel_size: 3, padding: 1, groups: inner);
        out_proj = new ConvNorm(inner, dim);
        double reach = 1 / Math.Sqrt(inner);
        x_proj_weight = new Parameter((rand(Directions, rank + 2 * States, inner) * 2 - 1) * reach);
        Ds = new Parameter(ones(Directions * inner));
        A_logs = new Parameter(zeros(Directions * inner, States));
        dt_projs_weight = new Parameter(rand(Directions, inner, rank) * 0.1);
        dt_projs_bias = new Parameter(rand(Directions, inner) * 0.1);
        RegisterComponents();
    }

    protected override Tensor Forward(Tensor x)
    {
        var parts = in_proj.call(x).chunk(2, 1);
        var map = nn.functional.silu(conv2d.call(parts[0]));
        return out_proj.call(out_norm.call(Scan(map.flatten(2)).reshape(map.shape)) * nn.functional.silu(parts[1]));
    }

    // (B, D, L) to the same: the sum of both directions.
    private Tensor Scan(Tensor sequence)
    {
        var both = stack([sequence, sequence.flip(-1)], 1);
        FlopCounter.Add(both.numel() * (2 * rank + 2 * States));
        var projected = matmul(x_proj_weight, both);
        var delta = matmul(dt_projs_weight, projected.narrow(2, 0, rank));
        var y = SelectiveScan.Run(both, delta, -A_logs.view(Directions, inner, States).exp(), projected.narrow(2, rank, States),
            projected.narrow(2, rank + States, States), Ds.view(Directions, inner), dt_projs_bias);
        return y.select(1, 0) + y.select(1, 1).flip(-1);
    }
}

/// <summary>A learned factor of each channel. (B, C, H, W) to the same.</summary>
internal sealed class MapScale : Block
{
    private readonly Parameter weight;

    public MapScale(int dim, double start) : base(nameof(MapScale))
    {
        weight = new Parameter(full([1, dim, 1, 1], start));
        RegisterComponents();
    }

    protected override Tensor Forward(Tensor x) => weight * x;
}

/// <summary>Scans, and convolutions of the map's wavelets. (B, C, H, W) to the same.</summary>
internal sealed class WaveletScan : Block
{
    private readonly Parameter wt_filter;
    private readonly Parameter iwt_filter;
    private readonly BidirectionalScan global_atten;
    private readonly MapScale base_scale;
    private readonly ModuleList<Conv2d> wavelet_convs;
    private readonly ModuleList<MapScale> wavelet_scale;

    public WaveletScan(int dim, int kernel, double ssm_ratio) : base(nameof(WaveletScan))
    {
        (wt_filter, iwt_filter) = (new Parameter(HaarTransform.Filters(dim), requires_grad: false), new Parameter(HaarTransform.Filters(dim), requires_grad: false));
        global_atten = new BidirectionalScan(dim, ssm_ratio);
        base_scale = new MapScale(dim, 1);
        wavelet_convs = nn.ModuleList(nn.Conv2d(4 * dim, 4 * dim, kernel_size: kernel, padding: kernel / 2, groups: 4 * dim, bias: false));
        wavelet_scale = nn.ModuleList(new MapScale(4 * dim, 0.1));
        RegisterComponents();
    }

    protected override Tensor Forward(Tensor x)
    {
        var (height, width) = (x.shape[2], x.shape[3]);
        var even = height % 2 == 0 && width % 2 == 0 ? x : nn.functional.pad(x, [0, width % 2, 0, height % 2]);
        var bands = wavelet_scale[0].call(wavelet_convs[0].call(HaarTransform.Forward(even, wt_filter)));
        return base_scale.call(global_atten.call(x)) + HaarTransform.Inverse(bands, iwt_filter).narrow(2, 0, height).narrow(3, 0, width);
    }
}

/// <summary>Two depthwise convolutions with norms. (B, C, H, W) to the same.</summary>
internal sealed class LocalMix : Block
{
    private readonly Conv2d dwconv3x3;
    private readonly BatchNorm2d bn1;
    private readonly ReLU relu;
    private readonly Conv2d dwconv1x1;
    private readonly BatchNorm2d bn2;

    public LocalMix(int dim, int kernel) : base(nameof(LocalMix))
    {
        dwconv3x3 = nn.Conv2d(dim, dim, kernel_size: kernel, padding: kernel / 2, groups: dim, bias: false);
        bn1 = nn.BatchNorm2d(dim);
        relu = nn.ReLU();
        dwconv1x1 = nn.Conv2d(dim, dim, kernel_size: 1, groups: dim, bias: false);
        bn2 = nn.BatchNorm2d(dim);
        RegisterComponents();
    }

    protected override Tensor Forward(Tensor x) => bn2.call(dwconv1x1.call(relu.call(bn1.call(dwconv3x3.call(x)))));
}

/// <summary>Channels mixed globally, locally and not at all, and a projection. (B, C, H, W) to the same.</summary>
internal sealed class MultiReceptiveField : Block
{
    private readonly LocalMix? local_op;
    private readonly WaveletScan? global_op;
    private readonly Sequential proj;
    private readonly int far, near;

    public MultiReceptiveField(MobileMambaConfig config, int stage) : base(nameof(MultiReceptiveField))
    {
        int dim = config.embed_dim[stage], wanted = (int)(config.local_ratio[stage] * dim);
        // The multiple of 16 that is nearest, the larger of two.
        far = ((int)(config.global_ratio[stage] * dim) + 8) / 16 * 16;
        near = Math.Min(wanted, dim - far);
        if (far > dim)
            throw new UserError($"global_ratio {config.global_ratio[stage]} gives {far} of {dim} channels", "choose a smaller one, or more channels");
        local_op = near > 0 ? new LocalMix(near, config.kernels[stage]) : null;
        global_op = far > 0 ? new WaveletScan(far, config.kernels[stage], config.ssm_ratio) : null;
        proj = nn.Sequential(nn.ReLU(), new ConvNorm(dim, dim, zero: true));
        RegisterComponents();
    }

    protected override Tensor Forward(Tensor x)
    {
        var parts = new List<Tensor>();
        if (global_op is not null)
            parts.Add(global_op.call(x.narrow(1, 0, far)));
        if (local_op is not null)
            parts.Add(local_op.call(x.narrow(1, far, near)));
        if (far + near < x.shape[1])
            parts.Add(x.narrow(1, far + near, x.shape[1] - far - near));
        return proj.call(cat(parts, 1));
    }
}

/// <summary>The mixer under the authors' name. (B, C, H, W) to the same.</summary>
internal sealed class MobileMambaMixer : Block
{
    private readonly MultiReceptiveField attn;

    public MobileMambaMixer(MobileMambaConfig config, int stage) : base(nameof(MobileMambaMixer))
    {
        attn = new MultiReceptiveField(config, stage);
        RegisterComponents();
    }

    protected override Tensor Forward(Tensor x) => attn.call(x);
}

/// <summary>A mixer between convolutions and MLPs, each with a shortcut, and one around all. (B, C, H, W) to the same.</summary>
internal sealed class MobileMambaBlock : Block
{
    private readonly Residual dw0;
    private readonly Residual ffn0;
    private readonly Residual mixer;
    private readonly Residual dw1;
    private readonly Residual ffn1;
    private readonly nn.Module<Tensor, Tensor> drop_path;

    public MobileMambaBlock(MobileMambaConfig config, int stage, double drop) : base(nameof(MobileMambaBlock))
    {
        int dim = config.embed_dim[stage];
        dw0 = new Residual(new ConvNorm(dim, dim, kernel_size: 3, groups: dim, zero: true));
        ffn0 = new Residual(new MobileMambaFfn(dim));
        mixer = new Residual(new MobileMambaMixer(config, stage));
        dw1 = new Residual(new ConvNorm(dim, dim, kernel_size: 3, groups: dim, zero: true));
        ffn1 = new Residual(new MobileMambaFfn(dim));
        drop_path = DropPath.Of(drop);
        RegisterComponents();
    }

    protected override Tensor Forward(Tensor x) => x + drop_path.call(ffn1.call(dw1.call(mixer.call(ffn0.call(dw0.call(x))))));
}

/// <summary>Three convolutions that halve the map. (B, C, H, W) to (B, C', H/2, W/2).</summary>
internal sealed class MobileMambaMerging : Block
{
    private readonly ConvNorm conv1;
    private readonly ReLU act;
    private readonly ConvNorm conv2;
    private readonly SqueezeExcitation se;
    private readonly ConvNorm conv3;

    public MobileMambaMerging(int dim, int outputs) : base(nameof(MobileMambaMerging))
    {
        int hidden = 4 * dim;
        conv1 = new ConvNorm(dim, hidden);
        act = nn.ReLU();
        conv2 = new ConvNorm(hidden, hidden, kernel_size: 3, stride: 2, groups: hidden);
        se = new SqueezeExcitation(hidden, SqueezeExcitation.Hidden(hidden, 0.25));
        conv3 = new ConvNorm(hidden, outputs);
        RegisterComponents();
    }

    protected override Tensor Forward(Tensor x) => conv3.call(se.call(act.call(conv2.call(act.call(conv1.call(x))))));
}

/// <summary>A norm and a linear classifier. (B, C) to (B, num_classes).</summary>
internal sealed class NormLinear : Block
{
    private readonly BatchNorm1d bn;
    private readonly Linear l;

    public NormLinear(int dim, int num_classes) : base(nameof(NormLinear))
    {
        bn = nn.BatchNorm1d(dim);
        l = nn.Linear(dim, num_classes);
        RegisterComponents();
        Linears.Initialise(this);
    }

    public static nn.Module<Tensor, Tensor> Of(int dim, int num_classes) => num_classes > 0 ? new NormLinear(dim, num_classes) : nn.Identity();

    protected override Tensor Forward(Tensor x) => l.call(bn.call(x));
}

/// <summary>
/// MobileMamba: He et al., MobileMamba: Lightweight Multi-Receptive Visual Mamba Network, 2024 (arXiv:2411.15941). Parameter names
/// as in the authors' repository, lewandofskee/MobileMamba. Images of any size are taken.
/// </summary>
public sealed class MobileMamba : StagedModel
{
    private const int StageCount = 3;

    private readonly Sequential patch_embed;
    private readonly Sequential blocks1, blocks2, blocks3;
    private readonly Dropout head_drop;
    private nn.Module<Tensor, Tensor> head;
    private nn.Module<Tensor, Tensor>? head_dist;

    private readonly MobileMambaConfig config;
    private int classes;

    public MobileMamba(MobileMambaConfig config) : base(nameof(MobileMamba))
    {
        this.config = config;
        if (new[] { config.depth.Length, config.embed_dim.Length, config.global_ratio.Length, config.local_ratio.Length, config.kernels.Length }.Any(length => length != StageCount))
            throw new UserError("MobileMamba has three stages", "give embed_dim, depth, global_ratio, local_ratio and kernels 3 numbers");
        int dim = config.embed_dim[0];
        patch_embed = nn.Sequential(
            new ConvNorm(config.in_chans, dim / 8, kernel_size: 3, stride: 2), nn.ReLU(), new ConvNorm(dim / 8, dim / 4, kernel_size: 3, stride: 2), nn.ReLU(),
            new ConvNorm(dim / 4, dim / 2, kernel_size: 3, stride: 2), nn.ReLU(), new ConvNorm(dim / 2, dim, kernel_size: 3, stride: 2));
        var rates = DropPath.StageRates(config.drop_path_rate, config.depth);
        (blocks1, blocks2, blocks3) = (Stage(0, rates[0]), Stage(1, rates[1]), Stage(2, rates[2]));
        head_drop = nn.Dropout(config.drop_rate);
        classes = config.num_classes;
        head = NormLinear.Of(num_features, classes);
        head_dist = config.distillation ? NormLinear.Of(num_features, classes) : null;
        RegisterComponents();
    }

    private Sequential Stage(int stage, double[] rates)
    {
        var blocks = rates.Select(rate => (nn.Module<Tensor, Tensor>)new MobileMambaBlock(config, stage, rate));
        if (stage == 0)
            return nn.Sequential(blocks);
        // Before and after the step down comes a convolution with an MLP.
        static Sequential Beside(int dim) =>
            nn.Sequential(new Residual(new ConvNorm(dim, dim, kernel_size: 3, groups: dim)), new Residual(new MobileMambaFfn(dim)));
        var (before, dim) = (config.embed_dim[stage - 1], config.embed_dim[stage]);
        return nn.Sequential([Beside(before), new MobileMambaMerging(before, dim), Beside(dim), .. blocks]);
    }

    public override int num_classes => classes;
    protected override IReadOnlyList<nn.Module<Tensor, Tensor>> Stages => [blocks1, blocks2, blocks3];
    protected override IReadOnlyList<int> Depths => [.. config.depth.Select((depth, stage) => stage == 0 ? depth : depth + 3)];
    protected override IReadOnlyList<int> Channels => config.embed_dim;
    protected override int FirstStride => 16;
    protected override string StageName(int stage) => $"blocks{stage + 1}";

    protected override Tensor Stem(Tensor images) => patch_embed.call(images);

    public override Tensor forward_head(Tensor x, bool pre_logits = false)
    {
        using var scope = NewDisposeScope();
        x = head_drop.call(x.mean([2, 3]));
        if (pre_logits)
            return scope.MoveToOuter(x);
        return scope.MoveToOuter(head_dist is null ? head.call(x) : (head.call(x) + head_dist.call(x)) / 2);
    }

    public override void reset_classifier(int num_classes)
    {
        classes = num_classes;
        this.Replace(nameof(head), ref head, NormLinear.Of(num_features, num_classes));
        if (head_dist is not null)
            this.Replace(nameof(head_dist), ref head_dist, NormLinear.Of(num_features, num_classes));
    }

    // --- variants --------------------------------------------------------------------------------

    private static readonly MobileMambaConfig S6 = new();
    private static readonly MobileMambaConfig B1 = S6 with { img_size = 256, embed_dim = [200, 376, 448], depth = [2, 3, 2], drop_path_rate = 0.03 };

    /// <summary>The variants, by the authors' names.</summary>
    public static ModelFamily<MobileMambaConfig> Family { get; } = new()
    {
        Name = "MobileMamba",
        Reference = "He et al., MobileMamba: Lightweight Multi-Receptive Visual Mamba Network, 2024 (arXiv:2411.15941)",
        Build = config => new MobileMamba(config),
        Table = new Dictionary<string, MobileMambaConfig>
        {
            ["mobilemamba_t2"] = S6 with { img_size = 192, embed_dim = [144, 272, 368] },
            ["mobilemamba_t4"] = S6 with { img_size = 192, embed_dim = [176, 368, 448] },
            ["mobilemamba_s6"] = S6,
            ["mobilemamba_b1"] = B1,
            ["mobilemamba_b2"] = B1 with { img_size = 384 },
            ["mobilemamba_b4"] = B1 with { img_size = 512 },
        },
    };
}
