using Attention.Modules;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Attention.Models.Vision;

/// <summary>Weighs channels by the mean over the map. (B, C, H, W) to the same.</summary>
internal sealed class OverLockGate : Block
{
    private readonly Sequential proj;

    public OverLockGate(int dim) : base(nameof(OverLockGate))
    {
        int inner = Math.Max(16, dim / 8);
        proj = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Conv2d(dim, inner, kernel_size: 1), nn.GELU(), nn.Conv2d(inner, dim, kernel_size: 1), nn.Sigmoid());
        RegisterComponents();
    }

    protected override Tensor Forward(Tensor x) => x * proj.call(x);
}

/// <summary>Learned factors and shifts of the channels. (B, C, H, W) to the same.</summary>
internal sealed class AffineScale : Block
{
    private readonly Parameter weight;
    private readonly Parameter bias;

    public AffineScale(int dim, double start) : base(nameof(AffineScale))
    {
        (weight, bias) = (new Parameter(full([dim, 1, 1, 1], start)), new Parameter(zeros(dim)));
        RegisterComponents();
    }

    public static nn.Module<Tensor, Tensor> Of(int dim, double? start) => start is { } value ? new AffineScale(dim, value) : nn.Identity();

    protected override Tensor Forward(Tensor x) => x * weight.view(1, -1, 1, 1) + bias.view(1, -1, 1, 1);
}

/// <summary>Weighs channels by the norms of their maps among each other. (B, C, H, W) to the same.</summary>
internal sealed class ResponseNorm : Block
{
    private readonly Parameter gamma;
    private readonly Parameter beta;

    public ResponseNorm(int dim) : base(nameof(ResponseNorm))
    {
        (gamma, beta) = (new Parameter(zeros(1, dim, 1, 1)), new Parameter(zeros(1, dim, 1, 1)));
        RegisterComponents();
    }

    protected override Tensor Forward(Tensor x)
    {
        var response = linalg.vector_norm(x, dims: [2, 3], keepdim: true);
        return (gamma * (response / (response.mean([1], keepdim: true) + 1e-6)) + 1) * x + beta;
    }
}

/// <summary>
/// A large depthwise convolution with smaller, dilated ones beside it, each with a norm, which one convolution can stand for
/// after training. (B, C, H, W) to the same. Ding et al., UniRepLKNet, 2024 (arXiv:2311.15599).
/// </summary>
internal sealed class DilatedReparam : Block
{
    // Sides of the kernels and their dilations, by the side of the large one.
    private static readonly Dictionary<int, (int Side, int Dilation)[]> branches = new()
    {
        [19] = [(5, 1), (7, 1), (9, 1), (9, 2), (3, 4), (3, 5), (3, 7)],
        [17] = [(5, 1), (7, 1), (9, 2), (3, 4), (3, 5), (3, 7)],
        [15] = [(5, 1), (7, 1), (7, 2), (3, 3), (3, 5), (3, 7)],
        [13] = [(5, 1), (7, 1), (7, 2), (3, 3), (3, 4), (3, 5)],
        [11] = [(5, 1), (7, 1), (5, 2), (3, 3), (3, 4), (3, 5)],
        [9] = [(5, 1), (7, 1), (5, 2), (3, 3), (3, 4)],
        [7] = [(5, 1), (3, 1), (3, 2), (3, 3)],
        [5] = [(3, 1), (3, 2)],
    };

    private readonly Conv2d lk_origin;
    private readonly BatchNorm2d? origin_bn;
    private readonly (Conv2d Convolution, BatchNorm2d Norm)[] beside;

    public DilatedReparam(int dim, int kernel, bool deploy) : base(nameof(DilatedReparam))
    {
        if (!branches.TryGetValue(kernel, out var sides))
            throw new UserError($"no large kernel of side {kernel}", $"choose one of {string.Join(", ", branches.Keys.Order())}");
        lk_origin = nn.Conv2d(dim, dim, kernel_size: kernel, padding: kernel / 2, groups: dim, bias: deploy);
        origin_bn = deploy ? null : nn.BatchNorm2d(dim);
        beside = deploy ? [] : [.. sides.Select(each =>
            (nn.Conv2d(dim, dim, kernel_size: each.Side, padding: (each.Dilation * (each.Side - 1) + 1) / 2, dilation: each.Dilation, groups: dim, bias: false), nn.BatchNorm2d(dim)))];
        for (int i = 0; i < beside.Length; i++)
        {
            register_module($"dil_conv_k{sides[i].Side}_{sides[i].Dilation}", beside[i].Convolution);
            register_module($"dil_bn_k{sides[i].Side}_{sides[i].Dilation}", beside[i].Norm);
        }
        RegisterComponents();
    }

