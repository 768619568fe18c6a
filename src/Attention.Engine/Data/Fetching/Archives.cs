using System.Formats.Tar;
using System.IO.Compression;

namespace Attention.Engine.Data.Fetching;

/// <summary>Unpacks .tar, .tar.gz and .zip, plain files and folders alone, and never outside of the folder that it is given.</summary>
public static class Archives
{
    /// <summary>Whether a file's name is an archive's.</summary>
    public static bool IsArchive(string path) =>
        new[] { ".tar", ".tar.gz", ".tgz", ".zip" }.Any(end => path.EndsWith(end, StringComparison.OrdinalIgnoreCase));

    /// <summary>Unpacks an archive. Files that are there with their whole length stay, so that an interrupted call can be made again.</summary>
    /// <param name="archive">The file.</param>
    /// <param name="folder">Where to; it exists.</param>
    /// <param name="cancellation">Ends it.</param>
    /// <exception cref="UserError">A file of the archive would lie outside of the folder.</exception>
    /// <exception cref="InvalidDataException">The archive is damaged.</exception>
    /// <exception cref="IOException">Something cannot be read or written.</exception>
    public static void Unpack(string archive, string folder, CancellationToken cancellation)
    {
        string root = Path.GetFullPath(folder);
        if (archive.EndsWith(".zip", StringComparison.OrdinalIgnoreCase))
            UnpackZip(archive, root, cancellation);
        else
            UnpackTar(archive, root, cancellation);
    }

    private static void UnpackZip(string archive, string root, CancellationToken cancellation)
    {
        using var zip = ZipFile.OpenRead(archive);
        foreach (var entry in zip.Entries)
        {
            string path = Inside(root, entry.FullName, archive);
            if (entry.FullName.EndsWith('/'))
                continue;
            using var stream = entry.Open();
            Write(stream, entry.Length, path, cancellation);
        }
    }

    private static void UnpackTar(string archive, string root, CancellationToken cancellation)
    {
        using Stream raw = File.OpenRead(archive);
        using Stream stream = archive.EndsWith(".tar", StringComparison.OrdinalIgnoreCase) ? raw : new GZipStream(raw, CompressionMode.Decompress);
        using var tar = new TarReader(stream);
        while (tar.GetNextEntry() is { } entry)
        {
            string path = Inside(root, entry.Name, archive);
            // No links, devices or pipes: data sets need none, and a link could lead anywhere.
            if (entry.EntryType is TarEntryType.RegularFile or TarEntryType.V7RegularFile)
                Write(entry.DataStream ?? Stream.Null, entry.Length, path, cancellation);
        }
    }

    private static string Inside(string root, string name, string archive)
    {
        string path = Path.GetFullPath(Path.Combine(root, name));
        bool within = path.StartsWith(Path.TrimEndingDirectorySeparator(root) + Path.DirectorySeparatorChar, StringComparison.Ordinal) || path == Path.TrimEndingDirectorySeparator(root);
        return within && !name.Contains('\\') ? path
            : throw new UserError($"{archive} holds a file that would lie outside of {root}: {name}", "do not use this archive");
    }

    private static void Write(Stream from, long length, string path, CancellationToken cancellation)
    {
        cancellation.ThrowIfCancellationRequested();
        if (File.Exists(path) && new FileInfo(path).Length == length)
            return;
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        string partial = $"{path}.partial";
        using (var to = new FileStream(partial, FileMode.Create))
        {
            var buffer = new byte[1 << 16];
            long done = 0;
            for (int read; (read = from.Read(buffer)) > 0; done += read)
            {
                if (done + read > length)
                    throw new InvalidDataException($"{Path.GetFileName(path)} is longer than the archive says");
                to.Write(buffer, 0, read);
            }
            if (done != length)
                throw new InvalidDataException($"{Path.GetFileName(path)} is shorter than the archive says");
        }
        File.Move(partial, path, overwrite: true);
    }
}
