using System.Globalization;
using System.Reflection;
using System.Runtime.CompilerServices;
using System.Text;

namespace Attention.Tests.Api;

/// <summary>
/// Prints the visible surface of an assembly, one member a line, in the notation of the list of TorchSharp's official members:
/// <c>Namespace.Type.Member(parameters) -> type | modifiers kind</c>, without the nullability of reference types.
/// </summary>
public static class SignatureWriter
{
    private const BindingFlags Declared =
        BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.Instance | BindingFlags.Static | BindingFlags.DeclaredOnly;

    private static readonly Dictionary<Type, string> Keywords = new()
    {
        [typeof(void)] = "void",
        [typeof(object)] = "object",
        [typeof(string)] = "string",
        [typeof(bool)] = "bool",
        [typeof(char)] = "char",
        [typeof(byte)] = "byte",
        [typeof(sbyte)] = "sbyte",
        [typeof(short)] = "short",
        [typeof(ushort)] = "ushort",
        [typeof(int)] = "int",
        [typeof(uint)] = "uint",
        [typeof(long)] = "long",
        [typeof(ulong)] = "ulong",
        [typeof(float)] = "float",
        [typeof(double)] = "double",
        [typeof(decimal)] = "decimal",
    };

    /// <summary>The lines of all visible types that pass the filter.</summary>
    public static IEnumerable<string> Lines(Assembly assembly, Func<Type, bool> filter) =>
        assembly.GetTypes().Where(type => IsVisible(type) && !type.Name.StartsWith('<') && filter(type)).SelectMany(Lines);

    private static IEnumerable<string> Lines(Type type)
    {
        var name = TypeName(type);
        var access = type.IsNested && !type.IsNestedPublic ? "protected" : "public";
        if (type.BaseType == typeof(MulticastDelegate))
        {
            var invoke = type.GetMethod("Invoke")!;
            return [$"{name}({Parameters(invoke.GetParameters())}) -> {Returned(invoke)}{Constraints(type.GetGenericArguments())} | {access} delegate"];
        }

        var bases = Bases(type).ToList();
        var header = name + (bases.Count > 0 ? " : " + string.Join(", ", bases) : "") + Constraints(type.GetGenericArguments())
            + $" | {access} {Kind(type)}" + (type.IsDefined(typeof(FlagsAttribute)) ? " [Flags]" : "");
        return Members(type, name).Prepend(header);
    }

    private static IEnumerable<string> Members(Type type, string name)
    {
        if (type.IsEnum)
        {
            foreach (var field in type.GetFields(BindingFlags.Public | BindingFlags.Static))
                yield return $"{name}.{field.Name} = {Literal(field.GetRawConstantValue())} | enum member";
            yield break;
        }

        foreach (var constructor in type.GetConstructors(Declared).Where(c => !c.IsStatic && IsVisible(c)))
            yield return $"{name}.{WithoutArity(type.Name)}({Parameters(constructor.GetParameters())}) | {Access(constructor)} constructor";

        var accessors = new HashSet<MethodInfo?>();
        foreach (var property in type.GetProperties(Declared))
        {
            var (get, set) = (property.GetGetMethod(true), property.GetSetMethod(true));
            accessors.UnionWith([get, set]);
            if (IsVisible(get) || IsVisible(set))
                yield return Property(name, property, get, set);
        }

        foreach (var @event in type.GetEvents(Declared))
        {
            var add = @event.GetAddMethod(true)!;
            accessors.UnionWith([add, @event.GetRemoveMethod(true)]);
            if (IsVisible(add))
                yield return $"{name}.{@event.Name} -> {TypeText(@event.EventHandlerType!)} | {Modifiers(add)} event";
        }

        foreach (var field in type.GetFields(Declared).Where(f => f.IsPublic || f.IsFamily || f.IsFamilyOrAssembly))
        {
            var access = field.IsPublic ? "public" : field.IsFamily ? "protected" : "protected internal";
            var kind = field.IsLiteral ? " const" : (field.IsStatic ? " static" : "") + (field.IsInitOnly ? " readonly" : "");
            var value = field.IsLiteral ? " = " + Literal(field.GetRawConstantValue()) : "";
            yield return $"{name}.{field.Name}{value} -> {TypeText(field.FieldType, TupleNames(field))} | {access}{kind} field";
        }

        foreach (var method in type.GetMethods(Declared).Where(m => IsVisible(m) && !accessors.Contains(m) && m.Name != "Finalize"))
        {
            var extends = method.IsDefined(typeof(ExtensionAttribute));
            var kind = method.IsSpecialName && method.Name.StartsWith("op_", StringComparison.Ordinal) ? "operator"
                : extends ? "extension method" : "method";
            var generic = method.GetGenericArguments();
            yield return $"{name}.{method.Name}{GenericNames(generic)}({Parameters(method.GetParameters(), extends)}) -> {Returned(method)}"
                + $"{Constraints(generic)} | {Modifiers(method)} {kind}";
        }
    }

