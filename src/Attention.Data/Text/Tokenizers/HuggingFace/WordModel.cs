using System.Runtime.InteropServices;
using System.Text;

namespace Attention.Data.Text;

/// <summary>The <c>model</c> of a tokenizer.json: words to ids.</summary>
internal abstract class WordModel
{
    /// <summary>The vocabulary; several ids never share a token.</summary>
    public required Dictionary<string, int> Vocabulary { get; init; }

    public abstract void Encode(string word, List<int> ids);

    public static WordModel Of(JsonPart part) => (part.FindText("type") ?? Guess(part)) switch
    {
        "BPE" => SymbolPairModel.Of(part),
        "WordPiece" => new WordPieceModel
        {
            Vocabulary = ReadVocabulary(part),
            Unknown = part.FindText("unk_token") ?? "[UNK]",
            Prefix = part.FindText("continuing_subword_prefix") ?? "##",
            LongestWord = part.Number("max_input_chars_per_word", 100),
        },
        "WordLevel" => new WordLevelModel { Vocabulary = ReadVocabulary(part), Unknown = part.FindText("unk_token") ?? "<unk>" },
        "Unigram" => PieceModel.Of(part),
        _ => throw part.Unsupported("model"),
    };

    /// <summary>A vocabulary of tokens and ids.</summary>
    public static Dictionary<string, int> ReadVocabulary(JsonPart model)
    {
        var vocabulary = new Dictionary<string, int>();
        foreach (var (token, id) in model.Require("vocab").Entries())
            vocabulary[token] = id.Id();
        if (vocabulary.Count == 0)
            throw model.Wrong("has an empty 'vocab'");
        return vocabulary;
    }

    /// <summary>The pairs of a merges list, written as "a b" or ["a", "b"].</summary>
    public static IEnumerable<(string Left, string Right)> ReadMerges(JsonPart model)
    {
        foreach (var merge in model.Require("merges").Items())
        {
            var parts = merge.Value.ValueKind == System.Text.Json.JsonValueKind.String ? merge.Text().Split(' ') : [.. merge.Items().Select(each => each.Text())];
            yield return parts is [var left, var right] ? (left, right) : throw merge.Wrong($"is {merge.Value.GetRawText()}, which is no pair");
        }
    }

    /// <summary>Old files leave the type out.</summary>
    private static string Guess(JsonPart part) => part.Find("merges") is not null ? "BPE"
        : part.Find("vocab")?.Value.ValueKind == System.Text.Json.JsonValueKind.Array ? "Unigram"
        : part.Find("continuing_subword_prefix") is not null ? "WordPiece" : "WordLevel";
}

/// <summary>Whole words or nothing.</summary>
internal sealed class WordLevelModel : WordModel
{
    public required string Unknown { get; init; }

    public override void Encode(string word, List<int> ids)
    {
        if (Vocabulary.TryGetValue(word, out int id) || Vocabulary.TryGetValue(Unknown, out id))
            ids.Add(id);
    }
}

/// <summary>WordPiece (Schuster and Nakajima 2012, BERT): the longest piece first; a word that does not work out is unknown as a whole.</summary>
internal sealed class WordPieceModel : WordModel
{
    public required string Unknown { get; init; }
    public required string Prefix { get; init; }
    public required int LongestWord { get; init; }

    public override void Encode(string word, List<int> ids)
    {
        int before = ids.Count;
        if (word.Length - word.Count(char.IsLowSurrogate) > LongestWord || !TryEncode(word, ids))
        {
            ids.RemoveRange(before, ids.Count - before);
            if (Vocabulary.TryGetValue(Unknown, out int unknown))
                ids.Add(unknown);
        }
    }

    private bool TryEncode(string word, List<int> ids)
    {
        for (int start = 0, end; start < word.Length; start = end)
        {
            int id = -1;
            for (end = word.Length; end > start; end -= end - 2 > start && char.IsSurrogatePair(word[end - 2], word[end - 1]) ? 2 : 1)
            {
                if (Vocabulary.TryGetValue(start == 0 ? word[..end] : string.Concat(Prefix, word.AsSpan(start, end - start)), out id))
                    break;
                id = -1;
            }
            if (id < 0)
                return false;
            ids.Add(id);
        }
        return true;
    }
}

/// <summary>The unigram model over characters, with the unknown token or bytes for what it does not cover.</summary>
internal sealed class PieceModel : WordModel
{
    private readonly int[]? bytes;

    private PieceModel(int[]? bytes) => this.bytes = bytes;

    public required UnigramModel Model { get; init; }
    public required int? Unknown { get; init; }

    public static new PieceModel Of(JsonPart part)
    {
        var (vocabulary, pieces, scores) = (new Dictionary<string, int>(), new List<byte[]?>(), new List<double>());
        foreach (var item in part.Require("vocab").Items())
        {
            if (item.Items().ToArray() is not [var piece, var score])
                throw item.Wrong("is no pair of a piece and a score");
            vocabulary.TryAdd(piece.Text(), pieces.Count);
            pieces.Add(Encoding.UTF8.GetBytes(piece.Text()));
            scores.Add(score.Score());
        }
        if (pieces.Count == 0)
            throw part.Wrong("has an empty 'vocab'");
        int? unknown = part.Find("unk_id")?.Id();
        if (unknown >= pieces.Count)
            throw part.Wrong($"has an 'unk_id' of {unknown} in a vocabulary of {pieces.Count}");
        return new(part.Flag("byte_fallback") ? ByteTokens.Of(vocabulary) : null)
        {
            Vocabulary = vocabulary,
            Model = new([.. pieces], [.. scores], [], single: false),
            Unknown = unknown,
        };
    }

