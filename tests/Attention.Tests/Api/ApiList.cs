using System.Text;

namespace Attention.Tests.Api;

/// <summary>
/// The official TorchSharp API as its list prints it. A type's key is its full name with the number of its generic parameters
/// (<c>TorchSharp.torch.nn.Module`2</c>); a signature is <c>(type, type) -> type</c> with <c>!0</c> for the type's first generic
/// parameter and <c>!!0</c> for the method's.
/// </summary>
public sealed class ApiList
{
    private sealed record TypeEntry(string Line, string[] Bases)
    {
        public Dictionary<string, List<(string Signature, string Line)>> Members { get; } = [];
    }

    private readonly Dictionary<string, TypeEntry> types = [];
    private readonly HashSet<string> valueTypes = ["bool", "char", "byte", "sbyte", "short", "ushort", "int", "uint", "long", "ulong", "float", "double", "decimal"];

    public ApiList(IEnumerable<string> lines)
    {
        var all = lines.Where(line => line.Length > 0).ToList();
        foreach (var line in all.Select(WithoutObsolete).Where(line => KindOf(line) is "enum" or "struct"))
            valueTypes.Add(line[..line.IndexOfAny([' ', '<'])]);
        Lines = all.Select(Canonical).ToList();
        foreach (var line in Lines)
            Add(line);
    }

    public static ApiList Load(string path) => new(File.ReadLines(path));

    /// <summary>All lines, without the nullability of reference types and without notes of obsolescence.</summary>
    public IReadOnlyList<string> Lines { get; }

    public bool HasType(string key) => types.ContainsKey(key);

    /// <summary>Whether the type or one of its bases has this member.</summary>
    public bool HasMember(string type, string name, string signature) =>
        types.TryGetValue(type, out var entry)
        && (entry.Members.TryGetValue(name, out var overloads) && overloads.Any(overload => overload.Signature == signature)
            || entry.Bases.Any(basis => HasMember(basis, name, signature)));

    /// <summary>The lines of the members of that name.</summary>
    public IEnumerable<string> Overloads(string type, string name) =>
        types.TryGetValue(type, out var entry) && entry.Members.TryGetValue(name, out var overloads) ? overloads.Select(o => o.Line) : [];

    /// <summary>The name of the type that a line tells about, with its generic parameters: <c>TorchSharp.torch.nn.Module&lt;T, TResult></c>.</summary>
    public static string TypeOf(string line) => IsTypeLine(line) ? Path(line) : SplitPath(Path(line)).Type;

    /// <summary>The name of the member that a line tells about, or an empty string for a type's own line.</summary>
    public static string MemberOf(string line) => IsTypeLine(line) ? "" : WithoutGeneric(SplitPath(Path(line)).Member);

    public static bool IsTypeLine(string line) => KindOf(line) is "class" or "struct" or "interface" or "enum" or "delegate";

    /// <summary>What follows the bar: <c>public static method</c>.</summary>
    public static string Modifiers(string line) => line[(line.LastIndexOf(" | ", StringComparison.Ordinal) + 3)..];

    // --- reading a line ---------------------------------------------------------------------------

    private static string KindOf(string line) =>
        Modifiers(line).Split(' ', StringSplitOptions.RemoveEmptyEntries).Last(word => word != "[Flags]");

    private static string WithoutObsolete(string line)
    {
        var at = line.IndexOf(" [Obsolete", StringComparison.Ordinal);
        return at < 0 ? line : line[..at];
    }

    /// <summary>A question mark stays where it means System.Nullable.</summary>
    private string Canonical(string line)
    {
        line = WithoutObsolete(line);
        var text = new StringBuilder();
        var quoted = false;
        for (var i = 0; i < line.Length; i++)
        {
            if (line[i] == '"' && line[i - 1] != '\\')
                quoted = !quoted;
            if (line[i] != '?' || quoted || IsValueBefore(line, i))
                text.Append(line[i]);
        }
        return text.ToString();
    }

    private bool IsValueBefore(string line, int end)
    {
        // Tuples are values; generic types and arrays that may be null are references throughout the list.
        if (line[end - 1] is ')' or '>' or ']')
            return line[end - 1] == ')';
        var start = end;
        while (start > 0 && (char.IsLetterOrDigit(line[start - 1]) || line[start - 1] is '.' or '_'))
            start--;
        var name = line[start..end];
        return valueTypes.Contains(name) || Type.GetType(name)?.IsValueType == true;
    }

