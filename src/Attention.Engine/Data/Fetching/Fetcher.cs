using System.Security.Cryptography;

namespace Attention.Engine.Data.Fetching;

/// <summary>
/// Downloads data sets. What was begun before goes on where it stopped; what is whole is not fetched again; what does not have its
/// checksum is thrown away.
/// </summary>
/// <param name="client">Makes the requests.</param>
/// <param name="say">Is told what happens.</param>
/// <param name="progress">Is told bytes done, of how many where that is known.</param>
public sealed class Fetcher(HttpClient client, Action<string> say, Action<long, long?>? progress = null)
{
    private const string Marker = ".fetched";

    /// <summary>Downloads and unpacks a data set.</summary>
    /// <param name="dataset">Which.</param>
    /// <param name="folder">Where to.</param>
    /// <param name="cancellation">Ends it; a later call goes on.</param>
    /// <exception cref="UserError">It cannot be downloaded; the advice says what to place where.</exception>
    public void Fetch(PublicDataset dataset, string folder, CancellationToken cancellation)
    {
        string full = Path.GetFullPath(folder), place = $"place it by hand into {full}: {dataset.Layout}";
        if (dataset.Files.Count == 0)
            throw new UserError($"{dataset.Name} cannot be downloaded by a program", place);
        try
        {
            Directory.CreateDirectory(full);
            foreach (var file in dataset.Files)
                Fetch(file, full, cancellation);
        }
        catch (HttpRequestException e)
        {
            throw new UserError($"{dataset.Name} cannot be downloaded: {e.Message}", $"try again where the network allows it, or {place}", e);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or InvalidDataException)
        {
            throw new UserError($"{dataset.Name} cannot be written to {full}: {e.Message}", "free space there, or choose another folder with --to; what was downloaded is kept", e);
        }
        say($"{dataset.Name} is in {full}; use it with: {dataset.Config.Replace("FOLDER", full, StringComparison.Ordinal)}");
    }

    private void Fetch(PublicFile file, string folder, CancellationToken cancellation)
    {
        string path = Path.Combine(folder, file.Name), done = Path.Combine(folder, $"{Marker}-{file.Name}");
        if (File.Exists(done) && File.ReadAllText(done) == file.Checksum)
        {
            say($"{file.Name} was fetched before");
            return;
        }
        if (!File.Exists(path) || !Matches(path, file.Checksum, cancellation))
            Download(file, path, cancellation);
        if (Archives.IsArchive(path))
        {
            say($"unpacking {file.Name}");
            Archives.Unpack(path, folder, cancellation);
            File.Delete(path);
        }
        File.WriteAllText(done, file.Checksum);
    }

    private void Download(PublicFile file, string path, CancellationToken cancellation)
    {
        string partial = $"{path}.partial";
        long have = File.Exists(partial) ? new FileInfo(partial).Length : 0;
        say($"{(have > 0 ? "going on with" : "downloading")} {file.Url} (about {file.Megabytes} MB)");
        using var request = new HttpRequestMessage(HttpMethod.Get, file.Url);
        if (have > 0)
            request.Headers.Range = new(have, null);
        using var response = client.Send(request, HttpCompletionOption.ResponseHeadersRead, cancellation);
        bool goesOn = response.StatusCode == System.Net.HttpStatusCode.PartialContent;
        // Nothing is left to send: all of it is there.
        if (response.StatusCode != System.Net.HttpStatusCode.RequestedRangeNotSatisfiable || have == 0)
        {
            response.EnsureSuccessStatusCode();
            using var from = response.Content.ReadAsStream(cancellation);
            using var to = new FileStream(partial, goesOn ? FileMode.Append : FileMode.Create);
            Copy(from, to, goesOn ? have : 0, (goesOn ? have : 0) + response.Content.Headers.ContentLength, cancellation);
        }
        if (!Matches(partial, file.Checksum, cancellation))
        {
            File.Delete(partial);
            throw new UserError($"{file.Name} does not have its checksum {file.Checksum}: it was changed or damaged on the way", "try again; what came was thrown away");
        }
        File.Move(partial, path, overwrite: true);
    }

    private void Copy(Stream from, Stream to, long done, long? total, CancellationToken cancellation)
    {
        var buffer = new byte[1 << 20];
        for (int read; (read = Read(from, buffer)) > 0;)
        {
            cancellation.ThrowIfCancellationRequested();
            to.Write(buffer, 0, read);
            done += read;
            progress?.Invoke(done, total);
        }
        if (done < total)
            throw new HttpRequestException($"the connection ended after {done} of {total} bytes; call again to go on");
    }

    // What the network breaks is no fault of the disk.
    private static int Read(Stream from, byte[] buffer)
    {
        try
        {
            return from.Read(buffer);
        }
        catch (IOException e)
        {
            throw new HttpRequestException($"{e.Message}; call again to go on", e);
        }
    }

    private static bool Matches(string path, string checksum, CancellationToken cancellation)
    {
        var (kind, digits) = (checksum.Split(':')[0], checksum.Split(':')[1]);
        using HashAlgorithm hash = kind switch { "md5" => MD5.Create(), "sha1" => SHA1.Create(), _ => SHA256.Create() };
        using var stream = File.OpenRead(path);
        return Convert.ToHexStringLower(hash.ComputeHashAsync(stream, cancellation).GetAwaiter().GetResult()) == digits;
    }
}
