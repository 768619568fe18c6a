using TorchSharp;
using static TorchSharp.torch;

namespace Attention.Modules;

/// <summary>How a layer's heads were used.</summary>
/// <param name="Layer">The attention's name in its model.</param>
/// <param name="SharedHeads">How many heads, the first, are used by every token.</param>
/// <param name="Shares">The share of tokens that used each head, from 0 to 1, shared heads among them.</param>
/// <param name="SharesByClass">The same for each class of tokens; not a number where there were none of it.</param>
public sealed record LayerHeadUse(string Layer, int SharedHeads, IReadOnlyList<double> Shares, IReadOnlyList<IReadOnlyList<double>> SharesByClass);

/// <summary>
/// Watches which heads the tokens of a model choose, where its heads are a mixture (see <see cref="HeadRouter"/> and
/// <see cref="QueryNormRouter"/>), over all forward passes while it is open:
/// <c>using var use = HeadUse.Watch(model); model.call(x); use.Layers</c>.
/// </summary>
public sealed class HeadUse : IDisposable
{
    [ThreadStatic]
    private static HeadUse? open;

    private readonly HeadUse? outer = open;
    private readonly Dictionary<nn.Module, string> names;
    private readonly int classes;
    private readonly List<Layer> layers = [];

    private HeadUse(nn.Module root, int classes)
    {
        this.classes = classes;
        names = root.named_modules().Append(("", root)).ToDictionary(pair => pair.Item2, pair => pair.Item1);
        open = this;
    }

    /// <summary>Watches everything below <paramref name="root"/> on this thread, until it is disposed.</summary>
    /// <param name="root">A model.</param>
    /// <param name="classes">Classes of tokens that are told apart.</param>
    public static HeadUse Watch(nn.Module root, int classes = 1) => new(root, classes);

    /// <summary>The class of each token of the passes that follow: as many numbers below the watch's classes as there are tokens; null for 0 always.</summary>
    public Tensor? TokenClasses { get; set; }

    internal static bool Wanted => open is not null;

    // `chosen` is 1 or 0 for each token and routed head, (..., routed heads); null where all heads are shared.
    internal static void Report(nn.Module attention, int shared, Tensor? chosen)
    {
        if (open is { } watch && watch.names.TryGetValue(attention, out var name))
            watch.Add(name, shared, chosen);
    }

    private void Add(string name, int shared, Tensor? chosen)
    {
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        var layer = layers.Find(each => each.Name == name);
        if (layer is null)
            layers.Add(layer = new(name, shared, classes, chosen?.shape[^1] ?? 0));
        if (chosen is null)
            return;
        var tokens = chosen.detach().flatten(0, -2).to(ScalarType.Float64).cpu();
        var kinds = TokenClasses is { } given ? given.flatten().to(ScalarType.Int64).cpu() : zeros(tokens.shape[0], ScalarType.Int64);
        layer.Uses.index_add_(0, kinds, tokens, 1);
        layer.Tokens.index_add_(0, kinds, ones(tokens.shape[0], ScalarType.Float64), 1);
    }

    /// <summary>What was seen, layer by layer, over all passes.</summary>
    public IReadOnlyList<LayerHeadUse> Layers => [.. layers.Select(layer => layer.Use())];

    public void Dispose()
    {
        foreach (var layer in layers)
            layer.Dispose();
        layers.Clear();
        open = outer;
    }

    // How often tokens of each class chose each routed head, (classes, routed heads), and how many there were.
    private sealed class Layer(string name, int shared, int classes, long routed) : IDisposable
    {
        public string Name => name;
        public Tensor Uses { get; } = zeros([classes, routed], ScalarType.Float64).DetachFromDisposeScope();
        public Tensor Tokens { get; } = zeros([classes], ScalarType.Float64).DetachFromDisposeScope();

        public LayerHeadUse Use()
        {
            using var scope = NewDisposeScope();
            return new(name, shared, Shares(Uses.sum(dim: 0), Tokens.sum()), [.. Enumerable.Range(0, classes).Select(each => Shares(Uses[each], Tokens[each]))]);
        }

        private double[] Shares(Tensor uses, Tensor tokens) => [.. Enumerable.Repeat(1.0, shared), .. (uses / tokens).data<double>().ToArray()];

        public void Dispose()
        {
            Uses.Dispose();
            Tokens.Dispose();
        }
    }
}
