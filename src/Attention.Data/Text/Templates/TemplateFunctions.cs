using System.Globalization;

namespace Attention.Data.Text.Templates;

/// <summary>Something that a template can call.</summary>
internal delegate object? TemplateFunction(TemplateArguments arguments);

/// <summary>What a function is given.</summary>
/// <param name="Scope">Where it is called.</param>
/// <param name="Line">The line of the call.</param>
/// <param name="Values">Values by place.</param>
/// <param name="Named">Values by name.</param>
internal sealed record TemplateArguments(TemplateScope Scope, int Line, List<object?> Values, Dictionary<string, object?> Named)
{
    /// <summary>A value by place or name, or what stands for it where it is missing.</summary>
    public object? Get(int place, string name, object? absent = null) => place < Values.Count ? Values[place] : Named.GetValueOrDefault(name, absent);

    public string Text(int place, string name, string absent = "") => Get(place, name, absent) is string text ? text : throw Wrong($"'{name}' must be a text");

    public long Whole(int place, string name, long absent) => Get(place, name, absent) is long whole ? whole : throw Wrong($"'{name}' must be a whole number");

    public TemplateError Wrong(string what) => new(Line, what);
}

/// <summary>Functions, filters and tests by name.</summary>
internal static class TemplateFunctions
{
    private const int LongestRange = 100_000;

    public static Dictionary<string, object?> Globals { get; } = new Dictionary<string, TemplateFunction>
    {
        ["raise_exception"] = arguments => throw new UserError($"the template refuses this: {arguments.Text(0, "message")}", "change the messages, or the template"),
        ["namespace"] = Namespace,
        ["dict"] = arguments => TemplateValue.Map(arguments.Named.Select(each => (each.Key, each.Value))),
        ["range"] = Range,
        ["strftime_now"] = arguments => Date(DateTime.Now, arguments.Text(0, "format")),
    }.ToDictionary(each => each.Key, each => (object?)each.Value);