    protected override Tensor Forward(Tensor x)
    {
        var output = lk_origin.call(x);
        return origin_bn is null ? output : beside.Aggregate(origin_bn.call(output), (sum, each) => sum + each.Norm.call(each.Convolution.call(x)));
    }

    /// <summary>Copies what <paramref name="trained"/> computes in evaluation into this one, which is merged.</summary>
    public void Merge(DilatedReparam trained)
    {
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        var (weight, bias) = Fused(trained.lk_origin, trained.origin_bn!);
        foreach (var (convolution, norm) in trained.beside)
        {
            var (branch, shift) = Fused(convolution, norm);
            long side = convolution.kernel_size[0], dilation = convolution.dilation[0], reach = dilation * (side - 1) + 1, margin = (weight.shape[2] - reach) / 2;
            for (long row = 0; row < side; row++)
                for (long column = 0; column < side; column++)
                    weight[.., .., (int)(margin + row * dilation), (int)(margin + column * dilation)].add_(branch[.., .., (int)row, (int)column]);
            bias.add_(shift);
        }
        lk_origin.weight.copy_(weight);
        lk_origin.bias!.copy_(bias);
    }

    private static (Tensor Weight, Tensor Bias) Fused(Conv2d convolution, BatchNorm2d norm)
    {
        var factor = norm.weight! / (norm.running_var! + 1e-5).sqrt();
        return (convolution.weight * factor.view(-1, 1, 1, 1), norm.bias! - norm.running_mean! * factor);
    }
}

/// <summary>A block of the overview. (B, C, H, W) to the same.</summary>
internal sealed class RepConvBlock : Block
{
    private readonly DepthwiseShortcut dwconv;
    private readonly Sequential proj;
    private readonly nn.Module<Tensor, Tensor> ls;
    private readonly nn.Module<Tensor, Tensor> drop_path;
    private readonly bool res_scale;

    public RepConvBlock(OverLockConfig config, int stage, double drop) : base(nameof(RepConvBlock))
    {
        int dim = config.embed_dim[stage], hidden = (int)(dim * config.mlp_ratio[stage]);
        res_scale = config.res_scale;
        dwconv = new DepthwiseShortcut(dim);
        proj = nn.Sequential(new LayerNorm2d(dim), new DilatedReparam(dim, config.kernel_size[stage], config.deploy), nn.BatchNorm2d(dim), new OverLockGate(dim),
            nn.Conv2d(dim, hidden, kernel_size: 1), nn.GELU(), new DepthwiseShortcut(hidden), new ResponseNorm(hidden), nn.Conv2d(hidden, dim, kernel_size: 1));
        ls = AffineScale.Of(dim, config.ls_init_value[stage]);
        drop_path = DropPath.Of(drop);
        RegisterComponents();
    }

    protected override Tensor Forward(Tensor x)
    {
        x = dwconv.call(x);
        return res_scale ? ls.call(x) + drop_path.call(proj.call(x)) : x + drop_path.call(ls.call(proj.call(x)));
    }
}

/// <summary>
/// A block of the closer look: convolutions whose kernels each position makes from what the overview saw. Takes the map
/// (B, C, H, W), the context (B, C', H, W), and the context as the overview gave it; gives map and context, or in the last block
/// both in one.
/// </summary>
internal sealed class DynamicConvBlock : MultiBlock
{
    /// <summary>Cells along a side of the context that kernels are made from.</summary>
    private const int Cells = 7;

    private readonly AffineScale? x_scale;
    private readonly AffineScale? h_scale;
    private readonly DepthwiseShortcut dwconv1;
    private readonly LayerNorm2d norm1;
    private readonly Sequential fusion;
    private readonly Sequential weight_query;
    private readonly Sequential weight_key;
    private readonly Conv2d weight_proj;
    private readonly Sequential dyconv_proj;
    private readonly Sequential lepe;
    private readonly OverLockGate se_layer;
    private readonly Sequential gate;
    private readonly Sequential proj;
    private readonly DepthwiseShortcut dwconv2;
    private readonly LayerNorm2d norm2;
    private readonly Sequential mlp;
    private readonly nn.Module<Tensor, Tensor> ls1;
    private readonly nn.Module<Tensor, Tensor> ls2;
    private readonly nn.Module<Tensor, Tensor> drop_path;
    private readonly Parameter rpb1;
    private readonly Parameter rpb2;

