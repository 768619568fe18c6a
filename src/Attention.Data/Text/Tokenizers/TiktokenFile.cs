using System.Buffers;
using System.Buffers.Text;

namespace Attention.Data.Text;

/// <summary>
/// tiktoken's rank files: a line for each token, its bytes in base64 and its rank, which is its id. The file says neither how
/// text is split nor which special tokens there are: both are known for the public vocabularies.
/// </summary>
internal static class TiktokenFile
{
    private const long LargestFile = 256 << 20;

    /// <summary>A public vocabulary.</summary>
    /// <param name="Ranks">Its tokens, the special ones apart.</param>
    private sealed record Known(string Name, int Ranks, string Pattern, params (string Content, int Id)[] Special);

    private static readonly Known[] known =
    [
        new("gpt2", 50256, SplitPatterns.Gpt2, ("<|endoftext|>", 50256)),
        new("r50k_base", 50256, SplitPatterns.Gpt2, ("<|endoftext|>", 50256)),
        new("p50k_base", 50280, SplitPatterns.Gpt2, ("<|endoftext|>", 50256)),
        new("cl100k_base", 100256, SplitPatterns.Cl100k, ("<|endoftext|>", 100257), ("<|fim_prefix|>", 100258), ("<|fim_middle|>", 100259),
            ("<|fim_suffix|>", 100260), ("<|endofprompt|>", 100276)),
        new("o200k_base", 199998, SplitPatterns.O200k, ("<|endoftext|>", 199999), ("<|endofprompt|>", 200018)),
        new("llama3", 128000, SplitPatterns.Llama3, Llama3Special()),
    ];

    /// <summary>Whether a file begins as a rank file does.</summary>
    public static bool Recognises(ReadOnlySpan<byte> beginning)
    {
        int end = beginning.IndexOf((byte)'\n');
        var line = end < 0 ? beginning : beginning[..end];
        int space = line.IndexOf((byte)' ');
        return space > 0 && Base64.IsValid(line[..space]) && Utf8Parser.TryParse(line[(space + 1)..], out int _, out _);
    }

    /// <exception cref="UserError">A line is malformed, or the vocabulary is none of the known ones.</exception>
    public static BytePairTokenizer Load(string path, TokenizerSettings settings)
    {
        var pieces = Read(path);
        var name = Path.GetFileNameWithoutExtension(path);
        var vocabulary = known.FirstOrDefault(each => each.Name == name) ?? known.FirstOrDefault(each => each.Ranks == pieces.Count(piece => piece is not null))
            ?? throw new UserError($"'{path}' has {pieces.Count(piece => piece is not null)} ranks, which is none of the known vocabularies",
                $"name the file after its split pattern: {string.Join(", ", known.Select(each => $"{each.Name}.tiktoken"))}");
        var special = vocabulary.Special.Where(token => token.Id >= pieces.Length || pieces[token.Id] is null)
            .Select(token => new AddedToken(token.Id, token.Content, IsSpecial: true)).ToList();
        special.AddRange(settings.AddedTokens.Where(token => special.All(each => each.Id != token.Id)));
        return new(BytePairModel.OfRanks(pieces), WordSplitter.For(vocabulary.Pattern), special, settings) { Package = PackageWords.Load(path) };
    }

    private static byte[]?[] Read(string path)
    {
        if (new FileInfo(path).Length is var length && length > LargestFile)
            throw new UserError($"'{path}' of {length} bytes is over the limit of {LargestFile >> 20} MiB for a rank file", "check that it is a rank file");
        ReadOnlySpan<byte> rest = File.ReadAllBytes(path);
        var pieces = new List<byte[]?>();
        for (int number = 1; !rest.IsEmpty; number++)
        {
            int end = rest.IndexOf((byte)'\n');
            var line = (end < 0 ? rest : rest[..end]).TrimEnd("\r "u8);
            rest = end < 0 ? [] : rest[(end + 1)..];
            if (line.IsEmpty)
                continue;
            int space = line.IndexOf((byte)' ');
            var piece = new byte[Math.Max(space, 0)];
            if (space <= 0 || Base64.DecodeFromUtf8(line[..space], piece, out _, out int size) != OperationStatus.Done || size == 0
                || !Utf8Parser.TryParse(line[(space + 1)..], out int rank, out int used) || used != line.Length - space - 1 || rank is < 0 or >= Tokenizers.MostTokens)
                throw new UserError($"'{path}' line {number} is no token in base64 and its rank", "copy or download it again");
            while (pieces.Count <= rank)
                pieces.Add(null);
            if (pieces[rank] is not null)
                throw new UserError($"'{path}' line {number} has the rank {rank} for a second time", "copy or download it again");
            pieces[rank] = piece[..size];
        }
        if (pieces.Count == 0)
            throw new UserError($"'{path}' is empty", "copy or download it again");
        var bytes = pieces.Where(piece => piece?.Length == 1).Select(piece => piece![0]).ToHashSet();
        if (bytes.Count < 256)
            throw new UserError($"'{path}' lacks {256 - bytes.Count} of the 256 single bytes: it is cut or no rank file", "copy or download it again");
        return [.. pieces];
    }

    private static (string, int)[] Llama3Special()
    {
        string[] named = ["begin_of_text", "end_of_text", "reserved_special_token_0", "reserved_special_token_1", "finetune_right_pad_id",
            "reserved_special_token_2", "start_header_id", "end_header_id", "eom_id", "eot_id", "python_tag"];
        return [.. Enumerable.Range(0, 256).Select(i => ($"<|{(i < named.Length ? named[i] : $"reserved_special_token_{i - named.Length + 3}")}|>", 128000 + i))];
    }
}
