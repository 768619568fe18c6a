using System.Buffers;
using System.Text;

namespace Attention.Data.Text;

/// <summary>What all tokenizers share: added tokens are cut out of the text, the rest goes to the scheme.</summary>
public abstract class Tokenizer : ITokenizer
{
    private readonly AddedTokens always, withSpecial;
    private readonly HashSet<int> specialIds;

    /// <param name="added">Added tokens; those that are to be found in normalised text are left to the scheme.</param>
    /// <param name="settings">What the files beside the vocabulary say.</param>
    private protected Tokenizer(IReadOnlyCollection<AddedToken> added, TokenizerSettings settings)
    {
        Settings = settings;
        var raw = added.Where(token => !token.Normalized).ToList();
        always = new(raw.Where(token => !token.IsSpecial));
        withSpecial = new(raw);
        SpecialTokens = added.Where(token => token.IsSpecial).DistinctBy(token => token.Content).ToDictionary(token => token.Content, token => token.Id);
        specialIds = [.. SpecialTokens.Values];
    }

    public abstract int VocabularySize { get; }

    public IReadOnlyDictionary<string, int> SpecialTokens { get; }

    public TokenizerSettings Settings { get; }

    /// <summary>The ids that go before and after a sequence when asked for.</summary>
    private protected (int[] Before, int[] After) Frame { get; set; } = ([], []);

    public void Encode(ReadOnlySpan<byte> utf8, List<int> ids, SpecialTokenUse special = SpecialTokenUse.None)
    {
        bool parse = special.HasFlag(SpecialTokenUse.Parse), add = special.HasFlag(SpecialTokenUse.Add);
        if (add)
            ids.AddRange(Frame.Before);
        var tokens = parse ? withSpecial : always;
        if (tokens.IsEmpty)
            EncodePlain(utf8, ids, isFirst: true, parse);
        else
            foreach (var part in tokens.Split(utf8))
            {
                if (part.Id >= 0)
                    ids.Add(part.Id);
                else
                    EncodePlain(utf8[part.Start..part.End], ids, isFirst: part.Start == 0, parse);
            }
        if (add)
            ids.AddRange(Frame.After);
    }

    public virtual byte[] DecodeBytes(ReadOnlySpan<int> ids, bool skipSpecial = true)
    {
        var decoder = Decoder(skipSpecial);
        var bytes = new ArrayBufferWriter<byte>();
        foreach (int id in ids)
            decoder.Push(id, bytes);
        decoder.Finish(bytes);
        return bytes.WrittenSpan.ToArray();
    }

    public TokenStream Stream(bool skipSpecial = true) => new(Decoder(skipSpecial));

    public abstract string? Piece(int id);

    public abstract int? Find(string piece);

    /// <summary>Appends the ids of text without added tokens.</summary>
    /// <param name="utf8">A part of the text.</param>
    /// <param name="ids">Where to.</param>
    /// <param name="isFirst">Whether the whole text begins with it.</param>
    /// <param name="parseSpecial">Whether special tokens' names are to be found in it where the scheme looks for them after normalisation.</param>
    private protected abstract void EncodePlain(ReadOnlySpan<byte> utf8, List<int> ids, bool isFirst, bool parseSpecial);

    private protected abstract ITokenDecoder Decoder(bool skipSpecial);

    private protected bool IsSpecial(int id) => specialIds.Contains(id);

    /// <summary>The special tokens that the settings put around a sequence.</summary>
    private protected (int[], int[]) FrameOfSettings(bool bos, bool eos)
    {
        int[] Of(bool wanted, string role) => wanted && Settings.Roles.TryGetValue(role, out var content) && Find(content) is { } id ? [id] : [];
        return (Of(Settings.AddBos ?? bos, "bos_token"), Of(Settings.AddEos ?? eos, "eos_token"));
    }

    private protected UserError UnknownId(int id) =>
        new($"id {id} is not in the vocabulary of {VocabularySize} tokens", "decode with the tokenizer that encoded, or that the model was trained with");
}

/// <summary>Decodes where every id stands for the same bytes wherever it is.</summary>
internal sealed class PieceDecoder(Func<int, byte[]> bytesOf) : ITokenDecoder
{
    public void Push(int id, IBufferWriter<byte> output) => output.Write(bytesOf(id));

    public void Finish(IBufferWriter<byte> output)
    {
    }
}
