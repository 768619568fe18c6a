using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Attention.Modules;

/// <summary>What a <see cref="ScaleAwareModulation"/> is made from; the keys of <c>attention:</c> in a config.</summary>
public sealed record ScaleAwareModulationConfig : AttentionConfig
{
    /// <summary>Groups of channels, each with a larger kernel than the one before: 3, 5, 7 and so on.</summary>
    public int num_scales { get; init; } = 4;
    /// <summary>Width of the layer that mixes the scales, in units of the channels.</summary>
    public int expand_ratio { get; init; } = 2;
    public bool qkv_bias { get; init; } = true;
    public double proj_drop { get; init; }

    public override AttentionLayout Layout => AttentionLayout.Map;
    public override ScaleAwareModulation Create(AttentionSite site) => new(site.Dim, this);
}

/// <summary>
/// Modulates values by what depthwise convolutions of several sizes see, each on a part of the channels, mixed across the
/// sizes. (B, H, W, C) to the same; parameter names as in the authors' repository, AFeng-x/SMT.
/// Lin et al., Scale-Aware Modulation Meet Transformer, 2023 (arXiv:2307.08579).
/// </summary>
public sealed class ScaleAwareModulation : Block
{
    private readonly Linear v;
    private readonly Linear s;
    private readonly Conv2d proj0;
    private readonly BatchNorm2d bn;
    private readonly GELU act;
    private readonly Conv2d proj1;
    private readonly Linear proj;
    private readonly Dropout proj_drop;

    private readonly Conv2d[] scales;

    public ScaleAwareModulation(long dim, ScaleAwareModulationConfig config) : base(nameof(ScaleAwareModulation))
    {
        if (config.num_scales < 1 || dim % config.num_scales != 0)
            throw new UserError($"{dim} channels do not divide into num_scales {config.num_scales}", "choose a number of scales that divides the channels");
        long part = dim / config.num_scales, hidden = dim * config.expand_ratio;
        v = nn.Linear(dim, dim, hasBias: config.qkv_bias);
        s = nn.Linear(dim, dim, hasBias: config.qkv_bias);
        scales = [.. Enumerable.Range(0, config.num_scales).Select(i => nn.Conv2d(part, part, kernel_size: 3 + 2 * i, padding: 1 + i, groups: part))];
        for (int i = 0; i < scales.Length; i++)
            register_module($"local_conv_{i + 1}", scales[i]);
        proj0 = nn.Conv2d(dim, hidden, kernel_size: 1, groups: part);
        bn = nn.BatchNorm2d(hidden);
        act = nn.GELU();
        proj1 = nn.Conv2d(hidden, dim, kernel_size: 1);
        proj = nn.Linear(dim, dim);
        proj_drop = nn.Dropout(config.proj_drop);
        RegisterComponents();
    }

    protected override Tensor Forward(Tensor x)
    {
        var parts = s.call(x).permute(0, 3, 1, 2).chunk(scales.Length, 1);
        // Channels of the same number in each part come side by side, so that the groups of proj0 mix the scales.
        var seen = stack(parts.Select((part, i) => scales[i].call(part)).ToArray(), 2).flatten(1, 2);
        var modulator = proj1.call(act.call(bn.call(proj0.call(seen)))).permute(0, 2, 3, 1);
        return proj_drop.call(proj.call(modulator * v.call(x)));
    }
}
