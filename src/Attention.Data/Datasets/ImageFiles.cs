using Attention.Torch;
using Microsoft.Win32.SafeHandles;

namespace Attention.Data;

/// <summary>Image files on disk.</summary>
public static class ImageFiles
{
    private static readonly string[] Extensions = [".jpg", ".jpeg", ".png", ".webp"];

    /// <summary>Whether a path ends like an image's and is not hidden.</summary>
    public static bool IsImage(string path) =>
        Extensions.Contains(Path.GetExtension(path), StringComparer.OrdinalIgnoreCase) && !Path.GetFileName(path).StartsWith('.');

    /// <summary>Reads and decodes a file.</summary>
    /// <exception cref="ImageError">It cannot be read; the message begins with the path.</exception>
    public static Image Load(string path, ImageScratch scratch, NeedOf needOf, bool upright)
    {
        try
        {
            using SafeFileHandle handle = File.OpenHandle(path, options: FileOptions.SequentialScan);
            ImageCodec.Decode(Read(handle, 0, RandomAccess.GetLength(handle), scratch), scratch.Decoded, needOf, upright: upright);
            return scratch.Decoded;
        }
        catch (Exception e) when (e is ImageError or IOException or UnauthorizedAccessException)
        {
            throw new ImageError($"{path}: {(Directory.Exists(path) ? "it is a folder, not a file" : e.Message)}", e);
        }
    }

    /// <summary>Reads a part of a file; less where the file ends before.</summary>
    public static ReadOnlySpan<byte> Read(SafeFileHandle handle, long offset, long length, ImageScratch scratch)
    {
        if (length > Array.MaxLength)
            throw new ImageError($"the file is too large: {length} bytes");
        if (scratch.File.Length < length)
            scratch.File = GC.AllocateUninitializedArray<byte>((int)Math.Min(length + length / 4, Array.MaxLength));
        int done = 0;
        while (done < length)
        {
            int read = RandomAccess.Read(handle, scratch.File.AsSpan(done, (int)length - done), offset + done);
            if (read == 0)
                break;
            done += read;
        }
        return scratch.File.AsSpan(0, done);
    }

    /// <summary>The images of one folder, in ordinal order of their names.</summary>
    /// <exception cref="UserError">The folder cannot be listed or holds no image.</exception>
    public static string[] ListOf(string folder)
    {
        try
        {
            string[] files = [.. Directory.EnumerateFileSystemEntries(folder).Where(IsImage).Order(StringComparer.Ordinal)];
            return files.Length > 0 ? files : throw new UserError($"no images in {folder}", "put jpg, jpeg, png or webp files there");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new UserError($"the folder {folder} cannot be listed: {e.Message}", "check the path and its permissions", e);
        }
    }

    /// <summary>The whole text of a file of a data set.</summary>
    /// <exception cref="UserError">It cannot be read.</exception>
    public static string[] Lines(string path)
    {
        try
        {
            return File.ReadAllLines(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new UserError($"{path} cannot be read: {e.Message}", "check the path and its permissions", e);
        }
    }

    /// <summary>The first of some names that is a file in a folder, as a path, or null.</summary>
    public static string? FirstOf(string folder, params IEnumerable<string> names) =>
        names.Select(name => Path.Combine(folder, name)).FirstOrDefault(File.Exists);
}
