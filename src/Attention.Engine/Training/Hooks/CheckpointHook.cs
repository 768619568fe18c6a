using System.Globalization;
using Attention.Engine.Checkpoints;
using Attention.Engine.Configuration;
using Attention.Engine.Runs;

namespace Attention.Engine.Training.Hooks;

/// <summary>Saves <c>checkpoints/epoch-0007</c> as often as the config asks, keeps the newest few, and <c>checkpoints/best</c>.</summary>
public sealed class CheckpointHook(RunFolder run, CheckpointConfig config, string model) : TrainingHook
{
    /// <summary>The newest whole checkpoint of a run, or null.</summary>
    public static string? Newest(RunFolder run) => Numbered(run).LastOrDefault();

    public override void OnEpoch(Trainer trainer, EpochResult result)
    {
        int done = result.Epoch + 1;
        Directory.CreateDirectory(run.Checkpoints);
        if (result.IsBest)
            Checkpoint.Save(Path.Combine(run.Checkpoints, "best"), trainer, model, result.Evaluation);
        if (done % config.every != 0 && done != trainer.Epochs)
            return;
        Checkpoint.Save(Path.Combine(run.Checkpoints, $"epoch-{done.ToString("D4", CultureInfo.InvariantCulture)}"), trainer, model, result.Evaluation);
        foreach (var old in Numbered(run).SkipLast(config.keep))
            Directory.Delete(old, recursive: true);
    }

    private static IEnumerable<string> Numbered(RunFolder run) => !Directory.Exists(run.Checkpoints) ? [] :
        Directory.GetDirectories(run.Checkpoints, "epoch-*")
            .Where(folder => Path.GetExtension(folder) == "" && File.Exists(Path.Combine(folder, Checkpoint.ManifestFile)))
            .Order(StringComparer.Ordinal);
}
