using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Attention.Modules;

/// <summary>
/// Multiplies each channel by a learned factor that starts small. (..., C) to the same.
/// Touvron et al., Going deeper with Image Transformers, 2021.
/// </summary>
public sealed class LayerScale : nn.Module<Tensor, Tensor>
{
    private readonly Parameter gamma;

    public LayerScale(long dim, double init_values = 1e-5) : base(nameof(LayerScale))
    {
        gamma = new Parameter(full(dim, init_values));
        RegisterComponents();
    }

    /// <summary>A LayerScale, or the identity where <paramref name="init_values"/> is null.</summary>
    public static nn.Module<Tensor, Tensor> Of(long dim, double? init_values) =>
        init_values is { } value ? new LayerScale(dim, value) : nn.Identity();

    public override Tensor forward(Tensor input) => input * gamma;
}

/// <summary>The same for maps (B, C, H, W).</summary>
public sealed class LayerScale2d : nn.Module<Tensor, Tensor>
{
    private readonly Parameter gamma;

    public LayerScale2d(long dim, double init_values = 1e-5) : base(nameof(LayerScale2d))
    {
        gamma = new Parameter(full(dim, init_values));
        RegisterComponents();
    }

    /// <summary>A LayerScale2d, or the identity where <paramref name="init_values"/> is null.</summary>
    public static nn.Module<Tensor, Tensor> Of(long dim, double? init_values) =>
        init_values is { } value ? new LayerScale2d(dim, value) : nn.Identity();

    public override Tensor forward(Tensor input)
    {
        using var factors = gamma.view(-1, 1, 1);
        return input * factors;
    }
}