    public override void Encode(string word, List<int> ids)
    {
        var text = RawText.ToUtf8(word);
        var pieces = new List<(int End, int Id)>();
        Model.Encode(text, pieces);
        int start = 0;
        bool afterUnknown = false;
        for (int i = 0; i < pieces.Count; i++)
        {
            var (end, id) = pieces[i];
            bool isUnknown = id < 0 || id == Unknown;
            // A run of unknown characters is one unknown token, or all of its bytes.
            if (!isUnknown)
                ids.Add(id);
            else if (bytes is not null)
                foreach (byte value in text.AsSpan(start, end - start))
                    ids.Add(bytes[value]);
            else if (!afterUnknown && Unknown is { } unknown)
                ids.Add(unknown);
            afterUnknown = isUnknown;
            start = end;
        }
    }
}

/// <summary>Byte-pair encoding of characters: merges of a list, the unknown token or bytes for what the vocabulary lacks.</summary>
internal sealed class SymbolPairModel : WordModel
{
    private int[]? bytes;
    private PairRule rule;
    private int? unknown;
    private bool fuseUnknown, wholeWords;
    private string prefix = "", suffix = "";

    public static new SymbolPairModel Of(JsonPart part)
    {
        var vocabulary = ReadVocabulary(part);
        var prefix = part.FindText("continuing_subword_prefix") ?? "";
        int? unknown = part.FindText("unk_token") is { } token
            ? vocabulary.TryGetValue(token, out int id) ? id : throw part.Wrong($"has the 'unk_token' '{token}', which is not in its 'vocab'") : null;
        return new SymbolPairModel
        {
            Vocabulary = vocabulary,
            bytes = part.Flag("byte_fallback") ? ByteTokens.Of(vocabulary) : null,
            rule = new(Pairs(part, vocabulary, prefix.Length)),
            unknown = unknown,
            fuseUnknown = part.Flag("fuse_unk"),
            wholeWords = part.Flag("ignore_merges"),
            prefix = prefix,
            suffix = part.FindText("end_of_word_suffix") ?? "",
        };
    }

    /// <summary>Rank and id of every pair of ids that is merged.</summary>
    public static Dictionary<long, (int Rank, int Id)> Pairs(JsonPart part, Dictionary<string, int> vocabulary, int prefixLength)
    {
        var pairs = new Dictionary<long, (int, int)>();
        int rank = 0;
        foreach (var (left, right) in ReadMerges(part))
        {
            int Id(string token) => vocabulary.TryGetValue(token, out int id) ? id
                : throw part.Wrong($"has the merge '{left} {right}', but '{token}' is not in its 'vocab'");
            var whole = right.Length >= prefixLength ? left + right[prefixLength..] : throw part.Wrong($"has the merge '{left} {right}' without its prefix");
            pairs[PairRule.Key(Id(left), Id(right))] = (rank++, Id(whole));
        }
        return pairs;
    }

    public override void Encode(string word, List<int> ids)
    {
        if (wholeWords && Vocabulary.TryGetValue(word, out int whole))
        {
            ids.Add(whole);
            return;
        }
        var symbols = new List<Symbol>(word.Length);
        bool afterUnknown = false;
        for (int i = 0; i < word.Length;)
        {
            int start = i;
            RawText.Next(word, ref i);
            var text = (start > 0 ? prefix : "") + word[start..i] + (i == word.Length ? suffix : "");
            bool isUnknown = false;
            if (Vocabulary.TryGetValue(text, out int id))
                symbols.Add(new(start, i, id));
            else if (bytes is not null)
                foreach (byte value in RawText.ToUtf8(text))
                    symbols.Add(new(start, i, bytes[value]));
            else if (unknown is { } unknownId)
            {
                if (!(fuseUnknown && afterUnknown))
                    symbols.Add(new(start, i, unknownId));
                isUnknown = true;
            }
            afterUnknown = isUnknown;
        }
        var span = CollectionsMarshal.AsSpan(symbols);
        int count = PairMerger.Merge(rule, [], span);
        foreach (var symbol in span[..count])
            ids.Add(symbol.Id);
    }
}

/// <summary>The tokens <c>&lt;0x00&gt;</c> to <c>&lt;0xFF&gt;</c>.</summary>
internal static class ByteTokens
{
    public static string Name(int value) => $"<0x{value:X2}>";

    /// <summary>The ids of all 256, or null where one is missing.</summary>
    public static int[]? Of(Dictionary<string, int> vocabulary)
    {
        var ids = new int[256];
        for (int value = 0; value < 256; value++)
            if (!vocabulary.TryGetValue(Name(value), out ids[value]))
                return null;
        return ids;
    }

    /// <summary>The byte that a token stands for, or null.</summary>
    public static byte? Value(string token) =>
        token is ['<', '0', 'x', _, _, '>'] && byte.TryParse(token.AsSpan(3, 2), System.Globalization.NumberStyles.HexNumber, null, out byte value) ? value : null;
}
