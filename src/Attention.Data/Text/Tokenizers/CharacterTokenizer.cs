using System.Buffers;
using System.Text;

namespace Attention.Data.Text;

/// <summary>
/// One id for each character, as nanoGPT's <c>shakespeare_char</c> has it: the characters of a text in the order of their
/// code points. Text with any other character, or that is no UTF-8, is an error. Saved as a <c>tokenizer.json</c> of its own kind.
/// </summary>
public sealed class CharacterTokenizer : Tokenizer
{
    /// <summary>The <c>type</c> of the model in the file.</summary>
    internal const string ModelType = "Characters";

    private readonly Rune[] characters;
    private readonly Dictionary<Rune, int> ids;

    private CharacterTokenizer(IEnumerable<Rune> characters, TokenizerSettings settings) : base([], settings)
    {
        this.characters = [.. characters];
        ids = this.characters.Select((rune, id) => (rune, id)).ToDictionary(each => each.rune, each => each.id);
    }

    public override int VocabularySize => characters.Length;

    /// <summary>The vocabulary of a text.</summary>
    /// <exception cref="UserError">The text is empty.</exception>
    public static CharacterTokenizer Train(string text)
    {
        if (text == "")
            throw new UserError("a vocabulary of characters cannot be made from an empty text", "give a text");
        return new(text.EnumerateRunes().Distinct().Order(), TokenizerSettings.Empty);
    }

    public override string? Piece(int id) => (uint)id < (uint)characters.Length ? characters[id].ToString() : null;

    public override int? Find(string piece) =>
        piece.EnumerateRunes().ToArray() is [var rune] && ids.TryGetValue(rune, out int id) ? id : null;

    /// <summary>Writes the vocabulary to a file that <see cref="Tokenizers.Load"/> reads.</summary>
    public void Save(string path) => TokenizerFile.Write(path, json =>
    {
        json.WriteStartObject();
        json.WriteString("version", "1.0");
        json.WriteStartObject("model");
        json.WriteString("type", ModelType);
        json.WriteStartArray("vocab");
        foreach (var character in characters)
            json.WriteStringValue(character.ToString());
        json.WriteEndArray();
        json.WriteEndObject();
        json.WriteEndObject();
    });

    internal static CharacterTokenizer Read(JsonPart model, TokenizerSettings settings)
    {
        var characters = new HashSet<Rune>();
        foreach (var item in model.Require("vocab").Items())
            if (item.Text().EnumerateRunes().ToArray() is not [var rune] || !characters.Add(rune))
                throw item.Wrong($"is {item.Value.GetRawText()}, but must be one character that is not there twice");
        return new(characters, settings);
    }

    private protected override void EncodePlain(ReadOnlySpan<byte> utf8, List<int> output, bool isFirst, bool parseSpecial)
    {
        for (int position = 0, size; position < utf8.Length; position += size)
        {
            if (Rune.DecodeFromUtf8(utf8[position..], out var rune, out size) != OperationStatus.Done)
                throw new UserError($"the text is no UTF-8 at byte {position}", "write the text as UTF-8");
            if (!ids.TryGetValue(rune, out int id))
                throw new UserError($"the character '{rune}' (U+{rune.Value:X4}) is not in the vocabulary of {VocabularySize} characters",
                    "leave it out, or make the vocabulary from a text that has it");
            output.Add(id);
        }
    }

    private protected override ITokenDecoder Decoder(bool skipSpecial) =>
        new PieceDecoder(id => Encoding.UTF8.GetBytes(Piece(id) ?? throw UnknownId(id)));
}
