using static Attention.Data.Text.CharacterKind;

namespace Attention.Data.Text;

/// <summary>A split pattern written out by hand over UTF-8: an order of magnitude faster than a regular expression.</summary>
internal abstract class WordScanner : WordSplitter
{
    public sealed override void Split(ReadOnlySpan<byte> text, List<int> ends)
    {
        for (int start = 0; start < text.Length;)
            ends.Add(start = Next(text, start));
    }

    /// <summary>Where the word that begins at <paramref name="start"/> ends.</summary>
    public abstract int Next(ReadOnlySpan<byte> text, int start);

    /// <summary>Where the characters end that have one of the kinds.</summary>
    protected static int Run(ReadOnlySpan<byte> text, int start, CharacterKind kinds)
    {
        while (start < text.Length && (CharacterClass.Read(text, start, out int next) & kinds) != 0)
            start = next;
        return start;
    }

    /// <summary>Where the characters end that are no letter, number or white space.</summary>
    protected static int RunOfOthers(ReadOnlySpan<byte> text, int start)
    {
        while (start < text.Length && (CharacterClass.Read(text, start, out int next) & (Letter | Number | Space)) == 0)
            start = next;
        return start;
    }

    /// <summary>Where at most so many numbers end.</summary>
    protected static int Numbers(ReadOnlySpan<byte> text, int start, int most)
    {
        for (; most > 0 && start < text.Length && (CharacterClass.Read(text, start, out int next) & Number) != 0; most--)
            start = next;
        return start;
    }

    /// <summary>Where the bytes end that are in the set.</summary>
    protected static int RunOf(ReadOnlySpan<byte> text, int start, ReadOnlySpan<byte> set)
    {
        int length = text[start..].IndexOfAnyExcept(set);
        return length < 0 ? text.Length : start + length;
    }

    /// <summary>The length of 's, 't, 're, 've, 'm, 'll or 'd, or 0.</summary>
    protected static int Contraction(ReadOnlySpan<byte> text, int start, bool ignoreCase)
    {
        if (start + 1 >= text.Length || text[start] != '\'')
            return 0;
        var rest = text[(start + 1)..];
        // The long s is an s to a pattern that ignores case.
        if (ignoreCase && rest.StartsWith("ſ"u8))
            return 3;
        int mask = ignoreCase ? 0x20 : 0;
        int first = Letter(rest[0], mask);
        if (first is 's' or 'd' or 'm' or 't')
            return 2;
        if (rest.Length < 2)
            return 0;
        int second = Letter(rest[1], mask);
        return (first, second) is ('l', 'l') or ('v', 'e') or ('r', 'e') ? 3 : 0;

        static int Letter(byte value, int mask) => char.IsAsciiLetter((char)value) ? value | mask : value;
    }

    /// <summary><c>\s+(?!\S)|\s+</c>: white space without its last character, which goes to the next word, if there are more than one.</summary>
    protected static int WhiteSpace(ReadOnlySpan<byte> text, int start)
    {
        int last = start, end = start;
        while (end < text.Length && (CharacterClass.Read(text, end, out int next) & Space) != 0)
            (last, end) = (end, next);
        return end == text.Length || last == start ? end : last;
    }

    /// <summary><c>\s*[\r\n]+</c>: the end of the last line break of the white space, or <paramref name="start"/> if it has none.</summary>
    protected static int LineBreaks(ReadOnlySpan<byte> text, int start)
    {
        int found = start;
        for (int position = start; position < text.Length;)
        {
            var kind = CharacterClass.Read(text, position, out int next);
            if ((kind & Space) == 0)
                break;
            position = next;
            if ((kind & NewLine) != 0)
                found = position;
        }
        return found;
    }
}

/// <summary><see cref="SplitPatterns.Gpt2"/></summary>
internal sealed class Gpt2Scanner : WordScanner
{
    public override int Next(ReadOnlySpan<byte> text, int start)
    {
        if (Contraction(text, start, ignoreCase: false) is > 0 and var length)
            return start + length;
        int first = text[start] == ' ' && start + 1 < text.Length ? start + 1 : start;
        var kind = CharacterClass.Read(text, first, out int next);
        if ((kind & Letter) != 0)
            return Run(text, next, Letter);
        if ((kind & Number) != 0)
            return Run(text, next, Number);
        return (kind & Space) == 0 ? RunOfOthers(text, next) : WhiteSpace(text, start);
    }
}

/// <summary><see cref="SplitPatterns.Cl100k"/>, <see cref="SplitPatterns.Llama3"/> and <see cref="SplitPatterns.Qwen2"/></summary>
/// <param name="digits">The most digits of one word.</param>
/// <param name="wholeAtEnd">Whether white space at the end of the text is one word, whatever line breaks it has.</param>
internal sealed class Cl100kScanner(int digits, bool wholeAtEnd) : WordScanner
{
    public override int Next(ReadOnlySpan<byte> text, int start)
    {
        if (Contraction(text, start, ignoreCase: true) is > 0 and var length)
            return start + length;
        var kind = CharacterClass.Read(text, start, out int next);
        if ((kind & Letter) != 0)
            return Run(text, next, Letter);
        if ((kind & Number) != 0)
            return Numbers(text, next, digits - 1);
        if ((kind & NewLine) == 0 && Run(text, next, Letter) is var letters && letters > next)
            return letters;
        int first = text[start] == ' ' ? next : start;
        if (RunOfOthers(text, first) is var others && others > first)
            return RunOf(text, others, "\r\n"u8);
        if (wholeAtEnd && Run(text, start, Space) is var end && end == text.Length)
            return end;
        return LineBreaks(text, start) is var breaks && breaks > start ? breaks : WhiteSpace(text, start);
    }
}

/// <summary><see cref="SplitPatterns.O200k"/></summary>
internal sealed class O200kScanner : WordScanner
{
    public override int Next(ReadOnlySpan<byte> text, int start)
    {
        var kind = CharacterClass.Read(text, start, out int next);
        if (Word(text, start, kind, next) is var word && word > start)
            return word + Contraction(text, word, ignoreCase: true);
        if ((kind & Number) != 0)
            return Numbers(text, next, 2);
        int first = text[start] == ' ' ? next : start;
        if (RunOfOthers(text, first) is var others && others > first)
            return RunOf(text, others, "\r\n/"u8);
        return LineBreaks(text, start) is var breaks && breaks > start ? breaks : WhiteSpace(text, start);
    }

    /// <summary>One character that is no letter, number or line break may go before; then capitals, then small letters.</summary>
    private static int Word(ReadOnlySpan<byte> text, int start, CharacterKind kind, int next)
    {
        bool mayGoBefore = (kind & (Letter | Number | NewLine)) == 0;
        int end;
        if (mayGoBefore && (end = EndsSmall(text, next)) > next || (end = EndsSmall(text, start)) > start)
            return end;
        return mayGoBefore && (end = Run(text, next, UpperLike)) > next ? end : Run(text, start, UpperLike);
    }

    /// <summary>Capitals, as many as there are, and at least one small letter; characters that are both may serve as either.</summary>
    private static int EndsSmall(ReadOnlySpan<byte> text, int start)
    {
        int position = start, lastBoth = start;
        while (position < text.Length && CharacterClass.Read(text, position, out int next) is var kind && (kind & UpperLike) != 0)
        {
            position = next;
            if ((kind & LowerLike) != 0)
                lastBoth = position;
        }
        int small = Run(text, position, LowerLike);
        return small > position ? small : lastBoth;
    }
}
