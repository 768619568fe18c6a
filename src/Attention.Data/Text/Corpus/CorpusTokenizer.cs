using System.Diagnostics;

namespace Attention.Data.Text;

/// <summary>How text becomes tokens of documents.</summary>
public sealed record CorpusOptions
{
    /// <summary>How documents lie in the files; null goes by each file's name.</summary>
    public CorpusFormat? Format { get; init; }

    /// <summary>The special token after each document, by role or content: <c>eos_token</c>, <c>&lt;|endoftext|&gt;</c>. Empty for none, null for the tokenizer's own where it has one.</summary>
    public string? EndOfText { get; init; }

    /// <summary>The special token before each document; null for none.</summary>
    public string? BeginOfText { get; init; }

    /// <summary>The chat template (Jinja) for dialogues; null for the tokenizer's own.</summary>
    public string? ChatTemplate { get; init; }

    /// <summary>Tokens after which a new shard begins, with the next document.</summary>
    public long ShardTokens { get; init; } = 100_000_000;

    /// <summary>Threads.</summary>
    public int Workers { get; init; } = Environment.ProcessorCount;
}

/// <summary>How far it is.</summary>
/// <param name="File">The file that is read, from 1.</param>
/// <param name="Files">Of how many.</param>
/// <param name="Bytes">Bytes read from the disk so far.</param>
/// <param name="AllBytes">Of how many.</param>
/// <param name="Documents">Documents so far.</param>
/// <param name="Tokens">Tokens so far.</param>
/// <param name="Shards">Shards that have begun.</param>
/// <param name="Elapsed">Since the start.</param>
public readonly record struct CorpusProgress(int File, int Files, long Bytes, long AllBytes, long Documents, long Tokens, int Shards, TimeSpan Elapsed);

/// <summary>Turns files with text into token shards, or into tokens in memory: in order, on all cores, whole or not at all.</summary>
public sealed class CorpusTokenizer
{
    private const int PortionBytes = 1 << 20;
    private readonly ITokenizer tokenizer;
    private readonly CorpusOptions options;
    private readonly CorpusEncoder encoder;

    /// <exception cref="UserError">A special token or the chat template is missing.</exception>
    public CorpusTokenizer(ITokenizer tokenizer, CorpusOptions options)
    {
        (this.tokenizer, this.options) = (tokenizer, options);
        EndOfText = options.EndOfText switch
        {
            null => tokenizer.SpecialToken("eos_token") ?? tokenizer.SpecialToken("<|endoftext|>"),
            "" => null,
            var name => Special(name),
        };
        var begin = options.BeginOfText is { } first ? Special(first) : (int?)null;
        var chat = options.Format is not CorpusFormat.Chat ? null
            : options.ChatTemplate is { } template ? ChatTemplate.Parse(template, tokenizer.Settings) : ChatTemplate.Of(tokenizer);
        encoder = new CorpusEncoder(tokenizer, begin, EndOfText, chat);
    }

    /// <summary>The token after each document, or null.</summary>
    public int? EndOfText { get; }

    /// <summary>Writes shards <c>00000.tokens</c>, <c>00001.tokens</c> and so on.</summary>
    /// <param name="inputs">Files, or folders of files.</param>
    /// <param name="folder">Where to; not there yet, or empty.</param>
    /// <param name="progress">Is told how far it is.</param>
    /// <param name="cancellation">Ends it; then nothing is left behind.</param>
    /// <exception cref="UserError">A file is no UTF-8 or no JSON, there is no text, or the folder is not empty.</exception>
    public CorpusProgress WriteShards(IEnumerable<string> inputs, string folder, Action<CorpusProgress>? progress = null, CancellationToken cancellation = default)
    {
        var place = Path.TrimEndingDirectorySeparator(Path.GetFullPath(folder));
        if (File.Exists(place) || Directory.Exists(place) && Directory.EnumerateFileSystemEntries(place).Any())
            throw new UserError($"'{folder}' is there already", "name a folder that is not there, or remove what is in it");
        var files = CorpusFiles.Find(inputs);
        var partial = place + ".partial";
        try
        {
            if (Directory.Exists(partial))
                Directory.Delete(partial, recursive: true);
            Directory.CreateDirectory(partial);
            var last = Write(files, partial, progress, cancellation);
            if (last.Tokens == 0)
                throw new UserError($"there is no text in {string.Join(", ", inputs)}", "give files with text");
            if (Directory.Exists(place))
                Directory.Delete(place);
            Directory.Move(partial, place);
            return last;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new UserError($"'{folder}' cannot be written: {e.Message}", "check the disk and its permissions", e);
        }
        finally
        {
            if (Directory.Exists(partial))
                Directory.Delete(partial, recursive: true);
        }
    }

