using TorchSharp;
using static TorchSharp.torch;

namespace Attention.Engine.Runs;

/// <summary>How the values of a tensor are spread, in bins of equal width.</summary>
/// <param name="Minimum">The smallest value.</param>
/// <param name="Maximum">The largest.</param>
/// <param name="Count">How many values.</param>
/// <param name="Sum">Of the values.</param>
/// <param name="SquareSum">Of their squares.</param>
/// <param name="Counts">Values in each bin, from the smallest.</param>
public sealed record Histogram(double Minimum, double Maximum, double Count, double Sum, double SquareSum, double[] Counts)
{
    /// <summary>The spread of a tensor's values.</summary>
    public static Histogram Of(Tensor values, int bins = 30)
    {
        using var scope = NewDisposeScope();
        using var mode = no_grad();
        var x = values.detach().to(ScalarType.Float32).flatten().cpu();
        if (x.numel() == 0)
            return new Histogram(0, 0, 0, 0, 0, new double[bins]);
        var (low, high) = (x.min().item<float>(), x.max().item<float>());
        double width = Math.Max((high - low) / (double)bins, double.Epsilon);
        var counts = new double[bins];
        foreach (float value in x.data<float>())
            counts[Math.Clamp((int)((value - low) / width), 0, bins - 1)]++;
        var wide = x.to(ScalarType.Float64);
        return new Histogram(low, high, x.numel(), wide.sum().item<double>(), wide.square().sum().item<double>(), counts);
    }
}
