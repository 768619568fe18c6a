using System.Globalization;
using System.Text;

namespace Attention.Data.Text.Templates;

internal enum TokenKind
{
    Text,
    OpenValue,
    CloseValue,
    OpenBlock,
    CloseBlock,
    Name,
    Quoted,
    Whole,
    Real,
    Sign,
    End,
}

/// <summary>A piece of a template.</summary>
/// <param name="Kind">What it is.</param>
/// <param name="Text">Its text; of a string what it means.</param>
/// <param name="Line">Where it begins.</param>
internal readonly record struct TemplateToken(TokenKind Kind, string Text, int Line);

/// <summary>Splits a template into text and the signs within its tags.</summary>
internal static class TemplateLexer
{
    private const int Longest = 1 << 20;
    private static readonly string[] signs = ["//", "**", "==", "!=", "<=", ">=", "+", "-", "*", "/", "%", "<", ">", "=", "(", ")", "[", "]", "{", "}", ",", ".", ":", "|", "~"];

    public static List<TemplateToken> Split(string text, TemplateOptions options)
    {
        if (text.Length > Longest)
            throw new UserError($"the template has {text.Length} characters, more than {Longest}", "check that it is a chat template");
        text = text.ReplaceLineEndings("\n");
        if (!options.KeepLastNewline && text.EndsWith('\n'))
            text = text[..^1];
        var tokens = new List<TemplateToken>();
        int position = 0;
        bool trimStart = false, dropNewline = false;
        while (position < text.Length)
        {
            int open = NextTag(text, position);
            var plain = text[position..open];
            int line = LineOf(text, position);
            if (trimStart)
                plain = plain.TrimStart();
            else if (dropNewline && plain.StartsWith('\n'))
                plain = plain[1..];
            if (open == text.Length)
            {
                Add(tokens, plain, line);
                break;
            }
            char kind = text[open + 1], control = open + 2 < text.Length ? text[open + 2] : ' ';
            if (control == '-')
                plain = plain.TrimEnd();
            else if (kind != '{' && control != '+' && options.StripBeforeBlocks && plain.TrimEnd(' ', '\t') is var stripped && (stripped.EndsWith('\n') || stripped == "" && AtLineStart(text, open)))
                plain = stripped;
            Add(tokens, plain, line);
            int start = open + 2 + (control is '-' or '+' ? 1 : 0);
            var (end, after) = kind == '#' ? (text.IndexOf("#}", start, StringComparison.Ordinal), 2) : Inside(text, start, kind == '{' ? "}}" : "%}", kind, tokens);
            if (end < 0)
                throw new TemplateError(LineOf(text, open), $"'{text.Substring(open, 2)}' is never closed");
            trimStart = end > start && text[end - 1] == '-';
            dropNewline = kind != '{' && options.TrimBlocks && !(end > start && text[end - 1] == '+');
            position = end + after;
        }
        tokens.Add(new TemplateToken(TokenKind.End, "", LineOf(text, text.Length)));
        return tokens;
    }

    /// <summary>The signs of an expression alone.</summary>
    public static List<TemplateToken> Inside(string expression)
    {
        var tokens = new List<TemplateToken>();
        Inside(expression, 0, null, ' ', tokens);
        tokens.Add(new TemplateToken(TokenKind.End, "", 1));
        return tokens;
    }

    private static void Add(List<TemplateToken> tokens, string plain, int line)
    {
        if (plain != "")
            tokens.Add(new TemplateToken(TokenKind.Text, plain, line));
    }

    private static int NextTag(string text, int from)
    {
        for (int at = text.IndexOf('{', from); at >= 0 && at + 1 < text.Length; at = text.IndexOf('{', at + 1))
            if (text[at + 1] is '{' or '%' or '#')
                return at;
        return text.Length;
    }

    private static bool AtLineStart(string text, int at)
    {
        while (at > 0 && text[at - 1] is ' ' or '\t')
            at--;
        return at == 0 || text[at - 1] == '\n';
    }