    private static string Property(string typeName, PropertyInfo property, MethodInfo? get, MethodInfo? set)
    {
        // The line's modifiers are those of the more visible accessor; the other one names its own.
        var main = IsVisible(get) && !(IsVisible(set) && set!.IsPublic && !get!.IsPublic) ? get! : set!;
        var init = set?.ReturnParameter.GetRequiredCustomModifiers().Contains(typeof(IsExternalInit)) == true;
        string Accessor(MethodInfo? method, string word) =>
            !IsVisible(method) ? "" : (Access(method!) != Access(main) ? Access(method!) + " " : "") + word + "; ";

        var index = property.GetIndexParameters();
        var name = index.Length > 0 ? $"this[{Parameters(index)}]" : property.Name;
        var type = (property.PropertyType.IsByRef ? "ref " : "") + TypeText(property.PropertyType, TupleNames(property));
        return $"{typeName}.{name} {{ {Accessor(get, "get")}{Accessor(set, init ? "init" : "set")}}} -> {type}"
            + $" | {Modifiers(main)} {(index.Length > 0 ? "indexer" : "property")}";
    }

    // --- names of types ---------------------------------------------------------------------------

    /// <summary>A type as C# writes it, with its namespace; tuple element names are taken from the queue in order.</summary>
    private static string TypeText(Type type, Queue<string?>? names = null)
    {
        if (type.IsByRef)
            return TypeText(type.GetElementType()!, names);
        if (type.IsPointer)
            return TypeText(type.GetElementType()!, names) + "*";
        if (type.IsArray)
        {
            // C# writes the rank of the outer array first.
            var ranks = "";
            for (; type.IsArray; type = type.GetElementType()!)
                ranks += "[" + new string(',', type.GetArrayRank() - 1) + "]";
            return TypeText(type, names) + ranks;
        }
        if (type.IsGenericParameter)
            return type.Name;
        if (Keywords.TryGetValue(type, out var keyword))
            return keyword;
        if (Nullable.GetUnderlyingType(type) is { } value)
            return TypeText(value, names) + "?";
        if (type.IsGenericType && type.Namespace == "System" && type.Name.StartsWith("ValueTuple`", StringComparison.Ordinal))
            return Tuple(type, names);

        var arguments = type.GetGenericArguments();
        return Chain(type, (from, to) => "<" + string.Join(", ", arguments[from..to].Select(argument => TypeText(argument, names))) + ">");
    }

    private static string Tuple(Type type, Queue<string?>? names)
    {
        var elements = new List<Type>();
        for (var arguments = type.GetGenericArguments(); ; arguments = arguments[7].GetGenericArguments())
        {
            elements.AddRange(arguments.Take(7));
            if (arguments.Length < 8)
                break;
        }
        // A tuple's own names come before those of the tuples in it.
        var own = elements.Select(_ => names is { Count: > 0 } ? names.Dequeue() : null).ToList();
        var parts = elements.Select((element, i) => TypeText(element, names) + (own[i] is { } name ? " " + name : ""));
        return "(" + string.Join(", ", parts) + ")";
    }

