namespace Attention.Data.Text;

/// <summary>A word on its way to the model.</summary>
/// <param name="Text">Its characters.</param>
/// <param name="IsFirst">Whether the whole text begins with it.</param>
internal readonly record struct Word(string Text, bool IsFirst);

/// <summary>The <c>pre_tokenizer</c> of a tokenizer.json as a function from words to words.</summary>
internal static class PreTokenizers
{
    public static Func<Word, IEnumerable<Word>> Of(JsonPart? part)
    {
        if (part is not { } step)
            return word => [word];
        switch (step.Type)
        {
            case "Sequence":
                var steps = step.Items("pretokenizers").Select(each => Of(each)).ToArray();
                return word => steps.Aggregate((IEnumerable<Word>)[word], (words, next) => [.. words.SelectMany(next)]);
            case "ByteLevel": return ByteLevel(step.Flag("add_prefix_space", true), step.Flag("use_regex", true));
            case "Split": return Split(step);
            case "Whitespace": return word => Runs(word, point => CharacterClass.IsWhiteSpace(point) ? -1 : CharacterClass.IsWord(point) ? 1 : 2);
            case "WhitespaceSplit": return word => Runs(word, point => CharacterClass.IsWhiteSpace(point) ? -1 : 1);
            case "BertPreTokenizer": return Bert;
            case "Metaspace": return Metaspace(step);
            case "Digits":
                bool each = step.Flag("individual_digits");
                return word => Characters(word, point => (CharacterClass.Of(point) & CharacterKind.Number) != 0, each ? "Isolated" : "Contiguous");
            case "Punctuation":
                var behavior = step.FindText("behavior") ?? "Isolated";
                return word => Characters(word, CharacterClass.IsPunctuation, behavior);
            case "CharDelimiterSplit":
                var delimiter = step.Text("delimiter");
                return word => Characters(word, point => point == char.ConvertToUtf32(delimiter, 0), "Removed");
            case "FixedLength": return FixedLength(step.Number("length", 5));
            default: throw step.Unsupported("pre-tokenizer");
        }
    }

    /// <summary>What BERT splits at: white space, and every punctuation character.</summary>
    public static IEnumerable<Word> Bert(Word word) =>
        Runs(word, point => CharacterClass.IsWhiteSpace(point) ? -1 : 1).SelectMany(each => Characters(each, CharacterClass.IsPunctuation, "Isolated"));

    private static Func<Word, IEnumerable<Word>> ByteLevel(bool addSpace, bool split)
    {
        var splitter = new RegexPieces(SplitPatterns.Gpt2);
        return word =>
        {
            var spaced = addSpace && !word.Text.StartsWith(' ') ? word with { Text = " " + word.Text } : word;
            IEnumerable<Word> words = split ? splitter.Split(spaced, "Isolated", invert: false) : [spaced];
            return words.Select(each => each with { Text = ByteAlphabet.ToText(RawText.ToUtf8(each.Text)) });
        };
    }

    private static Func<Word, IEnumerable<Word>> Split(JsonPart step)
    {
        var (pattern, behavior, invert) = (step.Require("pattern"), step.Text("behavior"), step.Flag("invert"));
        var splitter = new RegexPieces(pattern.FindText("String") is { } plain ? System.Text.RegularExpressions.Regex.Escape(plain) : pattern.Text("Regex"));
        return word => splitter.Split(word, behavior, invert);
    }

    private static Func<Word, IEnumerable<Word>> Metaspace(JsonPart step)
    {
        var mark = step.FindText("replacement") ?? "▁";
        var scheme = PrependScheme(step);
        bool split = step.Flag("split", true);
        return word =>
        {
            var text = word.Text.Replace(" ", mark);
            if ((scheme == "always" || scheme == "first" && word.IsFirst) && !text.StartsWith(mark, StringComparison.Ordinal))
                text = mark + text;
            var marked = word with { Text = text };
            return split ? Characters(marked, point => point == mark[0], "MergedWithNext") : [marked];
        };
    }

