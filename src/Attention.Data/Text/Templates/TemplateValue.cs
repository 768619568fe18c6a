using System.Globalization;
using System.Runtime.CompilerServices;
using System.Text;
using System.Text.Json;

namespace Attention.Data.Text.Templates;

/// <summary>A name that stands for nothing: it is false and writes nothing, but whatever goes further is an error.</summary>
internal sealed record Undefined(string Name)
{
    public TemplateError Use(int line) => new(line, $"there is no '{Name}'");
}

/// <summary>A place for values that loops can set.</summary>
internal sealed class TemplateNamespace
{
    public Dictionary<string, object?> Values { get; } = [];
}

/// <summary>What templates do with values, as Python does it.</summary>
internal static class TemplateValue
{
    private const int LongestText = 4 << 20;

    public static object? FromJson(JsonElement json) => json.ValueKind switch
    {
        JsonValueKind.String => json.GetString(),
        JsonValueKind.Number => json.TryGetInt64(out long whole) ? (object)whole : json.GetDouble(),
        JsonValueKind.True => true,
        JsonValueKind.False => false,
        JsonValueKind.Array => json.EnumerateArray().Select(FromJson).ToList(),
        JsonValueKind.Object => Map(json.EnumerateObject().Select(each => (each.Name, FromJson(each.Value)))),
        _ => null,
    };

    public static OrderedDictionary<string, object?> Map(IEnumerable<(string Key, object? Value)> entries)
    {
        var map = new OrderedDictionary<string, object?>();
        foreach (var (key, value) in entries)
            map[key] = value;
        return map;
    }

    public static bool IsTrue(object? value) => value switch
    {
        null or Undefined => false,
        bool flag => flag,
        long number => number != 0,
        double number => number != 0,
        string text => text != "",
        List<object?> list => list.Count > 0,
        OrderedDictionary<string, object?> map => map.Count > 0,
        _ => true,
    };

    public static string Kind(object? value) => value switch
    {
        null => "none",
        Undefined missing => $"'{missing.Name}', which is not there,",
        bool => "a truth value",
        long or double => "a number",
        string => "a text",
        List<object?> => "a list",
        OrderedDictionary<string, object?> => "a map",
        TemplateNamespace => "a namespace",
        _ => "a function",
    };

    /// <summary>Python's <c>str</c>.</summary>
    public static string Text(object? value) => value switch
    {
        string text => text,
        Undefined => "",
        _ => Represent(value),
    };

    /// <summary>Python's <c>repr</c>.</summary>
    public static string Represent(object? value) => Careful(value) switch
    {
        null => "None",
        bool flag => flag ? "True" : "False",
        long number => number.ToString(CultureInfo.InvariantCulture),
        double number => Real(number),
        string text => Quote(text),
        List<object?> list => $"[{string.Join(", ", list.Select(Represent))}]",
        OrderedDictionary<string, object?> map => $"{{{string.Join(", ", map.Select(each => $"{Quote(each.Key)}: {Represent(each.Value)}"))}}}",
        Undefined => "Undefined",
        _ => $"<{Kind(value)}>",
    };

    public static IEnumerable<object?> Items(object? value, int line) => value switch
    {
        List<object?> list => list,
        OrderedDictionary<string, object?> map => map.Keys,
        string text => text.EnumerateRunes().Select(rune => (object?)rune.ToString()),
        Undefined => [],
        _ => throw new TemplateError(line, $"{Kind(value)} has no items"),
    };

    public static void Unpack(string[] names, object? value, TemplateScope scope, int line)
    {
        var items = Items(value, line).ToList();
        if (items.Count != names.Length)
            throw new TemplateError(line, $"{items.Count} values do not fit {names.Length} names");
        for (int i = 0; i < names.Length; i++)
            scope.Set(names[i], items[i]);
    }

    public static bool AreEqual(object? left, object? right) => (Careful(left), right) switch
    {
        (null, null) => true,
        (string a, string b) => a == b,
        (List<object?> a, List<object?> b) => a.Count == b.Count && a.Zip(b).All(pair => AreEqual(pair.First, pair.Second)),
        (OrderedDictionary<string, object?> a, OrderedDictionary<string, object?> b) => a.Count == b.Count && a.All(each => b.TryGetValue(each.Key, out var other) && AreEqual(each.Value, other)),
        (Undefined, Undefined) => true,
        _ => Number(left) is { } first && Number(right) is { } second ? first == second : left is not null && ReferenceEquals(left, right),
    };

    /// <summary>Below, the same or above; null where the two have no order.</summary>
    public static int? Compare(object? left, object? right) => (Careful(left), right) switch
    {
        (string a, string b) => string.CompareOrdinal(a, b),
        (List<object?> a, List<object?> b) => a.Zip(b).Select(pair => AreEqual(pair.First, pair.Second) ? 0 : Compare(pair.First, pair.Second)).FirstOrDefault(order => order != 0, a.Count.CompareTo(b.Count)),
        _ => Number(left) is { } first && Number(right) is { } second ? first.CompareTo(second) : null,
    };

    public static bool Contains(object? container, object? item, int line) => container switch
    {
        string text => item is string part ? text.Contains(part, StringComparison.Ordinal) : throw new TemplateError(line, $"{Kind(item)} cannot be in a text"),
        List<object?> list => list.Exists(each => AreEqual(each, item)),
        OrderedDictionary<string, object?> map => item is string key && map.ContainsKey(key),
        Undefined => false,
        _ => throw new TemplateError(line, $"nothing can be in {Kind(container)}"),
    };

