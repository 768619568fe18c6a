using Attention.Data;
using Attention.Engine.Configuration;

namespace Attention.Engine.Data;

/// <summary>A part of a data set, such as its training images.</summary>
public sealed record DataPart(string Name, IImages Images);

/// <summary>Finds out what kind of data set lies at a path.</summary>
public static class DataSource
{
    /// <summary>The parts of the data set at a path: a folder, a list or an archive.</summary>
    /// <param name="path">Where it is.</param>
    /// <exception cref="UserError">There is none.</exception>
    public static IReadOnlyList<DataPart> Open(string path)
    {
        if (File.Exists(path))
            return [new("all", Path.GetExtension(path).ToLowerInvariant() is ".tar" ? new TarShards(path) : ImageList.Open(path))];
        if (!Directory.Exists(path))
            throw new UserError($"{path} does not exist", "give a folder of images, a list (.csv, .json, .jsonl), a .tar archive, or a config");
        if (Known(path) is { } known)
            return Both(known);
        if (Has(path, "images") && Has(path, "annotations"))
            return [.. Directory.EnumerateDirectories(Path.Combine(path, "images")).Select(part => Path.GetFileName(part)).Order(StringComparer.Ordinal)
                .Select(part => new DataPart(part, LabelMapFolder.Open(path, part)))];
        if (Directory.EnumerateFiles(path, "*.tar").Any())
            return [new("all", new TarShards(path))];
        string[] parts = [.. heldOut.Prepend("train").Where(part => Has(path, part))];
        if (!parts.Contains("train"))
            return [new("all", HasImages(path) && Split(path) is var (root, name) ? ImageNet.Open(root, train: false, name) : new ImageFolder(path))];
        var train = new ImageFolder(Path.Combine(path, "train"));
        return [new("train", train), .. parts.Where(part => part != "train").Select(part => new DataPart(part, new ImageFolder(Path.Combine(path, part), train.ClassNames)))];
    }

    /// <summary>Labelled images to measure a model on: those at the path, or the held-out part of a data set that lies there.</summary>
    /// <param name="path">A folder of class folders, ImageNet's folder or its flat validation folder, a list or an archive.</param>
    /// <param name="classes">The names of the model's classes; null for those that the images have.</param>
    /// <exception cref="UserError">There are none, or they have no single label each.</exception>
    public static IImageDataset HeldOut(string path, IReadOnlyList<string>? classes = null)
    {
        if (File.Exists(path))
            return Path.GetExtension(path).ToLowerInvariant() is ".tar" ? new TarShards(path, classes) : ImageList.Open(path, classes);
        if (!Directory.Exists(path))
            throw new UserError($"{path} does not exist", "give a folder of images, a list (.csv, .json, .jsonl) or a .tar archive");
        if (Known(path) is { } known)
            return DatasetFactory.Open(known, train: false, classes) as IImageDataset
                ?? throw new UserError($"{path} has no single label for each image", "give images in class folders, or a list of them");
        if (Directory.EnumerateFiles(path, "*.tar").Any())
            return new TarShards(path, classes);
        var folder = heldOut.Where(part => Has(path, part)).Select(part => Path.Combine(path, part)).FirstOrDefault(path);
        var (root, name) = Split(folder);
        return HasImages(folder) || ImageNet.SynsetsOf(root) is not null ? ImageNet.Open(root, train: false, name, classes) : new ImageFolder(folder, classes);
    }

    private static readonly string[] heldOut = ["val", "valid", "validation", "test"];

    private static bool Has(string folder, params string[] names)
    {
        var path = Path.Combine([folder, .. names]);
        return File.Exists(path) || Directory.Exists(path);
    }

    private static bool HasImages(string folder) => Directory.EnumerateFiles(folder).Any(ImageFiles.IsImage);

    // Lists of labels and of classes lie beside the folder of a part.
    private static (string Root, string Name) Split(string part)
    {
        var full = Path.TrimEndingDirectorySeparator(Path.GetFullPath(part));
        return (Path.GetDirectoryName(full) ?? full, Path.GetFileName(full));
    }

    /// <summary>A public data set that is known by its files.</summary>
    private static ImageDataConfig? Known(string path) => path switch
    {
        _ when Has(path, "test_batch.bin") || Has(path, "cifar-10-batches-bin") => new Cifar10Config { path = path },
        _ when Has(path, "fine_label_names.txt") || Has(path, "cifar-100-binary") => new Cifar100Config { path = path },
        _ when Directory.EnumerateFiles(path, "train-images*").Any() => new MnistConfig { path = path },
        _ when Has(path, "annotations", "instances_val2017.json") => new CocoConfig { path = path },
        _ when Has(path, "annotations", "instances_val.json") && Has(path, "segmentation", "val") => new ScenesConfig { path = path },
        _ when Directory.Exists(Path.Combine(path, "val")) && HasImages(Path.Combine(path, "val")) => new ImageNetConfig { path = path },
        _ => null,
    };

    /// <summary>
    /// The parts of the data set that a config names, which is rendered first where it is made. A part that cannot be opened does not hide
    /// the other.
    /// </summary>
    /// <param name="config">The data set.</param>
    /// <param name="say">Is told what takes time.</param>
    /// <param name="cancellation">Ends rendering.</param>
    /// <exception cref="UserError">Neither part can be opened.</exception>
    public static IReadOnlyList<DataPart> Open(ImageDataConfig config, Action<string>? say = null, CancellationToken cancellation = default) =>
        Both(DatasetFactory.Rendered(config, say ?? (_ => { }), cancellation));

    private static IReadOnlyList<DataPart> Both(ImageDataConfig config)
    {
        DataPart? train = null;
        UserError? fault = null;
        try
        {
            train = new("train", DatasetFactory.Open(config, train: true));
        }
        catch (UserError e)
        {
            fault = e; // the validation part of COCO or ImageNet is often the only one that is there
        }
        try
        {
            var held = new DataPart("val", DatasetFactory.Open(config, train: false, train?.Images.ClassNames));
            return train is null ? [held] : [train, held];
        }
        catch (UserError) when (train is not null)
        {
            return [train];
        }
        catch (UserError) when (fault is not null)
        {
            throw fault;
        }
    }
}
