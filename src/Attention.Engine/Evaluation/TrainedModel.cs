using Attention.Engine.Checkpoints;
using Attention.Engine.Configuration;
using Attention.Engine.Runs;
using Attention.Models;
using TorchSharp;
using static TorchSharp.torch;

namespace Attention.Engine.Evaluation;

/// <summary>A model with its weights: the best of a run, or one of the registry with a checkpoint.</summary>
public sealed class TrainedModel : IDisposable
{
    private TrainedModel(nn.Module model, NamedPart part, RunFolder? folder, ExperimentConfig? run, LoadReport report)
    {
        (Model, Part, Config, Folder, Run, Report) = (model, part, ModelBuilder.Config(part), folder, run, [.. report.Describe()]);
        model.eval();
        Device = cuda.is_available() ? CUDA : CPU;
        model.to(Device);
    }

    /// <summary>In evaluation mode.</summary>
    public nn.Module Model { get; }

    /// <summary>What it was built from.</summary>
    public NamedPart Part { get; }

    /// <summary>The same with all its fields.</summary>
    public object Config { get; }

    /// <summary>Where it is.</summary>
    public Device Device { get; }

    /// <summary>Its run; null where it is of the registry.</summary>
    public RunFolder? Folder { get; }

    /// <summary>The config of its run; null where it is of the registry.</summary>
    public ExperimentConfig? Run { get; }

    /// <summary>What was loaded, a line each.</summary>
    public IReadOnlyList<string> Report { get; }

    /// <param name="model">The folder of a run, or a model of the registry.</param>
    /// <param name="checkpoint">Its weights; the run's best where it is left out.</param>
    /// <param name="fields">Fields of the model's config, such as <c>img_size=384</c>.</param>
    /// <exception cref="UserError">There is no such model, its weights do not fit, or a field is wrong.</exception>
    public static TrainedModel Open(string model, string? checkpoint = null, IReadOnlyList<string>? fields = null)
    {
        var run = Directory.Exists(model) ? RunFolder.Open(model) : null;
        var config = run is null ? null : ExperimentConfig.Load(run.ConfigFile).Value;
        var part = With(config?.model ?? new NamedPart(model), fields ?? []);
        var init = new InitConfig { checkpoint = checkpoint ?? BestOf(run, model) };
        var (built, report) = ModelBuilder.Build(part, init);
        // The weights know how many classes there are.
        if (report.Reinitialised.Count > 0 && built is ImageModel)
        {
            built.Dispose();
            part = With(part, [$"num_classes={report.Reinitialised[0].Checkpoint[0]}"]);
            (built, report) = ModelBuilder.Build(part, init);
        }
        return new TrainedModel(built, part, run, config, report);
    }

    /// <summary>The model and its config as those of one kind.</summary>
    /// <param name="kind">What it should be, for people: <c>image model</c>.</param>
    /// <param name="advice">What to do where it is none.</param>
    /// <exception cref="UserError">It is of another kind.</exception>
    public (TModel Model, TConfig Config) As<TModel, TConfig>(string kind, string advice) where TModel : nn.Module where TConfig : class =>
        Model is TModel model && Config is TConfig config ? (model, config) : throw new UserError($"'{Part.name}' is no {kind}", advice);

    private static string BestOf(RunFolder? run, string model)
    {
        if (run is null)
            throw new UserError($"no weights were given for '{model}'", "add --checkpoint FILE, or name the folder of a run");
        var best = Path.Combine(run.Checkpoints, "best", Checkpoint.ModelFile);
        return File.Exists(best) ? best
            : throw new UserError($"run '{model}' has no best checkpoint", "train it for an epoch at least, or add --checkpoint FILE");
    }

    private static NamedPart With(NamedPart part, IReadOnlyList<string> fields) =>
        fields.Count == 0 ? part : new NamedPart(part.name, Origin.Default, Overrides.Apply(part.options, fields), part.Path);

    public void Dispose() => Model.Dispose();
}
