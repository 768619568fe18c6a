using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Attention.Modules;

/// <summary>
/// Counts the multiply-adds of a forward pass while it is open: those of linear and convolution layers by hooks, those of
/// attention by its own report. Norms, activations and additions are not counted, as in the papers' tables.
/// </summary>
public sealed class FlopCounter : IDisposable
{
    [ThreadStatic]
    private static FlopCounter? open;

    private readonly FlopCounter? outer = open;
    private readonly List<Action> remove = [];

    /// <summary>Counts for everything below <paramref name="root"/>.</summary>
    public FlopCounter(nn.Module root)
    {
        open = this;
        foreach (var module in root.modules())
            switch (module)
            {
                case Linear linear:
                    var onLinear = linear.register_forward_hook((_, input, output) =>
                    {
                        Total += output.numel() * linear.in_features;
                        return output;
                    });
                    remove.Add(onLinear.remove);
                    break;
                case Conv2d conv:
                    var onConv = conv.register_forward_hook((_, input, output) =>
                    {
                        Total += output.numel() * conv.weight.numel() / conv.weight.shape[0];
                        return output;
                    });
                    remove.Add(onConv.remove);
                    break;
            }
    }

    /// <summary>Multiply-adds so far.</summary>
    public long Total { get; private set; }

    /// <summary>Reports the two matrix products of an attention: (B, H, N, d) by (B, H, M, d) and (B, H, N, M) by (B, H, M, e).</summary>
    internal static void Attention(Tensor q, Tensor k, Tensor v)
    {
        if (open is { } counter)
            counter.Total += q.numel() * k.shape[^2] + q.numel() / q.shape[^1] * v.shape[^2] * v.shape[^1];
    }

    /// <summary>Reports other arithmetic, in multiply-adds.</summary>
    public static void Add(long count)
    {
        if (open is { } counter)
            counter.Total += count;
    }

    public void Dispose()
    {
        foreach (var action in remove)
            action();
        open = outer;
    }
}
