using System.Diagnostics;
using TorchSharp;
using static TorchSharp.torch;

namespace Attention.Engine.Benchmarks;

/// <summary>What one call of a small operator costs, overhead above all: adding two 2x2 tensors without gradients.</summary>
public static class OperatorBenchmark
{
    /// <summary>Median seconds of a call.</summary>
    public static double Run(int repetitions = 25, int calls = 20000)
    {
        using var outer = NewDisposeScope();
        using var _ = no_grad();
        var a = rand(2, 2);
        var b = rand(2, 2);
        var times = new List<double>();
        for (int i = 0; i < repetitions; i++)
        {
            long start = Stopwatch.GetTimestamp();
            for (int call = 0; call < calls; call++)
                (a + b).Dispose();
            times.Add(Stopwatch.GetElapsedTime(start).TotalSeconds / calls);
        }
        times.RemoveRange(0, repetitions / 5);
        times.Sort();
        return times[times.Count / 2];
    }
}
