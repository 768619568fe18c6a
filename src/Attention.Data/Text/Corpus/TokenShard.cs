using System.IO.MemoryMappedFiles;

namespace Attention.Data.Text;

/// <summary>A file with tokens of documents, mapped into memory: nothing is read but what is asked for.</summary>
public sealed class TokenShard : ITokenStore, IDisposable
{
    private const int Portion = 1 << 20;
    private readonly MemoryMappedFile file;
    private readonly MemoryMappedViewAccessor view;
    private readonly TokenShardHeader header;

    private TokenShard(string path, TokenShardHeader header, MemoryMappedFile file)
    {
        (Path, this.header, this.file) = (path, header, file);
        view = file.CreateViewAccessor(0, header.FileSize, MemoryMappedFileAccess.Read);
    }

    public string Path { get; }
    public long Tokens => header.Tokens;
    public long Documents => header.Documents;
    public bool HasAnswers => header.HasAnswers;
    public int VocabularySize => header.VocabularySize;

    /// <summary>The token that ends each document, or null.</summary>
    public int? EndOfText => header.EndOfText < 0 ? null : header.EndOfText;

    /// <summary>Bytes of a token.</summary>
    public int Width => header.Width;

    /// <summary>Opens a shard. Its header and its length are checked, what is in it by <see cref="Verify"/>.</summary>
    /// <exception cref="UserError">It is missing, cut or no shard.</exception>
    public static TokenShard Open(string path)
    {
        try
        {
            using var stream = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read);
            var bytes = new byte[TokenShardHeader.Size];
            if (stream.ReadAtLeast(bytes, bytes.Length, throwOnEndOfStream: false) < bytes.Length)
                throw Wrong(path, $"is cut: it has {stream.Length} bytes, fewer than a header");
            var (header, fault) = TokenShardHeader.Read(bytes);
            if (fault is not null)
                throw Wrong(path, fault);
            if (stream.Length != header.FileSize)
                throw Wrong(path, $"is {(stream.Length < header.FileSize ? "cut" : "damaged")}: {header.Tokens} tokens in {header.Documents} documents take {header.FileSize} bytes, but it has {stream.Length}");
            var file = MemoryMappedFile.CreateFromFile(path, FileMode.Open, null, 0, MemoryMappedFileAccess.Read);
            var shard = new TokenShard(path, header, file);
            if (header.Documents == 0 ? header.Tokens > 0 : shard.view.ReadInt64(header.FileSize - 8) != header.Tokens)
            {
                shard.Dispose();
                throw Wrong(path, "is damaged: its last document does not end with its last token");
            }
            return shard;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new UserError($"'{path}' cannot be read: {e.Message}", "check the file and its permissions", e);
        }
    }

    public void Read(long start, Span<long> tokens)
    {
        if (start < 0 || start + tokens.Length > Tokens)
            throw new ArgumentOutOfRangeException(nameof(start));
        long at = TokenShardHeader.Size + start * Width;
        if (Width == 2)
        {
            var read = new ushort[tokens.Length];
            view.ReadArray(at, read, 0, read.Length);
            for (int i = 0; i < read.Length; i++)
                tokens[i] = read[i];
        }
        else
        {
            var read = new int[tokens.Length];
            view.ReadArray(at, read, 0, read.Length);
            for (int i = 0; i < read.Length; i++)
                tokens[i] = read[i];
        }
        // What a damaged file holds must not reach an embedding.
        foreach (long token in tokens)
            if ((ulong)token >= (ulong)VocabularySize)
                throw Wrong(Path, $"is damaged: it has the token {token}, but its vocabulary {VocabularySize} tokens");
    }

    public void ReadAnswers(long start, Span<bool> answers)
    {
        if (start < 0 || start + answers.Length > Tokens)
            throw new ArgumentOutOfRangeException(nameof(start));
        answers.Fill(true);
        for (int i = 0; HasAnswers && i < answers.Length; i++)
            answers[i] = (view.ReadByte(TokenShardHeader.Size + header.TokenBytes + (start + i) / 8) >> (int)((start + i) % 8) & 1) != 0;
    }

    public long StartOf(long document)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan((ulong)document, (ulong)Documents);
        long start = document == 0 ? 0 : view.ReadInt64(header.EndsAt + 8 * (document - 1));
        return start >= 0 && start <= Tokens ? start : throw Wrong(Path, $"is damaged: document {document - 1} ends at token {start} of {Tokens}");
    }

    /// <summary>Reads all of it and compares it with its checksum.</summary>
    /// <exception cref="UserError">It is damaged.</exception>
    public void Verify(CancellationToken cancellation = default)
    {
        using var stream = new FileStream(Path, FileMode.Open, FileAccess.Read, FileShare.Read, 1);
        stream.Position = TokenShardHeader.Size;
        var buffer = new byte[Portion];
        uint sum = 0;
        for (int read; (read = stream.ReadAtLeast(buffer, buffer.Length, throwOnEndOfStream: false)) > 0;)
        {
            cancellation.ThrowIfCancellationRequested();
            sum = TokenShardHeader.Crc(sum, buffer.AsSpan(0, read));
        }
        if (sum != header.Checksum)
            throw Wrong(Path, "is damaged: its contents do not match its checksum");
        for (long document = 0; document < Documents; document++)
            if (StartOf(document + 1) <= StartOf(document))
                throw Wrong(Path, $"is damaged: document {document} ends before it begins");
    }

    public void Dispose()
    {
        view.Dispose();
        file.Dispose();
    }

    private static UserError Wrong(string path, string what) => new($"'{path}' {what}", "copy it again, or make it again with: ./attention data tokenize");
}

