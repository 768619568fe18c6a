using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;

namespace Attention.Data.Text;

/// <summary>
/// A split pattern written for Oniguruma or Rust's regex, run by .NET's: possessive quantifiers become atomic groups, <c>$</c>
/// the end of the text, and characters beyond the Basic Multilingual Plane, which .NET sees as two, are stood in for by one
/// of the same category.
/// </summary>
internal sealed class UnicodeRegex
{
    private readonly Regex regex;

    /// <exception cref="UserError">.NET cannot run the pattern.</exception>
    public UnicodeRegex(string pattern)
    {
        Pattern = pattern;
        try
        {
            regex = new(Translate(pattern), RegexOptions.CultureInvariant);
        }
        catch (ArgumentException e)
        {
            throw new UserError($"the tokenizer's pattern cannot be run: {e.Message}", "report this tokenizer: its pattern needs a feature that is missing here", e);
        }
    }

    public string Pattern { get; }

    /// <summary>The matches, as starts and ends in the text.</summary>
    public List<(int Start, int End)> Matches(string text)
    {
        var places = new List<int>();
        var single = Singles(text, places);
        var found = new List<(int, int)>();
        foreach (var match in regex.EnumerateMatches(single))
            found.Add(places.Count == 0 ? (match.Index, match.Index + match.Length) : (places[match.Index], places[match.Index + match.Length]));
        return found;
    }

    /// <summary>The text with one unit for each character; <paramref name="places"/> gets each one's index in the text and the text's length.</summary>
    private static string Singles(string text, List<int> places)
    {
        if (!text.AsSpan().ContainsAnyInRange('\uD800', '\uDBFF'))
            return text;
        var single = new StringBuilder(text.Length);
        for (int i = 0; i < text.Length;)
        {
            places.Add(i);
            int point = RawText.Next(text, ref i);
            single.Append(point < 0x10000 ? (char)point : StandIn(point));
        }
        places.Add(text.Length);
        return single.ToString();
    }

    private static char StandIn(int point) => CharUnicodeInfo.GetUnicodeCategory(point) switch
    {
        UnicodeCategory.UppercaseLetter => '\u2C6F',
        UnicodeCategory.LowercaseLetter => '\u0250',
        UnicodeCategory.TitlecaseLetter => '\u01C5',
        UnicodeCategory.ModifierLetter => '\u02B0',
        UnicodeCategory.OtherLetter => point is >= 0x20000 and < 0x33480 ? '\u3400' : '\uA000',
        UnicodeCategory.NonSpacingMark => '\u1DC0',
        UnicodeCategory.SpacingCombiningMark => '\u0903',
        UnicodeCategory.EnclosingMark => '\u0488',
        UnicodeCategory.DecimalDigitNumber => '\u0660',
        UnicodeCategory.LetterNumber => '\u2160',
        UnicodeCategory.OtherNumber => '\u2460',
        UnicodeCategory.MathSymbol => '\u2200',
        UnicodeCategory.CurrencySymbol => '\u20A0',
        UnicodeCategory.ModifierSymbol => '\u02C2',
        UnicodeCategory.OtherSymbol => '\u2603',
        UnicodeCategory.Format => '\u2060',
        UnicodeCategory.PrivateUse => '\uE000',
        UnicodeCategory.OtherNotAssigned => '\u0378',
        _ => '\u2020',
    };

    private static string Translate(string pattern)
    {
        const string han = "\u2E80-\u2E99\u2E9B-\u2EF3\u2F00-\u2FD5\u3005\u3007\u3021-\u3029\u3038-\u303B\u3400-\u4DBF\u4E00-\u9FFF\uF900-\uFA6D\uFA70-\uFAD9";
        var output = new StringBuilder();
        var groups = new Stack<int>();
        int atom = 0;
        bool inClass = false;
        for (int i = 0; i < pattern.Length; i++)
        {
            char c = pattern[i];
            if (c == '\\' && i + 1 < pattern.Length)
            {
                if (!inClass)
                    atom = output.Length;
                int end = pattern[i + 1] is 'p' or 'P' && i + 2 < pattern.Length && pattern[i + 2] == '{' ? pattern.IndexOf('}', i) + 1 : i + 2;
                if (end <= i) end = pattern.Length;
                var escape = pattern[i..end];
                output.Append(escape is @"\p{Han}" or @"\p{Script=Han}" ? inClass ? han : $"[{han}]" : escape);
                i = end - 1;
            }
            else if (inClass)
            {
                inClass = c != ']';
                output.Append(c == '[' ? @"\[" : c.ToString());
            }
            else if (c is '+' or '?' or '*' or '}' && i + 1 < pattern.Length && pattern[i + 1] == '+')
            {
                output.Insert(atom, "(?>").Append(c).Append(')');
                i++;
            }
            else if (c is '+' or '?' or '*' or '{' or '}' || output.Length > 0 && c is (>= '0' and <= '9') or ',' && IsInCount(pattern, i))
                output.Append(c);
            else
            {
                if (c == ')' && groups.Count > 0) atom = groups.Pop();
                else atom = output.Length;
                if (c == '(') groups.Push(output.Length);
                inClass = c == '[';
                output.Append(c == '$' ? @"\z" : c.ToString());
                // The first character of a class stands for itself, even a bracket.
                if (inClass && i + 1 < pattern.Length && pattern[i + 1] == '^')
                    output.Append(pattern[++i]);
            }
        }
        return output.ToString();
    }

    private static bool IsInCount(string pattern, int index)
    {
        while (index > 0 && (char.IsAsciiDigit(pattern[index]) || pattern[index] == ','))
            index--;
        return pattern[index] == '{' && (index == 0 || pattern[index - 1] != '\\');
    }
}