    public static Dictionary<string, Func<object?, TemplateArguments, object?>> Filters { get; } = new()
    {
        ["trim"] = (value, arguments) => TemplateMethods.Strip(Text(value, arguments), arguments.Get(0, "chars") as string),
        ["tojson"] = (value, arguments) => TemplateValue.Json(value, arguments.Get(0, "indent") is long width ? (int)Math.Clamp(width, 0, 16) : null, arguments.Line),
        ["length"] = (value, arguments) => Length(value, arguments.Line),
        ["count"] = (value, arguments) => Length(value, arguments.Line),
        ["upper"] = (value, _) => TemplateValue.Text(value).ToUpperInvariant(),
        ["lower"] = (value, _) => TemplateValue.Text(value).ToLowerInvariant(),
        ["capitalize"] = (value, _) => TemplateMethods.Capitalize(TemplateValue.Text(value)),
        ["title"] = (value, _) => TemplateMethods.Title(TemplateValue.Text(value)),
        ["string"] = (value, _) => TemplateValue.Text(value),
        ["safe"] = (value, _) => value,
        ["default"] = Default,
        ["d"] = Default,
        ["join"] = Join,
        ["replace"] = (value, arguments) => Text(value, arguments).Replace(arguments.Text(0, "old"), arguments.Text(1, "new"), StringComparison.Ordinal),
        ["indent"] = (value, arguments) => Indent(Text(value, arguments), arguments),
        ["int"] = (value, arguments) => value is double real ? (long)real : value is bool flag ? (flag ? 1L : 0L) : long.TryParse(TemplateValue.Text(value), NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out long whole) ? whole : arguments.Get(0, "default", 0L),
        ["float"] = (value, arguments) => double.TryParse(TemplateValue.Text(value), CultureInfo.InvariantCulture, out double real) ? real : arguments.Get(0, "default", 0.0),
        ["abs"] = (value, arguments) => value switch { long whole => (object)Math.Abs(whole), double real => Math.Abs(real), _ => throw arguments.Wrong("'abs' is for numbers") },
        ["round"] = (value, arguments) => Math.Round(value switch { long whole => whole, double real => real, _ => throw arguments.Wrong("'round' is for numbers") }, (int)Math.Clamp(arguments.Whole(0, "precision", 0), 0, 15)),
        ["list"] = (value, arguments) => TemplateValue.Items(value, arguments.Line).ToList(),
        ["first"] = (value, arguments) => TemplateValue.Items(value, arguments.Line).FirstOrDefault(new Undefined("first")),
        ["last"] = (value, arguments) => TemplateValue.Items(value, arguments.Line).LastOrDefault(new Undefined("last")),
        ["reverse"] = (value, arguments) => value is string text ? string.Concat(text.Reverse()) : TemplateValue.Items(value, arguments.Line).Reverse().ToList(),
        ["sort"] = (value, arguments) => Sorted(TemplateValue.Items(value, arguments.Line), arguments),
        ["unique"] = (value, arguments) => TemplateValue.Items(value, arguments.Line).Aggregate(new List<object?>(), (kept, item) =>
        {
            if (!kept.Exists(each => TemplateValue.AreEqual(each, item)))
                kept.Add(item);
            return kept;
        }),
        ["items"] = (value, arguments) => Pairs(value, arguments),
        ["dictsort"] = (value, arguments) => Pairs(value, arguments).OrderBy(pair => TemplateValue.Text(((List<object?>)pair!)[0]), StringComparer.OrdinalIgnoreCase).ToList(),
        ["map"] = Map,
        ["select"] = (value, arguments) => Select(value, arguments, byAttribute: false, keep: true),
        ["reject"] = (value, arguments) => Select(value, arguments, byAttribute: false, keep: false),
        ["selectattr"] = (value, arguments) => Select(value, arguments, byAttribute: true, keep: true),
        ["rejectattr"] = (value, arguments) => Select(value, arguments, byAttribute: true, keep: false),
    };

    public static Dictionary<string, Func<object?, TemplateArguments, bool>> Tests { get; } = new()
    {
        ["defined"] = (value, _) => value is not Undefined,
        ["undefined"] = (value, _) => value is Undefined,
        ["none"] = (value, _) => value is null,
        ["string"] = (value, _) => value is string,
        ["mapping"] = (value, _) => value is OrderedDictionary<string, object?>,
        ["sequence"] = (value, _) => value is string or List<object?> or OrderedDictionary<string, object?>,
        ["iterable"] = (value, _) => value is string or List<object?> or OrderedDictionary<string, object?>,
        ["number"] = (value, _) => value is long or double or bool,
        ["integer"] = (value, _) => value is long,
        ["float"] = (value, _) => value is double,
        ["boolean"] = (value, _) => value is bool,
        ["true"] = (value, _) => value is true,
        ["false"] = (value, _) => value is false,
        ["odd"] = (value, _) => value is long number && number % 2 != 0,
        ["even"] = (value, _) => value is long number && number % 2 == 0,
        ["divisibleby"] = (value, arguments) => value is long number && arguments.Whole(0, "num", 1) is not 0 and var by && number % by == 0,
        ["callable"] = (value, _) => value is TemplateFunction,
        ["in"] = (value, arguments) => TemplateValue.Contains(arguments.Get(0, "seq"), value, arguments.Line),
        ["=="] = Equal,
        ["eq"] = Equal,
        ["equalto"] = Equal,
        ["sameas"] = Equal,
        ["!="] = (value, arguments) => !Equal(value, arguments),
        ["ne"] = (value, arguments) => !Equal(value, arguments),
        ["lt"] = (value, arguments) => TemplateValue.Compare(value, arguments.Get(0, "other")) < 0,
        ["gt"] = (value, arguments) => TemplateValue.Compare(value, arguments.Get(0, "other")) > 0,
        ["le"] = (value, arguments) => TemplateValue.Compare(value, arguments.Get(0, "other")) <= 0,
        ["ge"] = (value, arguments) => TemplateValue.Compare(value, arguments.Get(0, "other")) >= 0,
    };

