using TorchSharp;
using static TorchSharp.torch;

namespace Attention.Modules;

/// <summary>
/// Stochastic depth: in training, drops a whole sample's residual branch with probability <c>drop_prob</c> and scales the
/// others up to keep the mean. (B, ...) to the same. Huang et al., Deep Networks with Stochastic Depth, 2016.
/// </summary>
public sealed class DropPath : nn.Module<Tensor, Tensor>
{
    private readonly double drop_prob;

    public DropPath(double drop_prob) : base(nameof(DropPath))
    {
        this.drop_prob = drop_prob;
        RegisterComponents();
    }

    /// <summary>A DropPath, or the identity where nothing is dropped.</summary>
    public static nn.Module<Tensor, Tensor> Of(double drop_prob) => drop_prob > 0 ? new DropPath(drop_prob) : nn.Identity();

    /// <summary>Rates that grow linearly from 0 at the first of <paramref name="depth"/> blocks to <paramref name="drop_path_rate"/> at the last.</summary>
    public static double[] Rates(double drop_path_rate, int depth) =>
        [.. Enumerable.Range(0, depth).Select(i => depth > 1 ? drop_path_rate * i / (depth - 1) : 0)];

    /// <summary>The same over the blocks of all stages, by stage.</summary>
    public static double[][] StageRates(double drop_path_rate, IReadOnlyList<int> depths)
    {
        var rates = Rates(drop_path_rate, depths.Sum());
        return [.. depths.Select((depth, stage) => rates.Skip(depths.Take(stage).Sum()).Take(depth).ToArray())];
    }

    public override Tensor forward(Tensor input)
    {
        if (!training || drop_prob == 0)
            return input.alias();
        using var scope = NewDisposeScope();
        double keep = 1 - drop_prob;
        var shape = new long[input.ndim];
        Array.Fill(shape, 1);
        shape[0] = input.shape[0];
        var mask = empty(shape, input.dtype, input.device).bernoulli_(keep).div_(keep);
        return scope.MoveToOuter(input * mask);
    }
}
