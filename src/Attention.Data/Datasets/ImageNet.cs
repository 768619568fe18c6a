using System.Globalization;
using Attention.Torch;

namespace Attention.Data;

/// <summary>
/// ImageNet-1k (Russakovsky et al., arXiv:1409.0575): <c>train/n01440764/*.JPEG</c>, and <c>val</c> either in class folders or flat
/// with a list of its labels. The labels are the synsets in ordinal order, as in every published checkpoint. Images are not turned
/// by EXIF, since published accuracies are measured so.
/// </summary>
public sealed class ImageNet : IImageDataset
{
    /// <summary>Where the labels of a flat validation folder may stand, in the order in which they are looked for.</summary>
    private static readonly string[] LabelLists =
    [
        "LOC_val_solution.csv", "val_labels.txt", "val.txt", "imagenet_2012_validation_synset_labels.txt", "ILSVRC2012_validation_ground_truth.txt",
    ];

    private readonly IImageDataset _images;

    private ImageNet(IImageDataset images, string root, bool train)
    {
        _images = images;
        Words = WordsOf(root, images.ClassNames);
        RealLabelsFile = train ? null : ImageFiles.FirstOf(root, "real.json");
    }

    public int Count => _images.Count;

    /// <summary>The synsets, such as n01440764.</summary>
    public IReadOnlyList<string> ClassNames => _images.ClassNames;

    /// <summary>The words of each synset, such as "tench, Tinca tinca"; the synsets where no list of words lies in the folder.</summary>
    public IReadOnlyList<string> Words { get; }

    /// <summary>The list of the validation images' labels after they were looked at again (Beyer et al., arXiv:2006.07159), real.json; null where it is not there.</summary>
    public string? RealLabelsFile { get; }

    public IReadOnlyList<string> Unreadable => _images.Unreadable;

    public int LabelOf(int index) => _images.LabelOf(index);

    public string NameOf(int index) => _images.NameOf(index);

    public Image Load(int index, ImageScratch scratch, NeedOf needOf) => _images.Load(index, scratch, needOf);

    /// <summary>Opens a part.</summary>
    /// <param name="root">The folder that holds <c>train</c> and <c>val</c>, and lists of labels and words.</param>
    /// <param name="train">The training images, or the validation images.</param>
    /// <param name="folder">The part's folder below the root; <c>train</c> or <c>val</c> by default.</param>
    /// <param name="classes">The synsets, where the training images were read before.</param>
    /// <exception cref="UserError">Images or labels are missing.</exception>
    public static ImageNet Open(string root, bool train, string? folder = null, IReadOnlyList<string>? classes = null)
    {
        string full = Path.GetFullPath(root), images = Path.Combine(full, folder ?? (train ? "train" : "val"));
        bool flat = !train && Directory.Exists(images) && Directory.EnumerateFiles(images).Any(ImageFiles.IsImage);
        IImageDataset found = flat ? Flat(full, images, classes) : new ImageFolder(images, classes ?? SynsetsOf(full)) { Upright = false };
        return new ImageNet(found, full, train);
    }

    private static LabelledFiles Flat(string root, string folder, IReadOnlyList<string>? classes)
    {
        string[] files = ImageFiles.ListOf(folder);
        string list = ImageFiles.FirstOf(root, LabelLists) ?? ImageFiles.FirstOf(folder, LabelLists)
            ?? throw new UserError($"the images in {folder} lie in no class folders, and no list of their labels was found",
                $"put one of these into {root}: {string.Join(", ", LabelLists)}");
        var synsets = ByFile(root, list, files);
        classes ??= SynsetsOf(root) ?? [.. synsets.Distinct().Order(StringComparer.Ordinal)];
        var labels = classes.Select((name, label) => (name, label)).ToDictionary(pair => pair.name, pair => pair.label);
        return new LabelledFiles([.. files.Zip(synsets, (file, synset) => (file, labels.TryGetValue(synset, out int label) ? label
            : throw new UserError($"{list}: {Path.GetFileName(file)} is of class '{synset}', which the training images do not have", "use the list that belongs to this folder")))], classes)
        {
            Upright = false,
        };
    }