    /// <summary>The tokens of files in memory, for small data.</summary>
    public TokenList Load(IEnumerable<string> inputs, CancellationToken cancellation = default)
    {
        var list = new TokenList();
        var (ids, answers) = (new List<int>(), new List<bool>());
        foreach (var piece in Encode(CorpusFiles.Find(inputs), null, cancellation))
        {
            ids.AddRange(piece.Ids);
            answers.AddRange(piece.Answers ?? []);
            if (!piece.EndsDocument)
                continue;
            if (ids.Count > 0)
                list.Add([.. ids], [.. answers]);
            ids.Clear();
            answers.Clear();
        }
        return list;
    }

    private int Special(string name) => tokenizer.SpecialToken(name) ?? tokenizer.Find(name)
        ?? throw new UserError($"the tokenizer has no token '{name}'", tokenizer.SpecialTokens.Count == 0 ? "it has no special tokens" : $"its special tokens are {string.Join(", ", tokenizer.SpecialTokens.Keys.Take(20))}");

    private CorpusProgress Write(List<string> files, string folder, Action<CorpusProgress>? progress, CancellationToken cancellation)
    {
        var watch = Stopwatch.StartNew();
        long allBytes = files.Sum(file => new FileInfo(file).Length);
        var now = new CorpusProgress(0, files.Count, 0, allBytes, 0, 0, 0, TimeSpan.Zero);
        TokenShardWriter? shard = null;
        long documents = 0, tokens = 0;
        try
        {
            foreach (var piece in Encode(files, (file, bytes) => now = now with { File = file, Bytes = bytes }, cancellation))
            {
                if (shard is null && piece.Ids.Length == 0)
                    continue;
                if (shard is null)
                {
                    shard = new TokenShardWriter(Path.Combine(folder, $"{now.Shards:D5}.tokens"), tokenizer.VocabularySize, EndOfText, piece.Answers is not null);
                    now = now with { Shards = now.Shards + 1 };
                }
                shard.Write(piece.Ids, piece.Answers);
                if (piece.EndsDocument)
                    shard.EndDocument();
                now = now with { Documents = documents + shard.Documents, Tokens = tokens + shard.Tokens, Elapsed = watch.Elapsed };
                progress?.Invoke(now);
                if (!piece.EndsDocument || shard.Tokens < options.ShardTokens)
                    continue;
                (documents, tokens) = (now.Documents, now.Tokens);
                shard.Finish();
                shard.Dispose();
                shard = null;
            }
            shard?.Finish();
            return now with { Bytes = allBytes, Elapsed = watch.Elapsed };
        }
        finally
        {
            shard?.Dispose();
        }
    }

    // Portions of about a megabyte are encoded at the same time and given in order.
    private IEnumerable<EncodedPiece> Encode(List<string> files, Action<int, long>? read, CancellationToken cancellation)
    {
        var running = new Queue<(Task<List<EncodedPiece>> Work, int File, long Bytes)>();
        foreach (var (portion, file, bytes) in Portions(files))
        {
            cancellation.ThrowIfCancellationRequested();
            running.Enqueue((Task.Run(() => portion.ConvertAll(each => encoder.Encode(each.Piece, each.IsFirst, each.Format)), cancellation), file, bytes));
            if (running.Count < 2 * options.Workers)
                continue;
            foreach (var piece in Next())
                yield return piece;
        }
        while (running.Count > 0)
            foreach (var piece in Next())
                yield return piece;

        List<EncodedPiece> Next()
        {
            var (work, file, bytes) = running.Dequeue();
            var pieces = work.GetAwaiter().GetResult();
            read?.Invoke(file, bytes);
            return pieces;
        }
    }

    private IEnumerable<(List<(CorpusPiece Piece, bool IsFirst, CorpusFormat Format)> Portion, int File, long Bytes)> Portions(List<string> files)
    {
        var portion = new List<(CorpusPiece, bool, CorpusFormat)>();
        long before = 0, position = 0;
        int size = 0;
        for (int i = 0; i < files.Count; i++)
        {
            var format = options.Format ?? CorpusFormat.Of(files[i]);
            bool isFirst = true;
            foreach (var piece in CorpusFiles.Read(files[i], format, bytes => position = bytes))
            {
                portion.Add((piece, isFirst, format));
                isFirst = piece.EndsDocument;
                size += piece.Utf8.Length;
                if (size < PortionBytes)
                    continue;
                yield return (portion, i + 1, before + position);
                (portion, size) = ([], 0);
            }
            before += new FileInfo(files[i]).Length;
        }
        if (portion.Count > 0)
            yield return (portion, files.Count, before);
    }
}