    /// <summary>The name of a type where it is declared, with its generic parameters.</summary>
    private static string TypeName(Type type)
    {
        var parameters = type.GetGenericArguments();
        return Chain(type, (from, to) => GenericNames(parameters[from..to]));
    }

    /// <summary>Namespace and enclosing types; <paramref name="generic"/> prints the generic arguments that each adds.</summary>
    private static string Chain(Type type, Func<int, int, string> generic)
    {
        var chain = new Stack<Type>();
        for (var outer = type; outer is not null; outer = outer.DeclaringType)
            chain.Push(outer);
        var parts = new List<string>();
        var used = 0;
        foreach (var link in chain)
        {
            var count = link.GetGenericArguments().Length;
            parts.Add(WithoutArity(link.Name) + (count > used ? generic(used, count) : ""));
            used = count;
        }
        var text = string.Join('.', parts);
        return string.IsNullOrEmpty(type.Namespace) ? text : type.Namespace + "." + text;
    }

    private static string WithoutArity(string name) => name.Split('`')[0];

    private static string GenericNames(Type[] parameters)
    {
        static string Variance(Type parameter) => (parameter.GenericParameterAttributes & GenericParameterAttributes.VarianceMask) switch
        {
            GenericParameterAttributes.Covariant => "out ",
            GenericParameterAttributes.Contravariant => "in ",
            _ => "",
        };
        return parameters.Length == 0 ? "" : "<" + string.Join(", ", parameters.Select(p => Variance(p) + p.Name)) + ">";
    }

    private static string Constraints(Type[] parameters)
    {
        var text = new StringBuilder();
        foreach (var parameter in parameters)
        {
            var attributes = parameter.GenericParameterAttributes;
            var isValue = attributes.HasFlag(GenericParameterAttributes.NotNullableValueTypeConstraint);
            var parts = new List<string>();
            if (attributes.HasFlag(GenericParameterAttributes.ReferenceTypeConstraint))
                parts.Add("class");
            if (isValue)
                parts.Add(HasAttribute(parameter, "System.Runtime.CompilerServices.IsUnmanagedAttribute") ? "unmanaged" : "struct");
            parts.AddRange(parameter.GetGenericParameterConstraints().Where(t => t != typeof(ValueType)).Select(t => TypeText(t)));
            if (!isValue && attributes.HasFlag(GenericParameterAttributes.DefaultConstructorConstraint))
                parts.Add("new()");
            if (parts.Count > 0)
                text.Append($" where {parameter.Name} : {string.Join(", ", parts)}");
        }
        return text.ToString();
    }

    private static IEnumerable<string> Bases(Type type)
    {
        if (type.IsEnum)
            return [TypeText(Enum.GetUnderlyingType(type))];
        var interfaces = type.GetInterfaces()
            .Where(i => IsVisible(i.IsGenericType ? i.GetGenericTypeDefinition() : i))
            .Select(i => TypeText(i)).Order(StringComparer.Ordinal);
        return type.BaseType is null || type.BaseType == typeof(object) || type.BaseType == typeof(ValueType)
            ? interfaces : interfaces.Prepend(TypeText(type.BaseType));
    }

    private static string Kind(Type type)
    {
        if (type.IsInterface)
            return "interface";
        if (type.IsEnum)
            return "enum";
        if (type.IsValueType)
            return (type.IsDefined(typeof(IsReadOnlyAttribute)) ? "readonly " : "") + (type.IsByRefLike ? "ref " : "") + "struct";
        return (type.IsAbstract, type.IsSealed) switch
        {
            (true, true) => "static class",
            (true, false) => "abstract class",
            (false, true) => "sealed class",
            _ => "class",
        };
    }

    // --- members ----------------------------------------------------------------------------------

    private static bool IsVisible(Type type) =>
        type.IsNested ? (type.IsNestedPublic || type.IsNestedFamily || type.IsNestedFamORAssem) && IsVisible(type.DeclaringType!) : type.IsPublic;

    private static bool IsVisible(MethodBase? method) => method is not null && (method.IsPublic || method.IsFamily || method.IsFamilyOrAssembly);