    private static bool Equal(object? value, TemplateArguments arguments) => TemplateValue.AreEqual(value, arguments.Get(0, "other"));

    private static string Text(object? value, TemplateArguments arguments) => value is Undefined missing ? throw missing.Use(arguments.Line) : TemplateValue.Text(value);

    private static TemplateNamespace Namespace(TemplateArguments arguments)
    {
        var place = new TemplateNamespace();
        foreach (var (name, value) in arguments.Named)
            place.Values[name] = value;
        return place;
    }

    private static List<object?> Range(TemplateArguments arguments)
    {
        bool single = arguments.Values.Count < 2;
        long start = single ? 0 : arguments.Whole(0, "start", 0), stop = arguments.Whole(single ? 0 : 1, "stop", 0), step = arguments.Whole(2, "step", 1);
        if (step == 0)
            throw arguments.Wrong("the step of a range is 0");
        var all = new List<object?>();
        for (long at = start; step > 0 ? at < stop : at > stop; at += step)
        {
            if (all.Count == LongestRange)
                throw arguments.Wrong($"a range has more than {LongestRange} numbers");
            all.Add(at);
        }
        return all;
    }

    private static long Length(object? value, int line) => value switch
    {
        string text => text.EnumerateRunes().Count(),
        List<object?> list => list.Count,
        OrderedDictionary<string, object?> map => map.Count,
        Undefined => 0,
        _ => throw new TemplateError(line, $"{TemplateValue.Kind(value)} has no length"),
    };

    private static object? Default(object? value, TemplateArguments arguments) =>
        value is Undefined || TemplateValue.IsTrue(arguments.Get(1, "boolean", false)) && !TemplateValue.IsTrue(value) ? arguments.Get(0, "default_value", "") : value;

    private static string Join(object? value, TemplateArguments arguments)
    {
        var items = TemplateValue.Items(value, arguments.Line);
        if (arguments.Get(1, "attribute") is string attribute)
            items = items.Select(item => Attribute(item, attribute));
        return string.Join(TemplateValue.Text(arguments.Get(0, "d", "")), items.Select(TemplateValue.Text));
    }

    private static string Indent(string text, TemplateArguments arguments)
    {
        var margin = arguments.Get(0, "width", 4L) is string given ? given : new string(' ', (int)Math.Clamp(arguments.Whole(0, "width", 4), 0, 1000));
        bool first = TemplateValue.IsTrue(arguments.Get(1, "first", false)), blank = TemplateValue.IsTrue(arguments.Get(2, "blank", false));
        return string.Join('\n', text.Split('\n').Select((line, i) => (i > 0 || first) && (line != "" || blank) ? margin + line : line));
    }

    private static List<object?> Sorted(IEnumerable<object?> items, TemplateArguments arguments)
    {
        var attribute = arguments.Get(2, "attribute") as string;
        object? Key(object? item) => attribute is null ? item : Attribute(item, attribute);
        var sorted = items.Order(Comparer<object?>.Create((a, b) => TemplateValue.Compare(Key(a), Key(b)) ?? throw arguments.Wrong("these items have no order"))).ToList();
        if (TemplateValue.IsTrue(arguments.Get(0, "reverse", false)))
            sorted.Reverse();
        return sorted;
    }

    private static List<object?> Pairs(object? value, TemplateArguments arguments) => value switch
    {
        OrderedDictionary<string, object?> map => [.. map.Select(each => (object?)new List<object?> { each.Key, each.Value })],
        Undefined => [],
        _ => throw arguments.Wrong($"{TemplateValue.Kind(value)} has no entries"),
    };

