using System.Formats.Tar;
using System.IO.Compression;
using System.Net;
using System.Net.Http.Headers;
using System.Security.Cryptography;
using System.Text;
using Attention.Engine.Data.Fetching;

namespace Attention.Tests.Data;

public sealed class FetchTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();
    private readonly List<string> _said = [];

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void A_data_set_is_downloaded_checked_and_unpacked_once()
    {
        var server = new Server(Archive(("x/a.bin", "abc"), ("x/b.bin", "")));
        Fetch(server);
        Assert.Equal("abc", File.ReadAllText(_folder.File("x/a.bin")));
        Assert.False(File.Exists(_folder.File("set.tar.gz")));
        Fetch(server);
        Assert.Single(server.Ranges);
        Assert.Contains("set.tar.gz was fetched before", _said);
        Assert.EndsWith($"use it with: data: {{path: {_folder.Path}}}", _said[^1]);
    }

    [Fact]
    public void What_was_begun_goes_on_where_it_stopped()
    {
        var whole = Archive(("a.bin", new string('x', 5000)));
        var server = new Server(whole) { CutAfter = whole.Length / 3 };
        var error = Assert.Throws<UserError>(() => Fetch(server));
        Assert.Contains("cannot be downloaded", error.Message);
        Assert.Equal(whole.Length / 3, new FileInfo(_folder.File("set.tar.gz.partial")).Length);
        server.CutAfter = null;
        Fetch(server);
        Assert.Equal([0, whole.Length / 3], server.Ranges);
        Assert.Equal(5000, new FileInfo(_folder.File("a.bin")).Length);
    }

    [Fact]
    public void What_does_not_have_its_checksum_is_thrown_away()
    {
        var server = new Server(Archive(("a.bin", "abc")));
        string checksum = server.Checksum;
        server.Content[^20] ^= 1;
        Assert.Contains("does not have its checksum", Assert.Throws<UserError>(() => Fetch(server, checksum)).Message);
        Assert.Empty(Directory.EnumerateFileSystemEntries(_folder.Path));
    }

    [Fact]
    public void Without_a_network_it_says_what_to_place_where()
    {
        using var client = new HttpClient(new Server([]) { Fails = true });
        foreach (var dataset in PublicDataset.All)
        {
            var error = Assert.Throws<UserError>(() => new Fetcher(client, _said.Add).Fetch(dataset, _folder.File(dataset.Name), default));
            Assert.Contains(dataset.Name, error.Message);
            Assert.Contains($"{_folder.File(dataset.Name)}: {dataset.Layout}", error.Advice);
        }
        Assert.Contains("did you mean 'cifar10'?", Assert.Throws<UserError>(() => PublicDataset.Find("cifar1O")).Advice);
    }

    [Theory]
    [InlineData("../evil.txt")]
    [InlineData("a/../../evil.txt")]
    [InlineData("/tmp/attention-evil.txt")]
    [InlineData("a\\..\\..\\evil.txt")]
    public void No_archive_writes_outside_of_its_folder(string name)
    {
        Directory.CreateDirectory(_folder.File("in"));
        File.WriteAllBytes(_folder.File("x.tar.gz"), Archive((name, "evil")));
        using (var zip = ZipFile.Open(_folder.File("x.zip"), ZipArchiveMode.Create))
        using (var entry = zip.CreateEntry(name).Open())
            entry.Write("evil"u8);
        foreach (string archive in new[] { "x.tar.gz", "x.zip" })
            Assert.Contains("would lie outside", Assert.Throws<UserError>(() => Archives.Unpack(_folder.File(archive), _folder.File("in"), default)).Message);
        Assert.Empty(Directory.EnumerateFileSystemEntries(_folder.File("in")));
        Assert.False(File.Exists(_folder.File("evil.txt")) || File.Exists("/tmp/attention-evil.txt"));
    }

    [Fact]
    public void Links_in_archives_are_left_out()
    {
        Directory.CreateDirectory(_folder.File("in"));
        using (var tar = new TarWriter(File.Create(_folder.File("x.tar"))))
        {
            tar.WriteEntry(new PaxTarEntry(TarEntryType.SymbolicLink, "out") { LinkName = ".." });
            tar.WriteEntry(new PaxTarEntry(TarEntryType.RegularFile, "out/evil.txt") { DataStream = new MemoryStream("evil"u8.ToArray()) });
        }
        Archives.Unpack(_folder.File("x.tar"), _folder.File("in"), default);
        Assert.False(File.Exists(_folder.File("evil.txt")));
        Assert.True(File.Exists(_folder.File("in/out/evil.txt")));
    }

    [Fact]
    public void Checksums_have_the_length_of_their_kind()
    {
        foreach (var file in PublicDataset.All.SelectMany(dataset => dataset.Files))
        {
            var parts = file.Checksum.Split(':');
            Assert.Equal(parts[0] switch { "md5" => 32, "sha1" => 40, "sha256" => 64, _ => 0 }, parts[1].Length);
            Assert.True(Uri.IsWellFormedUriString(file.Url, UriKind.Absolute));
        }
    }

    private void Fetch(Server server, string? checksum = null)
    {
        using var client = new HttpClient(server, disposeHandler: false);
        var dataset = new PublicDataset("set", "a set", [new("http://example.invalid/set.tar.gz", checksum ?? server.Checksum, 1)], "a.bin", "data: {path: FOLDER}");
        new Fetcher(client, _said.Add).Fetch(dataset, _folder.Path, default);
    }

    private static byte[] Archive(params (string Name, string Text)[] files)
    {
        var stream = new MemoryStream();
        using (var gzip = new GZipStream(stream, CompressionLevel.NoCompression, leaveOpen: true))
        using (var tar = new TarWriter(gzip))
            foreach (var (name, text) in files)
                tar.WriteEntry(new PaxTarEntry(TarEntryType.RegularFile, name) { DataStream = new MemoryStream(Encoding.UTF8.GetBytes(text)) });
        return stream.ToArray();
    }

    /// <summary>Answers with one file, or a part of it, without a network.</summary>
    private sealed class Server(byte[] content) : HttpMessageHandler
    {
        public byte[] Content => content;

        public string Checksum => $"md5:{Convert.ToHexStringLower(MD5.HashData(content))}";

        /// <summary>Bytes after which the connection breaks.</summary>
        public int? CutAfter { get; set; }

        public bool Fails { get; init; }

        /// <summary>Where each request began.</summary>
        public List<long> Ranges { get; } = [];

        protected override HttpResponseMessage Send(HttpRequestMessage request, CancellationToken cancellationToken)
        {
            if (Fails)
                throw new HttpRequestException("no route to host");
            long from = request.Headers.Range?.Ranges.Single().From ?? 0;
            Ranges.Add(from);
            var body = new StreamContent(new MemoryStream(content[(int)from..(CutAfter ?? content.Length)]));
            body.Headers.ContentLength = content.Length - from;
            if (from > 0)
                body.Headers.ContentRange = new ContentRangeHeaderValue(from, content.Length - 1, content.Length);
            return new HttpResponseMessage(from > 0 ? HttpStatusCode.PartialContent : HttpStatusCode.OK) { Content = body };
        }

        protected override Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken) =>
            Task.FromResult(Send(request, cancellationToken));
    }
}
