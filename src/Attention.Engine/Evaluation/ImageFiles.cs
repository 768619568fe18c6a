using System.IO.Enumeration;
using Attention.Data;
using Attention.Torch;

namespace Attention.Engine.Evaluation;

/// <summary>Image files without labels, from paths, folders and patterns.</summary>
public sealed class ImageFiles : IImageDataset
{
    private static readonly string[] extensions = [".jpg", ".jpeg", ".png", ".webp"];

    private readonly string[] files;

    /// <param name="sources">Files; folders, with what lies in folders below; patterns such as <c>photos/*.jpg</c>.</param>
    /// <exception cref="UserError">One of them is not there, or holds no image.</exception>
    public ImageFiles(params IEnumerable<string> sources) => files = [.. sources.SelectMany(Expand).Distinct()];

    private static IEnumerable<string> Expand(string source)
    {
        if (File.Exists(source))
            return [source];
        string[] found;
        if (Directory.Exists(source))
            found = [.. Directory.EnumerateFiles(source, "*", SearchOption.AllDirectories).Where(IsImage)];
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
            .Where(file => IsImage(file) && FileSystemName.MatchesSimpleExpression(Path.GetFileName(pattern), Path.GetFileName(file), ignoreCase: false))];
    }

    private static bool IsImage(string path) => extensions.Contains(Path.GetExtension(path), StringComparer.OrdinalIgnoreCase);

    public int Count => files.Length;

    public IReadOnlyList<string> ClassNames => [];

    public int LabelOf(int index) => 0;

    public string NameOf(int index) => files[index];

    /// <inheritdoc/>
    public Image Load(int index, ImageScratch scratch, NeedOf needOf)
    {
        try
        {
            ImageCodec.Decode(File.ReadAllBytes(files[index]), scratch.Decoded, needOf);
            return scratch.Decoded;
        }
        catch (Exception e) when (e is ImageError or IOException or UnauthorizedAccessException)
        {
            throw new ImageError($"{files[index]}: {e.Message}", e);
        }
    }
}