    /// <summary>The synset of each file: the list names the files, or has a line for each in order.</summary>
    private static string[] ByFile(string root, string list, string[] files)
    {
        string[] lines = [.. ImageFiles.Lines(list).Where(line => line.Trim().Length > 0)];
        if (list.EndsWith(".csv", StringComparison.Ordinal))
            lines = [.. lines.Skip(1)];
        string[][] words = [.. lines.Select(line => line.Split([',', ' ', '\t'], StringSplitOptions.RemoveEmptyEntries))];
        string[] named;
        if (words.All(line => line.Length > 1))
        {
            var of = words.GroupBy(line => Path.GetFileNameWithoutExtension(line[0])).ToDictionary(group => group.Key, group => group.First()[1]);
            named = [.. files.Select(file => of.TryGetValue(Path.GetFileNameWithoutExtension(file), out string? name) ? name
                : throw new UserError($"{list} has no label for {Path.GetFileName(file)}", "use the list that belongs to this folder"))];
        }
        else if (lines.Length == files.Length)
            named = [.. words.Select(line => line[0])];
        else
            throw new UserError($"{list} has {lines.Length} labels for {files.Length} images", "use the list that belongs to this folder");
        return named.All(name => int.TryParse(name, out _)) ? BySynset(root, list, named) : named;
    }

    // The development kit numbers the classes from 1 in an order of its own; other lists number the sorted synsets from 0.
    private static string[] BySynset(string root, string list, string[] numbers)
    {
        bool kit = list.EndsWith("ground_truth.txt", StringComparison.Ordinal);
        string[]? order = kit
            ? ImageFiles.FirstOf(root, "ILSVRC2012_mapping.txt", "map_clsloc.txt") is { } map
                ? [.. ImageFiles.Lines(map).Select(line => line.Split(' ', StringSplitOptions.RemoveEmptyEntries)).Where(words => words.Length > 1)
                    .Select(words => words.First(word => word.StartsWith('n')))]
                : null
            : SynsetsOf(root);
        if (order is null)
            throw new UserError($"{list} numbers the classes, but nothing says which is which",
                kit ? $"put ILSVRC2012_mapping.txt (lines such as '1 n02119789') into {root}" : $"put LOC_synset_mapping.txt into {root}");
        int first = kit ? 1 : 0;
        return [.. numbers.Select(number => int.Parse(number, CultureInfo.InvariantCulture) - first is var at && at >= 0 && at < order.Length ? order[at]
            : throw new UserError($"{list}: there is no class {number}", $"the classes are {first} to {order.Length - 1 + first}"))];
    }

    /// <summary>The synsets that a list in the folder names, in ordinal order; null where there is none.</summary>
    public static string[]? SynsetsOf(string root) =>
        ImageFiles.FirstOf(root, "LOC_synset_mapping.txt", "synsets.txt") is { } file // lines such as "n01440764 tench, Tinca tinca"
            ? [.. ImageFiles.Lines(file).Where(line => line.StartsWith('n')).Select(line => line.Split(' ')[0]).Order(StringComparer.Ordinal)]
            : null;

    private static IReadOnlyList<string> WordsOf(string root, IReadOnlyList<string> synsets)
    {
        if (ImageFiles.FirstOf(root, "LOC_synset_mapping.txt", "synset_words.txt", "words.txt") is not { } file)
            return synsets;
        var words = new Dictionary<string, string>();
        foreach (string line in ImageFiles.Lines(file))
            if (line.IndexOfAny([' ', '\t']) is > 0 and var space)
                words[line[..space]] = line[(space + 1)..].Trim();
        return [.. synsets.Select(synset => words.GetValueOrDefault(synset, synset))];
    }
}
