using System.ComponentModel.DataAnnotations;

namespace Attention.Engine.Configuration;

/// <summary>A data set by the kind of its source.</summary>
[Part<ImageFolderConfig>("image_folder")]
[Part<ShapesConfig>("shapes")]
[Part<ImageNetConfig>("imagenet")]
[Part<Cifar10Config>("cifar10")]
[Part<Cifar100Config>("cifar100")]
[Part<MnistConfig>("mnist")]
[Part<ListConfig>("list")]
[Part<TarShardsConfig>("tar_shards")]
[Part<CocoConfig>("coco")]
[Part<LabelMapsConfig>("label_maps")]
[Part<ScenesConfig>("scenes")]
[Part<TextConfig>("text")]
[Part<JsonLinesConfig>("json_lines")]
[Part<ChatConfig>("chat")]
[Part<TokenShardsConfig>("token_shards")]
[Part<AssociativeRecallConfig>("associative_recall")]
[Part<InductionConfig>("induction")]
[Part<CopyingConfig>("copying")]
public abstract record DataConfig;

/// <summary>Images, one label for each or more.</summary>
public abstract record ImageDataConfig : DataConfig
{
    /// <summary>The folder of the data set; ${NAME} takes an environment variable.</summary>
    [Required]
    public string path { get; init; } = null!;

    /// <summary>Height and width of the images that the model sees, in pixels.</summary>
    [Range(1, 16384)]
    public int image_size { get; init; } = 224;

    /// <summary>What is done to each image.</summary>
    public TransformsConfig transforms { get; init; } = new();

    /// <summary>Threads that read and prepare images; 0 for none but the one that trains, null for as many as suit the cores.</summary>
    [Range(0, 1024)]
    public int? workers { get; init; }

    /// <summary>Whether decoded images stay in memory from one epoch to the next.</summary>
    public CacheKind cache { get; init; } = CacheKind.None;

    /// <summary>How far rare classes come as often as others: 0 as often as they are, 1 as often as any.</summary>
    [Range(0, 1)]
    public double balance { get; init; }

    /// <summary>How often each image comes in a row, with other augmentation; an epoch then takes as many fewer images.</summary>
    [Range(1, 100)]
    public int repeats { get; init; } = 1;

    /// <summary>How many broken images a run survives; null for a hundredth of them, or 100 where that is more.</summary>
    [Range(0, int.MaxValue)]
    public int? max_broken { get; init; }
}

/// <summary>Images in one folder for each class, below one folder for each split: <c>path/train/cat/1.jpg</c>.</summary>
public record ImageFolderConfig : ImageDataConfig
{
    /// <summary>The folder of the training images, below the path.</summary>
    public string train { get; init; } = "train";

    /// <summary>The folder of the images on which the model is measured, below the path.</summary>
    public string val { get; init; } = "val";

    /// <summary>The classes to keep, which are then numbered in this order; empty for all.</summary>
    public string[] classes { get; init; } = [];
}

/// <summary>Images of rendered shapes, an image folder that is made at the path where it is not there yet.</summary>
public sealed record ShapesConfig : ImageFolderConfig
{
    /// <summary>Training images of each class.</summary>
    [Range(1, int.MaxValue)]
    public int train_per_class { get; init; } = 500;

    /// <summary>Images of each class on which the model is measured.</summary>
    [Range(1, int.MaxValue)]
    public int val_per_class { get; init; } = 100;

    /// <summary>The same seed renders the same bytes.</summary>
    public int seed { get; init; }
}

/// <summary>ImageNet-1k: <c>train</c> in class folders, <c>val</c> in class folders or flat with a list of labels.</summary>
public sealed record ImageNetConfig : ImageFolderConfig;

/// <summary>CIFAR-10 in the authors' binary version.</summary>
public sealed record Cifar10Config : ImageDataConfig;

