using Attention.Modules;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Attention.Models.Dense;

/// <summary>How coarser maps are added to those of a pyramid.</summary>
public enum CoarserMaps
{
    /// <summary>One more: every second position of the last.</summary>
    Pool,
    /// <summary>Two more, by convolutions on the pyramid's last map.</summary>
    FromPyramid,
    /// <summary>Two more, by convolutions on the backbone's last map.</summary>
    FromBackbone,
}

/// <summary>
/// Maps of a backbone (B, C, H, W), from fine to coarse, to maps of one width in which the fine ones know what the coarse ones saw, with
/// coarser ones behind them: Lin et al., Feature Pyramid Networks, 2017 (arXiv:1612.03144). Names and details are torchvision's.
/// </summary>
public sealed class FeaturePyramid : MultiBlock
{
    private readonly ModuleList<nn.Module<Tensor, Tensor>> inner_blocks;
    private readonly ModuleList<nn.Module<Tensor, Tensor>> layer_blocks;
    private readonly TwoCoarserMaps? extra_blocks;
    private readonly CoarserMaps coarser;

    /// <param name="channels">Channels of each map of the backbone.</param>
    /// <param name="outputs">Channels of each map of the pyramid.</param>
    /// <param name="norm">A norm behind each convolution: "", batchnorm or groupnorm.</param>
    /// <param name="coarser">The maps behind the last.</param>
    public FeaturePyramid(IReadOnlyList<long> channels, long outputs, string norm, CoarserMaps coarser) : base(nameof(FeaturePyramid))
    {
        this.coarser = coarser;
        nn.Module<Tensor, Tensor> Convolution(long inputs, int kernel_size) => DenseLayers.Convolution(inputs, outputs, kernel_size, norm, relu: false, DenseLayers.Uniform);
        inner_blocks = nn.ModuleList(channels.Select(each => Convolution(each, 1)).ToArray());
        layer_blocks = nn.ModuleList(channels.Select(_ => Convolution(outputs, 3)).ToArray());
        extra_blocks = coarser == CoarserMaps.Pool ? null : new TwoCoarserMaps(coarser == CoarserMaps.FromBackbone ? channels[^1] : outputs, outputs);
        RegisterComponents();
    }

    protected override Tensor[] Forward(Tensor[] x)
    {
        var maps = new List<Tensor>();
        Tensor? above = null;
        for (int i = x.Length - 1; i >= 0; i--)
        {
            var here = inner_blocks[i].call(x[i]);
            above = above is null ? here : here + nn.functional.interpolate(above, [here.shape[2], here.shape[3]], mode: InterpolationMode.Nearest);
            maps.Insert(0, layer_blocks[i].call(above));
        }
        maps.AddRange(extra_blocks is null ? [nn.functional.max_pool2d(maps[^1], 1, 2)] : extra_blocks.call([coarser == CoarserMaps.FromBackbone ? x[^1] : maps[^1]]));
        return [.. maps];
    }

    /// <summary>A map to two that are each half as large: Lin et al., Focal Loss, 2017 (arXiv:1708.02002).</summary>
    private sealed class TwoCoarserMaps : MultiBlock
    {
        private readonly Conv2d p6;
        private readonly Conv2d p7;

        public TwoCoarserMaps(long inputs, long outputs) : base(nameof(TwoCoarserMaps))
        {
            p6 = DenseLayers.Start(nn.Conv2d(inputs, outputs, kernel_size: 3, stride: 2, padding: 1), DenseLayers.Uniform);
            p7 = DenseLayers.Start(nn.Conv2d(outputs, outputs, kernel_size: 3, stride: 2, padding: 1), DenseLayers.Uniform);
            RegisterComponents();
        }

        protected override Tensor[] Forward(Tensor[] x)
        {
            var sixth = p6.call(x[0]);
            return [sixth, p7.call(sixth.relu())];
        }
    }
}

/// <summary>What a pyramid stands on and how wide it is; fields of every config that has one.</summary>
public abstract record PyramidDetectorConfig : DetectionModelConfig
{
    /// <summary>How many of the backbone's maps are used, counted from the coarsest; 0 for all.</summary>
    public int maps { get; init; }
    /// <summary>Channels of the pyramid's maps.</summary>
    public int out_channels { get; init; } = 256;
    /// <summary>A norm behind each convolution of the pyramid: "", batchnorm or groupnorm.</summary>
    public string fpn_norm { get; init; } = "";
    /// <summary>A layer norm on each of the backbone's maps, as Swin's and other transformers' detectors have.</summary>
    public bool norm_maps { get; init; }
    /// <summary>The backbone's batch norms keep their statistics, weights and biases, for small batches and a pretrained backbone.</summary>
    public bool freeze_norms { get; init; }
    /// <summary>Roots of the areas of anchors, for each map of the pyramid.</summary>
    public double[] anchor_sizes { get; init; } = [32, 64, 128, 256, 512];
    /// <summary>Height over width of the anchors.</summary>
    public double[] aspect_ratios { get; init; } = [0.5, 1, 2];
}

/// <summary>A backbone of the zoo (body) with a pyramid on its maps (fpn). Images (B, 3, H, W) to maps from fine to coarse.</summary>
public sealed class PyramidBackbone : nn.Module<Tensor, Tensor[]>
{
    private readonly ImageModel body;
    private readonly ModuleList<LayerNorm2d>? norms;
    private readonly FeaturePyramid fpn;

    private readonly int[] indices;
    private readonly bool freezeNorms;

    /// <exception cref="UserError">The backbone has fewer maps than are asked for.</exception>
    public PyramidBackbone(PyramidDetectorConfig config, CoarserMaps coarser) : base(nameof(PyramidBackbone))
    {
        body = config.backbone.Create();
        var all = body.feature_info;
        if (config.maps > all.Count)
            throw new UserError($"backbone '{config.backbone.name}' has {all.Count} maps, not {config.maps}", $"set maps to at most {all.Count}, or to 0 for all");
        indices = [.. Enumerable.Range(0, all.Count).TakeLast(config.maps > 0 ? config.maps : all.Count)];
        long[] channels = [.. indices.Select(i => (long)all[i].Channels)];
        norms = config.norm_maps ? nn.ModuleList(channels.Select(each => new LayerNorm2d(each, eps: 1e-5)).ToArray()) : null;
        fpn = new FeaturePyramid(channels, config.out_channels, config.fpn_norm, coarser);
        freezeNorms = config.freeze_norms;
        RegisterComponents();
        if (freezeNorms)
            foreach (var parameter in body.modules().OfType<BatchNorm2d>().SelectMany(norm => norm.parameters()))
                parameter.requires_grad = false;
    }

    /// <summary>The backbone.</summary>
    public ImageModel Body => body;

    /// <summary>Maps that the backbone gives.</summary>
    public int BodyMaps => indices.Length;

    /// <summary>Keeps the statistics of norms that are frozen; to be called after every change between training and evaluation.</summary>
    public void KeepFrozenNorms()
    {
        if (freezeNorms)
            foreach (var norm in body.modules().OfType<BatchNorm2d>())
                norm.eval();
    }

    public override Tensor[] forward(Tensor input)
    {
        using var scope = NewDisposeScope();
        var maps = body.forward_intermediates(input, indices);
        if (norms is not null)
            maps = [.. maps.Select((map, i) => norms[i].call(map))];
        var pyramid = fpn.call(maps);
        foreach (var map in pyramid)
            scope.MoveToOuter(map);
        return pyramid;
    }
}