    private static List<object?> Map(object? value, TemplateArguments arguments)
    {
        var items = TemplateValue.Items(value, arguments.Line);
        if (arguments.Named.TryGetValue("attribute", out var attribute))
            return [.. items.Select(item => Attribute(item, TemplateValue.Text(attribute)))];
        var name = arguments.Text(0, "filter");
        if (!Filters.TryGetValue(name, out var filter))
            throw arguments.Wrong($"the filter '{name}' is not known here");
        var rest = arguments with { Values = arguments.Values[1..] };
        return [.. items.Select(item => filter(item, rest))];
    }

    private static List<object?> Select(object? value, TemplateArguments arguments, bool byAttribute, bool keep)
    {
        int at = byAttribute ? 1 : 0;
        var name = at < arguments.Values.Count ? arguments.Text(at, "test") : null;
        var rest = arguments with { Values = [.. arguments.Values.Skip(at + 1)] };
        if (name is not null && !Tests.ContainsKey(name))
            throw arguments.Wrong($"the test '{name}' is not known here");
        bool Holds(object? item)
        {
            var subject = byAttribute ? Attribute(item, arguments.Text(0, "attribute")) : item;
            return name is null ? TemplateValue.IsTrue(subject) : Tests[name](subject, rest);
        }
        return [.. TemplateValue.Items(value, arguments.Line).Where(item => Holds(item) == keep)];
    }

    private static object? Attribute(object? item, string path)
    {
        foreach (var name in path.Split('.'))
            item = item is OrderedDictionary<string, object?> map && map.TryGetValue(name, out var found) ? found
                : item is List<object?> list && int.TryParse(name, out int at) && at >= 0 && at < list.Count ? list[at] : new Undefined(name);
        return item;
    }

    private static string Date(DateTime now, string format)
    {
        var text = new System.Text.StringBuilder();
        for (int i = 0; i < format.Length; i++)
            text.Append(format[i] != '%' || i + 1 == format.Length ? format[i].ToString() : format[++i] switch
            {
                'd' => now.ToString("dd", CultureInfo.InvariantCulture),
                'b' => now.ToString("MMM", CultureInfo.InvariantCulture),
                'B' => now.ToString("MMMM", CultureInfo.InvariantCulture),
                'm' => now.ToString("MM", CultureInfo.InvariantCulture),
                'y' => now.ToString("yy", CultureInfo.InvariantCulture),
                'Y' => now.ToString("yyyy", CultureInfo.InvariantCulture),
                'A' => now.ToString("dddd", CultureInfo.InvariantCulture),
                'a' => now.ToString("ddd", CultureInfo.InvariantCulture),
                'H' => now.ToString("HH", CultureInfo.InvariantCulture),
                'M' => now.ToString("mm", CultureInfo.InvariantCulture),
                'S' => now.ToString("ss", CultureInfo.InvariantCulture),
                'j' => now.DayOfYear.ToString("D3", CultureInfo.InvariantCulture),
                '%' => "%",
                var other => $"%{other}",
            });
        return text.ToString();
    }
}

/// <summary>Methods of texts, lists and maps by name.</summary>
internal static class TemplateMethods
{
    /// <summary>A method with its value, or null.</summary>
    public static TemplateFunction? Find(object? value, string name) => value switch
    {
        string text => OfText(text, name),
        List<object?> list => OfList(list, name),
        OrderedDictionary<string, object?> map => OfMap(map, name),
        _ => null,
    };

    public static string Strip(string text, string? characters) => characters is null ? text.Trim() : text.Trim(characters.ToCharArray());

    public static string Capitalize(string text) => text == "" ? "" : char.ToUpperInvariant(text[0]) + text[1..].ToLowerInvariant();

    public static string Title(string text)
    {
        var letters = text.ToLowerInvariant().ToCharArray();
        for (int i = 0; i < letters.Length; i++)
            if (i == 0 || !char.IsLetter(letters[i - 1]))
                letters[i] = char.ToUpperInvariant(letters[i]);
        return new string(letters);
    }

