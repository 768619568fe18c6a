using System.Reflection;
using System.Text;
using System.Text.RegularExpressions;
using Attention.Tests.Api;

namespace Attention.OfficialStub;

/// <summary>
/// Turns a list of members into C# source with exactly these members and no bodies: an assembly to compile against where the
/// real one cannot be had.
/// </summary>
public sealed class StubWriter
{
    private const string Body = " { throw null!; }";

    private sealed record TypeNode(ApiLine Line)
    {
        public List<TypeNode> Nested { get; } = [];

        public List<ApiLine> Members { get; } = [];

        public string Constraints => Line.Rest.IndexOf(" where ", StringComparison.Ordinal) is var at and >= 0 ? Line.Rest[at..] : "";

        public string Bases => Line.Rest[..^Constraints.Length];

        public List<string> BaseList => Bases.Length > 0 && Line.Kind != "delegate" ? ApiLine.SplitAtCommas(Bases[" : ".Length..]) : [];
    }

    private readonly Dictionary<string, TypeNode> types = [];
    private readonly Dictionary<string, TypeNode> typesByKey = [];
    private readonly StringBuilder text = new();

    public StubWriter(IEnumerable<string> lines)
    {
        var all = lines.Where(line => line.Length > 0).Select(ApiLine.Parse).ToList();
        foreach (var line in all.Where(line => line.IsType))
            typesByKey[Key(line.Path)] = types[line.Path] = new TypeNode(line);
        foreach (var line in all.Where(line => !line.IsType))
            types[line.Type].Members.Add(line);
    }

    public string Write()
    {
        // A constructor that takes a Stub_ exists in every class, so that every constructor has one of its base to call.
        text.AppendLine("#nullable enable\n#pragma warning disable\nusing System;\ninternal struct Stub_;");
        // The members of SummaryWriter name these types of a package that TorchSharp depends on.
        text.AppendLine("namespace Tensorboard { public class HistogramProto; public class Summary { public static class Types { public class Image; } } }");
        var outermost = new List<TypeNode>();
        foreach (var node in types.Values)
            (types.TryGetValue(ApiLine.Split(node.Line.Path).Owner, out var outer) ? outer.Nested : outermost).Add(node);
        foreach (var group in outermost.GroupBy(node => ApiLine.Split(node.Line.Path).Owner))
        {
            text.AppendLine($"namespace {group.Key}\n{{");
            foreach (var node in group)
                WriteType(node);
            text.AppendLine("}");
        }
        return text.ToString();
    }

    private void WriteType(TypeNode node)
    {
        var line = node.Line;
        var name = ApiLine.Split(line.Path).Name;
        if (line.Kind == "delegate")
        {
            var (parameters, returned, constraints) = Signature(line.Rest);
            text.AppendLine($"{line.Attributes} {line.Modifiers} delegate {returned} {name}({parameters}){constraints};");
            return;
        }

        text.AppendLine($"{line.Attributes} {line.Modifiers} {line.Kind} {name}{node.Bases}{node.Constraints}\n{{");
        var baseCall = "";
        if (line.Kind == "class" && !line.Modifiers.Contains("static"))
        {
            var first = node.BaseList.FirstOrDefault("");
            if (typesByKey.TryGetValue(Key(first), out var basis) && basis.Line.Kind == "class")
                baseCall = " : base(default(Stub_))";
            else if (first == "System.Runtime.InteropServices.SafeHandle")
                baseCall = " : base(default, default)";
            text.AppendLine($"internal {name.Split('<')[0]}(Stub_ _){baseCall} {{ }}");
        }
        foreach (var member in node.Members)
            WriteMember(member, line.Kind == "interface", baseCall);
        if (line.Kind is "class" or "struct")
            node.BaseList.ForEach(ImplementInterface);
        node.Nested.ForEach(WriteType);
        text.AppendLine("}");
    }

    private void WriteMember(ApiLine line, bool inInterface, string baseCall)
    {
        var (rest, name) = (line.Rest, "@" + line.Member);
        var body = inInterface || line.Modifiers.Contains("abstract") ? ";" : Body;
        // An extension method shows by its first parameter, a member of an enum by where it stands.
        var modifiers = inInterface || line.Kind == "member" ? "" : line.Modifiers.Replace(" extension", "");
        text.Append($"{line.Attributes} {modifiers} ");
        switch (line.Kind)
        {
            case "member":
                text.AppendLine($"{name}{rest},");
                break;
            case "constructor":
                text.AppendLine($"{line.Member}({Parameters(rest[1..^1])}){baseCall}{Body}");
                break;
            case "method":
                var (parameters, returned, constraints) = Signature(rest);
                text.AppendLine($"{returned} {name}({parameters}){(line.Modifiers.Contains("override") ? "" : constraints)}{body}");
                break;
            case "operator":
                var (operands, result, _) = Signature(rest);
                text.AppendLine($"{Operator(line.Member, result)}({operands}){Body}");
                break;
            case "field":
                var type = AfterArrow(rest);
                text.AppendLine($"{type} {name}{rest[..^(" -> ".Length + type.Length)].Replace(" = ", $" = ({type})")};");
                break;
            case "event":
                text.AppendLine($"event {AfterArrow(rest)} {name} {{ add {{ }} remove {{ }} }}");
                break;
            case "property":
                text.AppendLine($"{AfterArrow(rest)} {name}{Accessors(rest, body)}");
                break;
            case "indexer":
                var close = rest.LastIndexOf("] {", StringComparison.Ordinal);
                text.AppendLine($"{AfterArrow(rest)} this[{Parameters(rest[1..close])}]{Accessors(rest[(close + 1)..], body)}");
                break;
        }
    }

