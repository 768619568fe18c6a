using System.Buffers;
using System.Buffers.Binary;
using System.Globalization;
using System.Text;

namespace Attention.Data.Text;

/// <summary>
/// SentencePiece's precompiled normalisation rules: a double-array trie of byte strings (in the layout of Darts-clone), each
/// with the place of its replacement among strings that end with a zero.
/// </summary>
internal sealed class CharacterMap
{
    private readonly uint[] units;
    private readonly byte[] replacements;

    private CharacterMap(uint[] units, byte[] replacements) => (this.units, this.replacements) = (units, replacements);

    /// <summary>Reads the rules; null where there are none.</summary>
    /// <param name="blob">The trie's size in bytes (4 bytes), the trie, the replacements.</param>
    /// <param name="file">The file that it comes from.</param>
    /// <exception cref="UserError">The sizes do not fit.</exception>
    public static CharacterMap? Read(ReadOnlySpan<byte> blob, string file)
    {
        if (blob.IsEmpty)
            return null;
        uint size = blob.Length > 4 ? BinaryPrimitives.ReadUInt32LittleEndian(blob) : 0;
        if (size == 0 || size % 4 != 0 || size >= blob.Length - 4)
            throw new UserError($"'{file}': its normalisation rules of {blob.Length} bytes claim a table of {size} bytes", "copy or download the tokenizer again");
        var units = new uint[size / 4];
        for (int i = 0; i < units.Length; i++)
            units[i] = BinaryPrimitives.ReadUInt32LittleEndian(blob[(4 + 4 * i)..]);
        return new(units, blob[(4 + (int)size)..].ToArray());
    }

    /// <summary>The <c>precompiled_charsmap</c> of a tokenizer.json.</summary>
    public static CharacterMap? OfBase64(JsonPart step)
    {
        var text = step.FindText("precompiled_charsmap") ?? "";
        var blob = new byte[text.Length];
        if (!Convert.TryFromBase64String(text, blob, out int length))
            throw step.Wrong("has a 'precompiled_charsmap' that is no base64");
        return Read(blob.AsSpan(0, length), step.File);
    }

    /// <summary>The longest rule that the text begins with.</summary>
    public bool TryLongest(ReadOnlySpan<byte> text, out int length, out ReadOnlySpan<byte> replacement)
    {
        length = Find(text, longest: true, out int place);
        replacement = length > 0 ? Replacement(place) : default;
        return length > 0;
    }

    /// <summary>
    /// Normalises as Hugging Face's tokenizers do: a short grapheme whose beginning has a rule is replaced whole, of others
    /// each character that has one.
    /// </summary>
    public string NormalizeGraphemes(string text)
    {
        var output = new StringBuilder(text.Length);
        for (int i = 0; i < text.Length;)
        {
            int length = StringInfo.GetNextTextElementLength(text, i), end = i + length;
            var grapheme = RawText.ToUtf8(text.AsSpan(i, length));
            if (grapheme.Length < 6 && Find(grapheme, longest: false, out int place) > 0)
            {
                output.Append(Encoding.UTF8.GetString(Replacement(place)));
                i = end;
                continue;
            }
            while (i < end)
            {
                int start = i;
                RawText.Next(text, ref i);
                if (Find(RawText.ToUtf8(text.AsSpan(start, i - start)), longest: false, out place) > 0)
                    output.Append(Encoding.UTF8.GetString(Replacement(place)));
                else
                    output.Append(text, start, i - start);
            }
        }
        return output.ToString();
    }

    /// <summary>The length of the longest or shortest rule at the text's beginning, or 0.</summary>
    private int Find(ReadOnlySpan<byte> text, bool longest, out int place)
    {
        (int found, place) = (0, 0);
        uint node = Offset(units[0]);
        for (int i = 0; i < text.Length; i++)
        {
            node ^= text[i];
            if (node >= units.Length || (units[node] & 0x800000FF) != text[i])
                break;
            bool isEnd = (units[node] >> 8 & 1) != 0;
            node ^= Offset(units[node]);
            if (!isEnd || node >= units.Length)
                continue;
            (found, place) = (i + 1, (int)(units[node] & 0x7FFFFFFF));
            if (!longest)
                break;
        }
        return found;
    }

    private ReadOnlySpan<byte> Replacement(int place)
    {
        if (place >= replacements.Length)
            return [];
        var rest = replacements.AsSpan(place);
        int end = rest.IndexOf((byte)0);
        return end < 0 ? rest : rest[..end];
    }

    private static uint Offset(uint unit) => (unit >> 10) << (int)((unit & (1 << 9)) >> 6);
}
