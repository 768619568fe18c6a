using System.Globalization;
using System.Text;
using System.Text.Json;
using Attention.Torch;
using Microsoft.Win32.SafeHandles;

namespace Attention.Data;

/// <summary>
/// Images in tar archives, as WebDataset lays them out: the files of a sample follow each other and share their name up to the
/// first dot, <c>000123.jpg</c> and <c>000123.cls</c> (a number) or <c>000123.json</c> (with "label"). An image with neither
/// belongs to the class that its folder in the archive is named after. Archives stay open; images are read where they lie.
/// </summary>
public sealed class TarShards : IImageDataset, IDisposable
{
    private const int LongestLabel = 1 << 20;

    private readonly List<Shard> _shards = [];
    private readonly List<Sample> _samples = [];
    private readonly List<string> _unreadable = [];
    private readonly int[] _labels;

    /// <summary>Lists the images of some archives.</summary>
    /// <param name="pattern">
    /// A .tar file, a folder of them, or several: with * in the file's name, with a range such as <c>train-{0000..0127}.tar</c>,
    /// or separated by commas.
    /// </param>
    /// <param name="classes">The names of the labels, from the training images, where this is another part of the same data.</param>
    /// <exception cref="UserError">There are no archives, or no images with labels in them.</exception>
    public TarShards(string pattern, IReadOnlyList<string>? classes = null)
    {
        string[] files = FilesOf(pattern);
        foreach (string file in files)
            Add(file);
        if (_samples.Count == 0)
            throw new UserError($"no image with a label in {pattern}{(_unreadable.Count > 0 ? $"; {_unreadable[0]}" : "")}",
                "put NAME.jpg and NAME.cls, or images in class folders, into the archives");
        ClassNames = classes ?? NamesOf(Path.GetDirectoryName(files[0])!);
        _labels = LabelsOf();
    }

    public int Count => _samples.Count;

    public IReadOnlyList<string> ClassNames { get; }

    public IReadOnlyList<string> Unreadable => _unreadable;

    /// <summary>Whether images are turned as the camera noted.</summary>
    public bool Upright { get; init; } = true;

    public int LabelOf(int index) => _labels[index];

    public string NameOf(int index) => $"{_samples[index].Shard.File}!{_samples[index].Image.Name}";

    public Image Load(int index, ImageScratch scratch, NeedOf needOf)
    {
        var (shard, entry, _) = _samples[index];
        try
        {
            var file = ImageFiles.Read(shard.Handle, entry.Offset, entry.Length, scratch);
            if (file.Length < entry.Length)
                throw new ImageError("the archive ends inside of it");
            ImageCodec.Decode(file, scratch.Decoded, needOf, upright: Upright);
            return scratch.Decoded;
        }
        catch (Exception e) when (e is ImageError or IOException or UnauthorizedAccessException)
        {
            throw new ImageError($"{NameOf(index)}: {e.Message}", e);
        }
    }

    public void Dispose()
    {
        foreach (var shard in _shards)
            shard.Handle.Dispose();
    }

    private sealed record Shard(string File, SafeFileHandle Handle);

    private readonly record struct Sample(Shard Shard, TarEntry Image, string Label);

    private void Add(string file)
    {
        try
        {
            var shard = new Shard(file, File.OpenHandle(file));
            _shards.Add(shard);
            var (entries, fault) = TarIndex.Read(shard.Handle);
            if (fault is not null)
                _unreadable.Add($"{file}: {fault}");
            foreach (var sample in Grouped(entries))
                AddSample(shard, sample);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            _unreadable.Add($"{file}: {e.Message}");
        }
    }

    private void AddSample(Shard shard, List<TarEntry> files)
    {
        var image = files.FirstOrDefault(file => ImageFiles.IsImage(file.Name));
        if (image.Name is null)
            return;
        string? label = files.FirstOrDefault(file => file.Name.EndsWith(".cls", StringComparison.Ordinal)) is { Name: not null } number ? TextOf(shard, number)?.Trim()
            : files.FirstOrDefault(file => file.Name.EndsWith(".json", StringComparison.Ordinal)) is { Name: not null } json ? InJson(TextOf(shard, json))
            : Path.GetFileName(Path.GetDirectoryName(image.Name));
        if (string.IsNullOrEmpty(label))
            _unreadable.Add($"{shard.File}!{image.Name}: it has no label");
        else
            _samples.Add(new Sample(shard, image, label));
    }

