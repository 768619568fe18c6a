using System.Globalization;
using Attention.Engine.Checkpoints;
using Attention.Engine.Configuration;
using Attention.Engine.Runs;

namespace Attention.Engine.Training.Hooks;

/// <summary>
/// Saves <c>checkpoints/epoch-0007</c> as often as the config asks and keeps the newest few, <c>checkpoints/step-00001234</c>
/// within an epoch until there is a newer one, and <c>checkpoints/best</c>. A run that is asked to stop is saved first.
/// </summary>
public sealed class CheckpointHook(RunFolder run, CheckpointConfig config, string model) : TrainingHook
{
    private const string Epochs = "epoch-", Steps = "step-";
    private long saved = -1;

    /// <summary>The whole checkpoints of a run from which it can go on, the newest first.</summary>
    public static IReadOnlyList<string> Found(RunFolder run) =>
        [.. Numbered(run, Epochs).Concat(Numbered(run, Steps)).OrderByDescending(folder => Position(Checkpoint.ReadManifest(folder).state))];

    public override void OnStart(Trainer trainer)
    {
        saved = trainer.State.Step;
        Directory.CreateDirectory(run.Checkpoints);
        foreach (var folder in Directory.GetDirectories(run.Checkpoints))
            Checkpoint.Recover(folder);
    }

    public override void OnStep(Trainer trainer, StepResult result)
    {
        if (config.every_steps is { } every && trainer.State.Step % every == 0 && result.StepOfEpoch < trainer.StepsPerEpoch)
            SaveStep(trainer);
    }

    public override void OnEpoch(Trainer trainer, EpochResult result)
    {
        int done = result.Epoch + 1;
        if (result.IsBest)
            Save("best", trainer, result.Evaluation);
        if (done % config.every != 0 && !trainer.IsDone)
            return;
        Save($"{Epochs}{done.ToString("D4", CultureInfo.InvariantCulture)}", trainer, result.Evaluation);
        Remove(Numbered(run, Epochs).SkipLast(config.keep).Concat(Numbered(run, Steps)));
    }

    public override void OnEnd(Trainer trainer, Exception? failure)
    {
        if (failure is OperationCanceledException && trainer.State.Step > saved)
            SaveStep(trainer);
    }

    private void SaveStep(Trainer trainer)
    {
        var name = $"{Steps}{trainer.State.Step.ToString("D8", CultureInfo.InvariantCulture)}";
        Save(name, trainer, new Dictionary<string, double>());
        Remove(Numbered(run, Steps).Where(folder => Path.GetFileName(folder) != name));
    }

    private void Save(string name, Trainer trainer, IReadOnlyDictionary<string, double> metrics)
    {
        Checkpoint.Save(Path.Combine(run.Checkpoints, name), trainer, model, metrics);
        saved = trainer.State.Step;
    }

    // By their names, which number them.
    private static IEnumerable<string> Numbered(RunFolder run, string prefix) => !Directory.Exists(run.Checkpoints) ? [] :
        Directory.GetDirectories(run.Checkpoints, prefix + "*")
            .Where(folder => Path.GetExtension(folder) == "" && File.Exists(Path.Combine(folder, Checkpoint.ManifestFile)))
            .Order(StringComparer.Ordinal);

    // After its steps, the end of an epoch is the later place.
    private static (long, int) Position(TrainerState state) => (state.Step, state.Epoch);

    // The manifest goes first: what is left of a removal that was interrupted is no checkpoint.
    private static void Remove(IEnumerable<string> folders)
    {
        foreach (var folder in folders.ToArray())
        {
            File.Delete(Path.Combine(folder, Checkpoint.ManifestFile));
            Directory.Delete(folder, recursive: true);
        }
    }
}
