using System.ComponentModel.DataAnnotations;
using Attention.Data;

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

    /// <summary>The images or the text, how they are prepared and how they are read.</summary>
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

    /// <summary>Mixing the images of a batch and their targets; null for none.</summary>
    public MixupConfig? mixup { get; init; }

    /// <summary>A model whose answers are learnt beside the labels; null for none.</summary>
    public DistillationConfig? distillation { get; init; }

    /// <summary>Windows side by side in which a segmenter is measured, rather than whole images; null for these.</summary>
    public SlidingWindowConfig? sliding_window { get; init; }

    /// <summary>The largest norm that all gradients together may have; null for no limit.</summary>
    [Range(0, double.PositiveInfinity, MinimumIsExclusive = true)]
    public double? clip_grad_norm { get; init; }

    /// <summary>The largest size that an element of a gradient may have; null for no limit.</summary>
    [Range(0, double.PositiveInfinity, MinimumIsExclusive = true)]
    public double? clip_grad_value { get; init; }

    /// <summary>The largest ratio of a gradient's norm to its weight's, unit by unit (Brock et al., arXiv:2102.06171), such as 0.01; null for no limit.</summary>
    [Range(0, double.PositiveInfinity, MinimumIsExclusive = true)]
    public double? clip_grad_adaptive { get; init; }

    /// <summary>A running average of the weights, which is measured and kept in their stead; null for none.</summary>
    public EmaConfig? ema { get; init; }

    /// <summary>Parameters that are not trained, by name with wildcards: [patch_embed.*, "*.norm?.*"].</summary>
    public string[] freeze { get; init; } = [];

    /// <summary>Whether the classifier alone is trained, on features that stay as they are.</summary>
    public bool linear_probe { get; init; }

    /// <summary>Low-rank changes of linear layers, which are trained in place of the weights; null for none.</summary>
    public LoraConfig? lora { get; init; }

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
        if (schedule is not ConstantConfig && schedule.min_lr > optimizer.lr)
            yield return new($"'schedule.min_lr' is {schedule.min_lr}, but must not be above 'optimizer.lr', which is {optimizer.lr}\n"
                + "lower the one or raise the other", ["schedule.min_lr", "optimizer.lr"]);
        if (schedule.warmup_lr > optimizer.lr)
            yield return new($"'schedule.warmup_lr' is {schedule.warmup_lr}, but must not be above 'optimizer.lr', which is {optimizer.lr}\n"
                + "lower the one or raise the other", ["schedule.warmup_lr", "optimizer.lr"]);
        if (new[] { clip_grad_norm, clip_grad_value, clip_grad_adaptive }.Count(limit => limit is not null) > 1)
            yield return new("gradients are clipped in several ways\nkeep one of clip_grad_norm, clip_grad_value and clip_grad_adaptive",
                ["clip_grad_value", "clip_grad_adaptive", "clip_grad_norm"]);
        var parts = PartFamily.Of(typeof(DataConfig))!;
        var kinds = DataOf(task);
        if (!kinds.Any(kind => kind.IsInstanceOfType(data)))
            yield return new($"'data.name' is {parts.NameOf(data)}, which is not for task {ScalarTypes.Name(task)}\n"
                + $"choose one of {string.Join(", ", parts.Names.Where(name => kinds.Any(kind => kind.IsInstanceOfType(parts.Defaults(name)))))}, or another task", ["data.name", "task"]);
        if (task != TaskKind.ImageClassification && Unfit() is { } key)
            yield return new($"'{key}' is for task image_classification, not {ScalarTypes.Name(task)}\nleave it out", [key]);
        if (task != TaskKind.SemanticSegmentation && (loss is PixelLossConfig ? "loss.name" : sliding_window is not null ? "sliding_window" : null) is { } pixels)
            yield return new($"'{pixels}' is for task semantic_segmentation, not {ScalarTypes.Name(task)}\nleave it out", [pixels]);
        if (sliding_window is { } window && window.stride > window.size)
            yield return new($"'sliding_window.stride' is {window.stride}, but must not be above 'sliding_window.size', which is {window.size}\n"
                + "windows would leave pixels out", ["sliding_window.stride", "sliding_window.size"]);
        if (linear_probe && lora is not null)
            yield return new("'linear_probe' and 'lora' exclude each other\nremove one of them", ["lora", "linear_probe"]);
    }

    private static Type[] DataOf(TaskKind task) => task switch
    {
        TaskKind.LanguageModeling => [typeof(TokenDataConfig)],
        TaskKind.ObjectDetection => [typeof(CocoConfig), typeof(ScenesConfig)],
        TaskKind.SemanticSegmentation => [typeof(LabelMapsConfig), typeof(ScenesConfig)],
        _ => [typeof(ImageDataConfig)],
    };

    // A key that says something about the classes of images alone.
    private string? Unfit() => this switch
    {
        { mixup: not null } => "mixup",
        { distillation: not null } => "distillation",
        { linear_probe: true } => "linear_probe",
        { loss: not CrossEntropyConfig } when !(task == TaskKind.SemanticSegmentation && loss is PixelLossConfig) => "loss.name",
        { loss.class_weights.Length: > 0, task: not TaskKind.SemanticSegmentation } => "loss.class_weights",
        { loss.balance_classes: true } => "loss.balance_classes",
        _ => null,
    };
}

