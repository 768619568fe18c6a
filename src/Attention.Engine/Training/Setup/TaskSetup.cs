using Attention.Engine.Configuration;
using Attention.Engine.Reporting;
using Attention.Engine.Runs;
using TorchSharp;
using static TorchSharp.torch;

namespace Attention.Engine.Training.Setup;

/// <summary>What one kind of task brings to a run: its data, what it asks of the model, and the task made of both.</summary>
internal abstract class TaskSetup
{
    /// <summary>The config's task with its data opened.</summary>
    /// <exception cref="UserError">The data are missing, or they and the model do not fit.</exception>
    public static TaskSetup Open(ExperimentConfig config, IRunReporter reporter, CancellationToken cancellation) => config.task switch
    {
        TaskKind.ImageClassification => new ImageClassificationSetup(config, reporter, cancellation),
        TaskKind.LanguageModeling => new LanguageModelingSetup(config, reporter),
        TaskKind.ObjectDetection => new ObjectDetectionSetup(config, reporter, cancellation),
        TaskKind.SemanticSegmentation => new SemanticSegmentationSetup(config, reporter, cancellation),
        _ => throw new ArgumentException($"no setup for {config.task}"),
    };

    /// <summary>Finds what of the config does not fit together, without its data; gives the record of its model.</summary>
    /// <exception cref="UserError">There is no such model, it has no such field, it is none for the task, or another first mistake.</exception>
    public static object Check(ExperimentConfig config) => config.task switch
    {
        TaskKind.ImageClassification => ImageClassificationSetup.CheckParts(config),
        TaskKind.LanguageModeling => LanguageModelingSetup.CheckParts(config),
        TaskKind.ObjectDetection => ObjectDetectionSetup.CheckParts(config),
        TaskKind.SemanticSegmentation => SemanticSegmentationSetup.CheckParts(config),
        _ => throw new ArgumentException($"no setup for {config.task}"),
    };

    /// <summary>What there is to learn from, for people: <c>50000 images to train on, 10000 held out</c>.</summary>
    public abstract string Data { get; }

    /// <summary>Multiply-adds of one sample's forward pass; null where nobody knows.</summary>
    public abstract double? MultiplyAdds { get; }

    /// <summary>Adapts a model that was started from a checkpoint, such as by a fresh classifier.</summary>
    public virtual void Renew(nn.Module model)
    {
    }

    /// <summary>The task; it owns the model and the data from then on.</summary>
    public abstract TrainingTask Create(nn.Module model, Device device);

    /// <summary>Keeps in the run's folder what its model cannot be used without.</summary>
    public virtual void Keep(RunFolder run)
    {
    }
}