    private static TemplateFunction? OfText(string text, string name) => name switch
    {
        "strip" => arguments => Strip(text, arguments.Get(0, "chars") as string),
        "lstrip" => arguments => arguments.Get(0, "chars") is string characters ? text.TrimStart(characters.ToCharArray()) : text.TrimStart(),
        "rstrip" => arguments => arguments.Get(0, "chars") is string characters ? text.TrimEnd(characters.ToCharArray()) : text.TrimEnd(),
        "upper" => _ => text.ToUpperInvariant(),
        "lower" => _ => text.ToLowerInvariant(),
        "title" => _ => Title(text),
        "capitalize" => _ => Capitalize(text),
        "startswith" => arguments => Prefixes(arguments).Any(each => text.StartsWith(each, StringComparison.Ordinal)),
        "endswith" => arguments => Prefixes(arguments).Any(each => text.EndsWith(each, StringComparison.Ordinal)),
        "split" => arguments => Split(text, arguments),
        "splitlines" => _ => text.Split('\n').Select(line => (object?)line).ToList(),
        "replace" => arguments => text.Replace(arguments.Text(0, "old"), arguments.Text(1, "new"), StringComparison.Ordinal),
        "join" => arguments => string.Join(text, TemplateValue.Items(arguments.Get(0, "iterable"), arguments.Line).Select(TemplateValue.Text)),
        "find" => arguments => (long)text.IndexOf(arguments.Text(0, "sub"), StringComparison.Ordinal),
        "index" => arguments => text.IndexOf(arguments.Text(0, "sub"), StringComparison.Ordinal) is >= 0 and var at ? (long)at : throw arguments.Wrong($"'{arguments.Text(0, "sub")}' is not in the text"),
        "count" => arguments => arguments.Text(0, "sub") is { Length: > 0 } part ? (long)(text.Split(part).Length - 1) : 0L,
        "isdigit" => _ => text != "" && text.All(char.IsDigit),
        _ => null,
    };

    private static TemplateFunction? OfList(List<object?> list, string name) => name switch
    {
        "index" => arguments => list.FindIndex(each => TemplateValue.AreEqual(each, arguments.Get(0, "value"))) is >= 0 and var at ? (long)at
            : throw arguments.Wrong($"{TemplateValue.Represent(arguments.Get(0, "value"))} is not in the list"),
        "count" => arguments => (long)list.Count(each => TemplateValue.AreEqual(each, arguments.Get(0, "value"))),
        _ => null,
    };

    private static TemplateFunction? OfMap(OrderedDictionary<string, object?> map, string name) => name switch
    {
        "get" => arguments => map.TryGetValue(TemplateValue.Text(arguments.Get(0, "key")), out var found) ? found : arguments.Get(1, "default"),
        "items" => _ => map.Select(each => (object?)new List<object?> { each.Key, each.Value }).ToList(),
        "keys" => _ => map.Keys.Select(key => (object?)key).ToList(),
        "values" => _ => map.Values.ToList(),
        _ => null,
    };

    private static IEnumerable<string> Prefixes(TemplateArguments arguments) =>
        arguments.Get(0, "prefix") is List<object?> several ? several.OfType<string>() : [arguments.Text(0, "prefix")];

    private static List<object?> Split(string text, TemplateArguments arguments)
    {
        int most = (int)Math.Clamp(arguments.Whole(1, "maxsplit", -1), -1, int.MaxValue - 1);
        var parts = arguments.Get(0, "sep") is string { Length: > 0 } separator
            ? most < 0 ? text.Split(separator) : text.Split(separator, most + 1)
            : text.Split((char[]?)null, most < 0 ? int.MaxValue : most + 1, StringSplitOptions.RemoveEmptyEntries);
        return [.. parts];
    }
}
