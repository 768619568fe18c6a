using Attention.Torch;

namespace Attention.Data;

/// <summary>
/// Images in one folder per class, <c>root/cat/1.jpg</c>, as torchvision's ImageFolder reads them: the classes are the folders'
/// names in ordinal order; images may lie in folders below. Names that begin with a dot are left out.
/// </summary>
public sealed class ImageFolder : IImageDataset
{
    private readonly List<(string Path, int Label)> _files = [];
    private readonly List<string> _unreadable = [];

    /// <summary>Lists the images below a folder.</summary>
    /// <param name="root">The folder that holds one folder per class.</param>
    /// <param name="classes">
    /// The names of the labels, from the training images, where this is another part of the same data: a folder that is none of
    /// them is an error, one that is missing is not.
    /// </param>
    /// <exception cref="UserError">The folder is missing, holds no images, or holds a class that is not in classes.</exception>
    public ImageFolder(string root, IReadOnlyList<string>? classes = null)
    {
        Root = Path.TrimEndingDirectorySeparator(Path.GetFullPath(root));
        if (!Directory.Exists(Root))
            throw new UserError($"the image folder {Root} does not exist", $"{Layout}{OtherFolders}");

        string[] folders = [.. ListOf(Root, Directory.EnumerateDirectories)
            .Select(folder => Path.GetFileName(folder)).Where(name => !name.StartsWith('.')).Order(StringComparer.Ordinal)];
        ClassNames = classes ?? folders;
        var labels = ClassNames.Select((name, label) => (name, label)).ToDictionary(pair => pair.name, pair => pair.label);
        string real = Follow(Root);
        foreach (string name in folders)
        {
            var files = new List<string>();
            Collect(Path.Combine(Root, name), Follow(Path.Combine(real, name)), files, []);
            if (files.Count == 0)
                continue;
            if (!labels.TryGetValue(name, out int label))
                throw new UserError($"{Path.Combine(Root, name)} is a class that the training images do not have",
                    $"rename or remove that folder; the classes are {Shorten(ClassNames)}");
            files.Sort(StringComparer.Ordinal);
            _files.AddRange(files.Select(file => (file, label)));
        }
        if (_files.Count == 0)
            throw new UserError($"no images in class folders below {Root}", Layout);
    }

    /// <summary>The folder, as a full path.</summary>
    public string Root { get; }

    /// <summary>Whether images are turned as the camera noted.</summary>
    public bool Upright { get; init; } = true;

    public int Count => _files.Count;

    public IReadOnlyList<string> ClassNames { get; }

    /// <summary>Folders that could not be listed, with the reason, and were left out.</summary>
    public IReadOnlyList<string> Unreadable => _unreadable;

    public int LabelOf(int index) => _files[index].Label;

    public string NameOf(int index) => _files[index].Path;

    /// <inheritdoc/>
    public Image Load(int index, ImageScratch scratch, NeedOf needOf) => ImageFiles.Load(_files[index].Path, scratch, needOf, Upright);

    // What is expected, and where data come from that the repository has a config for.
    private string Layout
    {
        get
        {
            string layout = $"put jpg, jpeg, png or webp files into one folder per class, such as {Path.Combine(Root, "cat", "1.jpg")}";
            return Root.Contains("cifar10", StringComparison.OrdinalIgnoreCase) ? $"{layout}; data/README.md says how to get CIFAR-10" : layout;
        }
    }

    // Splits have many names: train, val, valid, test.
    private string OtherFolders
    {
        get
        {
            string? above = Path.GetDirectoryName(Root);
            string[] there = above is not null && Directory.Exists(above)
                ? [.. ListOf(above, Directory.EnumerateDirectories).Select(folder => Path.GetFileName(folder)).Order(StringComparer.Ordinal)]
                : [];
            return there.Length is > 0 and <= 8 ? $"; the folders beside it are: {string.Join(", ", there)}" : "";
        }
    }

    /// <summary>
    /// Adds the images of a folder and of those below. A folder that is named like an image is added as one, so that it is
    /// reported like other broken ones. No folder is entered from within itself, so that links cannot loop; to
    /// know a folder by whatever way, its real path is followed beside the one by which it was reached.
    /// </summary>
    private void Collect(string folder, string real, List<string> files, HashSet<string> above)
    {
        if (!above.Add(real))
            return;
        files.AddRange(ListOf(folder, Directory.EnumerateFileSystemEntries).Where(ImageFiles.IsImage));
        foreach (string below in ListOf(folder, Directory.EnumerateDirectories).Where(below => !ImageFiles.IsImage(below)))
            Collect(below, Follow(Path.Combine(real, Path.GetFileName(below))), files, above);
        above.Remove(real);
    }

    /// <summary>Where a link to a folder leads in the end; the path itself if it is none.</summary>
    private static string Follow(string path)
    {
        const int maxLinks = 40; // as many as the kernel follows
        for (int i = 0; i < maxLinks && new DirectoryInfo(path).LinkTarget is { } target; i++)
            path = Path.TrimEndingDirectorySeparator(Path.GetFullPath(target, Path.GetDirectoryName(path)!));
        return path;
    }

    private List<string> ListOf(string folder, Func<string, IEnumerable<string>> entries)
    {
        try
        {
            return [.. entries(folder)];
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            _unreadable.Add($"{folder}: {e.Message}");
            return [];
        }
    }

    private static string Shorten(IReadOnlyList<string> names) =>
        string.Join(", ", names.Take(12)) + (names.Count > 12 ? $", ... ({names.Count} in all)" : "");
}
