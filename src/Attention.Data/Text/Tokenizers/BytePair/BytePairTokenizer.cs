using System.Collections.Concurrent;
using System.Runtime.InteropServices;
using System.Text;

namespace Attention.Data.Text;

/// <summary>Byte-level byte-pair encoding from bytes to ids without a detour: what GPT-2, tiktoken and Llama 3 do.</summary>
internal sealed class BytePairTokenizer : Tokenizer
{
    private readonly BytePairModel model;
    private readonly WordSplitter splitter;
    private readonly Dictionary<string, int> addedIds;
    private readonly HashSet<int> isAdded;
    private readonly byte[]?[] pieces;
    private readonly ConcurrentBag<BytePairModel.Encoder> encoders = [];

    public BytePairTokenizer(BytePairModel model, WordSplitter splitter, IReadOnlyCollection<AddedToken> added, TokenizerSettings settings,
        (int[], int[])? frame = null) : base(added, settings)
    {
        this.model = model;
        this.splitter = splitter;
        addedIds = added.DistinctBy(token => token.Content).ToDictionary(token => token.Content, token => token.Id);
        isAdded = [.. addedIds.Values];
        pieces = new byte[]?[Math.Max(model.Pieces.Length, added.Select(token => token.Id + 1).DefaultIfEmpty().Max())];
        model.Pieces.CopyTo(pieces, 0);
        foreach (var token in added)
            pieces[token.Id] = Encoding.UTF8.GetBytes(token.Content);
        Frame = frame ?? FrameOfSettings(bos: false, eos: false);
    }

    /// <summary>Whether a space goes before a text that begins with none.</summary>
    public bool AddsSpace { get; init; }

    /// <summary>What is done to the text first, or null.</summary>
    public Func<string, string>? Normalize { get; init; }

    /// <summary>Merges in place of ours, where the flavour has a package for it; null for ours.</summary>
    public PackageWords? Package { get; init; }

    public override int VocabularySize => pieces.Length;

    public override string? Piece(int id)
    {
        if ((uint)id >= (uint)pieces.Length || pieces[id] is not { } piece)
            return null;
        return isAdded.Contains(id) ? Encoding.UTF8.GetString(piece) : ByteAlphabet.ToText(piece);
    }

    public override int? Find(string piece) =>
        addedIds.TryGetValue(piece, out int id) ? id : ByteAlphabet.ToBytes(piece) is { } bytes ? model.Find(bytes) : null;

    private protected override void EncodePlain(ReadOnlySpan<byte> utf8, List<int> ids, bool isFirst, bool parseSpecial)
    {
        if (utf8.IsEmpty)
            return;
        if (Normalize is not null)
            utf8 = RawText.ToUtf8(Normalize(RawText.FromUtf8(utf8)));
        if (AddsSpace && (utf8.IsEmpty || utf8[0] != ' '))
            utf8 = (byte[])[(byte)' ', .. utf8];
        if (!encoders.TryTake(out var encoder))
            encoder = model.CreateEncoder();
        encoder.Ends.Clear();
        splitter.Split(utf8, encoder.Ends);
        int start = 0;
        foreach (int end in CollectionsMarshal.AsSpan(encoder.Ends))
        {
            if (Package?.TryEncode(utf8[start..end], ids) != true)
                encoder.Encode(utf8[start..end], ids);
            start = end;
        }
        encoders.Add(encoder);
    }

    private protected override ITokenDecoder Decoder(bool skipSpecial) => new PieceDecoder(id =>
    {
        if ((uint)id >= (uint)pieces.Length || pieces[id] is not { } piece)
            throw UnknownId(id);
        return skipSpecial && IsSpecial(id) ? [] : piece;
    });
}
