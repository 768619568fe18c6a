using System.Text;

namespace Attention.Tests.Api;

/// <summary>
/// A list of members as TorchSharp's official one is printed. A type's key is its full name with the number of its generic
/// parameters (<c>TorchSharp.torch.nn.Module`2</c>); a signature is <c>(type, type) -> type</c> with <c>!0</c> for the type's
/// first generic parameter and <c>!!0</c> for the method's.
/// </summary>
public sealed class ApiList
{
    private sealed record TypeEntry(string[] Bases)
    {
        public Dictionary<string, List<(string Signature, string Line)>> Members { get; } = [];
    }

    private readonly Dictionary<string, TypeEntry> types = [];
    private readonly HashSet<string> valueTypes = ["bool", "char", "byte", "sbyte", "short", "ushort", "int", "uint", "long", "ulong", "float", "double", "decimal"];

    public ApiList(IEnumerable<string> lines)
    {
        var all = lines.Where(line => line.Length > 0).ToList();
        valueTypes.UnionWith(all.Select(ApiLine.Parse).Where(line => line.Kind is "enum" or "struct").Select(line => line.Path));
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

    /// <summary>A question mark stays where it means System.Nullable.</summary>
    private string Canonical(string line)
    {
        var end = line.IndexOf(" [Obsolete", StringComparison.Ordinal) is var at and >= 0 ? at : line.Length;
        var text = new StringBuilder();
        var quoted = false;
        for (var i = 0; i < end; i++)
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

    private void Add(string text)
    {
        var line = ApiLine.Parse(text);
        var names = new GenericNames(line.Type, line.Member);
        var (name, rest) = (line.MemberName, line.Rest);
        if (line.IsType)
        {
            var bases = rest.StartsWith(" : ", StringComparison.Ordinal) ? TypeReader.List(rest[3..], names).Select(basis => basis.Key) : [];
            types.Add(KeyOf(line.Path), new TypeEntry([.. bases]));
        }

        var owner = types[KeyOf(line.Type)];
        void AddMember(string member, string signature)
        {
            if (!owner.Members.TryGetValue(member, out var overloads))
                owner.Members.Add(member, overloads = []);
            overloads.Add((signature, text));
        }

        switch (line.Kind)
        {
            case "delegate":
                AddMember(".ctor", "(object, System.IntPtr) -> void");
                AddMember("Invoke", MethodSignature(rest, names));
                break;
            case "constructor":
                AddMember(".ctor", MethodSignature(rest + " -> void", names));
                break;
            case "method" or "operator":
                AddMember(name, MethodSignature(rest, names));
                break;
            case "property" or "indexer":
                string[] index = line.Kind == "property" ? [] : TypeReader.Parameters(rest[1..rest.IndexOf("] {", StringComparison.Ordinal)], names);
                var (property, type) = (line.Kind == "property" ? name : "Item", TypeAfterArrow(rest, names));
                if (rest.Contains("get; ", StringComparison.Ordinal))
                    AddMember("get_" + property, $"({string.Join(", ", index)}) -> {type}");
                if (rest.Contains("set; ", StringComparison.Ordinal) || rest.Contains("init; ", StringComparison.Ordinal))
                    AddMember("set_" + property, $"({string.Join(", ", index.Append(type))}) -> void");
                break;
            case "event":
                AddMember("add_" + name, $"({TypeAfterArrow(rest, names)}) -> void");
                AddMember("remove_" + name, $"({TypeAfterArrow(rest, names)}) -> void");
                break;
            case "field":
                AddMember(name, TypeAfterArrow(rest, names));
                break;
            case "member":
                AddMember(name, KeyOf(line.Type));
                break;
        }
    }

    /// <summary>Reads <c>(parameters) -> type where ...</c>.</summary>
    private static string MethodSignature(string text, GenericNames names)
    {
        var arrow = text.LastIndexOf(") -> ", StringComparison.Ordinal);
        return $"({string.Join(", ", TypeReader.Parameters(text[1..arrow], names))}) -> {TypeAfterArrow(text, names)}";
    }

    private static string TypeAfterArrow(string text, GenericNames names) =>
        TypeReader.One(text[(text.LastIndexOf(" -> ", StringComparison.Ordinal) + 4)..], names).Text;

    private static string KeyOf(string path) => TypeReader.One(path, new GenericNames("", "")).Key;
}
