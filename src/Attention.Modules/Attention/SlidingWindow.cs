using TorchSharp;
using static TorchSharp.torch;

namespace Attention.Modules;

/// <summary>
/// Products of each position of a map with those of the square window around it. Nothing is unfolded: the window's positions
/// are taken one after another, so that memory holds the map a few times, not window² times. Positions beyond the border are
/// zeros. Gradients of gradients are not offered.
/// </summary>
public static class SlidingWindow
{
    /// <summary>Dot products of each position's query with the keys around it, row by row of the window, in the queries' type.</summary>
    /// <param name="q">Queries (B, H, W, heads, d).</param>
    /// <param name="k">Keys (B, H, W, heads, d).</param>
    /// <param name="window">Side of the window, in positions; odd.</param>
    /// <returns>(B, H, W, heads, window²)</returns>
    public static Tensor Scores(Tensor q, Tensor k, int window)
    {
        FlopCounter.Add(q.numel() * window * window);
        return ScoresFunction.apply(q, k.to_type(q.dtype), window);
    }

    /// <summary>The values around each position, weighted and added up, in the weights' type.</summary>
    /// <param name="weights">(B, H, W, heads, window²), as <see cref="Scores"/> gives them.</param>
    /// <param name="v">Values (B, H, W, heads, d).</param>
    /// <param name="window">Side of the window, in positions.</param>
    /// <returns>(B, H, W, heads, d)</returns>
    public static Tensor Mix(Tensor weights, Tensor v, int window)
    {
        FlopCounter.Add(v.numel() * window * window);
        return MixFunction.apply(weights, v.to_type(weights.dtype), window);
    }

    // --- the three products ----------------------------------------------------------------------

    private static Tensor ScoresOf(Tensor q, Tensor k, int window)
    {
        using var scope = NewDisposeScope();
        var around = Neighbours(Padded(k, window), window).Select(each =>
        {
            using var product = q * each;
            return product.sum(-1);
        });
        return scope.MoveToOuter(stack(around.ToArray(), -1));
    }

    private static Tensor MixOf(Tensor weights, Tensor v, int window)
    {
        using var scope = NewDisposeScope();
        var mixed = zeros_like(v);
        int i = 0;
        foreach (var each in Neighbours(Padded(v, window), window))
            mixed.addcmul_(weights.narrow(-1, i++, 1), each, 1);
        return scope.MoveToOuter(mixed);
    }

    // The transpose of MixOf: each position gives its own to those around it.
    private static Tensor Spread(Tensor weights, Tensor x, int window)
    {
        using var scope = NewDisposeScope();
        var padded = Padded(zeros_like(x), window);
        int i = 0;
        foreach (var each in Neighbours(padded, window))
            each.addcmul_(weights.narrow(-1, i++, 1), x, 1);
        int reach = window / 2;
        return scope.MoveToOuter(padded.narrow(1, reach, x.shape[1]).narrow(2, reach, x.shape[2]).contiguous());
    }

    private static Tensor Padded(Tensor x, int window)
    {
        long reach = window / 2;
        return nn.functional.pad(x, [0, 0, 0, 0, reach, reach, reach, reach]);
    }

    // Views of the map, moved by each of the window's offsets.
    private static IEnumerable<Tensor> Neighbours(Tensor padded, int window)
    {
        var (height, width) = (padded.shape[1] - window + 1, padded.shape[2] - window + 1);
        for (int row = 0; row < window; row++)
            for (int column = 0; column < window; column++)
                yield return padded.narrow(1, row, height).narrow(2, column, width);
    }

    private sealed class ScoresFunction : autograd.SingleTensorFunction<ScoresFunction>
    {
        public override string Name => "SlidingWindowScores";

        public override Tensor forward(autograd.AutogradContext ctx, params object[] vars)
        {
            var (q, k, window) = ((Tensor)vars[0], (Tensor)vars[1], (int)vars[2]);
            ctx.save_for_backward([q, k]);
            ctx.save_data(nameof(window), window);
            return ScoresOf(q, k, window);
        }

        public override List<Tensor> backward(autograd.AutogradContext ctx, Tensor grad_output)
        {
            var (saved, window) = (ctx.get_saved_variables(), (int)ctx.get_data("window"));
            return [MixOf(grad_output, saved[1], window), Spread(grad_output, saved[0], window), null!];
        }
    }

    private sealed class MixFunction : autograd.SingleTensorFunction<MixFunction>
    {
        public override string Name => "SlidingWindowMix";

        public override Tensor forward(autograd.AutogradContext ctx, params object[] vars)
        {
            var (weights, v, window) = ((Tensor)vars[0], (Tensor)vars[1], (int)vars[2]);
            ctx.save_for_backward([weights, v]);
            ctx.save_data(nameof(window), window);
            return MixOf(weights, v, window);
        }

        public override List<Tensor> backward(autograd.AutogradContext ctx, Tensor grad_output)
        {
            var (saved, window) = (ctx.get_saved_variables(), (int)ctx.get_data("window"));
            return [ScoresOf(grad_output, saved[1], window), Spread(saved[0], grad_output, window), null!];
        }
    }
}