    private static IEnumerable<List<TarEntry>> Grouped(List<TarEntry> entries)
    {
        List<TarEntry> sample = [];
        foreach (var entry in entries)
        {
            if (Path.GetFileName(entry.Name).StartsWith('.'))
                continue;
            if (sample.Count > 0 && Key(sample[0].Name) != Key(entry.Name))
            {
                yield return sample;
                sample = [];
            }
            sample.Add(entry);
        }
        if (sample.Count > 0)
            yield return sample;
    }

    // Up to the first dot of the file's name.
    private static string Key(string name) => name.IndexOf('.', name.LastIndexOf('/') + 1) is >= 0 and var dot ? name[..dot] : name;

    private static string? TextOf(Shard shard, TarEntry entry)
    {
        if (entry.Length > LongestLabel)
            return null;
        var bytes = new byte[entry.Length];
        return RandomAccess.Read(shard.Handle, bytes, entry.Offset) == bytes.Length ? Encoding.UTF8.GetString(bytes) : null;
    }

    private static string? InJson(string? text)
    {
        try
        {
            using var document = JsonDocument.Parse(text ?? "");
            foreach (string key in new[] { "label", "cls", "class" })
                if (document.RootElement.ValueKind == JsonValueKind.Object && document.RootElement.TryGetProperty(key, out var value))
                    return value.ToString();
            return null;
        }
        catch (JsonException)
        {
            return null;
        }
    }

    // Numbers stand for themselves; classes.txt beside the archives may name them.
    private IReadOnlyList<string> NamesOf(string folder)
    {
        string[] labels = [.. _samples.Select(sample => sample.Label).Distinct()];
        if (!labels.All(label => Number(label) is not null))
            return [.. labels.Order(StringComparer.Ordinal)];
        int count = labels.Max(label => Number(label)!.Value) + 1;
        string[] names = ImageFiles.FirstOf(folder, "classes.txt", "classnames.txt") is { } file ? ImageFiles.Lines(file) : [];
        return names.Length >= count ? names : [.. Enumerable.Range(0, count).Select(i => i.ToString(CultureInfo.InvariantCulture))];
    }

    private int[] LabelsOf()
    {
        var known = ClassNames.Select((name, label) => (name, label)).GroupBy(pair => pair.name).ToDictionary(group => group.Key, group => group.First().label);
        return [.. _samples.Select(sample => known.TryGetValue(sample.Label, out int label) ? label
            : Number(sample.Label) is { } number && number < ClassNames.Count ? number
            : throw new UserError($"{sample.Shard.File}!{sample.Image.Name} is of class '{sample.Label}', which the training images do not have",
                $"the classes are {string.Join(", ", ClassNames.Take(12))}{(ClassNames.Count > 12 ? ", ..." : "")}"))];
    }

    private static int? Number(string label)
    {
        const int mostClasses = 1_000_000;
        return int.TryParse(label, NumberStyles.None, CultureInfo.InvariantCulture, out int number) && number < mostClasses ? number : null;
    }

    private static string[] FilesOf(string pattern)
    {
        string[] files = [.. pattern.Split(',').SelectMany(Expanded)];
        if (files.Length == 0)
            throw new UserError($"no archives: {pattern}", "give a .tar file, a folder of them, or a pattern such as shards/train-*.tar");
        return [.. files.Select(Path.GetFullPath)];
    }

    private static IEnumerable<string> Expanded(string pattern)
    {
        int open = pattern.IndexOf('{'), close = pattern.IndexOf('}');
        if (open >= 0 && close > open && pattern[(open + 1)..close].Split("..") is [var first, var last]
            && int.TryParse(first, NumberStyles.None, CultureInfo.InvariantCulture, out int from) && int.TryParse(last, NumberStyles.None, CultureInfo.InvariantCulture, out int to))
            return Enumerable.Range(from, Math.Max(0, to - from + 1)).SelectMany(i => Expanded(pattern[..open] + i.ToString($"D{first.Length}", CultureInfo.InvariantCulture) + pattern[(close + 1)..]));
        if (Directory.Exists(pattern))
            return Directory.EnumerateFiles(pattern, "*.tar").Order(StringComparer.Ordinal);
        string folder = Path.GetDirectoryName(Path.GetFullPath(pattern))!;
        if (Path.GetFileName(pattern).Contains('*'))
            return Directory.Exists(folder) ? Directory.EnumerateFiles(folder, Path.GetFileName(pattern)).Order(StringComparer.Ordinal) : [];
        return [pattern];
    }
}