    private readonly int dim, kernel, heads;
    private readonly bool res_scale, last;
    private readonly Neighborhood small, large;

    public DynamicConvBlock(OverLockConfig config, int part, int index, double drop) : base(nameof(DynamicConvBlock))
    {
        int stage = part + 2, context = config.embed_dim[^1] / 4, both = config.embed_dim[stage] + context;
        (dim, kernel, heads) = (config.embed_dim[stage], config.kernel_size[stage], 2 * config.sub_num_heads[part]);
        (res_scale, last) = (config.res_scale, part == 1 && index == config.sub_depth[1] - 1);
        if (dim % (2 * heads) != 0)
            throw new UserError($"{dim} channels do not divide into sub_num_heads {heads / 2}", "choose a number of heads of which four times divide the channels");
        int hidden = (int)(dim * config.sub_mlp_ratio[part]);
        if (part > 0 || index > 0)
            (x_scale, h_scale) = (new AffineScale(context, 1), new AffineScale(context, 1));
        dwconv1 = new DepthwiseShortcut(both);
        norm1 = new LayerNorm2d(both);
        fusion = nn.Sequential(nn.Conv2d(both, both, kernel_size: 3, padding: 1, groups: both), nn.BatchNorm2d(both), nn.GELU(),
            nn.Conv2d(both, dim, kernel_size: 1), new ResponseNorm(dim));
        weight_query = nn.Sequential(nn.Conv2d(dim, dim / 2, kernel_size: 1, bias: false), nn.BatchNorm2d(dim / 2));
        weight_key = nn.Sequential(nn.AdaptiveAvgPool2d(Cells), nn.Conv2d(context, dim / 2, kernel_size: 1, bias: false), nn.BatchNorm2d(dim / 2));
        weight_proj = nn.Conv2d(Cells * Cells, kernel * kernel + config.smk_size * config.smk_size, kernel_size: 1);
        dyconv_proj = nn.Sequential(nn.Conv2d(dim, dim, kernel_size: 1, bias: false), nn.BatchNorm2d(dim));
        lepe = nn.Sequential(new DilatedReparam(dim, kernel, config.deploy), nn.BatchNorm2d(dim));
        se_layer = new OverLockGate(dim);
        gate = nn.Sequential(nn.Conv2d(dim, dim, kernel_size: 1, bias: false), nn.BatchNorm2d(dim), nn.SiLU());
        proj = nn.Sequential(nn.BatchNorm2d(dim), nn.Conv2d(dim, both, kernel_size: 1));
        dwconv2 = new DepthwiseShortcut(both);
        norm2 = new LayerNorm2d(both);
        mlp = nn.Sequential(nn.Conv2d(both, hidden, kernel_size: 1), nn.GELU(), new DepthwiseShortcut(hidden), new ResponseNorm(hidden),
            nn.Conv2d(hidden, both, kernel_size: 1));
        (ls1, ls2) = (AffineScale.Of(both, config.ls_init_value[stage]), AffineScale.Of(both, config.ls_init_value[stage]));
        drop_path = DropPath.Of(drop);
        Parameter Table(int side) => new(zeros(heads, 2 * side - 1, 2 * side - 1));
        (rpb1, rpb2) = (Table(config.smk_size), Table(kernel));
        (small, large) = (new Neighborhood(config.smk_size), new Neighborhood(kernel));
        RegisterComponents();
    }

    protected override Tensor[] Forward(Tensor[] inputs)
    {
        var (x, context) = (inputs[0], inputs[1]);
        if (x_scale is not null)
            context = x_scale.call(context) + h_scale!.call(inputs[2]);
        var identity = dwconv1.call(cat([x, context], 1));
        var normed = norm1.call(identity);
        x = fusion.call(normed);
        var mixed = dyconv_proj.call(Mix(x, normed)) + lepe.call(x);
        mixed = proj.call(gate.call(x) * se_layer.call(mixed));
        x = res_scale ? ls1.call(identity) + drop_path.call(mixed) : identity + drop_path.call(ls1.call(mixed));
        x = dwconv2.call(x);
        var hidden = mlp.call(norm2.call(x));
        x = res_scale ? ls2.call(x) + drop_path.call(hidden) : x + drop_path.call(ls2.call(hidden));
        return last ? [x] : [x.narrow(1, 0, dim), x.narrow(1, dim, x.shape[1] - dim)];
    }

