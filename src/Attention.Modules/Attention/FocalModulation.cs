using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Attention.Modules;

/// <summary>What a <see cref="FocalModulation"/> is made from; the keys of <c>attention:</c> in a config.</summary>
public sealed record FocalModulationConfig : AttentionConfig
{
    /// <summary>Side of the first level's depthwise convolution, in positions.</summary>
    public int focal_window { get; init; } = 3;
    /// <summary>Levels of context, besides the mean of the whole map.</summary>
    public int focal_level { get; init; } = 2;
    /// <summary>What each further level's convolution is wider.</summary>
    public int focal_factor { get; init; } = 2;
    public bool bias { get; init; } = true;
    /// <summary>A layer norm on the modulated queries.</summary>
    public bool use_post_norm { get; init; }
    /// <summary>The mean of the levels rather than their sum.</summary>
    public bool normalize_modulator { get; init; }
    public double proj_drop { get; init; }
    /// <summary>Epsilon of that norm.</summary>
    public double norm_eps { get; init; } = 1e-5;

    public override AttentionLayout Layout => AttentionLayout.Map;
    public override FocalModulation Create(AttentionSite site) => new(site.Dim, this);
}

/// <summary>
/// Focal modulation: each position's query is multiplied by a context, which gates gather from ever wider depthwise
/// convolutions and the mean of the map. (B, H, W, C) to the same, at linear cost. Yang et al., Focal Modulation Networks,
/// 2022 (arXiv:2203.11926); parameter names as in timm's focalnet.py.
/// </summary>
public sealed class FocalModulation : Block
{
    private readonly Conv2d f;
    private readonly Conv2d h;
    private readonly GELU act;
    private readonly ModuleList<Sequential> focal_layers;
    private readonly nn.Module<Tensor, Tensor> norm;
    private readonly Conv2d proj;
    private readonly Dropout proj_drop;

    private readonly FocalModulationConfig config;

    public FocalModulation(long dim, FocalModulationConfig config) : base(nameof(FocalModulation))
    {
        this.config = config;
        if (config.focal_level < 1 || config.focal_window % 2 == 0 || config.focal_factor % 2 != 0)
            throw new UserError($"focal_level {config.focal_level}, focal_window {config.focal_window} and focal_factor {config.focal_factor} make no odd kernels",
                "choose at least one level, an odd window and an even factor");
        f = nn.Conv2d(dim, 2 * dim + config.focal_level + 1, kernel_size: 1, bias: config.bias);
        h = nn.Conv2d(dim, dim, kernel_size: 1, bias: config.bias);
        act = nn.GELU();
        focal_layers = nn.ModuleList(Enumerable.Range(0, config.focal_level).Select(level => Level(dim, config.focal_window + level * config.focal_factor)).ToArray());
        norm = config.use_post_norm ? nn.LayerNorm(dim, config.norm_eps) : nn.Identity();
        proj = nn.Conv2d(dim, dim, kernel_size: 1);
        proj_drop = nn.Dropout(config.proj_drop);
        RegisterComponents();
    }

    private static Sequential Level(long dim, long kernel) =>
        nn.Sequential(nn.Conv2d(dim, dim, kernel_size: kernel, padding: kernel / 2, groups: dim, bias: false), nn.GELU());

    protected override Tensor Forward(Tensor x)
    {
        long dim = x.shape[3];
        int levels = config.focal_level;
        var parts = f.call(x.permute(0, 3, 1, 2)).split([dim, dim, levels + 1], 1);
        var (query, context, gates) = (parts[0], parts[1], parts[2]);
        Tensor? gathered = null;
        for (int level = 0; level < levels; level++)
        {
            context = focal_layers[level].call(context);
            var gated = context * gates.narrow(1, level, 1);
            gathered = gathered is null ? gated : gathered + gated;
        }
        gathered = gathered! + act.call(context.mean([2, 3], keepdim: true)) * gates.narrow(1, levels, 1);
        if (config.normalize_modulator)
            gathered = gathered / (levels + 1);
        var modulated = norm.call((query * h.call(gathered)).permute(0, 2, 3, 1));
        return proj_drop.call(proj.call(modulated.permute(0, 3, 1, 2))).permute(0, 2, 3, 1);
    }
}