/// <summary>All shards of a folder, in the order of their names, as one store.</summary>
public sealed class TokenShards : ITokenStore, IDisposable
{
    /// <summary>What the files of a folder are called.</summary>
    public const string Pattern = "*.tokens";

    private readonly List<TokenShard> shards;
    private readonly long[] tokensBefore, documentsBefore;

    private TokenShards(List<TokenShard> shards)
    {
        this.shards = shards;
        tokensBefore = Sums(shards.Select(shard => shard.Tokens));
        documentsBefore = Sums(shards.Select(shard => shard.Documents));
    }

    public IReadOnlyList<TokenShard> Files => shards;
    public long Tokens => tokensBefore[^1];
    public long Documents => documentsBefore[^1];
    public bool HasAnswers => shards[0].HasAnswers;
    public int VocabularySize => shards[0].VocabularySize;

    /// <summary>The token that ends each document, or null.</summary>
    public int? EndOfText => shards[0].EndOfText;

    /// <summary>Opens a folder of shards, or one shard.</summary>
    /// <exception cref="UserError">There is none, one is cut, or they do not belong together.</exception>
    public static TokenShards Open(string path)
    {
        string[] files = Directory.Exists(path) ? [.. Directory.EnumerateFiles(path, Pattern).Order(StringComparer.Ordinal)] : File.Exists(path) ? [path] : [];
        if (files.Length == 0)
            throw new UserError($"'{path}' has no token shards ({Pattern})", "make some with: ./attention data tokenize TEXT --tokenizer DIR --out DIR");
        var shards = new List<TokenShard>();
        try
        {
            foreach (var file in files)
            {
                var shard = TokenShard.Open(file);
                shards.Add(shard);
                if ((shard.VocabularySize, shard.EndOfText, shard.HasAnswers) != (shards[0].VocabularySize, shards[0].EndOfText, shards[0].HasAnswers))
                    throw new UserError($"'{file}' and '{files[0]}' were made with other vocabularies or settings", "keep the shards of one call of ./attention data tokenize in a folder of their own");
            }
            return new TokenShards(shards);
        }
        catch
        {
            shards.ForEach(shard => shard.Dispose());
            throw;
        }
    }

    public void Read(long start, Span<long> tokens)
    {
        for (int index = Of(tokensBefore, start); !tokens.IsEmpty; index++)
        {
            long inside = start - tokensBefore[index];
            int count = (int)Math.Min(tokens.Length, shards[index].Tokens - inside);
            shards[index].Read(inside, tokens[..count]);
            tokens = tokens[count..];
            start += count;
        }
    }

    public void ReadAnswers(long start, Span<bool> answers)
    {
        for (int index = Of(tokensBefore, start); !answers.IsEmpty; index++)
        {
            long inside = start - tokensBefore[index];
            int count = (int)Math.Min(answers.Length, shards[index].Tokens - inside);
            shards[index].ReadAnswers(inside, answers[..count]);
            answers = answers[count..];
            start += count;
        }
    }

    public long StartOf(long document)
    {
        if (document == Documents)
            return Tokens;
        int index = Of(documentsBefore, document);
        return tokensBefore[index] + shards[index].StartOf(document - documentsBefore[index]);
    }

    public void Dispose() => shards.ForEach(shard => shard.Dispose());

    private static long[] Sums(IEnumerable<long> counts)
    {
        var sums = new List<long> { 0 };
        foreach (long count in counts)
            sums.Add(sums[^1] + count);
        return [.. sums];
    }

    // The last shard that begins at or before a place, which skips empty ones.
    private static int Of(long[] before, long place)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual((ulong)place, (ulong)before[^1]);
        int found = Array.BinarySearch(before, place);
        if (found < 0)
            return ~found - 1;
        while (before[found + 1] == place)
            found++;
        return found;
    }
}