    // --- interfaces: the list has no explicit implementations, so every interface gets all of them -----------------

    private void ImplementInterface(string type)
    {
        var arguments = Arguments(type);
        if (typesByKey.TryGetValue(Key(type), out var own))
        {
            if (own.Line.Kind != "interface")
                return;
            var names = Arguments(own.Line.Path);
            string Substitute(string part) => Regex.Replace(part, @"\b[A-Z]\w*\b", word => names.IndexOf(word.Value) is var i and >= 0 ? arguments[i] : word.Value);
            foreach (var member in own.Members)
            {
                var rest = Substitute(member.Rest);
                if (member.Kind == "method")
                    text.AppendLine($"{Signature(rest).Returned} {type}.{member.Member}({Signature(rest).Parameters}){Body}");
                else
                    text.AppendLine($"{AfterArrow(rest)} {type}.{member.Member}{Accessors(rest, Body)}");
            }
            return;
        }

        if (Type.GetType(Key(type)) is not { IsInterface: true } system)
            return;
        string Name(Type part) => part switch
        {
            { IsByRef: true } => Name(part.GetElementType()!),
            { IsArray: true } => Name(part.GetElementType()!) + "[]",
            { IsGenericParameter: true } => arguments[part.GenericParameterPosition],
            { IsGenericType: true } => $"{part.Namespace}.{part.Name.Split('`')[0]}<{string.Join(", ", part.GetGenericArguments().Select(Name))}>",
            _ => part == typeof(void) ? "void" : part.FullName!,
        };
        string List(ParameterInfo[] parameters) => string.Join(", ", parameters.Select(p => $"{(p.IsOut ? "out " : "")}{Name(p.ParameterType)} @{p.Name}"));
        foreach (var method in system.GetMethods().Where(method => method.IsAbstract && !method.IsSpecialName))
            text.AppendLine($"{Name(method.ReturnType)} {type}.{method.Name}({List(method.GetParameters())}){Body}");
        foreach (var property in system.GetProperties())
        {
            var index = property.GetIndexParameters();
            text.AppendLine($"{Name(property.PropertyType)} {type}.{(index.Length > 0 ? $"this[{List(index)}]" : property.Name)}"
                + $" {{ {(property.CanRead ? "get" + Body : "")} {(property.CanWrite ? "set" + Body : "")} }}");
        }
    }

    // --- parts of a line ------------------------------------------------------------------------------------------

    /// <summary>The full name of a type's definition with the number of its generic parameters.</summary>
    private static string Key(string type)
    {
        var arguments = Arguments(type).Count;
        var name = type;
        for (var shorter = ""; shorter != name;)
            (shorter, name) = (name, Regex.Replace(name, "<[^<>]*>", ""));
        return arguments == 0 ? name : $"{name}`{arguments}";
    }

    private static List<string> Arguments(string type) =>
        type.IndexOf('<') is var open and >= 0 ? ApiLine.SplitAtCommas(type[(open + 1)..type.LastIndexOf('>')]) : [];

    private static string AfterArrow(string rest) => rest[(rest.LastIndexOf(" -> ", StringComparison.Ordinal) + 4)..];

    private static (string Parameters, string Returned, string Constraints) Signature(string rest)
    {
        var arrow = rest.LastIndexOf(") -> ", StringComparison.Ordinal);
        var constraints = rest.IndexOf(" where ", arrow, StringComparison.Ordinal) is var at and >= 0 ? rest[at..] : "";
        return (Parameters(rest[1..arrow]), AfterArrow(rest)[..^constraints.Length], constraints);
    }

    /// <summary>Guards the names against being keywords.</summary>
    private static string Parameters(string list) => string.Join(", ", ApiLine.SplitAtCommas(list).Select(parameter =>
    {
        var end = parameter.IndexOf(" = ", StringComparison.Ordinal) is var at and >= 0 ? at : parameter.Length;
        var name = parameter.LastIndexOf(' ', end - 1) + 1;
        return $"{parameter[..name]}@{parameter[name..]}";
    }));

    private static string Accessors(string rest, string body)
    {
        var accessors = rest[rest.IndexOf(" { ", StringComparison.Ordinal)..(rest.LastIndexOf("} -> ", StringComparison.Ordinal) + 1)];
        return accessors.Replace(";", body);
    }

    private static string Operator(string name, string result) => name switch
    {
        "op_Implicit" => $"implicit operator {result}",
        "op_Explicit" => $"explicit operator {result}",
        _ => $"{result} operator " + name["op_".Length..] switch
        {
            "Addition" or "UnaryPlus" => "+",
            "Subtraction" or "UnaryNegation" => "-",
            "Multiply" => "*",
            "Division" => "/",
            "Modulus" => "%",
            "Equality" => "==",
            "Inequality" => "!=",
            "LessThan" => "<",
            "LessThanOrEqual" => "<=",
            "GreaterThan" => ">",
            "GreaterThanOrEqual" => ">=",
            "BitwiseAnd" => "&",
            "BitwiseOr" => "|",
            "ExclusiveOr" => "^",
            "OnesComplement" => "~",
            "LogicalNot" => "!",
            "LeftShift" => "<<",
            "RightShift" => ">>",
            _ => throw new NotSupportedException(name),
        },
    };
}
