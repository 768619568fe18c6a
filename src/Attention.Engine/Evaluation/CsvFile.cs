using System.Globalization;

namespace Attention.Engine.Evaluation;

/// <summary>Tables as comma-separated values (RFC 4180), in numbers that every program reads.</summary>
public static class CsvFile
{
    public static void Write(TextWriter output, IEnumerable<IEnumerable<object?>> rows)
    {
        foreach (var row in rows)
            output.WriteLine(string.Join(',', row.Select(Cell)));
    }

    private static string Cell(object? value)
    {
        var text = value is double number && !double.IsFinite(number) ? "" : Convert.ToString(value, CultureInfo.InvariantCulture) ?? "";
        return text.AsSpan().IndexOfAny(',', '"', '\n') < 0 ? text : $"\"{text.Replace("\"", "\"\"")}\"";
    }
}