    private static string Access(MethodBase method) =>
        method.IsPublic ? "public" : method.IsFamilyOrAssembly ? "protected internal" : "protected";

    private static string Modifiers(MethodInfo method)
    {
        var text = Access(method) + (method.IsStatic ? " static" : "");
        if (method.DeclaringType!.IsInterface && !method.IsStatic)
            return text;
        var newSlot = method.Attributes.HasFlag(MethodAttributes.NewSlot);
        if (method.IsAbstract)
            return text + (newSlot ? " abstract" : " abstract override");
        if (!method.IsVirtual)
            return text;
        return text + (newSlot ? method.IsFinal ? "" : " virtual" : method.IsFinal ? " sealed override" : " override");
    }

    private static string Returned(MethodInfo method) =>
        (method.ReturnType.IsByRef ? "ref " : "") + TypeText(method.ReturnType, TupleNames(method.ReturnParameter));

    private static string Parameters(ParameterInfo[] parameters, bool extends = false) =>
        string.Join(", ", parameters.Select(parameter => (extends && parameter.Position == 0 ? "this " : "") + Parameter(parameter)));

    private static string Parameter(ParameterInfo parameter)
    {
        var isParams = parameter.IsDefined(typeof(ParamArrayAttribute)) || parameter.IsDefined(typeof(ParamCollectionAttribute));
        var by = !parameter.ParameterType.IsByRef ? "" : parameter.IsOut ? "out " : parameter.IsIn ? "in " : "ref ";
        return (isParams ? "params " : "") + by + TypeText(parameter.ParameterType, TupleNames(parameter)) + " " + parameter.Name + Default(parameter);
    }

    private static string Default(ParameterInfo parameter)
    {
        if (!parameter.IsOptional)
            return "";
        var nullable = Nullable.GetUnderlyingType(parameter.ParameterType);
        var type = nullable ?? parameter.ParameterType;
        var value = parameter.RawDefaultValue;
        if (value is null or DBNull or Missing)
            return nullable is null && (type.IsValueType || type.IsGenericParameter) ? " = default" : " = null";
        if (!type.IsEnum)
            return " = " + Literal(value);
        return " = " + (Enum.GetName(type, Enum.ToObject(type, value)) is { } name ? $"{TypeText(type)}.{name}" : $"({TypeText(type)}){value}");
    }

    private static string Literal(object? value) => value switch
    {
        null => "null",
        bool b => b ? "true" : "false",
        string s => Quoted(s),
        char c => "'" + (c < 32 ? $"\\u{(int)c:x4}" : c.ToString()) + "'",
        float f => Special(f, "float") ?? f.ToString("R", CultureInfo.InvariantCulture) + "f",
        double d => Special(d, "double") ?? d.ToString("R", CultureInfo.InvariantCulture),
        _ => Convert.ToString(value, CultureInfo.InvariantCulture)!,
    };

    private static string? Special(double value, string type) =>
        double.IsNaN(value) ? type + ".NaN"
        : double.IsPositiveInfinity(value) ? type + ".PositiveInfinity"
        : double.IsNegativeInfinity(value) ? type + ".NegativeInfinity" : null;

    private static string Quoted(string text)
    {
        static string Escape(char c) => c switch
        {
            '"' => "\\\"",
            '\\' => "\\\\",
            '\n' => "\\n",
            '\r' => "\\r",
            '\t' => "\\t",
            '\0' => "\\0",
            _ => char.IsControl(c) ? $"\\u{(int)c:x4}" : c.ToString(),
        };
        return "\"" + string.Concat(text.Select(Escape)) + "\"";
    }

    private static Queue<string?>? TupleNames(ICustomAttributeProvider provider) =>
        provider.GetCustomAttributes(typeof(TupleElementNamesAttribute), false) is [TupleElementNamesAttribute names, ..]
            ? new Queue<string?>(names.TransformNames) : null;

    private static bool HasAttribute(Type type, string name) => type.GetCustomAttributesData().Any(a => a.AttributeType.FullName == name);
}
