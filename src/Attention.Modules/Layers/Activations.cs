using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Attention.Modules;

/// <summary>Activations by the names that configs use.</summary>
public static class Activations
{
    private static readonly Dictionary<string, Func<nn.Module<Tensor, Tensor>>> all = new()
    {
        ["gelu"] = () => nn.GELU(),
        ["gelu_tanh"] = () => nn.GELU(GELU.Approximate.tanh),
        ["quick_gelu"] = () => new QuickGelu(),
        ["relu"] = () => nn.ReLU(),
        ["silu"] = () => nn.SiLU(),
        ["star_relu"] = () => new StarRelu(),
        ["tanh"] = () => nn.Tanh(),
    };

    /// <summary>The names there are.</summary>
    public static IReadOnlyCollection<string> Names => all.Keys;

    /// <summary>A new activation module.</summary>
    /// <exception cref="UserError">There is none of that name.</exception>
    public static nn.Module<Tensor, Tensor> Create(string name) =>
        all.TryGetValue(name, out var create) ? create()
        : throw new UserError($"no activation '{name}'", $"choose one of {string.Join(", ", all.Keys)}");
}

/// <summary>x * sigmoid(1.702 x), the GELU that the first CLIP models were trained with.</summary>
public sealed class QuickGelu() : Block(nameof(QuickGelu))
{
    protected override Tensor Forward(Tensor x) => x * sigmoid(x * 1.702);
}

/// <summary>
/// scale * relu(x)² + bias with one learned scale and bias. (...) to the same; parameter names as in timm's metaformer.py.
/// Yu et al., MetaFormer Baselines for Vision, 2022 (arXiv:2210.13452).
/// </summary>
public sealed class StarRelu : Block
{
    private readonly Parameter scale;
    private readonly Parameter bias;

    public StarRelu() : base(nameof(StarRelu))
    {
        scale = new Parameter(ones(1));
        bias = new Parameter(zeros(1));
        RegisterComponents();
    }

    protected override Tensor Forward(Tensor x) => scale * x.relu().square() + bias;
}
