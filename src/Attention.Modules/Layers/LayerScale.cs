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
