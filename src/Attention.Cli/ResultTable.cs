using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using Spectre.Console;

namespace Attention.Cli;

/// <summary>The option of every command that prints a table.</summary>
internal sealed class JsonOption : Option<bool>
{
    public JsonOption() : base("--json") => Description = "Print JSON instead of a table";
}

/// <summary>
/// Rows under named columns, printed as a table for people or as a JSON array of objects for programs. Cells are null, text,
/// bool or numbers; JSON keeps their types.
/// </summary>
internal sealed class ResultTable(params ResultTable.Column[] columns)
{
    private readonly List<object?[]> rows = [];

    /// <param name="Key">The JSON key; the table's heading is the same with spaces.</param>
    /// <param name="Format">How a cell is written in the table; the plain text of the value, unless given.</param>
    public sealed record Column(string Key, Func<object, string>? Format = null);

    public void Add(params object?[] cells) => rows.Add(cells);

    public void Write(Terminal terminal, bool asJson)
    {
        if (asJson) JsonText.Write(terminal.Out, WriteJson);
        else WriteTable(terminal.Console);
    }

    private void WriteTable(IAnsiConsole console)
    {
        var table = new Table().Border(TableBorder.None);
        for (var i = 0; i < columns.Length; i++)
        {
            var isNumber = rows.Select(row => row[i]).FirstOrDefault(cell => cell is not null) is not (string or bool or null);
            var heading = new Text(columns[i].Key.Replace('_', ' '), new Style(decoration: Decoration.Bold));
            table.AddColumn(new TableColumn(heading) { Alignment = isNumber ? Justify.Right : Justify.Left, Padding = new(0, 0, 2, 0) });
        }
        foreach (var row in rows) table.AddRow(row.Select((cell, i) => new Text(Show(columns[i], cell))));
        console.Write(table);
    }

    private void WriteJson(Utf8JsonWriter json)
    {
        json.WriteStartArray();
        foreach (var row in rows)
        {
            json.WriteStartObject();
            for (var i = 0; i < columns.Length; i++)
            {
                json.WritePropertyName(columns[i].Key);
                switch (row[i])
                {
                    case null: json.WriteNullValue(); break;
                    case bool flag: json.WriteBooleanValue(flag); break;
                    case int number: json.WriteNumberValue(number); break;
                    case long number: json.WriteNumberValue(number); break;
                    case double number when double.IsFinite(number): json.WriteNumberValue(number); break;
                    case double: json.WriteNullValue(); break;
                    case var other: json.WriteStringValue(Convert.ToString(other, CultureInfo.InvariantCulture)); break;
                }
            }
            json.WriteEndObject();
        }
        json.WriteEndArray();
    }

    private static string Show(Column column, object? cell) =>
        cell is null ? "" : column.Format?.Invoke(cell) ?? Convert.ToString(cell, CultureInfo.InvariantCulture)!;
}
