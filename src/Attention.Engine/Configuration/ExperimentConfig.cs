using System.ComponentModel.DataAnnotations;

namespace Attention.Engine.Configuration;

/// <summary>Everything that decides a training run. The property names are the keys of the YAML file.</summary>
public sealed record ExperimentConfig : IValidatableObject
{
    /// <summary>The run's name, and its folder under <see cref="output"/>; by default the config file's name.</summary>
    [RegularExpression(@"[^/\\:*?""<>|]*[^/\\:*?""<>|. ]", ErrorMessage = "a name that can be a folder's")]
    public string name { get; init; } = "experiment";

    /// <summary>What is learnt.</summary>
    public TaskKind task { get; init; } = TaskKind.ImageClassification;

    /// <summary>Decides initial weights, order of the data and augmentation.</summary>
    public int seed { get; init; }

    /// <summary>Where tensors live: auto takes CUDA where there is a device.</summary>
    [RegularExpression(@"auto|cpu|cuda(:\d+)?", ErrorMessage = "one of: auto, cpu, cuda, cuda:0, cuda:1, ...")]
    public string device { get; init; } = "auto";

    /// <summary>A model of the registry (see attention models) and any fields of its record.</summary>
    [Required]
    public NamedPart model { get; init; } = null!;

    /// <summary>Weights to start from; null for fresh ones.</summary>
    public InitConfig? init { get; init; }

    /// <summary>The images, how they are prepared and how they are read.</summary>
    [Required]
    public DataConfig data { get; init; } = null!;

    /// <summary>How long to train, in what portions.</summary>
    public TrainConfig train { get; init; } = new();

    /// <summary>The rule that moves the weights.</summary>
    public OptimizerConfig optimizer { get; init; } = new AdamWConfig();

    /// <summary>The learning rate over the run.</summary>
    public ScheduleConfig schedule { get; init; } = new CosineConfig();

    /// <summary>What is minimised.</summary>
    public LossConfig loss { get; init; } = new CrossEntropyConfig();

    /// <summary>The largest norm that all gradients together may have; null for no limit.</summary>
    [Range(0, double.PositiveInfinity, MinimumIsExclusive = true)]
    public double? clip_grad_norm { get; init; }

    /// <summary>When the state is saved.</summary>
    public CheckpointConfig checkpoint { get; init; } = new();

    /// <summary>What is written down.</summary>
    public LogConfig log { get; init; } = new();

    /// <summary>The folder of all runs.</summary>
    public string output { get; init; } = "runs";

    /// <summary>Loads an experiment; without a <c>name</c> it is called like its file.</summary>
    /// <param name="path">The YAML file.</param>
    /// <param name="overrides">Values laid over it, such as <c>optimizer.lr=1e-3</c>.</param>
    /// <exception cref="ConfigError">What is wrong, with file and line.</exception>
    public static Config<ExperimentConfig> Load(string path, params IEnumerable<string> overrides) =>
        ConfigLoader.Load(path, new ExperimentConfig { name = Path.GetFileNameWithoutExtension(path) }, overrides);

    IEnumerable<ValidationResult> IValidatableObject.Validate(ValidationContext context)
    {
        if (schedule.warmup_epochs >= train.epochs)
            yield return new($"'schedule.warmup_epochs' is {schedule.warmup_epochs}, but must be below 'train.epochs', which is {train.epochs}\n"
                + "shorten the warm-up or train longer", ["schedule.warmup_epochs", "train.epochs"]);
        if (schedule.min_lr > optimizer.lr)
            yield return new($"'schedule.min_lr' is {schedule.min_lr}, but must not be above 'optimizer.lr', which is {optimizer.lr}\n"
                + "lower the one or raise the other", ["schedule.min_lr", "optimizer.lr"]);
    }
}

public enum TaskKind
{
    ImageClassification,
}

public sealed record TrainConfig
{
    /// <summary>Passes over the training images.</summary>
    [Range(1, int.MaxValue)]
    public int epochs { get; init; } = 100;

