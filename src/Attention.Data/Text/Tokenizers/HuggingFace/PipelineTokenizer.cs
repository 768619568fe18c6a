using System.Text;

namespace Attention.Data.Text;

/// <summary>A tokenizer of steps, as Hugging Face's tokenizers library has them: normalise, split into words, words to ids.</summary>
internal sealed class PipelineTokenizer : Tokenizer
{
    private readonly AddedTokens normalized, normalizedWithSpecial;
    private readonly Dictionary<string, int> ids;
    private readonly string?[] pieces;

    public PipelineTokenizer(WordModel model, IReadOnlyCollection<AddedToken> added, TokenizerSettings settings, Func<string, string>? normalize = null,
        (int[], int[])? frame = null) : base(added, settings)
    {
        Model = model;
        Normalize = normalize ?? (text => text);
        ids = new(model.Vocabulary);
        foreach (var token in added)
            ids[token.Content] = token.Id;
        pieces = new string?[ids.Values.Max() + 1];
        foreach (var (piece, id) in model.Vocabulary.Concat(added.Select(token => KeyValuePair.Create(token.Content, token.Id))))
            pieces[id] = piece;
        var late = added.Where(token => token.Normalized).Select(token => (Normalize(token.Content), token)).ToList();
        normalized = new(late.Where(each => !each.token.IsSpecial));
        normalizedWithSpecial = new(late);
        Frame = frame ?? FrameOfSettings(bos: false, eos: false);
    }

    public WordModel Model { get; }

    /// <summary>What is done to the text first.</summary>
    public Func<string, string> Normalize { get; }

    /// <summary>How the text is split into words.</summary>
    public required Func<Word, IEnumerable<Word>> Split { get; init; }

    /// <summary>How tokens become text.</summary>
    public required Func<List<string>, List<string>> Join { get; init; }

    public override int VocabularySize => pieces.Length;

    public override string? Piece(int id) => (uint)id < (uint)pieces.Length ? pieces[id] : null;

    public override int? Find(string piece) => ids.TryGetValue(piece, out int id) ? id : null;

    public override byte[] DecodeBytes(ReadOnlySpan<int> ids, bool skipSpecial = true)
    {
        var tokens = new List<string>(ids.Length);
        foreach (int id in ids)
            if (Token(id, skipSpecial) is { } token)
                tokens.Add(token);
        return tokens.Count == 0 ? [] : RawText.ToUtf8(string.Concat(Join(tokens)));
    }

    private protected override void EncodePlain(ReadOnlySpan<byte> utf8, List<int> ids, bool isFirst, bool parseSpecial)
    {
        var text = Normalize(RawText.FromUtf8(utf8));
        var late = parseSpecial ? normalizedWithSpecial : normalized;
        if (late.IsEmpty)
        {
            EncodeWords(new(text, isFirst), ids);
            return;
        }
        var bytes = RawText.ToUtf8(text);
        foreach (var part in late.Split(bytes))
        {
            if (part.Id >= 0)
                ids.Add(part.Id);
            else
                EncodeWords(new(RawText.FromUtf8(bytes.AsSpan(part.Start, part.End - part.Start)), isFirst && part.Start == 0), ids);
        }
    }

    private protected override ITokenDecoder Decoder(bool skipSpecial) => new WindowDecoder(id => Token(id, skipSpecial), Join);

    private void EncodeWords(Word text, List<int> ids)
    {
        if (text.Text == "")
            return;
        // Words of one text repeat.
        var known = new Dictionary<string, int[]>();
        foreach (var word in Split(text))
        {
            if (word.Text.Length > 64)
            {
                Model.Encode(word.Text, ids);
                continue;
            }
            if (!known.TryGetValue(word.Text, out var found))
            {
                var fresh = new List<int>();
                Model.Encode(word.Text, fresh);
                known[word.Text] = found = [.. fresh];
            }
            ids.AddRange(found);
        }
    }

    private string? Token(int id, bool skipSpecial) => Piece(id) is not { } piece ? throw UnknownId(id) : skipSpecial && IsSpecial(id) ? null : piece;
}