    private static int LineOf(string text, int at) => 1 + text.AsSpan(0, at).Count('\n');

    // Reads up to the closing mark, and gives its place and length; a - or + before it belongs to it.
    private static (int End, int Length) Inside(string text, int start, string? close, char kind, List<TemplateToken> tokens)
    {
        if (close is not null)
            tokens.Add(new TemplateToken(kind == '{' ? TokenKind.OpenValue : TokenKind.OpenBlock, "", LineOf(text, start)));
        int nested = 0;
        for (int at = start; at < text.Length;)
        {
            char first = text[at];
            if (char.IsWhiteSpace(first))
            {
                at++;
                continue;
            }
            int line = close is null ? 1 : LineOf(text, at);
            int sign = first is '-' or '+' ? 1 : 0;
            if (close is not null && nested == 0 && string.CompareOrdinal(text, at + sign, close, 0, 2) == 0)
            {
                tokens.Add(new TemplateToken(kind == '{' ? TokenKind.CloseValue : TokenKind.CloseBlock, "", line));
                return (at + sign, 2);
            }
            if (first is '"' or '\'')
            {
                var (value, after) = String(text, at, line);
                tokens.Add(new TemplateToken(TokenKind.Quoted, value, line));
                at = after;
            }
            else if (char.IsLetter(first) || first == '_')
            {
                int end = at;
                while (end < text.Length && (char.IsLetterOrDigit(text[end]) || text[end] == '_'))
                    end++;
                tokens.Add(new TemplateToken(TokenKind.Name, text[at..end], line));
                at = end;
            }
            else if (char.IsAsciiDigit(first))
            {
                int end = at;
                while (end < text.Length && (char.IsAsciiDigit(text[end]) || text[end] == '.' && end + 1 < text.Length && char.IsAsciiDigit(text[end + 1])))
                    end++;
                if (end + 1 < text.Length && text[end] is 'e' or 'E' && (char.IsAsciiDigit(text[end + 1]) || text[end + 1] is '-' or '+' && end + 2 < text.Length && char.IsAsciiDigit(text[end + 2])))
                    for (end += 2; end < text.Length && char.IsAsciiDigit(text[end]);)
                        end++;
                tokens.Add(new TemplateToken(text.AsSpan(at, end - at).ContainsAny(".eE") ? TokenKind.Real : TokenKind.Whole, text[at..end], line));
                at = end;
            }
            else if (signs.FirstOrDefault(each => string.CompareOrdinal(text, at, each, 0, each.Length) == 0) is { } found)
            {
                nested += found is "{" or "[" or "(" ? 1 : found is "}" or "]" or ")" ? -1 : 0;
                tokens.Add(new TemplateToken(TokenKind.Sign, found, line));
                at += found.Length;
            }
            else
                throw new TemplateError(line, $"the character '{first}' means nothing here");
        }
        return (-1, 0);
    }

    private static (string Value, int After) String(string text, int start, int line)
    {
        var value = new StringBuilder();
        for (int at = start + 1; at < text.Length; at++)
        {
            if (text[at] == text[start])
                return (value.ToString(), at + 1);
            if (text[at] != '\\' || at + 1 == text.Length)
            {
                value.Append(text[at]);
                continue;
            }
            char escaped = text[++at];
            int digits = escaped switch { 'x' => 2, 'u' => 4, 'U' => 8, _ => 0 };
            if (digits > 0 && at + digits < text.Length && int.TryParse(text.AsSpan(at + 1, digits), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out int code) && (digits == 4 || Rune.IsValid(code)))
            {
                value.Append(digits == 4 ? ((char)code).ToString() : new Rune(code).ToString());
                at += digits;
                continue;
            }
            value.Append(escaped switch { 'n' => "\n", 't' => "\t", 'r' => "\r", '0' => "\0", '\\' => "\\", '\'' => "'", '"' => "\"", '\n' => "", _ => "\\" + escaped });
        }
        throw new TemplateError(line, "a string is never closed");
    }
}
