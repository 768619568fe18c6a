using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Attention.Modules;

/// <summary>What a <see cref="SpectralGating"/> is made from; the keys of <c>attention:</c> in a config.</summary>
public sealed record SpectralGatingConfig : AttentionConfig
{
    /// <summary>Rows of the map that the filter is made for; null for those of the host's map.</summary>
    public int? height { get; init; }
    /// <summary>Columns of that map.</summary>
    public int? width { get; init; }

    public override AttentionLayout Layout => AttentionLayout.Map;
    public override SpectralGating Create(AttentionSite site) => new(site.Dim, height ?? site.Height, width ?? site.Width);
}

/// <summary>
/// Multiplies a map's spectrum by a learned complex filter: irfft2(rfft2(x) * w), a circular convolution as large as the map.
/// (B, H, W, C) to the same; on a map of another size the filter is resampled. Parameter names as in the authors' repository,
/// badripatro/SpectFormers. Patro et al., SpectFormer, 2023 (arXiv:2304.06446), after Rao et al., Global Filter Networks,
/// 2021 (arXiv:2107.00645).
/// </summary>
public sealed class SpectralGating : Block
{
    private readonly Parameter complex_weight;

    /// <param name="dim">C.</param>
    /// <param name="height">Rows of the map that the filter is made for.</param>
    /// <param name="width">Its columns.</param>
    public SpectralGating(long dim, long height, long width) : base(nameof(SpectralGating))
    {
        using (no_grad())
            complex_weight = new Parameter(randn(height, width / 2 + 1, dim, 2) * 0.02);
        RegisterComponents();
    }

    protected override Tensor Forward(Tensor x)
    {
        var (height, width) = (x.shape[1], x.shape[2]);
        long[] axes = [1, 2];
        FlopCounter.Add(2 * x.shape[0] * height * (width / 2 + 1) * x.shape[3]);
        // libtorch 1.13 transforms no tensors without data.
        if (x.device_type == DeviceType.META)
            return x.alias();
        // The transform has no bfloat16.
        var spectrum = fft.rfft2(x.to(ScalarType.Float32), dim: axes, norm: FFTNormType.Ortho);
        var mixed = fft.irfft2(spectrum * Filter(height, width / 2 + 1).view_as_complex(), s: [height, width], dim: axes, norm: FFTNormType.Ortho);
        return mixed.to(x.dtype);
    }

    // (height, width, C, 2)
    private Tensor Filter(long height, long width)
    {
        var filter = complex_weight.to(ScalarType.Float32);
        if (filter.shape[0] == height && filter.shape[1] == width)
            return filter;
        var resampled = nn.functional.interpolate(filter.flatten(2).permute(2, 0, 1).unsqueeze(0), [height, width], mode: InterpolationMode.Bicubic, align_corners: true);
        return resampled[0].permute(1, 2, 0).unflatten(2, -1, 2).contiguous();
    }
}
