using System.Buffers;
using System.Runtime.InteropServices;
using System.Text;

namespace Attention.Data.Text;

/// <summary>SentencePiece (Kudo and Richardson 2018): normalised text, with its spaces as characters, cut into pieces.</summary>
internal sealed class SentencePieceTokenizer : Tokenizer
{
    private readonly SentencePieceFile file;
    private readonly SentencePieceNormalizer normalizer;
    private readonly ByteTrie userDefined = new();
    private readonly Dictionary<string, int> ids = [];
    private readonly int[]? bytes;
    private readonly int unknown;
    private readonly UnigramModel? unigram;
    private readonly ConcatenationRule pairs;
    private readonly Dictionary<byte[], (int Rank, int Id)> ranks = ByteComparer.Dictionary<(int, int)>();
    private readonly string?[] pieces;

    public SentencePieceTokenizer(SentencePieceFile file, TokenizerSettings settings) : base(Added(file, settings), WithRoles(settings, file))
    {
        this.file = file;
        foreach (var (piece, id) in file.Pieces.Select((piece, id) => (piece, id)))
        {
            if (!ids.TryAdd(piece.Text, id) && piece.Type is PieceType.Normal or PieceType.UserDefined)
                throw new UserError($"'{file.Path}' has the piece '{piece.Text}' twice", "copy or download it again");
            if (piece.Type == PieceType.UserDefined)
                userDefined.Add(Encoding.UTF8.GetBytes(piece.Text), id);
            if (piece.Type == PieceType.Unknown)
                unknown = id;
        }
        bytes = file.ByteFallback ? ByteTokens.Of(ids) ?? throw new UserError($"'{file.Path}' falls back to bytes but lacks pieces for some", "copy or download it again") : null;
        pieces = [.. file.Pieces.Select(piece => piece.Text), .. new string?[Math.Max(0, settings.AddedTokens.Select(token => token.Id + 1).DefaultIfEmpty().Max() - file.Pieces.Count)]];
        foreach (var token in settings.AddedTokens)
            (pieces[token.Id], ids[token.Content]) = (token.Content, token.Id);
        normalizer = new(file, userDefined);
        if (file.IsPairs)
            RankPairs();
        else
            unigram = Unigram();
        pairs = new(ranks);
        Frame = FrameOfSettings(bos: true, eos: false);
    }

    public override int VocabularySize => pieces.Length;

    public override string? Piece(int id) => (uint)id < (uint)pieces.Length ? pieces[id] : null;

    public override int? Find(string piece) => ids.TryGetValue(piece, out int id) ? id : null;

    private protected override void EncodePlain(ReadOnlySpan<byte> utf8, List<int> output, bool isFirst, bool parseSpecial)
    {
        var text = normalizer.Normalize(utf8, addDummyPrefix: isFirst);
        var cut = new List<(int End, int Id)>();
        if (unigram is not null)
            unigram.Encode(text, cut);
        else
            Merge(text, cut);
        int start = 0;
        bool afterUnknown = false;
        foreach (var (end, id) in cut)
        {
            if (id >= 0)
                output.Add(id);
            else if (bytes is not null)
                foreach (byte value in text.AsSpan(start, end - start))
                    output.Add(bytes[value]);
            else if (!afterUnknown)
                output.Add(unknown);
            afterUnknown = id < 0;
            start = end;
        }
    }

    private protected override ITokenDecoder Decoder(bool skipSpecial) => new SurfaceDecoder(this, skipSpecial);

    /// <summary>Control pieces are special; so is what the settings add.</summary>
    private static List<AddedToken> Added(SentencePieceFile file, TokenizerSettings settings) =>
    [
        .. file.Pieces.Select((piece, id) => (piece, id)).Where(each => each.piece.Type is PieceType.Control or PieceType.Unknown && settings.AddedTokens.All(token => token.Id != each.id))
            .Select(each => new AddedToken(each.id, each.piece.Text, IsSpecial: true)),
        .. settings.AddedTokens.Select(token => token with { Normalized = false }),
    ];

    private static TokenizerSettings WithRoles(TokenizerSettings settings, SentencePieceFile file)
    {
        var roles = file.Roles.Where(role => file.Pieces.Any(piece => piece.Text == role.Value)).ToDictionary();
        foreach (var (role, content) in settings.Roles)
            roles[role] = content;
        return settings with { Roles = roles };
    }

    private UnigramModel Unigram()
    {
        var cut = file.Pieces.Select(piece => piece.Type is PieceType.Normal or PieceType.UserDefined ? Encoding.UTF8.GetBytes(piece.Text) : null).ToArray();
        var preferred = file.Pieces.Select((piece, id) => (piece, id)).Where(each => each.piece.Type == PieceType.UserDefined).Select(each => each.id).ToHashSet();
        return new(cut, [.. file.Pieces.Select(piece => (double)piece.Score)], preferred, single: true, id => file.Pieces[id].Type == PieceType.Normal);
    }

