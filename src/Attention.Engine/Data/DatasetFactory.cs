using Attention.Data;
using Attention.Data.Samples;
using Attention.Engine.Configuration;

namespace Attention.Engine.Data;

/// <summary>Opens the data set that a config names.</summary>
public static class DatasetFactory
{
    /// <summary>Opens the training part or the one on which the model is measured.</summary>
    /// <param name="config">The data set.</param>
    /// <param name="train">Which part.</param>
    /// <param name="classes">The class names of the training images, where they were read before: both parts then agree on labels.</param>
    /// <exception cref="UserError">The data are missing or not what they should be.</exception>
    public static IImages Open(ImageDataConfig config, bool train, IReadOnlyList<string>? classes = null)
    {
        string Below(string name) => Path.Combine(config.path, name);
        return config switch
        {
            ImageNetConfig c => ImageNet.Open(c.path, train, train ? c.train : c.val, classes),
            ImageFolderConfig c => new ImageFolder(Below(train ? c.train : c.val), classes),
            Cifar10Config c => Cifar.Open10(c.path, train),
            Cifar100Config c => Cifar.Open100(c.path, train, c.coarse),
            MnistConfig c => IdxImages.Open(c.path, train, c.classes ?? classes),
            ListConfig c => ImageList.Open(Below(train ? c.train : c.val), classes),
            TarShardsConfig c => new TarShards(string.Join(',', (train ? c.train : c.val).Split(',').Select(Below)), classes),
            CocoConfig c => new Coco(Below(train ? c.train : c.val), Below(train ? c.train_annotations : c.val_annotations)),
            ScenesConfig c => DenseData.Scenes(c.path, train ? "train" : "val", people: false),
            LabelMapsConfig c => LabelMapFolder.Open(c.path, train ? c.train : c.val, c.zero_is_none),
            _ => throw new ArgumentException($"no data set for {config.GetType().Name}"),
        };
    }

    /// <summary>Opens both parts of a data set with one label for each image, and renders it first where it is made.</summary>
    /// <param name="config">The data set.</param>
    /// <param name="say">Is told what takes time.</param>
    /// <param name="warn">Is told what cannot be read.</param>
    /// <param name="cancellation">Ends rendering.</param>
    /// <exception cref="UserError">The data are missing, or have no labels.</exception>
    public static (IImageDataset Train, IImageDataset Held) OpenLabelled(
        ImageDataConfig config, Action<string> say, Action<string> warn, CancellationToken cancellation)
    {
        config = Rendered(config, say, cancellation);
        var train = Labelled(config, Open(config, train: true), warn);
        return (train, Labelled(config, Open(config, train: false, train.ClassNames), warn));
    }

    /// <summary>How the training images are chosen; null for all of them once, in random order.</summary>
    public static Sampler? Sampler(ImageDataConfig config, IImageDataset images)
    {
        var weights = (images as ImageList)?.Weights;
        if (config.repeats > 1 && (config.balance > 0 || weights is not null))
            throw new UserError("'data.repeats' goes with neither 'data.balance' nor weights in the list", "leave one of them out");
        if (config.repeats > 1)
            return new Repeated(images.Count, config.repeats);
        if (weights is not null)
            return config.balance == 0 ? new Weighted(weights) : throw new UserError("the list has weights, and 'data.balance' is set", "leave one of them out");
        return config.balance > 0 ? Weighted.ByClass(images, config.balance) : null;
    }

    private static IImageDataset Labelled(ImageDataConfig config, IImages images, Action<string> warn)
    {
        TellUnreadable(images, warn);
        return images as IImageDataset
            ?? throw new UserError($"{config.path} has no single label for each image", "image classification needs image_folder, imagenet, cifar10, cifar100, mnist, list or tar_shards");
    }

    /// <summary>Names the first parts of a data set that were left out.</summary>
    internal static void TellUnreadable(IImages images, Action<string> warn)
    {
        const int mostNamed = 20;
        foreach (string reason in images.Unreadable.Take(mostNamed))
            warn($"unreadable: {reason}");
        if (images.Unreadable.Count > mostNamed)
            warn($"{images.Unreadable.Count} parts of the data are unreadable; the first {mostNamed} are named");
    }

    /// <summary>Renders the data set where it is one that is made, and gives the config with the folder that holds it.</summary>
    internal static ImageDataConfig Rendered(ImageDataConfig config, Action<string> say, CancellationToken cancellation)
    {
        bool told = false;
        IProgress<(int Done, int Total)> Telling(string what) => new ImmediateProgress(state =>
        {
            if (!told)
                say($"rendering {state.Total} {what} into {config.path}");
            told = true;
        });
        return config switch
        {
            ShapesConfig c => c with { path = ShapesDataset.Ensure(c.path, Options(c), Telling($"images of {ShapesDataset.Classes.Count} shapes"), cancellation) },
            ScenesConfig c => c with { path = ScenesDataset.Ensure(c.path, Options(c), Telling("scenes of shapes and people"), cancellation) },
            _ => config,
        };
    }

    private static ShapesOptions Options(ShapesConfig c) =>
        new() { Size = c.image_size, TrainPerClass = c.train_per_class, ValPerClass = c.val_per_class, Seed = c.seed };

    private static ScenesOptions Options(ScenesConfig c) =>
        new() { Width = c.width, Height = c.height, TrainImages = c.train_images, ValImages = c.val_images, MaxObjects = c.max_objects, Seed = c.seed };

    private sealed class ImmediateProgress(Action<(int Done, int Total)> action) : IProgress<(int Done, int Total)>
    {
        private readonly Lock gate = new();

        public void Report((int Done, int Total) value)
        {
            lock (gate)
                action(value);
        }
    }
}
