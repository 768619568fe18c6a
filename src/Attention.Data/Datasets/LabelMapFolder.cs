using System.Globalization;
using Attention.Torch;

namespace Attention.Data;

/// <summary>
/// Images and maps of the class of each pixel, in two folders, as ADE20K has them (Zhou et al., arXiv:1608.05442):
/// <c>images/training/1.jpg</c> with <c>annotations/training/1.png</c>. A map is a PNG of one channel.
/// </summary>
public sealed class LabelMapFolder : IDenseDataset
{
    private readonly (string Image, string Map)[] _files;
    private readonly List<string> _unreadable = [];
    private readonly bool _zeroIsNone;

    /// <summary>The value of pixels without a class.</summary>
    public const byte None = 255;

    /// <summary>Pairs the files of two folders by their names without extension.</summary>
    /// <param name="images">The folder of the images.</param>
    /// <param name="maps">The folder of the maps.</param>
    /// <param name="classes">The names of the classes; a file of them, one to a line, may stand in their place.</param>
    /// <param name="zeroIsNone">Whether a map's 0 means no class and 1 the first one, as in ADE20K.</param>
    /// <exception cref="UserError">A folder is missing or empty, or no image has a map.</exception>
    public LabelMapFolder(string images, string maps, IReadOnlyList<string> classes, bool zeroIsNone = false)
    {
        (ClassNames, _zeroIsNone) = (classes, zeroIsNone);
        var byName = ImageFiles.ListOf(maps).Where(file => file.EndsWith(".png", StringComparison.OrdinalIgnoreCase))
            .ToDictionary(file => Path.GetFileNameWithoutExtension(file)!);
        var files = new List<(string, string)>();
        foreach (string image in ImageFiles.ListOf(images))
            if (byName.TryGetValue(Path.GetFileNameWithoutExtension(image), out string? map))
                files.Add((image, map));
            else
                _unreadable.Add($"{image}: there is no map {Path.Combine(maps, Path.GetFileNameWithoutExtension(image))}.png");
        _files = files.Count > 0 ? [.. files] : throw new UserError($"no image in {images} has a map in {maps}", "an image and its map have the same name: 1.jpg and 1.png");
    }

    public int Count => _files.Length;

    public IReadOnlyList<string> ClassNames { get; }

    public IReadOnlyList<string> Unreadable => _unreadable;

    public string NameOf(int index) => _files[index].Image;

    /// <summary>The classes that occur in an image's map; none where that cannot be read.</summary>
    public IEnumerable<int> LabelsIn(int index)
    {
        var seen = new bool[256];
        try
        {
            foreach (byte value in LoadMap(index).Values)
                seen[value] = true;
        }
        catch (ImageError)
        {
            return [];
        }
        return Enumerable.Range(0, None).Where(label => seen[label]);
    }

    public Image Load(int index, ImageScratch scratch, NeedOf needOf) => ImageFiles.Load(_files[index].Image, scratch, needOf, upright: false);

    public DenseAnnotations AnnotationsOf(int index, int height, int width)
    {
        var map = LoadMap(index);
        return (map.Height, map.Width) == (height, width) ? new DenseAnnotations([], map.Values)
            : throw new ImageError($"{NameOf(index)}: its map has {map.Width} x {map.Height} pixels, the image {width} x {height}");
    }

    /// <summary>The class of each pixel, <see cref="None"/> for none, in a map of the image's size.</summary>
    /// <exception cref="ImageError">The map cannot be read, or holds a class without a name.</exception>
    public LabelMap LoadMap(int index)
    {
        string path = _files[index].Map;
        try
        {
            var map = ImageCodec.DecodeLabels(File.ReadAllBytes(path));
            if (_zeroIsNone)
                foreach (ref byte value in map.Values.AsSpan())
                    value--; // 0 becomes None
            int wrong = Array.FindIndex(map.Values, value => value != None && value >= ClassNames.Count);
            return wrong < 0 ? map : throw new ImageError(string.Create(CultureInfo.InvariantCulture, $"it holds the class {map.Values[wrong]}, but there are {ClassNames.Count}"));
        }
        catch (Exception e) when (e is ImageError or IOException or UnauthorizedAccessException)
        {
            throw new ImageError($"{path}: {e.Message}", e);
        }
    }

    /// <summary>Opens ADE20K's folder of 150 classes (<c>ADEChallengeData2016</c>) or one of the same form.</summary>
    /// <param name="root">The folder that holds <c>images</c> and <c>annotations</c>.</param>
    /// <param name="part">Such as <c>training</c> or <c>validation</c>.</param>
    /// <param name="zeroIsNone">Whether a map's 0 means no class.</param>
    /// <exception cref="UserError">A folder is missing.</exception>
    public static LabelMapFolder Open(string root, string part, bool zeroIsNone = true)
    {
        string full = Path.GetFullPath(root);
        return new LabelMapFolder(Path.Combine(full, "images", part), Path.Combine(full, "annotations", part), NamesOf(full, zeroIsNone), zeroIsNone);
    }

    // objectInfo150.txt has a heading and the name in its last column; classes.txt has a name to a line.
    private static IReadOnlyList<string> NamesOf(string root, bool zeroIsNone)
    {
        if (ImageFiles.FirstOf(root, "classes.txt") is { } plain)
            return [.. ImageFiles.Lines(plain).Select(line => line.Trim()).Where(line => line.Length > 0)];
        if (ImageFiles.FirstOf(root, "objectInfo150.txt") is { } info)
            return [.. ImageFiles.Lines(info).Skip(1).Where(line => line.Contains('\t')).Select(line => line.Split('\t')[^1].Split(',')[0].Trim())];
        return [.. Enumerable.Range(zeroIsNone ? 1 : 0, zeroIsNone ? None - 1 : None).Select(i => i.ToString(CultureInfo.InvariantCulture))];
    }
}
