using TorchSharp;
using static TorchSharp.torch;

namespace Attention.Modules;

/// <summary>How a layer's heads were used.</summary>
/// <param name="Layer">The attention's name in its model.</param>
/// <param name="SharedHeads">How many heads, the first, are used by every token.</param>
/// <param name="Shares">The share of tokens that used each head, from 0 to 1, shared heads among them.</param>
public sealed record LayerHeadUse(string Layer, int SharedHeads, IReadOnlyList<double> Shares);

/// <summary>
/// Watches which heads the tokens of a model choose, where its heads are a mixture (see <see cref="HeadRouter"/>), over all
/// forward passes while it is open: <c>using var use = HeadUse.Watch(model); model.call(x); use.Layers</c>.
/// </summary>
public sealed class HeadUse : IDisposable
{
    [ThreadStatic]
    private static HeadUse? open;

    private readonly HeadUse? outer = open;
    private readonly Dictionary<nn.Module, string> names;
    private readonly List<(string Layer, int Shared, Tensor? Use)> seen = [];

    private HeadUse(nn.Module root)
    {
        names = root.named_modules().Append(("", root)).ToDictionary(pair => pair.Item2, pair => pair.Item1);
        open = this;
    }

    /// <summary>Watches everything below <paramref name="root"/> on this thread, until it is disposed.</summary>
    public static HeadUse Watch(nn.Module root) => new(root);

    internal static bool Wanted => open is not null;

    // `use` holds the share of tokens for each routed head; null where all heads are shared.
    internal static void Report(nn.Module attention, int shared, Tensor? use)
    {
        if (open is { } watch && watch.names.TryGetValue(attention, out var layer))
            watch.seen.Add((layer, shared, use?.detach().clone().DetachFromDisposeScope()));
    }

    /// <summary>What was seen, layer by layer; the mean where a layer ran several times.</summary>
    public IReadOnlyList<LayerHeadUse> Layers =>
        [.. seen.GroupBy(each => each.Layer).Select(layer => new LayerHeadUse(layer.Key, layer.First().Shared,
            [.. Enumerable.Repeat(1.0, layer.First().Shared), .. Means([.. layer.Select(each => each.Use).OfType<Tensor>()])]))];

    private static double[] Means(Tensor[] uses)
    {
        if (uses.Length == 0)
            return [];
        using var scope = NewDisposeScope();
        return stack(uses).to(ScalarType.Float64).mean([0]).cpu().data<double>().ToArray();
    }

    public void Dispose()
    {
        foreach (var (_, _, use) in seen)
            use?.Dispose();
        seen.Clear();
        open = outer;
    }
}
