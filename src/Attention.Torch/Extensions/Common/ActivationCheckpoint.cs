using TorchSharp;
using static TorchSharp.torch;

namespace Attention.Torch;

/// <summary>
/// Runs a block without keeping its intermediates, and runs it again in backward to get them (Chen et al. 2016,
/// "Training Deep Nets with Sublinear Memory Cost"). Random numbers and autocast are the same in the second run, so
/// results and gradients are those of a plain call, to the bit. Use backward(), not autograd.grad().
/// </summary>
public static class ActivationCheckpoint
{
    [ThreadStatic]
    private static int secondRuns;

    /// <summary>Whether this thread is in a second run: what a block remembers from call to call, it has noted in the first.</summary>
    public static bool IsSecondRun => secondRuns > 0;

    /// <summary>The block's result for one input.</summary>
    public static Tensor Run(Func<Tensor, Tensor> block, Tensor input) => Run(inputs => [block(inputs[0])], [input])[0];

    /// <summary>The block's result for two inputs.</summary>
    public static Tensor Run(Func<Tensor, Tensor, Tensor> block, Tensor first, Tensor second) =>
        Run(inputs => [block(inputs[0], inputs[1])], [first, second])[0];

    /// <summary>The block's results for any number of inputs. Gradients reach the inputs and the parameters that the block uses.</summary>
    public static IReadOnlyList<Tensor> Run(Func<IReadOnlyList<Tensor>, IReadOnlyList<Tensor>> block, IReadOnlyList<Tensor> inputs)
    {
        if (!is_grad_enabled())
            return block(inputs);
        // The graph needs an input with a gradient even where only the block's parameters have one.
        using var anchor = zeros(0).requires_grad_();
        var rerun = new Block(block);
        var results = Recompute.apply([rerun, anchor, .. inputs]);
        // Auxiliary losses are results like the others; only so do their gradients go through the second run.
        int count = results.Count - rerun.Losses.Count;
        foreach (var (loss, result) in rerun.Losses.Zip(results.Skip(count)))
        {
            using (result)
                AuxiliaryLosses.Add(loss.Name, result, loss.Weight);
        }
        return results.GetRange(0, count);
    }

    /// <summary>What the second run needs of the first.</summary>
    private sealed class Block(Func<IReadOnlyList<Tensor>, IReadOnlyList<Tensor>> block)
    {
        private readonly bool collects = AuxiliaryLosses.Wanted;

        /// <summary>The auxiliary losses of the first run, whose tensors follow the block's results.</summary>
        public IReadOnlyList<(string Name, double Weight)> Losses { get; private set; } = [];

        private readonly IReadOnlyDictionary<string, byte[]> random = GeneratorState.Save();
        private readonly Func<bool, IDisposable> autocast = Autocast.Capture();

        public List<Tensor> First(IReadOnlyList<Tensor> inputs)
        {
            using var scope = NewDisposeScope();
            // A weight that is cast here has no history: it must not be taken for one that has.
            using var region = autocast(false);
            return Results(inputs).Select(t => t.MoveToOuterDisposeScope()).ToList();
        }

        public IReadOnlyList<Tensor> Again(IReadOnlyList<Tensor> inputs)
        {
            var now = GeneratorState.Save();
            GeneratorState.Restore(random);
            secondRuns++;
            try
            {
                using var region = autocast(true);
                return Results(inputs);
            }
            finally
            {
                secondRuns--;
                GeneratorState.Restore(now);
            }
        }

        private IReadOnlyList<Tensor> Results(IReadOnlyList<Tensor> inputs)
        {
            using var auxiliary = AuxiliaryLosses.Collect();
            var results = block(inputs);
            if (!collects)
                return results;
            var losses = auxiliary.Release();
            Losses = [.. losses.Select(each => (each.Name, each.Weight))];
            return [.. results, .. losses.Select(each => each.Loss)];
        }
    }

    private sealed class Recompute : autograd.MultiTensorFunction<Recompute>
    {
        private const string BlockKey = "block";
        private const string WantsKey = "wants";

        public override string Name => "ActivationCheckpoint";

        public override List<Tensor> forward(autograd.AutogradContext ctx, params object[] vars)
        {
            var block = (Block)vars[0];
            var inputs = vars.Skip(2).Cast<Tensor>().ToList();
            ctx.save_data(BlockKey, block);
            ctx.save_data(WantsKey, inputs.Select(t => t.requires_grad).ToArray());
            ctx.save_for_backward(inputs);
            return block.First(inputs);
        }

        public override List<Tensor> backward(autograd.AutogradContext ctx, List<Tensor> grad_outputs)
        {
            var block = (Block)ctx.get_data(BlockKey);
            var wants = (bool[])ctx.get_data(WantsKey);
            using var mode = enable_grad();
            var inputs = ctx.get_saved_variables().Select((t, i) => t.detach().requires_grad_(wants[i])).ToArray();
            var outputs = block.Again(inputs);
            var (roots, grads) = (new List<Tensor>(), new List<Tensor>());
            for (int i = 0; i < outputs.Count; i++)
            {
                if (!outputs[i].requires_grad)
                    continue;
                roots.Add(outputs[i]);
                grads.Add(grad_outputs[i]);
            }
            if (roots.Count > 0)
                autograd.backward(roots, grads);
            // A gradient for every argument of forward: the block and the anchor have none.
            return [null!, null!, .. inputs.Select(t => t.grad!)];
        }
    }
}
