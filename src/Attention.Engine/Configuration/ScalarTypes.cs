using System.Globalization;
using System.Text.Json;

namespace Attention.Engine.Configuration;

/// <summary>Single values: their YAML text, and how errors speak of them.</summary>
internal static class ScalarTypes
{
    private const NumberStyles Real = NumberStyles.AllowLeadingSign | NumberStyles.AllowDecimalPoint | NumberStyles.AllowExponent;

    public static bool IsScalar(Type type) => type.IsEnum || type == typeof(string) || type == typeof(bool) || type == typeof(int)
        || type == typeof(long) || type == typeof(float) || type == typeof(double);

    public static bool IsWhole(Type type) => type == typeof(int) || type == typeof(long);

    /// <summary>The members of an enum as they are written in YAML: <c>ImageClassification</c> is <c>image_classification</c>.</summary>
    public static IReadOnlyList<string> EnumNames(Type type) => Enum.GetNames(type).Select(JsonNamingPolicy.SnakeCaseLower.ConvertName).ToArray();

    /// <summary>A member of an enum as it is written in YAML.</summary>
    public static string Name(Enum member) => JsonNamingPolicy.SnakeCaseLower.ConvertName(member.ToString());

    /// <summary>The value that a text stands for, or null where it is none of that type.</summary>
    public static object? Parse(string text, Type type)
    {
        var culture = CultureInfo.InvariantCulture;
        if (type == typeof(string)) return text;
        if (type == typeof(bool)) return text.ToLowerInvariant() switch { "true" => true, "false" => false, _ => null };
        if (type == typeof(int)) return int.TryParse(text, NumberStyles.AllowLeadingSign, culture, out var number) ? number : null;
        if (type == typeof(long)) return long.TryParse(text, NumberStyles.AllowLeadingSign, culture, out var number) ? number : null;
        if (type.IsEnum) return EnumNames(type).ToList().IndexOf(text) is >= 0 and var index ? Enum.GetValues(type).GetValue(index) : null;
        var real = text switch
        {
            ".inf" or "+.inf" => double.PositiveInfinity,
            "-.inf" => double.NegativeInfinity,
            _ => double.TryParse(text, Real, culture, out var number) && double.IsFinite(number) ? number : double.NaN,
        };
        if (double.IsNaN(real)) return null;
        return type == typeof(float) ? (object)(float)real : real;
    }

    /// <summary>The YAML text of a value, and whether it is a text that must not be read as something else; null for what is no scalar.</summary>
    public static (string? text, bool isText)? ToText(object? value) => value switch
    {
        null => (null, false),
        string text => (text, true),
        bool flag => (flag ? "true" : "false", false),
        double.PositiveInfinity or float.PositiveInfinity => (".inf", false),
        double.NegativeInfinity or float.NegativeInfinity => ("-.inf", false),
        double or float => (Exponent(((IFormattable)value).ToString(null, CultureInfo.InvariantCulture)), false),
        int or long => (((IFormattable)value).ToString(null, CultureInfo.InvariantCulture), false),
        Enum member => (Name(member), false),
        _ => null,
    };

    /// <summary><c>1.0e-08</c> for <c>1E-08</c>, which YAML 1.1 readers (PyYAML) would take for a text.</summary>
    private static string Exponent(string number)
    {
        var at = number.IndexOf('E');
        return at < 0 ? number : $"{number[..at]}{(number.Contains('.') ? "" : ".0")}e{number[(at + 1)..]}";
    }

    /// <summary>The end of "'train.epochs' is 'ten', but must be ...".</summary>
    public static string Describe(Type type) => type switch
    {
        _ when type == typeof(bool) => "true or false",
        _ when IsWhole(type) => "a whole number",
        _ when type == typeof(string) => "text",
        _ when type.IsEnum => $"one of: {string.Join(", ", EnumNames(type))}",
        _ => "a number",
    };

    /// <summary>Something that could be written for a value of this type.</summary>
    public static string Example(Type type) => type switch
    {
        _ when type == typeof(bool) => "true",
        _ when IsWhole(type) => "1",
        _ when type == typeof(float) || type == typeof(double) => "0.1",
        _ when type.IsEnum => EnumNames(type)[0],
        _ when type == typeof(NamedPart) || type == typeof(Attention.Models.BackboneConfig) => "{name: ...}",
        _ when PartFamily.Of(type) is { } family => $"{{name: {family.Names.First()}}}",
        _ => "...",
    };
}
