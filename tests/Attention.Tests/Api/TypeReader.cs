namespace Attention.Tests.Api;

/// <summary>A type in a signature, and the key of its definition.</summary>
public readonly record struct TypeText(string Text, string Key)
{
    public TypeText(string text) : this(text, text)
    {
    }

    /// <summary>A generic type with all arguments at its end, those of enclosing types first.</summary>
    public static TypeText Generic(string name, IReadOnlyList<string> arguments) =>
        arguments.Count == 0 ? new(name) : new($"{name}<{string.Join(", ", arguments)}>", $"{name}`{arguments.Count}");
}

/// <summary>The generic parameters in scope of a member, by name.</summary>
public sealed class GenericNames
{
    private readonly Dictionary<string, string> names = [];

    public GenericNames(string typePath, string member)
    {
        Add(typePath, "!");
        Add(member, "!!");
    }

    public string Resolve(string name) => names.GetValueOrDefault(name, name);

    private void Add(string path, string prefix)
    {
        var position = 0;
        foreach (var part in path.Split('<').Skip(1))
        {
            foreach (var name in part.Split('>')[0].Split(','))
                names[name.Trim().Split(' ')[^1]] = prefix + position++;
        }
    }
}

/// <summary>Reads types as C# writes them; drops the names of parameters and tuple elements, defaults and modifiers.</summary>
public ref struct TypeReader
{
    private readonly ReadOnlySpan<char> text;
    private readonly GenericNames names;
    private int at;

    private TypeReader(ReadOnlySpan<char> text, GenericNames names)
    {
        this.text = text;
        this.names = names;
    }

    public static TypeText One(string text, GenericNames names) => new TypeReader(text, names).Type();

    /// <summary>Types that are separated by commas, up to the end or the first constraint.</summary>
    public static List<TypeText> List(string text, GenericNames names)
    {
        var reader = new TypeReader(text, names);
        var list = new List<TypeText>();
        while (reader.at < text.Length && !reader.Skip(" where "))
        {
            list.Add(reader.Type());
            reader.Skip(", ");
        }
        return list;
    }

    /// <summary>The types of parameters; by-reference parameters of all kinds read <c>ref type</c>.</summary>
    public static string[] Parameters(string text, GenericNames names)
    {
        var reader = new TypeReader(text, names);
        var list = new List<string>();
        while (reader.at < text.Length)
        {
            reader.Skip("this ");
            reader.Skip("params ");
            var byReference = reader.Skip("ref ") || reader.Skip("out ") || reader.Skip("in ");
            list.Add((byReference ? "ref " : "") + reader.Type().Text);
            reader.SkipToNextParameter();
        }
        return [.. list];
    }

    private bool Skip(string expected)
    {
        if (!text[at..].StartsWith(expected))
            return false;
        at += expected.Length;
        return true;
    }

    private void SkipToNextParameter()
    {
        var quoted = false;
        while (at < text.Length)
        {
            if (text[at] == '"' && text[at - 1] != '\\')
                quoted = !quoted;
            if (!quoted && Skip(", "))
                return;
            at++;
        }
    }

    private TypeText Type()
    {
        Skip("ref ");
        var type = Skip("(") ? Tuple() : Named();
        while (at < text.Length)
        {
            var start = at;
            if (text[at] == '[')
                at += text[at..].IndexOf(']') + 1;
            else if (text[at] is '?' or '*')
                at++;
            else
                break;
            type = new TypeText(type.Text + text[start..at].ToString());
        }
        return type;
    }

    private TypeText Tuple()
    {
        var elements = new List<string>();
        while (!Skip(")"))
        {
            elements.Add(Type().Text);
            if (Skip(" "))
                Identifier();
            Skip(", ");
        }
        return new TypeText($"({string.Join(", ", elements)})");
    }

    private TypeText Named()
    {
        var name = names.Resolve(Identifier());
        var arguments = new List<string>();
        while (at < text.Length)
        {
            if (Skip("<"))
            {
                while (!Skip(">"))
                {
                    if (!Skip("in "))
                        Skip("out ");
                    arguments.Add(Type().Text);
                    Skip(", ");
                }
            }
            else if (Skip("."))
                name += "." + Identifier();
            else
                break;
        }
        return TypeText.Generic(name, arguments);
    }

    private string Identifier()
    {
        var start = at;
        while (at < text.Length && (char.IsLetterOrDigit(text[at]) || text[at] is '_' or '!' or '@'))
            at++;
        return text[start..at].ToString();
    }
}
