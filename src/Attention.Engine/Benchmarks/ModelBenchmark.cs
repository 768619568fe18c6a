using System.Diagnostics;
using Attention.Engine.Configuration;
using Attention.Engine.Training;
using Attention.Models;
using Attention.Torch;
using TorchSharp;
using static TorchSharp.torch;

namespace Attention.Engine.Benchmarks;

/// <summary>What is timed.</summary>
public enum BenchmarkMode
{
    /// <summary>Forward in inference mode.</summary>
    Forward,

    /// <summary>Forward, backward and a step of AdamW.</summary>
    Train,
}

/// <summary>How fast a model is, and what it takes.</summary>
/// <param name="ImagesPerSecond">From the median step.</param>
/// <param name="MedianSeconds">Of a step.</param>
/// <param name="Steps">Steps timed.</param>
/// <param name="PeakBytes">Peak resident memory of the process.</param>
/// <param name="LiveTensorsGrowth">Tensors alive at the end beyond those after the first steps.</param>
/// <param name="ResidentGrowthBytes">The same of resident memory.</param>
public sealed record ModelTiming(double ImagesPerSecond, double MedianSeconds, int Steps, long PeakBytes, long LiveTensorsGrowth, long ResidentGrowthBytes);

/// <summary>Times a model of the registry on random images.</summary>
public static class ModelBenchmark
{
    /// <summary>Steps that are not counted: allocations, first-touch pages and tiering happen there.</summary>
    private const int WarmUp = 3;

    /// <param name="part">The model, with changed fields if wanted.</param>
    /// <param name="mode">What is timed.</param>
    /// <param name="batch">Images of a step.</param>
    /// <param name="seconds">Time to spend, where <paramref name="steps"/> is null.</param>
    /// <param name="steps">Steps to time.</param>
    /// <param name="cancellation">Ends it early.</param>
    public static ModelTiming Run(NamedPart part, BenchmarkMode mode, int batch, double seconds, int? steps, CancellationToken cancellation)
    {
        var config = (ImageModelConfig)ModelBuilder.Config(part);
        manual_seed(0);
        using var scope = NewDisposeScope();
        using var model = (ImageModel)ModelBuilder.Build(part);
        using var optimizer = new FusedAdamW(ParameterGroups.Of(model, 1e-3, 0.05, model.no_weight_decay));
        var images = rand(batch, config.in_chans, config.img_size, config.img_size);
        var labels = randint(0, Math.Max(1, config.num_classes), [batch]);
        model.train(mode == BenchmarkMode.Train);

        void Step()
        {
            using var inner = NewDisposeScope();
            if (mode == BenchmarkMode.Forward)
            {
                using var _ = inference_mode();
                model.call(images);
                return;
            }
            optimizer.ZeroGrad();
            nn.functional.cross_entropy(model.call(images), labels).backward();
            optimizer.Step();
        }

        for (int i = 0; i < WarmUp; i++)
            Step();
        long liveBefore = MemoryInfo.LiveTensors;
        long residentBefore = MemoryInfo.Resident;
        var times = new List<double>();
        var clock = Stopwatch.StartNew();
        while (steps is { } wanted ? times.Count < wanted : times.Count < 3 || clock.Elapsed.TotalSeconds < seconds)
        {
            cancellation.ThrowIfCancellationRequested();
            long start = Stopwatch.GetTimestamp();
            Step();
            times.Add(Stopwatch.GetElapsedTime(start).TotalSeconds);
        }
        var sorted = times.Order().ToArray();
        double median = sorted[sorted.Length / 2];
        return new ModelTiming(batch / median, median, times.Count, MemoryInfo.PeakResident,
            MemoryInfo.LiveTensors - liveBefore, MemoryInfo.Resident - residentBefore);
    }
}