    /// <summary>Where Metaspace puts a mark before the text: always, first or never.</summary>
    public static string PrependScheme(JsonPart step) =>
        step.Flag("add_prefix_space", true) ? step.FindText("prepend_scheme") ?? "always" : "never";

    private static Func<Word, IEnumerable<Word>> FixedLength(int length)
    {
        return word => Pieces(word, Cuts(word.Text));

        List<(int, int, bool)> Cuts(string text)
        {
            var cuts = new List<(int, int, bool)>();
            for (int i = 0, start = 0; i < text.Length; start = i)
            {
                for (int count = 0; count < length && i < text.Length; count++)
                    RawText.Next(text, ref i);
                cuts.Add((start, i, false));
            }
            return cuts;
        }
    }

    /// <summary>Runs of characters of one class; those of class -1 are left out.</summary>
    private static IEnumerable<Word> Runs(Word word, Func<int, int> classOf)
    {
        int start = 0, current = -1;
        for (int i = 0; i < word.Text.Length;)
        {
            int position = i, next = classOf(RawText.Next(word.Text, ref i));
            if (next == current)
                continue;
            if (current >= 0)
                yield return new(word.Text[start..position], word.IsFirst && start == 0);
            (start, current) = (position, next);
        }
        if (current >= 0)
            yield return new(word.Text[start..], word.IsFirst && start == 0);
    }

    private static IEnumerable<Word> Characters(Word word, Func<int, bool> isDelimiter, string behavior)
    {
        var matches = new List<(int, int)>();
        for (int i = 0; i < word.Text.Length;)
        {
            int start = i;
            if (isDelimiter(RawText.Next(word.Text, ref i)))
                matches.Add((start, i));
        }
        return Pieces(word, Behave(word.Text, matches, behavior, invert: false));
    }

    private static IEnumerable<Word> Pieces(Word word, List<(int Start, int End, bool Remove)> parts)
    {
        if (parts is [(0, _, false)])
            return [word];
        return parts.Where(part => !part.Remove && part.End > part.Start)
            .Select(part => new Word(word.Text[part.Start..part.End], word.IsFirst && part.Start == 0));
    }

    /// <summary>What becomes of delimiters: parts of the text, some to be left out.</summary>
    private static List<(int Start, int End, bool Remove)> Behave(string text, List<(int Start, int End)> matches, string behavior, bool invert)
    {
        var parts = new List<(int Start, int End, bool IsMatch)>();
        int done = 0;
        foreach (var (start, end) in matches)
        {
            if (start > done)
                parts.Add((done, start, invert));
            if (end > start)
                parts.Add((start, end, !invert));
            done = end;
        }
        if (done < text.Length)
            parts.Add((done, text.Length, invert));

        switch (behavior)
        {
            case "Removed": return parts;
            case "Isolated": return [.. parts.Select(part => (part.Start, part.End, false))];
        }
        var joined = new List<(int Start, int End, bool)>();
        if (behavior == "MergedWithNext")
        {
            for (int i = parts.Count - 1; i >= 0; i--)
            {
                bool nextIsMatch = i + 1 < parts.Count && parts[i + 1].IsMatch;
                if (parts[i].IsMatch && !nextIsMatch && joined.Count > 0)
                    joined[^1] = (parts[i].Start, joined[^1].End, false);
                else
                    joined.Add((parts[i].Start, parts[i].End, false));
            }
            joined.Reverse();
            return joined;
        }
        for (int i = 0; i < parts.Count; i++)
        {
            bool previousIsMatch = i > 0 && parts[i - 1].IsMatch;
            bool joins = behavior == "Contiguous" ? i > 0 && parts[i].IsMatch == previousIsMatch : parts[i].IsMatch && !previousIsMatch;
            if (joins && joined.Count > 0)
                joined[^1] = (joined[^1].Start, parts[i].End, false);
            else
                joined.Add((parts[i].Start, parts[i].End, false));
        }
        return joined;
    }

    private sealed class RegexPieces(string pattern)
    {
        private readonly UnicodeRegex regex = new(pattern);

        public IEnumerable<Word> Split(Word word, string behavior, bool invert) => Pieces(word, Behave(word.Text, regex.Matches(word.Text), behavior, invert));
    }
}
