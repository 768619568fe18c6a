using System.Diagnostics;
using Attention.Engine.Checkpoints;
using Attention.Torch;
using TorchSharp;
using static TorchSharp.torch;

namespace Attention.Engine.Benchmarks;

/// <summary>Loading a checkpoint beside reading its file.</summary>
/// <param name="Bytes">Of the file.</param>
/// <param name="ReadSeconds">Reading it front to back into memory that is there already; median.</param>
/// <param name="LoadSeconds">Opening it and copying every tensor into one that is there already; median.</param>
/// <param name="ExtraBytes">The most memory that loading held beyond those tensors.</param>
public sealed record CheckpointTiming(long Bytes, double ReadSeconds, double LoadSeconds, long ExtraBytes);

/// <summary>Times both in turns, so that they meet the same disk cache.</summary>
public static class CheckpointBenchmark
{
    private const int Rounds = 9;
    private const int ReadBytes = 1 << 20;

    public static CheckpointTiming Run(string path)
    {
        using var scope = NewDisposeScope();
        Dictionary<string, Tensor> targets;
        using (var checkpoint = CheckpointReader.Open(path))
            targets = checkpoint.Entries.ToDictionary(entry => entry.Name, entry => ones(entry.Shape, entry.Type));

        MemoryInfo.ResetPeak();
        long before = MemoryInfo.Resident;
        Load(path, targets);
        long extra = MemoryInfo.PeakResident - before;

        var memory = new byte[new FileInfo(path).Length];
        Array.Fill(memory, (byte)1);
        double[] reads = new double[Rounds], loads = new double[Rounds];
        for (int i = 0; i < Rounds; i++)
        {
            reads[i] = Seconds(() => Read(path, memory));
            loads[i] = Seconds(() => Load(path, targets));
        }
        return new CheckpointTiming(memory.LongLength, Median(reads), Median(loads), extra);
    }

    private static void Load(string path, Dictionary<string, Tensor> targets)
    {
        using var checkpoint = CheckpointReader.Open(path);
        foreach (var (name, target) in targets)
            checkpoint.CopyTo(name, target);
    }

    private static void Read(string path, byte[] memory)
    {
        using var file = File.OpenHandle(path);
        for (int position = 0; position < memory.Length;)
            position += RandomAccess.Read(file, memory.AsSpan(position, Math.Min(ReadBytes, memory.Length - position)), position);
    }

    private static double Seconds(Action action)
    {
        long start = Stopwatch.GetTimestamp();
        action();
        return Stopwatch.GetElapsedTime(start).TotalSeconds;
    }

    private static double Median(double[] values) => values.Order().ElementAt(values.Length / 2);
}
