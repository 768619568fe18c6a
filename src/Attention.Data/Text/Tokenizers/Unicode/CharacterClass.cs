using System.Globalization;
using System.Text;

namespace Attention.Data.Text;

/// <summary>What split patterns ask about a character.</summary>
[Flags]
internal enum CharacterKind : byte
{
    /// <summary>Punctuation, symbols, marks, controls, and bytes that are no UTF-8.</summary>
    Other = 0,

    /// <summary><c>\p{L}</c></summary>
    Letter = 1,

    /// <summary><c>\p{N}</c></summary>
    Number = 2,

    /// <summary><c>\s</c></summary>
    Space = 4,

    /// <summary><c>[\r\n]</c></summary>
    NewLine = 8,

    /// <summary><c>[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]</c></summary>
    UpperLike = 16,

    /// <summary><c>[\p{Ll}\p{Lm}\p{Lo}\p{M}]</c></summary>
    LowerLike = 32,
}

/// <summary>Kinds of characters, by table for the Basic Multilingual Plane.</summary>
internal static class CharacterClass
{
    private static readonly CharacterKind[] table = [.. Enumerable.Range(0, 0x10000).Select(Compute)];

    /// <summary>The kind of the character at a position of UTF-8 text, and where the next one begins. A byte that is no part of
    /// a character counts as one of the kind <see cref="CharacterKind.Other"/>.</summary>
    public static CharacterKind Read(ReadOnlySpan<byte> text, int position, out int next)
    {
        byte first = text[position];
        if (first < 0x80)
        {
            next = position + 1;
            return table[first];
        }
        if (Rune.DecodeFromUtf8(text[position..], out var rune, out int size) != System.Buffers.OperationStatus.Done)
        {
            next = position + 1;
            return CharacterKind.Other;
        }
        next = position + size;
        return Of(rune.Value);
    }

    public static CharacterKind Of(int codePoint) => codePoint < table.Length ? table[codePoint] : Compute(codePoint);

    public static bool IsWhiteSpace(int codePoint) => (Of(codePoint) & CharacterKind.Space) != 0;

    /// <summary><c>\w</c>: letters, marks, digits, letter-like numbers, connectors and joiners.</summary>
    public static bool IsWord(int codePoint) => codePoint is 0x200C or 0x200D || CharUnicodeInfo.GetUnicodeCategory(codePoint) is
        UnicodeCategory.UppercaseLetter or UnicodeCategory.LowercaseLetter or UnicodeCategory.TitlecaseLetter or UnicodeCategory.ModifierLetter
        or UnicodeCategory.OtherLetter or UnicodeCategory.NonSpacingMark or UnicodeCategory.SpacingCombiningMark or UnicodeCategory.EnclosingMark
        or UnicodeCategory.DecimalDigitNumber or UnicodeCategory.LetterNumber or UnicodeCategory.ConnectorPunctuation;

    /// <summary>ASCII's symbols and every <c>\p{P}</c>.</summary>
    public static bool IsPunctuation(int codePoint) => codePoint < 0x80
        ? char.IsPunctuation((char)codePoint) || char.IsSymbol((char)codePoint)
        : CharUnicodeInfo.GetUnicodeCategory(codePoint) is >= UnicodeCategory.ConnectorPunctuation and <= UnicodeCategory.OtherPunctuation;

    private static CharacterKind Compute(int codePoint)
    {
        if (codePoint is '\r' or '\n')
            return CharacterKind.Space | CharacterKind.NewLine;
        if (codePoint is (>= 0xD800 and < 0xE000))
            return CharacterKind.Other;
        if (Rune.IsWhiteSpace(new(codePoint)))
            return CharacterKind.Space;
        return CharUnicodeInfo.GetUnicodeCategory(codePoint) switch
        {
            UnicodeCategory.UppercaseLetter or UnicodeCategory.TitlecaseLetter => CharacterKind.Letter | CharacterKind.UpperLike,
            UnicodeCategory.LowercaseLetter => CharacterKind.Letter | CharacterKind.LowerLike,
            UnicodeCategory.ModifierLetter or UnicodeCategory.OtherLetter => CharacterKind.Letter | CharacterKind.UpperLike | CharacterKind.LowerLike,
            UnicodeCategory.NonSpacingMark or UnicodeCategory.SpacingCombiningMark or UnicodeCategory.EnclosingMark =>
                CharacterKind.UpperLike | CharacterKind.LowerLike,
            UnicodeCategory.DecimalDigitNumber or UnicodeCategory.LetterNumber or UnicodeCategory.OtherNumber => CharacterKind.Number,
            _ => CharacterKind.Other,
        };
    }
}