    private void Add(string line)
    {
        var path = Path(line);
        var rest = line[path.Length..line.LastIndexOf(" | ", StringComparison.Ordinal)];
        if (IsTypeLine(line))
        {
            var typeNames = new GenericNames(path, "");
            var isDelegate = KindOf(line) == "delegate";
            var entry = new TypeEntry(line, isDelegate ? [] : TypeReader.List(rest.StartsWith(" : ", StringComparison.Ordinal) ? rest[3..] : "", typeNames)
                .Select(basis => basis.Key).ToArray());
            types.Add(KeyOf(path), entry);
            if (isDelegate)
            {
                AddMember(entry, ".ctor", "(object, System.IntPtr) -> void", line);
                AddMember(entry, "Invoke", MethodSignature(rest, typeNames), line);
            }
            return;
        }

        var (typePath, member) = SplitPath(path);
        var owner = types[KeyOf(typePath)];
        var names = new GenericNames(typePath, member);
        var name = WithoutGeneric(member);
        switch (KindOf(line))
        {
            case "constructor":
                AddMember(owner, ".ctor", MethodSignature(rest + " -> void", names), line);
                break;
            case "method" or "operator":
                AddMember(owner, name, MethodSignature(rest, names), line);
                break;
            case "property" or "indexer":
                AddProperty(owner, name, rest, names, line);
                break;
            case "field":
                AddMember(owner, name, TypeReader.One(rest[(rest.LastIndexOf(" -> ", StringComparison.Ordinal) + 4)..], names).Text, line);
                break;
            case "event":
                var handler = TypeReader.One(rest[4..], names).Text;
                AddMember(owner, "add_" + name, $"({handler}) -> void", line);
                AddMember(owner, "remove_" + name, $"({handler}) -> void", line);
                break;
            case "member":
                AddMember(owner, name, KeyOf(typePath), line);
                break;
        }
    }

    private static void AddProperty(TypeEntry owner, string name, string rest, GenericNames names, string line)
    {
        var index = Array.Empty<string>();
        if (name == "this")
        {
            var close = rest.IndexOf("] {", StringComparison.Ordinal);
            index = TypeReader.Parameters(rest[1..close], names);
            name = "Item";
        }
        var type = TypeReader.One(rest[(rest.LastIndexOf(" -> ", StringComparison.Ordinal) + 4)..], names).Text;
        if (rest.Contains("get; ", StringComparison.Ordinal))
            AddMember(owner, "get_" + name, $"({string.Join(", ", index)}) -> {type}", line);
        if (rest.Contains("set; ", StringComparison.Ordinal) || rest.Contains("init; ", StringComparison.Ordinal))
            AddMember(owner, "set_" + name, $"({string.Join(", ", index.Append(type))}) -> void", line);
    }

    private static void AddMember(TypeEntry owner, string name, string signature, string line)
    {
        if (!owner.Members.TryGetValue(name, out var overloads))
            owner.Members.Add(name, overloads = []);
        overloads.Add((signature, line));
    }

    /// <summary>Reads <c>(parameters) -> type where ...</c>.</summary>
    private static string MethodSignature(string text, GenericNames names)
    {
        var arrow = text.LastIndexOf(") -> ", StringComparison.Ordinal);
        return $"({string.Join(", ", TypeReader.Parameters(text[1..arrow], names))}) -> {TypeReader.One(text[(arrow + 5)..], names).Text}";
    }

    /// <summary>The dotted name that a line begins with, up to its bases, parameters, accessors or value.</summary>
    private static string Path(string line)
    {
        var depth = 0;
        for (var i = 0; i < line.Length; i++)
        {
            if (line[i] == '<')
                depth++;
            else if (line[i] == '>')
                depth--;
            else if (depth == 0 && line[i] is ' ' or '(' or '[')
                return line[..i];
        }
        return line;
    }

    private static (string Type, string Member) SplitPath(string path)
    {
        var depth = 0;
        for (var i = path.Length - 1; i > 0; i--)
        {
            if (path[i] == '>')
                depth++;
            else if (path[i] == '<')
                depth--;
            else if (depth == 0 && path[i] == '.')
                return (path[..i], path[(i + 1)..]);
        }
        throw new FormatException($"no member in '{path}'");
    }

    private static string WithoutGeneric(string name) => name.Split('<')[0];

    private static string KeyOf(string path) => TypeReader.One(path, new GenericNames("", "")).Key;
}
