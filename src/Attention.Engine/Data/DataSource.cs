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
        string Below(params string[] names) => Path.Combine([path, .. names]);
        bool Has(params string[] names) => File.Exists(Below(names)) || Directory.Exists(Below(names));

        if (Has("test_batch.bin") || Has("cifar-10-batches-bin"))
            return Both(new Cifar10Config { path = path });
        if (Has("fine_label_names.txt") || Has("cifar-100-binary"))
            return Both(new Cifar100Config { path = path });
        if (Directory.EnumerateFiles(path, "train-images*").Any())
            return Both(new MnistConfig { path = path });
        if (Has("annotations", "instances_val2017.json"))
            return Both(new CocoConfig { path = path });
        if (Has("images") && Has("annotations"))
            return [.. Directory.EnumerateDirectories(Below("images")).Select(part => Path.GetFileName(part)).Order(StringComparer.Ordinal)
                .Select(part => new DataPart(part, LabelMapFolder.Open(path, part)))];
        if (Has("train") && Has("val") && Directory.EnumerateFiles(Below("val")).Any(ImageFiles.IsImage))
            return Both(new ImageNetConfig { path = path });
        if (Directory.EnumerateFiles(path, "*.tar").Any())
            return [new("all", new TarShards(path))];
        string[] parts = [.. new[] { "train", "val", "valid", "validation", "test" }.Where(part => Has(part))];
        if (!parts.Contains("train"))
            return [new("all", new ImageFolder(path))];
        var train = new ImageFolder(Below("train"));
        return [new("train", train), .. parts.Where(part => part != "train").Select(part => new DataPart(part, new ImageFolder(Below(part), train.ClassNames)))];
    }

    /// <summary>The parts of the data set that a config names. A part that cannot be opened does not hide the other.</summary>
    /// <param name="config">The data set.</param>
    /// <exception cref="UserError">Neither part can be opened.</exception>
    public static IReadOnlyList<DataPart> Open(ImageDataConfig config) => Both(config);

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
            fault = e; // COCO's validation part is often the only one that is there
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