/// <summary>CIFAR-100 in the authors' binary version.</summary>
public sealed record Cifar100Config : ImageDataConfig
{
    /// <summary>Whether the 20 groups of classes are learnt rather than the 100 classes.</summary>
    public bool coarse { get; init; }
}

/// <summary>MNIST and its like in idx files.</summary>
public sealed record MnistConfig : ImageDataConfig
{
    /// <summary>The names of the labels; null for their numbers.</summary>
    public string[]? classes { get; init; }
}

/// <summary>Images that CSV or JSON files list with their labels.</summary>
public sealed record ListConfig : ImageDataConfig
{
    /// <summary>The list of the training images, below the path.</summary>
    public string train { get; init; } = "train.csv";

    /// <summary>The list of the images on which the model is measured, below the path.</summary>
    public string val { get; init; } = "val.csv";
}

/// <summary>Images and labels in tar archives (WebDataset).</summary>
public sealed record TarShardsConfig : ImageDataConfig
{
    /// <summary>The archives of the training images, below the path, such as train-{0000..0127}.tar.</summary>
    public string train { get; init; } = "train-*.tar";

    /// <summary>The archives of the images on which the model is measured, below the path.</summary>
    public string val { get; init; } = "val-*.tar";
}

/// <summary>Images with COCO's annotations.</summary>
public sealed record CocoConfig : ImageDataConfig
{
    /// <summary>The folder of the training images, below the path.</summary>
    public string train { get; init; } = "train2017";

    /// <summary>Their annotations, below the path.</summary>
    public string train_annotations { get; init; } = "annotations/instances_train2017.json";

    /// <summary>The folder of the images on which the model is measured, below the path.</summary>
    public string val { get; init; } = "val2017";

    /// <summary>Their annotations, below the path.</summary>
    public string val_annotations { get; init; } = "annotations/instances_val2017.json";
}

/// <summary>Images and maps of the class of each pixel, as ADE20K has them: <c>images/training</c> and <c>annotations/training</c>.</summary>
public sealed record LabelMapsConfig : ImageDataConfig
{
    /// <summary>The training part, below <c>images</c> and <c>annotations</c>.</summary>
    public string train { get; init; } = "training";

    /// <summary>The part on which the model is measured.</summary>
    public string val { get; init; } = "validation";

    /// <summary>Whether a map's 0 means no class and 1 the first one, as in ADE20K.</summary>
    public bool zero_is_none { get; init; } = true;
}

/// <summary>
/// Rendered scenes of shapes and people with boxes, masks, keypoints and maps of the classes, which are made at the path where they
/// are not there yet. The held-out scenes have other grounds and other clutter than those for training.
/// </summary>
public sealed record ScenesConfig : ImageDataConfig
{
    /// <summary>Scenes for training.</summary>
    [Range(1, int.MaxValue)]
    public int train_images { get; init; } = 4000;

    /// <summary>Scenes on which the model is measured.</summary>
    [Range(1, int.MaxValue)]
    public int val_images { get; init; } = 500;

    /// <summary>Width of the scenes, in pixels.</summary>
    [Range(32, 4096)]
    public int width { get; init; } = 192;

    /// <summary>Height of the scenes, in pixels.</summary>
    [Range(32, 4096)]
    public int height { get; init; } = 160;

    /// <summary>Each scene has one object at least and this many at the most.</summary>
    [Range(1, 100)]
    public int max_objects { get; init; } = 6;

    /// <summary>The same seed renders the same bytes.</summary>
    public int seed { get; init; }
}

public enum CacheKind
{
    None,
    Memory,
}

/// <summary>Steps from an image file to the model's input, each list as one line: <c>resize(256)|center_crop(224)</c>.</summary>
public sealed record TransformsConfig
{
    /// <summary>For training; null for the task's usual augmentation at the data's image_size.</summary>
    public string? train { get; init; }

    /// <summary>For measuring; null for the task's usual preparation at the data's image_size.</summary>
    public string? eval { get; init; }
}
