using System.Globalization;
using System.Text;

namespace Attention.Data.Text;

/// <summary>The <c>normalizer</c> of a tokenizer.json as a function from text to text.</summary>
internal static class Normalizers
{
    /// <summary>Null for none.</summary>
    public static Func<string, string>? Of(JsonPart? part)
    {
        if (part is not { } step)
            return null;
        switch (step.Type)
        {
            case "Sequence": return Chain([.. step.Items("normalizers").Select(each => Of(each)!)]);
            case "NFC": return text => Normalization.Compose(text);
            case "NFD": return text => Normalization.Decompose(text);
            case "NFKC": return text => Normalization.Compose(text, compatible: true);
            case "NFKD": return text => Normalization.Decompose(text, compatible: true);
            case "Lowercase": return LowerCase;
            case "StripAccents": return text => Filter(text, point => !IsMark(point));
            case "Replace": return Replacement(step);
            case "Prepend":
                var prefix = step.Text("prepend");
                return text => text == "" ? text : prefix + text;
            case "Strip":
                bool left = step.Flag("strip_left", true), right = step.Flag("strip_right", true);
                return text => left ? right ? text.Trim() : text.TrimStart() : right ? text.TrimEnd() : text;
            case "BertNormalizer":
                bool lowerCase = step.Flag("lowercase", true);
                return Bert(step.Flag("clean_text", true), step.Flag("handle_chinese_chars", true), step.Flag("strip_accents", lowerCase), lowerCase);
            case "Precompiled":
                var map = CharacterMap.OfBase64(step);
                return map is null ? text => text : map.NormalizeGraphemes;
            case "ByteLevel": return text => ByteAlphabet.ToText(RawText.ToUtf8(text));
            case "Nmt": return Nmt;
            default: throw step.Unsupported("normaliser");
        }
    }

    /// <summary>What BERT does to text (Devlin et al. 2018): white space, ideographs, accents, case.</summary>
    public static Func<string, string> Bert(bool clean, bool isolateIdeographs, bool stripAccents, bool lowerCase) => text =>
    {
        if (clean)
            text = Map(text, (point, output) =>
            {
                if (point is '\t' or '\n' or '\r' || CharacterClass.IsWhiteSpace(point))
                    output.Append(' ');
                else if (point is not (0 or 0xFFFD) && !IsControl(point))
                    RawText.Append(output, point);
            });
        if (isolateIdeographs)
            text = Map(text, (point, output) =>
            {
                bool alone = IsIdeograph(point);
                if (alone) output.Append(' ');
                RawText.Append(output, point);
                if (alone) output.Append(' ');
            });
        if (stripAccents)
            text = Filter(Normalization.Decompose(text), point => CharUnicodeInfo.GetUnicodeCategory(point) != UnicodeCategory.NonSpacingMark);
        return lowerCase ? LowerCase(text) : text;
    };

    private static string LowerCase(string text) => text.ToLowerInvariant().Replace("\u0130", "i\u0307");

    private static Func<string, string> Chain(Func<string, string>[] steps) => text => steps.Aggregate(text, (current, step) => step(current));

    private static Func<string, string> Replacement(JsonPart step)
    {
        var (pattern, content) = (step.Require("pattern"), step.Text("content"));
        if (pattern.FindText("String") is { } plain)
            return plain == "" ? text => text : text => text.Replace(plain, content, StringComparison.Ordinal);
        var regex = new UnicodeRegex(pattern.Text("Regex"));
        return text =>
        {
            var output = new StringBuilder();
            int done = 0;
            foreach (var (start, end) in regex.Matches(text))
            {
                output.Append(text, done, start - done).Append(content);
                done = end;
            }
            return output.Append(text, done, text.Length - done).ToString();
        };
    }

    /// <summary>The cleaning of the NMT normaliser: some controls go, other white space becomes a space.</summary>
    private static string Nmt(string text) => Map(text, (point, output) =>
    {
        if (point is (>= 0x01 and <= 0x08) or 0x0B or (>= 0x0E and <= 0x1F) or 0x7F or 0x8F or 0x9F)
            return;
        bool isSpace = point is 0x09 or 0x0A or 0x0C or 0x0D or 0x1680 or (>= 0x200B and <= 0x200F) or 0x2028 or 0x2029 or 0x2581 or 0xFEFF or 0xFFFD;
        RawText.Append(output, isSpace ? ' ' : point);
    });

    private static string Filter(string text, Func<int, bool> keep) => Map(text, (point, output) =>
    {
        if (keep(point))
            RawText.Append(output, point);
    });

    private static string Map(string text, Action<int, StringBuilder> write)
    {
        var output = new StringBuilder(text.Length + 16);
        for (int i = 0; i < text.Length;)
            write(RawText.Next(text, ref i), output);
        return output.ToString();
    }

    private static bool IsMark(int point) => CharUnicodeInfo.GetUnicodeCategory(point) is
        UnicodeCategory.NonSpacingMark or UnicodeCategory.SpacingCombiningMark or UnicodeCategory.EnclosingMark;

    private static bool IsControl(int point) => CharUnicodeInfo.GetUnicodeCategory(point) is
        UnicodeCategory.Control or UnicodeCategory.Format or UnicodeCategory.PrivateUse or UnicodeCategory.OtherNotAssigned or UnicodeCategory.Surrogate;

    private static bool IsIdeograph(int point) => point is (>= 0x4E00 and <= 0x9FFF) or (>= 0x3400 and <= 0x4DBF) or (>= 0x20000 and <= 0x2A6DF)
        or (>= 0x2A700 and <= 0x2B81F) or (>= 0x2B920 and <= 0x2CEAF) or (>= 0xF900 and <= 0xFAFF) or (>= 0x2F800 and <= 0x2FA1F);
}