public enum TaskKind
{
    /// <summary>One label for each image.</summary>
    ImageClassification,

    /// <summary>The next token of a text.</summary>
    LanguageModeling,

    /// <summary>Boxes of objects, and their masks or keypoints where the model tells them.</summary>
    ObjectDetection,

    /// <summary>The class of each pixel.</summary>
    SemanticSegmentation,
}

public sealed record TrainConfig
{
    /// <summary>Passes over the training data.</summary>
    [Range(1, int.MaxValue)]
    public int epochs { get; init; } = 100;

    /// <summary>Images, or sequences of tokens, of one batch.</summary>
    [Range(1, int.MaxValue)]
    public int batch_size { get; init; } = 128;

    /// <summary>How many are measured at a time; null for the batch size of training.</summary>
    [Range(1, int.MaxValue)]
    public int? eval_batch_size { get; init; }

    /// <summary>Batches whose gradients are summed up to one optimizer step.</summary>
    [Range(1, int.MaxValue)]
    public int accumulate { get; init; } = 1;

    /// <summary>What most operators compute in; weights and their averages are fp32 in any case.</summary>
    public Precision precision { get; init; } = Precision.Fp32;

    /// <summary>Whether blocks are computed again in backward rather than kept: less memory for a third more time.</summary>
    public bool checkpoint_activations { get; init; }

    /// <summary>Epochs from one measurement to the next; the last epoch is always measured.</summary>
    [Range(1, int.MaxValue)]
    public int eval_every { get; init; } = 1;

    /// <summary>Epochs without a better measurement after which the run ends; null for never.</summary>
    [Range(1, int.MaxValue)]
    public int? patience { get; init; }
}

public enum Precision
{
    Fp32,

    /// <summary>bfloat16 by autocast.</summary>
    Bf16,

    /// <summary>float16 by autocast, with a scaled loss; on CUDA alone.</summary>
    Fp16,
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

    /// <summary>The part of the model that the checkpoint is of, such as backbone; null for the whole.</summary>
    public string? into { get; init; }

    /// <summary>Whether the classifier is taken too; otherwise it starts fresh, as for other classes.</summary>
    public bool classifier { get; init; } = true;
}

/// <summary>Windows over images, as mmseg's slide mode: <c>sliding_window: {size: 512, stride: 341}</c>.</summary>
public sealed record SlidingWindowConfig
{
    /// <summary>Side of a window, in pixels.</summary>
    [Range(1, 16384)]
    public int size { get; init; } = 512;

    /// <summary>Distance from one window to the next.</summary>
    [Range(1, 16384)]
    public int stride { get; init; } = 341;
}

public sealed record CheckpointConfig
{
    /// <summary>Epochs from one checkpoint to the next; the last epoch always makes one.</summary>
    [Range(1, int.MaxValue)]
    public int every { get; init; } = 1;

    /// <summary>Optimizer steps from one checkpoint to the next within an epoch; null for none there.</summary>
    [Range(1, int.MaxValue)]
    public int? every_steps { get; init; }

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

    /// <summary>Whether TensorBoard gets histograms of all weights after each epoch.</summary>
    public bool histograms { get; init; }

    /// <summary>Whether report.html is written.</summary>
    public bool report { get; init; } = true;
}