    /// <summary>Images of one optimizer step.</summary>
    [Range(1, int.MaxValue)]
    public int batch_size { get; init; } = 128;

    /// <summary>Images measured at a time; null for the batch size of training.</summary>
    [Range(1, int.MaxValue)]
    public int? eval_batch_size { get; init; }
}

/// <summary>A rule that moves the weights.</summary>
[Part<AdamWConfig>("adamw")]
public abstract record OptimizerConfig
{
    /// <summary>The highest learning rate of the run.</summary>
    [Range(0, double.PositiveInfinity, MinimumIsExclusive = true)]
    public double lr { get; init; } = 1e-3;

    /// <summary>How much weights shrink each step, in units of the learning rate; norms and biases are left out.</summary>
    [Range(0, double.PositiveInfinity)]
    public double weight_decay { get; init; } = 0.05;
}

/// <summary>Adam with decoupled weight decay (Loshchilov and Hutter, arXiv:1711.05101).</summary>
public sealed record AdamWConfig : OptimizerConfig
{
    /// <summary>Decay of the running means of the gradient and of its square.</summary>
    [Range(0, 1, MaximumIsExclusive = true)]
    public (double, double) betas { get; init; } = (0.9, 0.999);

    /// <summary>Added to the denominator.</summary>
    [Range(0, double.PositiveInfinity)]
    public double eps { get; init; } = 1e-8;
}

/// <summary>The learning rate over the run: a linear warm-up, then the named curve.</summary>
[Part<CosineConfig>("cosine")]
public abstract record ScheduleConfig
{
    /// <summary>Epochs over which the learning rate rises from near zero; fractions are allowed.</summary>
    [Range(0, double.PositiveInfinity)]
    public double warmup_epochs { get; init; }

    /// <summary>The learning rate at the end of the run.</summary>
    [Range(0, double.PositiveInfinity)]
    public double min_lr { get; init; }
}

/// <summary>Half a period of a cosine from the highest rate to the lowest (Loshchilov and Hutter, arXiv:1608.03983).</summary>
public sealed record CosineConfig : ScheduleConfig;

/// <summary>What is minimised.</summary>
[Part<CrossEntropyConfig>("cross_entropy")]
public abstract record LossConfig;

/// <summary>Cross-entropy of the predicted classes.</summary>
public sealed record CrossEntropyConfig : LossConfig
{
    /// <summary>The share of the target that is spread over all classes (Szegedy et al., arXiv:1512.00567).</summary>
    [Range(0, 1, MaximumIsExclusive = true)]
    public double label_smoothing { get; init; }
}

/// <summary>Weights to start from, as in fine-tuning: <c>init: {checkpoint: vit_tiny.safetensors}</c>.</summary>
public sealed record InitConfig
{
    /// <summary>A .safetensors, .pth, .pt or .bin file, or a folder with one.</summary>
    [Required]
    public string checkpoint { get; init; } = null!;

    /// <summary>Whether a tensor that is missing, unexpected or does not fit ends the run; otherwise what fits is taken.</summary>
    public bool strict { get; init; } = true;

    /// <summary>The part of a nested checkpoint, such as model; null for averaged weights where there are some.</summary>
    public string? part { get; init; }
}

public sealed record CheckpointConfig
{
    /// <summary>Epochs from one checkpoint to the next; the last epoch always makes one.</summary>
    [Range(1, int.MaxValue)]
    public int every { get; init; } = 1;

    /// <summary>How many checkpoints stay, besides the best.</summary>
    [Range(1, int.MaxValue)]
    public int keep { get; init; } = 1;
}

public sealed record LogConfig
{
    /// <summary>Steps from one line of the log to the next.</summary>
    [Range(1, int.MaxValue)]
    public int every { get; init; } = 50;

    /// <summary>Whether TensorBoard event files are written.</summary>
    public bool tensorboard { get; init; } = true;

    /// <summary>Whether report.html is written.</summary>
    public bool report { get; init; } = true;
}
