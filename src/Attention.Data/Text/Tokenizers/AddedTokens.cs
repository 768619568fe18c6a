using System.Buffers;
using System.Text;

namespace Attention.Data.Text;

/// <summary>A token outside the model's own scheme, found in the text before anything else happens to it.</summary>
/// <param name="Id">Its id.</param>
/// <param name="Content">Its text.</param>
/// <param name="IsSpecial">Whether it stands for no text: skipped in decoding, and found in text only when asked.</param>
/// <param name="SingleWord">Whether it is found only where no letter or digit touches it.</param>
/// <param name="StripLeft">Whether it takes the white space before it.</param>
/// <param name="StripRight">Whether it takes the white space after it.</param>
/// <param name="Normalized">Whether it is looked for in the normalised text.</param>
internal sealed record AddedToken(int Id, string Content, bool IsSpecial = false, bool SingleWord = false,
    bool StripLeft = false, bool StripRight = false, bool Normalized = false);

/// <summary>A part of a text.</summary>
/// <param name="Start">Its first byte.</param>
/// <param name="End">The byte after its last.</param>
/// <param name="Id">The added token that it is, or -1 for plain text.</param>
internal readonly record struct TextPart(int Start, int End, int Id);

/// <summary>Finds added tokens in UTF-8 text: the leftmost, and of those that begin at one place the longest.</summary>
internal sealed class AddedTokens
{
    private readonly Dictionary<byte, (byte[] Text, AddedToken Token)[]> byFirstByte;
    private readonly SearchValues<byte> firstBytes;

    /// <param name="tokens">The tokens, each with the text to look for.</param>
    public AddedTokens(IEnumerable<(string Text, AddedToken Token)> tokens)
    {
        byFirstByte = tokens.Where(each => each.Text != "").Select(each => (Text: Encoding.UTF8.GetBytes(each.Text), each.Token))
            .GroupBy(each => each.Text[0]).ToDictionary(group => group.Key, group => group.OrderByDescending(each => each.Text.Length).ToArray());
        firstBytes = SearchValues.Create([.. byFirstByte.Keys]);
    }

    public AddedTokens(IEnumerable<AddedToken> tokens) : this(tokens.Select(token => (token.Content, token)))
    {
    }

    /// <summary>Whether there are none.</summary>
    public bool IsEmpty => byFirstByte.Count == 0;

    /// <summary>Splits a text into added tokens and what lies between them.</summary>
    public List<TextPart> Split(ReadOnlySpan<byte> text)
    {
        var parts = new List<TextPart>();
        int done = 0, position = 0;
        while (text[position..].IndexOfAny(firstBytes) is >= 0 and var skip)
        {
            position += skip;
            if (Longest(text, position) is not var (length, token))
            {
                position++;
                continue;
            }
            var (start, end) = (position, position + length);
            position = end;
            if (token.SingleWord && (EndsWithWord(text[..start]) || StartsWithWord(text[end..])))
                continue;
            if (token.StripLeft)
                start = Math.Max(done, start - WhiteSpaceAtEnd(text[..start]));
            if (token.StripRight)
                end += WhiteSpaceAtStart(text[end..]);
            if (start > done)
                parts.Add(new(done, start, -1));
            parts.Add(new(start, end, token.Id));
            done = position = end;
        }
        if (done < text.Length)
            parts.Add(new(done, text.Length, -1));
        return parts;
    }

    private (int, AddedToken)? Longest(ReadOnlySpan<byte> text, int position)
    {
        foreach (var (content, token) in byFirstByte[text[position]])
            if (text[position..].StartsWith(content))
                return (content.Length, token);
        return null;
    }

    private static bool EndsWithWord(ReadOnlySpan<byte> text) =>
        Rune.DecodeLastFromUtf8(text, out var rune, out _) == OperationStatus.Done && CharacterClass.IsWord(rune.Value);

    private static bool StartsWithWord(ReadOnlySpan<byte> text) =>
        Rune.DecodeFromUtf8(text, out var rune, out _) == OperationStatus.Done && CharacterClass.IsWord(rune.Value);

    private static int WhiteSpaceAtEnd(ReadOnlySpan<byte> text)
    {
        int length = text.Length;
        while (Rune.DecodeLastFromUtf8(text[..length], out var rune, out int size) == OperationStatus.Done && Rune.IsWhiteSpace(rune))
            length -= size;
        return text.Length - length;
    }

    private static int WhiteSpaceAtStart(ReadOnlySpan<byte> text)
    {
        int length = 0;
        while (Rune.DecodeFromUtf8(text[length..], out var rune, out int size) == OperationStatus.Done && Rune.IsWhiteSpace(rune))
            length += size;
        return length;
    }
}
