using System.Diagnostics;
using Attention.Engine.Checkpoints;
using Attention.Engine.Configuration;
using Attention.Torch;
using TorchSharp;
using static TorchSharp.torch;

namespace Attention.Engine.Benchmarks;

/// <summary>Loading a checkpoint beside reading its file.</summary>
/// <param name="Bytes">Of the file.</param>
/// <param name="ReadSeconds">Reading it front to back into memory that is there already; median.</param>
/// <param name="LoadSeconds">Opening it and copying every tensor into one that is there already; median.</param>
/// <param name="ExtraBytes">The most memory that loading held beyond those tensors.</param>
/// <param name="Model">The same with a model that is made for it; null where none was named.</param>
public sealed record CheckpointTiming(long Bytes, double ReadSeconds, double LoadSeconds, long ExtraBytes, ModelLoadTiming? Model);

/// <summary>Making a model with a checkpoint's weights.</summary>
/// <param name="Seconds">From nothing to the loaded model; median.</param>
/// <param name="ExtraBytes">The most memory that it held beyond the model's own.</param>
public sealed record ModelLoadTiming(double Seconds, long ExtraBytes);

/// <summary>Times both in turns, so that they meet the same disk cache.</summary>
public static class CheckpointBenchmark
{
    private const int Rounds = 9;
    private const int ReadBytes = 1 << 20;

    /// <param name="path">A checkpoint in one file.</param>
    /// <param name="model">A model that it fits.</param>
    public static CheckpointTiming Run(string path, NamedPart? model = null)
    {
        using var scope = NewDisposeScope();
        var init = new InitConfig { checkpoint = path };
        // The library itself takes memory when it is first used.
        ones(1).add_(1);
        // Before anything else, while no memory lies free that it could take unseen.
        long modelExtra = model is null ? 0 : ModelGrowth(model, init);
        Dictionary<string, Tensor> targets;
        using (var checkpoint = CheckpointReader.Open(path))
            targets = checkpoint.Entries.ToDictionary(entry => entry.Name, entry => ones(entry.Shape, entry.Type));
        long extra = Growth(() => Load(path, targets));

        var memory = new byte[new FileInfo(path).Length];
        Array.Fill(memory, (byte)1);
        var medians = MediansInTurns(
            () => Read(path, memory),
            () => Load(path, targets),
            () =>
            {
                if (model is not null)
                    ModelBuilder.Build(model, init).Model.Dispose();
            });
        return new CheckpointTiming(memory.LongLength, medians[0], medians[1], extra, model is null ? null : new ModelLoadTiming(medians[2], modelExtra));
    }

    private static long ModelGrowth(NamedPart part, InitConfig init)
    {
        long held = 0;
        long grown = Growth(() =>
        {
            using var model = ModelBuilder.Build(part, init).Model;
            held = model.state_dict().Values.Sum(tensor => tensor.numel() * tensor.ElementSize);
        });
        return grown - held;
    }

    // How much the memory of the process rose at the most while it ran.
    private static long Growth(Action action)
    {
        MemoryInfo.ResetPeak();
        long before = MemoryInfo.Resident;
        action();
        return MemoryInfo.PeakResident - before;
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

    private static double[] MediansInTurns(params Action[] actions)
    {
        var seconds = actions.Select(_ => new double[Rounds]).ToArray();
        for (int round = 0; round < Rounds; round++)
            for (int i = 0; i < actions.Length; i++)
                seconds[i][round] = Seconds(actions[i]);
        return [.. seconds.Select(Median)];
    }

    private static double Seconds(Action action)
    {
        long start = Stopwatch.GetTimestamp();
        action();
        return Stopwatch.GetElapsedTime(start).TotalSeconds;
    }

    private static double Median(double[] values) => values.Order().ElementAt(values.Length / 2);
}
