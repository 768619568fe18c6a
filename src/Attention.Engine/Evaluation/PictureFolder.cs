namespace Attention.Engine.Evaluation;

/// <summary>A folder for pictures of images: each gets a name of its own, and never that of an image it was made from.</summary>
/// <param name="folder">Made where it is not there.</param>
public sealed class PictureFolder(string folder)
{
    private readonly HashSet<string> taken = new(StringComparer.OrdinalIgnoreCase);

    /// <summary>The path, without an ending, for the picture of an image.</summary>
    /// <param name="image">The image's file.</param>
    /// <exception cref="UserError">The folder cannot be made, or it is the image's own.</exception>
    public string Take(string image)
    {
        RequireOther(image);
        var stem = Path.GetFileNameWithoutExtension(image);
        var free = stem;
        // Images of several folders may have the same name.
        for (int i = 2; !taken.Add(free); i++)
            free = $"{stem}_{i}";
        return Path.Combine(folder, free);
    }

    /// <summary>Makes the folder, which may not be that of a file that is looked at: the file would be overwritten.</summary>
    /// <exception cref="UserError">It is, or it cannot be made.</exception>
    public void RequireOther(string file)
    {
        if (Path.GetDirectoryName(Path.GetFullPath(file)) == Path.TrimEndingDirectorySeparator(Path.GetFullPath(folder)))
            throw new UserError($"the pictures would go into the folder of {file} and replace it", "choose another folder with --out");
        try
        {
            Directory.CreateDirectory(folder);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new UserError($"the folder '{folder}' cannot be made: {e.Message}", "choose another with --out", e);
        }
    }
}
