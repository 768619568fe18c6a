using System.Diagnostics;
using Attention.Engine.Configuration;
using Attention.Engine.Training;
using Attention.Models;
using TorchSharp;
using static TorchSharp.torch;

namespace Attention.Engine.Benchmarks;

/// <summary>What a step of an optimizer costs by itself, on random gradients of a model's parameters.</summary>
public static class OptimizerBenchmark
{
    /// <summary>Median seconds of a step.</summary>
    /// <param name="part">The model.</param>
    /// <param name="optimizer">The optimizer's config.</param>
    /// <param name="seconds">Time to spend.</param>
    /// <param name="cancellation">Ends it early.</param>
    public static double Run(NamedPart part, OptimizerConfig optimizer, double seconds, CancellationToken cancellation)
    {
        const int warmUp = 3;
        manual_seed(0);
        using var scope = NewDisposeScope();
        using var model = (ImageModel)ModelBuilder.Build(part);
        using var stepped = Optimizers.Create(optimizer, model);
        foreach (var parameter in model.parameters())
            parameter.grad = randn(parameter.shape) * 1e-2;
        var times = new List<double>();
        var clock = Stopwatch.StartNew();
        while (times.Count < warmUp + 5 || clock.Elapsed.TotalSeconds < seconds)
        {
            cancellation.ThrowIfCancellationRequested();
            long start = Stopwatch.GetTimestamp();
            stepped.Step();
            times.Add(Stopwatch.GetElapsedTime(start).TotalSeconds);
        }
        var sorted = times.Skip(warmUp).Order().ToArray();
        return sorted[sorted.Length / 2];
    }
}
