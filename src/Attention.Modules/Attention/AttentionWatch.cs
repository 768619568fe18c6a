using TorchSharp;
using static TorchSharp.torch;

namespace Attention.Modules;

/// <summary>
/// Keeps the weights that attention computes on this thread while it is open, in the order of the calls: each (B, H, N, M), with
/// its place in the graph, so that gradients of them can be asked for.
/// </summary>
public sealed class AttentionWatch : IDisposable
{
    [ThreadStatic]
    private static AttentionWatch? open;

    private readonly AttentionWatch? outer = open;
    private readonly List<Tensor> weights = [];

    public AttentionWatch() => open = this;

    /// <summary>The weights so far; they end with the watch.</summary>
    public IReadOnlyList<Tensor> Weights => weights;

    /// <summary>Reports weights, and gives them back.</summary>
    internal static Tensor Seen(Tensor weights)
    {
        if (open is { } watch)
            watch.weights.Add(weights.DetachFromDisposeScope());
        return weights;
    }

    public void Dispose()
    {
        open = outer;
        foreach (var each in weights)
            each.Dispose();
    }
}