    /// <summary>Pieces of the same score are merged from left to right, so they share a rank.</summary>
    private void RankPairs()
    {
        int rank = -1;
        float last = float.PositiveInfinity;
        var mergeable = file.Pieces.Select((piece, id) => (piece, id)).Where(each => each.piece.Type is PieceType.Normal or PieceType.UserDefined or PieceType.Unused);
        foreach (var (piece, id) in mergeable.OrderByDescending(each => each.piece.Score))
        {
            if (piece.Score != last)
                (rank, last) = (rank + 1, piece.Score);
            ranks.TryAdd(Encoding.UTF8.GetBytes(piece.Text), (rank, id));
        }
    }

    private void Merge(ReadOnlySpan<byte> text, List<(int End, int Id)> cut)
    {
        var symbols = new List<Symbol>(text.Length);
        var lookup = ranks.GetAlternateLookup<ReadOnlySpan<byte>>();
        int stretch = 0;
        for (int start = 0, length; start < text.Length; start += length)
        {
            length = userDefined.Longest(text[start..]);
            if (length > 0)
            {
                // A user's symbol stays as it is, and nothing is merged across it.
                MergeStretch(text, symbols, stretch, cut);
                cut.Add((start + length, lookup[text.Slice(start, length)].Id));
                stretch = symbols.Count;
                continue;
            }
            Rune.DecodeFromUtf8(text[start..], out _, out length);
            symbols.Add(new(start, start + length, lookup.TryGetValue(text.Slice(start, length), out var entry) ? entry.Id : -1));
        }
        MergeStretch(text, symbols, stretch, cut);
    }

    private void MergeStretch(ReadOnlySpan<byte> text, List<Symbol> symbols, int first, List<(int End, int Id)> cut)
    {
        var stretch = CollectionsMarshal.AsSpan(symbols)[first..];
        int count = PairMerger.Merge(pairs, text, stretch);
        foreach (var symbol in stretch[..count])
            Resegment(text, symbol, cut);
    }

    /// <summary>An unused piece is a step on the way to longer ones only: where it remains, its own parts are taken.</summary>
    private void Resegment(ReadOnlySpan<byte> text, Symbol symbol, List<(int End, int Id)> cut)
    {
        if (symbol.Id < 0 || file.Pieces[symbol.Id].Type != PieceType.Unused)
        {
            cut.Add((symbol.End, symbol.Id));
            return;
        }
        var parts = new List<Symbol>();
        var lookup = ranks.GetAlternateLookup<ReadOnlySpan<byte>>();
        for (int start = symbol.Start, length; start < symbol.End; start += length)
        {
            Rune.DecodeFromUtf8(text[start..symbol.End], out _, out length);
            parts.Add(new(start, start + length, lookup.TryGetValue(text.Slice(start, length), out var entry) ? entry.Id : -1));
        }
        if (parts.Count == 1)
        {
            cut.Add((symbol.End, symbol.Id));
            return;
        }
        var span = CollectionsMarshal.AsSpan(parts);
        int count = PairMerger.Merge(new WithoutRule(pairs, symbol.Id), text, span);
        foreach (var part in span[..count])
            Resegment(text, part, cut);
    }

    /// <summary>The rule without one result.</summary>
    private readonly struct WithoutRule(ConcatenationRule rule, int without) : IMergeRule
    {
        public int Rank(ReadOnlySpan<byte> word, in Symbol left, in Symbol right, out int merged) =>
            rule.Rank(word, left, right, out merged) is var rank && merged == without ? int.MaxValue : rank;
    }

    /// <summary>Pieces with their spaces; the one that normalisation put before the text is taken away again.</summary>
    private sealed class SurfaceDecoder(SentencePieceTokenizer owner, bool skipSpecial) : ITokenDecoder
    {
        private static readonly byte[] mark = "▁"u8.ToArray();
        private bool atStart = true;

        public void Push(int id, IBufferWriter<byte> output)
        {
            if (owner.Piece(id) is not { } text)
                throw owner.UnknownId(id);
            var type = id < owner.file.Pieces.Count ? owner.file.Pieces[id].Type : PieceType.UserDefined;
            if (owner.IsSpecial(id) && type != PieceType.Unknown)
            {
                if (!skipSpecial)
                    Write(Encoding.UTF8.GetBytes(text), output);
            }
            else if (type == PieceType.Unknown)
                Write(Encoding.UTF8.GetBytes(owner.file.UnknownSurface), output);
            else if (type == PieceType.Byte && ByteTokens.Value(text) is { } value)
                Write([value], output);
            else
                WritePiece(Encoding.UTF8.GetBytes(text), output);
        }

        public void Finish(IBufferWriter<byte> output) => atStart = true;

        private void WritePiece(ReadOnlySpan<byte> piece, IBufferWriter<byte> output)
        {
            var file = owner.file;
            if (atStart && (file.AddDummyPrefix || file.RemoveExtraSpaces) && !file.SpaceIsSuffix && piece.StartsWith(mark))
            {
                piece = piece[mark.Length..];
                // Where text never begins with spaces, the pieces that follow lose theirs, too.
                atStart = file.RemoveExtraSpaces;
            }
            while (piece.IndexOf(mark) is >= 0 and var place)
            {
                Write(piece[..place], output);
                Write(" "u8, output);
                piece = piece[(place + mark.Length)..];
            }
            Write(piece, output);
        }

        private void Write(ReadOnlySpan<byte> bytes, IBufferWriter<byte> output)
        {
            if (bytes.IsEmpty)
                return;
            output.Write(bytes);
            atStart = false;
        }
    }
}
