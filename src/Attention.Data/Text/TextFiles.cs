using System.Text;

namespace Attention.Data.Text;

/// <summary>Text from files that must be UTF-8.</summary>
public static class TextFiles
{
    /// <summary>The text of a file, or of all .txt files of a folder in the order of their names.</summary>
    /// <exception cref="UserError">There is none, it cannot be read, or it is no UTF-8.</exception>
    public static string Read(string path)
    {
        try
        {
            if (!Directory.Exists(path))
                return File.Exists(path) ? ReadFile(path) : throw new UserError($"there is no text '{path}'", "give a text file, or a folder with .txt files");
            var files = Directory.EnumerateFiles(path, "*.txt").Order(StringComparer.Ordinal).ToArray();
            return files.Length > 0 ? string.Concat(files.Select(ReadFile)) : throw new UserError($"the folder '{path}' has no .txt files", "give a text file, or a folder with .txt files");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new UserError($"'{path}' cannot be read: {e.Message}", "check the file and its permissions", e);
        }
    }

    private static string ReadFile(string path)
    {
        var bytes = File.ReadAllBytes(path).AsSpan();
        StrictUtf8.Require(bytes, path, 0, atEnd: true);
        return Encoding.UTF8.GetString(bytes.StartsWith(Encoding.UTF8.Preamble) ? bytes[Encoding.UTF8.Preamble.Length..] : bytes);
    }
}
