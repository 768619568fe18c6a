using Attention.Data;
using Attention.Data.Samples;
using Attention.Engine.Configuration;

namespace Attention.Engine.Data;

/// <summary>What of a data set a dense task learns.</summary>
public enum DenseTargets
{
    /// <summary>Objects of all categories, with boxes and masks.</summary>
    Objects,

    /// <summary>Objects with keypoints.</summary>
    Keypoints,

    /// <summary>The class of each pixel.</summary>
    Classes,
}

/// <summary>Opens the data sets of detection, segmentation and pose.</summary>
public static class DenseData
{
    /// <summary>The class of what is no object in rendered scenes, before the categories.</summary>
    public const string Ground = "ground";

    /// <summary>Opens both parts, and renders them first where they are made.</summary>
    /// <param name="config">The data set.</param>
    /// <param name="targets">What is learnt of it.</param>
    /// <param name="train">What is read of the objects for training.</param>
    /// <param name="held">What is read of the objects for measuring.</param>
    /// <param name="say">Is told what takes time.</param>
    /// <param name="warn">Is told what was left out, and why.</param>
    /// <param name="cancellation">Ends rendering.</param>
    /// <exception cref="UserError">The data are missing, or do not have such targets.</exception>
    public static (IDenseDataset Train, IDenseDataset Held) Open(
        ImageDataConfig config, DenseTargets targets, CocoObjectsOptions train, CocoObjectsOptions held, Action<string> say, Action<string> warn,
        CancellationToken cancellation = default)
    {
        config = DatasetFactory.Rendered(config, say, cancellation);
        return (Open(config, true, targets, train, warn), Open(config, false, targets, held, warn));
    }

    /// <summary>Opens both parts of a data set that has the class of each pixel, and renders them first where they are made.</summary>
    /// <param name="config">The data set.</param>
    /// <param name="say">Is told what takes time.</param>
    /// <param name="warn">Is told what was left out, and why.</param>
    /// <param name="cancellation">Ends rendering.</param>
    /// <exception cref="UserError">The data are missing, or do not have such maps.</exception>
    public static (IDenseDataset Train, IDenseDataset Held) OpenClasses(
        ImageDataConfig config, Action<string> say, Action<string> warn, CancellationToken cancellation = default) =>
        Open(config, DenseTargets.Classes, new CocoObjectsOptions(), new CocoObjectsOptions(), say, warn, cancellation);

    private static IDenseDataset Open(ImageDataConfig config, bool train, DenseTargets targets, CocoObjectsOptions options, Action<string> warn)
    {
        IDenseDataset dataset = (config, targets) switch
        {
            (ScenesConfig c, DenseTargets.Classes) => SceneMaps(c.path, train ? "train" : "val"),
            (ScenesConfig c, _) => new CocoObjects(Scenes(c.path, train ? "train" : "val", targets == DenseTargets.Keypoints), options),
            (LabelMapsConfig or CocoConfig, _) => DatasetFactory.Open(config, train) switch
            {
                LabelMapFolder maps when targets == DenseTargets.Classes => maps,
                Coco coco when targets != DenseTargets.Classes => new CocoObjects(coco, options),
                _ => throw Unfit(config, targets),
            },
            _ => throw Unfit(config, targets),
        };
        DatasetFactory.TellUnreadable(dataset, warn);
        return targets != DenseTargets.Keypoints || dataset.KeypointNames.Count > 0 || !options.Keypoints ? dataset
            : throw new UserError($"the annotations of {config.path} have no keypoints", "give person_keypoints_*.json as data.train_annotations and data.val_annotations");
    }

    /// <summary>The data set with all that is annotated in its images, crowds as well; null where each image has a label and nothing else.</summary>
    /// <exception cref="UserError">Its annotations do not go together.</exception>
    internal static IDenseDataset? Of(IImages images) =>
        images is Coco coco ? new CocoObjects(coco, new CocoObjectsOptions { Crowds = true }) : images as IDenseDataset;

    /// <summary>Rendered scenes with their objects.</summary>
    internal static Coco Scenes(string folder, string part, bool people) => new(
        Path.Combine(folder, part), Path.Combine(folder, "annotations", $"{(people ? "person_keypoints" : "instances")}_{part}.json"));

    private static LabelMapFolder SceneMaps(string folder, string part) => new(
        Path.Combine(folder, part), Path.Combine(folder, "segmentation", part), [Ground, .. ScenesDataset.Categories]);

    private static UserError Unfit(ImageDataConfig config, DenseTargets targets) => targets == DenseTargets.Classes
        ? new($"{config.path} has no class for each pixel", "semantic segmentation needs data of the kind scenes or label_maps")
        : new($"{config.path} has no objects", "detection needs data of the kind scenes or coco");
}
