using System.Diagnostics;
using Attention.Engine.Checkpoints;
using Attention.Engine.Runs;
using Attention.Engine.Training.Hooks;

namespace Attention.Tests.Engine.Faults;

/// <summary>
/// Real processes that are killed, stopped, or find the disk full, and go on: the result is that of a run that nothing
/// happened to, bit for bit.
/// </summary>
public sealed class KilledRunTests : IDisposable
{
    private const int Kills = 20, Chains = 2, Epochs = 4;
    private readonly TemporaryFolder folder = new();

    public void Dispose() => folder.Dispose();

    /// <summary>Everything that has a state: dropout, stochastic depth, augmentation, an average, accumulation, momentum.</summary>
    private string Config(string output) => folder.Write($"{output}.yaml", $$$"""
        name: run
        seed: 5
        model: {name: vit_tiny_patch16_224, img_size: 16, patch_size: 4, embed_dim: 32, depth: 3, num_heads: 2, num_classes: 10, drop_rate: 0.1, drop_path_rate: 0.1}
        data: {name: shapes, path: "{{{folder.File("shapes")}}}", image_size: 16, train_per_class: 16, val_per_class: 2, cache: memory, workers: 1, transforms: {train: random_resized_crop(16)|hflip, eval: resize(16)}}
        train: {epochs: {{{Epochs}}}, batch_size: 4, accumulate: 2}
        ema: {decay: 0.95}
        clip_grad_norm: 1
        checkpoint: {every_steps: 3, keep: 2}
        log: {every: 1}
        output: "{{{folder.File(output)}}}"
        """);

    private static RunFolder? Find(string output)
    {
        var parent = Path.Combine(output, "run");
        var run = Directory.Exists(parent) ? Directory.GetDirectories(parent).SingleOrDefault(path => !Path.GetFileName(path).StartsWith('.')) : null;
        return run is null ? null : RunFolder.Open(run);
    }

    /// <summary>Weights, averages and optimizer at the end, and the loss of every step.</summary>
    private static string[] Result(string output)
    {
        var run = Find(output)!;
        Assert.Equal("finished", RunSummary.Read(run.SummaryFile)!.status);
        var last = Path.Combine(run.Checkpoints, $"epoch-{Epochs:D4}");
        var manifest = Checkpoint.ReadManifest(last);
        Assert.Equal(4, manifest.sha256.Count);
        return [.. manifest.sha256.OrderBy(pair => pair.Key).Select(pair => $"{pair.Key} {pair.Value}"),
            .. JsonLog.Read(run.LogFile).Where(row => row.Metrics.ContainsKey("train/loss")).Select(row => $"{row.Step} {row.Metrics["train/loss"]:R} {row.Metrics["lr"]:R}")];
    }

    private void Uninterrupted(string output, out TimeSpan training)
    {
        using var process = new TrainingProcess(null, "train", Config(output));
        process.Training.Wait();
        var clock = Stopwatch.StartNew();
        Assert.True(process.Wait() == 0, process.Output);
        training = clock.Elapsed;
    }

    [SkippableFact]
    public void Runs_killed_at_twenty_random_moments_end_with_the_same_bits()
    {
        Skip.IfNot(OperatingSystem.IsLinux(), "needs signals");
        Uninterrupted("whole", out var training);
        var expected = Result(folder.File("whole"));

        int kills = 0, number = 0;
        void Chain(int seed)
        {
            var random = new Random(seed);
            while (Volatile.Read(ref kills) < Kills)
            {
                var name = $"killed-{Interlocked.Increment(ref number)}";
                var config = Config(name);
                while (true)
                {
                    using var process = Find(folder.File(name)) is { } run
                        ? new TrainingProcess(null, "train", "--resume", run.Location)
                        : new TrainingProcess(null, "train", config);
                    process.Training.Wait();
                    // Mostly in training and its checkpoints; the chain ends when a session gets through.
                    if (Volatile.Read(ref kills) < Kills)
                        Thread.Sleep(training * (random.NextDouble() * 0.5));
                    if (Volatile.Read(ref kills) >= Kills || process.HasExited)
                    {
                        Assert.True(process.Wait() == 0, process.Output);
                        break;
                    }
                    process.Kill();
                    Interlocked.Increment(ref kills);
                    if (Find(folder.File(name)) is { } killed && RunSummary.Read(killed.SummaryFile) is { status: "finished" })
                        break;
                }
                Assert.Equal(expected, Result(folder.File(name)));
            }
        }
        Task.WaitAll([.. Enumerable.Range(0, Chains).Select(seed => Task.Factory.StartNew(() => Chain(seed), TaskCreationOptions.LongRunning))]);
        Assert.True(kills >= Kills);
    }

    [SkippableFact]
    public void A_run_stopped_by_SIGTERM_saves_and_goes_on_in_the_middle_of_an_epoch()
    {
        Skip.IfNot(OperatingSystem.IsLinux(), "needs signals");
        Uninterrupted("whole", out _);
        var output = folder.File("stopped");
        using (var process = new TrainingProcess(null, "train", Config("stopped")))
        {
            process.Training.Wait();
            process.Terminate();
            Assert.NotEqual(0, process.Wait());
            Assert.Contains("--resume", process.Output);
        }
        var run = Find(output)!;
        Assert.Equal("stopped", RunSummary.Read(run.SummaryFile)!.status);
        using (var process = new TrainingProcess(null, "train", "--resume", run.Location))
            Assert.True(process.Wait() == 0, process.Output);
        Assert.Equal(Result(folder.File("whole")), Result(output));
    }

    [SkippableFact]
    public void A_full_disk_leaves_the_checkpoint_before_it_as_it_was()
    {
        Skip.IfNot(OperatingSystem.IsLinux(), "needs limits");
        Uninterrupted("whole", out _);
        var output = folder.File("full");
        using (var process = new TrainingProcess(null, "train", Config("full")))
        {
            process.Training.Wait();
            while (!process.HasExited && (Find(output) is not { } started || CheckpointHook.Found(started).Count == 0))
                Thread.Sleep(5);
            process.Kill();
        }
        var run = Find(output)!;
        var before = Files(run);
        using (var process = new TrainingProcess(limitKilobytes: 64, "train", "--resume", run.Location))
        {
            Assert.Equal(2, process.Wait());
            Assert.Contains("could not be written", process.Output);
            Assert.Contains("make room on the disk", process.Output);
        }
        // Everything of a whole checkpoint is still there, and nothing of the one that failed.
        Assert.Equal(before, Files(run));
        using (var process = new TrainingProcess(null, "train", "--resume", run.Location))
            Assert.True(process.Wait() == 0, process.Output);
        Assert.Equal(Result(folder.File("whole")), Result(output));
    }

    private static string[] Files(RunFolder run)
    {
        foreach (var left in Directory.GetDirectories(run.Checkpoints))
            Checkpoint.Recover(left);
        return [.. Directory.GetFiles(run.Checkpoints, "*", SearchOption.AllDirectories).Order()
            .Select(path => $"{path} {Convert.ToHexString(System.Security.Cryptography.SHA256.HashData(File.ReadAllBytes(path)))}")];
    }
}
