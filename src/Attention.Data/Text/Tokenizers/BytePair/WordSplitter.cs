namespace Attention.Data.Text;

/// <summary>Cuts text into the words within which pairs are merged.</summary>
internal abstract class WordSplitter
{
    /// <summary>Appends the end of every word of a UTF-8 text; words cover it without gaps.</summary>
    public abstract void Split(ReadOnlySpan<byte> text, List<int> ends);

    /// <summary>The splitter of a pattern: a scanner for those that are known, a regular expression for others.</summary>
    public static WordSplitter For(string pattern) => (WordSplitter?)SplitPatterns.Scanner(pattern) ?? new RegexSplitter(pattern);
}

/// <summary>Leaves the text whole.</summary>
internal sealed class WholeText : WordSplitter
{
    public override void Split(ReadOnlySpan<byte> text, List<int> ends)
    {
        if (!text.IsEmpty)
            ends.Add(text.Length);
    }
}

/// <summary>Any pattern: its matches and what lies between them are words.</summary>
internal sealed class RegexSplitter(string pattern) : WordSplitter
{
    private readonly UnicodeRegex regex = new(pattern);

    public override void Split(ReadOnlySpan<byte> text, List<int> ends)
    {
        var characters = RawText.FromUtf8(text);
        int index = 0, bytes = 0;
        void EndAt(int next)
        {
            if (next == index)
                return;
            bytes += ByteCount(characters.AsSpan(index, next - index));
            index = next;
            ends.Add(bytes);
        }
        foreach (var (start, end) in regex.Matches(characters))
        {
            EndAt(start);
            EndAt(end);
        }
        EndAt(characters.Length);
    }

    private static int ByteCount(ReadOnlySpan<char> text)
    {
        int count = 0;
        for (int i = 0; i < text.Length; i++)
            count += text[i] switch
            {
                < '\u0080' => 1,
                < '\u0800' => 2,
                _ when RawText.IsEscape(text, i) => 1,
                >= '\uD800' and < '\uE000' => 2,
                _ => 3,
            };
        return count;
    }
}

/// <summary>The split patterns of well-known vocabularies.</summary>
internal static class SplitPatterns
{
    /// <summary>GPT-2's, also of r50k_base and p50k_base.</summary>
    public const string Gpt2 = @"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+";

    /// <summary>cl100k_base's as tiktoken has it: white space at the end of the text is one word.</summary>
    public const string Cl100k = @"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+| ?[^\s\p{L}\p{N}]++[\r\n]*+|\s++$|\s*[\r\n]|\s+(?!\S)|\s";

    /// <summary>Llama 3's: cl100k_base's in its first form.</summary>
    public const string Llama3 = @"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";

    /// <summary>Qwen 2's: Llama 3's with every digit by itself.</summary>
    public const string Qwen2 = @"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";

    /// <summary>o200k_base's.</summary>
    public const string O200k = @"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
        + @"|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
        + @"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+";

    /// <summary>The hand-written scanner that splits as the pattern does, or null.</summary>
    public static WordScanner? Scanner(string pattern) => pattern switch
    {
        Gpt2 or @"'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
            or @"'(?:[sdmt]|ll|ve|re)| ?\p{L}++| ?\p{N}++| ?[^\s\p{L}\p{N}]++|\s++$|\s+(?!\S)|\s" => new Gpt2Scanner(),
        Cl100k => new Cl100kScanner(3, wholeAtEnd: true),
        Llama3 => new Cl100kScanner(3, wholeAtEnd: false),
        Qwen2 => new Cl100kScanner(1, wholeAtEnd: false),
        O200k => new O200kScanner(),
        _ => null,
    };
}
