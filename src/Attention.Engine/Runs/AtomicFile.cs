namespace Attention.Engine.Runs;

/// <summary>
/// Files that are there whole or not at all: written under a temporary name beside their place, flushed to the disk, then
/// renamed. Whatever stood there before stays until then.
/// </summary>
public static class AtomicFile
{
    /// <summary>
    /// Whether an exception says that a disk cannot take what is written: it is full, gone or read-only, or the file would be
    /// larger than is allowed, which .NET reports as an argument out of range.
    /// </summary>
    public static bool IsDiskFailure(Exception error) =>
        error is IOException or UnauthorizedAccessException or ArgumentOutOfRangeException { ParamName: "value", Source: "System.Private.CoreLib" };

    public static void WriteText(string path, string text) => Write(path, stream =>
    {
        using var writer = new StreamWriter(stream, leaveOpen: true);
        writer.Write(text);
    });

    /// <param name="path">The file; its folder must exist.</param>
    /// <param name="write">Writes the contents. If it throws, the file stays as it was.</param>
    public static void Write(string path, Action<Stream> write)
    {
        var temporary = path + ".tmp";
        try
        {
            using (var stream = new FileStream(temporary, FileMode.Create, FileAccess.Write, FileShare.None))
            {
                write(stream);
                stream.Flush(flushToDisk: true);
            }
            File.Move(temporary, path, overwrite: true);
        }
        catch
        {
            File.Delete(temporary);
            throw;
        }
    }
}
