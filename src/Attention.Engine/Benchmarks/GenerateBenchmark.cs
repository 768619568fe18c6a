using System.Diagnostics;
using Attention.Data;
using Attention.Engine.Generation;
using Attention.Models.Language;
using Attention.Torch;
using TorchSharp;
using static TorchSharp.torch;

namespace Attention.Engine.Benchmarks;

/// <summary>How fast a language model goes on with a text.</summary>
/// <param name="TokensPerSecond">Of all sequences together, from the median token.</param>
/// <param name="PromptSeconds">Until the prompt was taken in.</param>
/// <param name="Milliseconds">Of a token: median, and the 10th and 90th percentile.</param>
/// <param name="FirstMilliseconds">Median of the first 64 tokens.</param>
/// <param name="LastMilliseconds">Median of the last 64.</param>
/// <param name="WeightBytes">Read for each token, where it goes through the fused operator; else 0.</param>
/// <param name="MemoryBytesPerSecond">What this machine's memory gives, measured by a sum over a large tensor.</param>
/// <param name="LiveTensorsGrowth">Tensors alive at the end beyond those after the first token.</param>
/// <param name="TensorsPerToken">Tensors made for a token.</param>
/// <param name="ManagedBytesPerToken">.NET memory taken for a token.</param>
/// <param name="WhyPlain">Why the fused operator was not used; null where it was.</param>
public sealed record GenerateTiming(
    double TokensPerSecond, double PromptSeconds, (double Median, double Low, double High) Milliseconds, double FirstMilliseconds, double LastMilliseconds,
    long WeightBytes, double MemoryBytesPerSecond, long LiveTensorsGrowth, double TensorsPerToken, double ManagedBytesPerToken, string? WhyPlain);

/// <summary>Times decoding, the choice of the likeliest token included.</summary>
public static class GenerateBenchmark
{
    // Tokens whose median stands for the beginning, and for the end.
    private const int Window = 64;

    /// <param name="model">The model, in evaluation mode.</param>
    /// <param name="batch">Sequences side by side.</param>
    /// <param name="prompt">Tokens of the prompt.</param>
    /// <param name="tokens">Tokens that are generated.</param>
    /// <param name="cancellation">Ends it early.</param>
    public static GenerateTiming Run(LanguageModel model, int batch, int prompt, int tokens, CancellationToken cancellation)
    {
        double bandwidth = MemoryBandwidth();
        var sampler = new Generation.Sampler(new SamplingConfig { temperature = 0 });
        using var session = model.StartDecoding(batch, prompt + tokens);
        var random = new SeededRandom(0, 0, 0);
        var next = Enumerable.Range(0, batch * prompt).Select(_ => (long)(random.NextDouble() * model.vocab_size)).ToArray();
        var clock = Stopwatch.StartNew();
        session.Feed(next);
        double promptSeconds = clock.Elapsed.TotalSeconds;
        next = new long[batch];
        var history = Array.Empty<int>();
        var times = new double[tokens];

        void Token(int number)
        {
            long start = Stopwatch.GetTimestamp();
            for (int row = 0; row < batch; row++)
                next[row] = sampler.Next(session.Logits(row), history);
            session.Feed(next);
            times[number] = Stopwatch.GetElapsedTime(start).TotalMilliseconds;
        }

        Token(0);
        var statistics = DisposeScopeManager.Statistics.TensorStatistics;
        long Made() => statistics.CreatedInScopeCount + statistics.CreatedOutsideScopeCount;
        var (live, made, managed) = (MemoryInfo.LiveTensors, Made(), GC.GetAllocatedBytesForCurrentThread());
        for (int i = 1; i < tokens; i++)
        {
            cancellation.ThrowIfCancellationRequested();
            Token(i);
        }
        double perToken = Math.Max(1, tokens - 1);
        managed = GC.GetAllocatedBytesForCurrentThread() - managed;
        var middle = Percentile(times, 0.5);
        return new GenerateTiming(batch * 1000 / middle, promptSeconds, (middle, Percentile(times, 0.1), Percentile(times, 0.9)),
            Percentile(times.AsSpan(0, Math.Min(Window, tokens)).ToArray(), 0.5), Percentile(times.AsSpan(Math.Max(0, tokens - Window)).ToArray(), 0.5),
            session.WeightBytes, bandwidth, MemoryInfo.LiveTensors - live, (Made() - made) / perToken, managed / perToken, session.WhyPlain);
    }

    private static double Percentile(double[] values, double share)
    {
        var sorted = values.Order().ToArray();
        return sorted[(int)(share * (sorted.Length - 1))];
    }

    /// <summary>Bytes a second that all threads together read from memory: the best of some sums over 512 MiB.</summary>
    public static double MemoryBandwidth()
    {
        const int repetitions = 7;
        using var scope = NewDisposeScope();
        var large = ones(128L << 20, ScalarType.Float32);
        double best = double.PositiveInfinity;
        for (int i = 0; i < repetitions; i++)
        {
            long start = Stopwatch.GetTimestamp();
            large.sum().Dispose();
            best = Math.Min(best, Stopwatch.GetElapsedTime(start).TotalSeconds);
        }
        return large.numel() * sizeof(float) / best;
    }
}
