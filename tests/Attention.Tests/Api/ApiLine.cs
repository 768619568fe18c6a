namespace Attention.Tests.Api;

/// <summary>
/// A line of the list of members, taken apart: <c>Namespace.Type.Member(parameters) -> type where ... | modifiers kind</c>.
/// </summary>
/// <param name="Path">The dotted name that it begins with, with generic parameters.</param>
/// <param name="Rest">What lies between the name and the bar: bases, parameters, accessors, type, constraints.</param>
/// <param name="Modifiers">What follows the bar, without the kind: <c>public static</c>.</param>
/// <param name="Kind">The last word of that: <c>class</c>, <c>method</c>, <c>operator</c>, <c>member</c> (of an enum) and so on.</param>
/// <param name="Attributes"><c>[Flags]</c> and <c>[Obsolete("...")]</c>, as they stand.</param>
public sealed record ApiLine(string Path, string Rest, string Modifiers, string Kind, string Attributes)
{
    public static ApiLine Parse(string line)
    {
        var attributes = line.IndexOf(" [Obsolete", StringComparison.Ordinal) is var at and >= 0 ? line[(at + 1)..] : "";
        var text = line[..^(attributes.Length > 0 ? attributes.Length + 1 : 0)];
        if (text.EndsWith(" [Flags]", StringComparison.Ordinal))
        {
            text = text[..^" [Flags]".Length];
            attributes = "[Flags]" + attributes;
        }
        var bar = text.LastIndexOf(" | ", StringComparison.Ordinal);
        var words = text[(bar + 3)..].Split(' ');
        var path = text[..PathLength(text)];
        return new ApiLine(path, text[path.Length..bar], string.Join(' ', words[..^1]), words[^1], attributes);
    }

    public bool IsType => Kind is "class" or "struct" or "interface" or "enum" or "delegate";

    /// <summary>The type that the line tells about, with its generic parameters.</summary>
    public string Type => IsType ? Path : Split(Path).Owner;

    /// <summary>The member that the line tells about, with its generic parameters; empty for a type's own line.</summary>
    public string Member => IsType ? "" : Split(Path).Name;

    /// <summary>The member's name alone.</summary>
    public string MemberName => Member.Split('<')[0];

    /// <summary>Parts a path at its last dot outside of angle brackets.</summary>
    public static (string Owner, string Name) Split(string path)
    {
        var depth = 0;
        for (var i = path.Length - 1; i > 0; i--)
        {
            depth += path[i] switch { '>' => 1, '<' => -1, _ => 0 };
            if (depth == 0 && path[i] == '.')
                return (path[..i], path[(i + 1)..]);
        }
        return ("", path);
    }

    /// <summary>Parts a text at the commas outside of all brackets and quotes.</summary>
    public static List<string> SplitAtCommas(string text)
    {
        var parts = new List<string>();
        var (depth, start, quoted) = (0, 0, false);
        for (var i = 0; i < text.Length; i++)
        {
            if (text[i] == '"' && (i == 0 || text[i - 1] != '\\'))
                quoted = !quoted;
            if (quoted)
                continue;
            depth += text[i] switch { '<' or '(' or '[' => 1, '>' or ')' or ']' => -1, _ => 0 };
            if (depth == 0 && text[i] == ',')
            {
                parts.Add(text[start..i]);
                start = i + 2;
            }
        }
        return text.Length == 0 ? parts : [.. parts, text[start..]];
    }

    private static int PathLength(string text)
    {
        var depth = 0;
        for (var i = 0; i < text.Length; i++)
        {
            depth += text[i] switch { '<' => 1, '>' => -1, _ => 0 };
            if (depth == 0 && text[i] is ' ' or '(' or '[')
                return i;
        }
        return text.Length;
    }
}
