using TorchSharp;
using static TorchSharp.torch;

namespace Attention.Modules;

/// <summary>Norms over the channels of tokens, by name.</summary>
public static class Norms
{
    /// <summary>A norm over the last dimension. (..., C) to the same.</summary>
    /// <param name="name">layernorm, or rmsnorm (see <see cref="RmsNorm"/>).</param>
    /// <param name="dim">C.</param>
    /// <param name="eps">Added to the variance, or to the mean square.</param>
    /// <exception cref="UserError">There is no such norm.</exception>
    public static nn.Module<Tensor, Tensor> Create(string name, long dim, double eps) => name switch
    {
        "layernorm" => nn.LayerNorm(dim, eps),
        "rmsnorm" => new RmsNorm(dim, eps),
        _ => throw new UserError($"norm_layer '{name}' is not known", "choose layernorm or rmsnorm"),
    };
}
