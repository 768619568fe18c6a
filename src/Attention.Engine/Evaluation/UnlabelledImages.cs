using System.IO.Enumeration;
using Attention.Data;
using Attention.Torch;

namespace Attention.Engine.Evaluation;

/// <summary>Image files without labels, from paths, folders and patterns.</summary>
public sealed class UnlabelledImages : IImageDataset, IDenseDataset
{
    private readonly string[] files;

    /// <param name="sources">Files; folders, with what lies in folders below; patterns such as <c>photos/*.jpg</c>.</param>
    /// <exception cref="UserError">One of them is not there, or holds no image.</exception>
    public UnlabelledImages(params IEnumerable<string> sources) => files = [.. sources.SelectMany(Expand).Distinct()];

    private static IEnumerable<string> Expand(string source)
    {
        if (File.Exists(source))
            return [source];
        string[] found;
        if (Directory.Exists(source))
            found = [.. Directory.EnumerateFiles(source, "*", SearchOption.AllDirectories).Where(ImageFiles.IsImage)];
        else if (source.AsSpan().IndexOfAny('*', '?') >= 0)
            found = Matching(source);
        else
            throw new UserError($"there is no image file or folder '{source}'", "check the path; patterns such as 'photos/*.jpg' are quoted");
        if (found.Length == 0)
            throw new UserError($"no images at '{source}'", "give jpg, jpeg, png or webp files");
        return found.Order(StringComparer.Ordinal);
    }

    // A pattern of the last part of the path, or of files in all folders below: photos/**/*.jpg.
    private static string[] Matching(string pattern)
    {
        var folder = Path.GetDirectoryName(pattern) is { Length: > 0 } above ? above : ".";
        bool below = Path.GetFileName(folder) == "**";
        if (below)
            folder = Path.GetDirectoryName(folder) is { Length: > 0 } root ? root : ".";
        if (!Directory.Exists(folder))
            throw new UserError($"there is no folder '{folder}'", "patterns may stand in the file's name, and ** for all folders below");
        return [.. Directory.EnumerateFiles(folder, "*", below ? SearchOption.AllDirectories : SearchOption.TopDirectoryOnly)
            .Where(file => ImageFiles.IsImage(file) && FileSystemName.MatchesSimpleExpression(Path.GetFileName(pattern), Path.GetFileName(file), ignoreCase: false))];
    }

    public int Count => files.Length;

    public IReadOnlyList<string> ClassNames => [];

    public int LabelOf(int index) => 0;

    IEnumerable<int> IImages.LabelsIn(int index) => [];

    public DenseAnnotations AnnotationsOf(int index, int height, int width) => new([], null);

    public string NameOf(int index) => files[index];

    /// <inheritdoc/>
    public Image Load(int index, ImageScratch scratch, NeedOf needOf) => ImageFiles.Load(files[index], scratch, needOf, upright: true);
}