    // Half of the channels by small kernels, half by large ones. Maps smaller than a kernel are enlarged for it.
    private Tensor Mix(Tensor x, Tensor normed)
    {
        var (height, width) = (x.shape[2], x.shape[3]);
        var (down, across) = (height, width);
        if (Math.Min(height, width) < kernel)
        {
            (down, across) = height < width ? ((long)kernel, (long)((double)kernel / height * width)) : ((long)((double)kernel / width * height), (long)kernel);
            x = Resized(x, down, across);
            normed = Resized(normed, down, across);
        }
        // (B, heads, N, c) and (B, heads, 49, c) to scores (B, heads, N, 49), and those to kernels.
        Tensor Heads(Tensor t) => t.flatten(2).unflatten(1, heads, -1).transpose(2, 3);
        var query = Heads(weight_query.call(normed.narrow(1, 0, dim))) * Math.Pow(dim / heads, -0.5);
        var key = Heads(weight_key.call(normed.narrow(1, dim, normed.shape[1] - dim)));
        FlopCounter.Add(query.numel() * Cells * Cells);
        var kernels = weight_proj.call(matmul(query, key.transpose(-2, -1)).permute(0, 3, 1, 2)).permute(0, 2, 3, 1);
        long few = rpb1.shape[1] / 2 + 1, first = few * few;
        var values = x.flatten(2).unflatten(1, 2, heads, -1).transpose(3, 4).unbind(1);
        var near = small.Mix((kernels.narrow(-1, 0, first) + small.Bias(rpb1, down, across)).softmax(-1), values[0], down, across);
        var far = large.Mix((kernels.narrow(-1, first, kernel * kernel) + large.Bias(rpb2, down, across)).softmax(-1), values[1], down, across);
        var mixed = cat([near, far], 1).transpose(2, 3).reshape(x.shape);
        return down == height && across == width ? mixed : nn.functional.adaptive_avg_pool2d(mixed, (height, width));
    }

    private static Tensor Resized(Tensor x, long height, long width) =>
        nn.functional.interpolate(x, [height, width], mode: InterpolationMode.Bilinear, align_corners: false);

    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            small.Dispose();
            large.Dispose();
        }
        base.Dispose(disposing);
    }
}

/// <summary>The step down of map and context.</summary>
internal sealed class ContextDownsample : MultiBlock
{
    private readonly Sequential x_proj;
    private readonly Sequential h_proj;

    public ContextDownsample(int inputs, int outputs) : base(nameof(ContextDownsample))
    {
        (x_proj, h_proj) = (OverLock.Down(inputs, outputs), OverLock.Down(outputs / 4, outputs / 4));
        RegisterComponents();
    }

    protected override Tensor[] Forward(Tensor[] x) => [x_proj.call(x[0]), h_proj.call(x[1])];
}

/// <summary>A convolution, the mean and a classifier, under the authors' numbers. (B, C, H, W) to (B, num_classes, 1, 1).</summary>
internal sealed class OverLockHead : Block
{
    // Under numbers in the state dict, so not in fields of their own.
    private readonly nn.Module<Tensor, Tensor>[] layers;

    public OverLockHead(int dim, int features, int num_classes) : base(nameof(OverLockHead))
    {
        layers = [nn.Conv2d(dim, features, kernel_size: 1, bias: false), nn.BatchNorm2d(features), Classifier(features, num_classes)];
        register_module("0", layers[0]);
        register_module("1", layers[1]);
        register_module("4", layers[2]);
    }

    public static nn.Module<Tensor, Tensor> Classifier(int features, int num_classes) =>
        num_classes > 0 ? nn.Conv2d(features, num_classes, kernel_size: 1) : nn.Identity();

    public void Reset(nn.Module<Tensor, Tensor> replacement) => this.Replace("4", ref layers[2], replacement);

    /// <summary>The features that the classifier takes, (B, C, 1, 1).</summary>
    public Tensor Features(Tensor x)
    {
        using var scope = NewDisposeScope();
        return scope.MoveToOuter(nn.functional.silu(layers[1].call(layers[0].call(x))).mean([2, 3], keepdim: true));
    }

    protected override Tensor Forward(Tensor x) => layers[2].call(Features(x));
}