    public static object? Combine(string sign, object? left, object? right, int line)
    {
        if (sign == "==")
            return AreEqual(left, right);
        if (sign == "!=")
            return !AreEqual(left, right);
        if (sign == "in")
            return Contains(right, left, line);
        if (sign == "~")
            return Bounded(Text(left) + Text(right), line);
        if (left is Undefined missing || (missing = (right as Undefined)!) is not null)
            throw missing.Use(line);
        if (sign is "<" or ">" or "<=" or ">=")
            return Compare(left, right) is { } order ? sign switch { "<" => order < 0, ">" => order > 0, "<=" => order <= 0, _ => order >= 0 }
                : throw new TemplateError(line, $"{Kind(left)} and {Kind(right)} have no order");
        return (sign, left, right) switch
        {
            ("+", string a, string b) => Bounded(a + b, line),
            ("+", List<object?> a, List<object?> b) => a.Concat(b).ToList(),
            ("*", string text, long times) => Repeat(text, times, line),
            ("*", long times, string text) => Repeat(text, times, line),
            ("%", string, _) => throw new TemplateError(line, "formatting with % is not known here", "write the parts with ~"),
            _ => Calculate(sign, left, right, line),
        };
    }

    /// <summary>Python's <c>json.dumps</c> without escapes of what is no ASCII.</summary>
    /// <param name="value">The value.</param>
    /// <param name="indent">Spaces of a level; null for one line.</param>
    /// <param name="line">Where it is asked for.</param>
    public static string Json(object? value, int? indent, int line)
    {
        var text = new StringBuilder();
        WriteJson(text, value, indent, 0, line);
        return text.ToString();
    }

    private static void WriteJson(StringBuilder text, object? value, int? indent, int level, int line)
    {
        void Break(int at) => text.Append(indent is { } width ? "\n" + new string(' ', width * at) : "");
        void Block(char open, char close, int count, Action<int> item)
        {
            text.Append(open);
            for (int i = 0; i < count; i++)
            {
                text.Append(i == 0 ? "" : indent is null ? ", " : ",");
                Break(level + 1);
                item(i);
            }
            if (count > 0)
                Break(level);
            text.Append(close);
        }
        switch (Careful(value))
        {
            case string plain:
                JsonText(text, plain);
                break;
            case List<object?> list:
                Block('[', ']', list.Count, i => WriteJson(text, list[i], indent, level + 1, line));
                break;
            case OrderedDictionary<string, object?> map:
                Block('{', '}', map.Count, i =>
                {
                    JsonText(text, map.GetAt(i).Key);
                    text.Append(": ");
                    WriteJson(text, map.GetAt(i).Value, indent, level + 1, line);
                });
                break;
            default:
                text.Append(value switch { null => "null", true => "true", false => "false", long or double => Text(value), _ => throw new TemplateError(line, $"{Kind(value)} cannot be written as JSON") });
                break;
        }
    }

    private static void JsonText(StringBuilder text, string plain)
    {
        text.Append('"');
        foreach (char c in plain)
            text.Append(c switch
            {
                '"' => "\\\"",
                '\\' => "\\\\",
                '\n' => "\\n",
                '\r' => "\\r",
                '\t' => "\\t",
                '\b' => "\\b",
                '\f' => "\\f",
                < ' ' => $"\\u{(int)c:x4}",
                _ => c.ToString(),
            });
        text.Append('"');
    }

    // A template may nest lists as deep as it likes.
    private static object? Careful(object? value)
    {
        RuntimeHelpers.EnsureSufficientExecutionStack();
        return value;
    }

    private static object Calculate(string sign, object? left, object? right, int line)
    {
        if (Number(left) is not { } a || Number(right) is not { } b)
            throw new TemplateError(line, $"{Kind(left)} {sign} {Kind(right)} means nothing");
        if (sign is "/" or "//" or "%" && b == 0)
            throw new TemplateError(line, "a number is divided by 0");
        bool isWhole = left is not double && right is not double && sign != "/";
        double result = sign switch
        {
            "+" => a + b,
            "-" => a - b,
            "*" => a * b,
            "/" => a / b,
            "//" => Math.Floor(a / b),
            "%" => a - Math.Floor(a / b) * b,
            _ => Math.Pow(a, b),
        };
        return isWhole && Math.Abs(result) < 1L << 53 && result == Math.Floor(result) ? (object)(long)result : result;
    }

    private static double? Number(object? value) => value switch { long number => number, double number => number, bool flag => flag ? 1 : 0, _ => null };

    private static string Repeat(string text, long times, int line) => times <= 0 ? ""
        : times * (double)text.Length > LongestText ? throw TooLong(line) : new StringBuilder().Insert(0, text, (int)times).ToString();

    private static string Bounded(string text, int line) => text.Length <= LongestText ? text : throw TooLong(line);

    private static TemplateError TooLong(int line) => new(line, $"a text has more than {LongestText >> 20} million characters");

    private static string Real(double number)
    {
        if (double.IsNaN(number) || double.IsInfinity(number))
            return double.IsNaN(number) ? "nan" : number > 0 ? "inf" : "-inf";
        var text = number.ToString("R", CultureInfo.InvariantCulture);
        return text.Contains('.') || text.Contains('E') ? text.Replace("E", "e", StringComparison.Ordinal) : text + ".0";
    }

    private static string Quote(string text)
    {
        char mark = text.Contains('\'') && !text.Contains('"') ? '"' : '\'';
        return mark + text.Replace("\\", "\\\\", StringComparison.Ordinal).Replace("\n", "\\n", StringComparison.Ordinal).Replace("\r", "\\r", StringComparison.Ordinal)
            .Replace("\t", "\\t", StringComparison.Ordinal).Replace($"{mark}", $"\\{mark}", StringComparison.Ordinal) + mark;
    }
}
