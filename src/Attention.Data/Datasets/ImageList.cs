using System.Globalization;
using System.Text;
using System.Text.Json;
using Attention.Torch;

namespace Attention.Data;

/// <summary>
/// Images that a file lists: a CSV with a heading such as <c>path,label</c>, a JSON array of objects
/// <c>{"path": ..., "label": ...}</c>, or such objects one to a line. Paths are relative to the list's folder. Labels are names, or
/// whole numbers from 0 on. A column <c>weight</c> tells how often to draw an image.
/// </summary>
public sealed class ImageList : LabelledFiles
{
    private const string Advice = "give each image a path and a label: path,label in CSV, {\"path\": ..., \"label\": ...} in JSON";

    private ImageList(Row[] rows, string folder, IReadOnlyList<string> classes, Dictionary<string, int> labels)
        : base([.. rows.Select(row => (Path.GetFullPath(row.Path, folder), labels[row.Label]))], classes) =>
        Weights = rows.Any(row => row.Weight is not null) ? [.. rows.Select(row => row.Weight ?? 1)] : null;

    /// <summary>How often to draw each image, or null where the list does not say.</summary>
    public IReadOnlyList<double>? Weights { get; }

    /// <summary>Reads a list.</summary>
    /// <param name="path">A .csv, .json or .jsonl file.</param>
    /// <param name="classes">The names of the labels, from the training images, where this is another part of the same data.</param>
    /// <exception cref="UserError">The list cannot be read; the message gives the line.</exception>
    public static ImageList Open(string path, IReadOnlyList<string>? classes = null)
    {
        string full = Path.GetFullPath(path);
        string[] lines = ImageFiles.Lines(full);
        Row[] rows = Path.GetExtension(full).ToLowerInvariant() switch
        {
            ".json" => FromJson(full, string.Join('\n', lines)),
            ".jsonl" => FromJsonLines(full, lines),
            _ => FromCsv(full, lines),
        };
        if (rows.Length == 0)
            throw new UserError($"{full} lists no images", Advice);
        var names = classes ?? NamesOf(rows);
        var labels = names.Select((name, label) => (name, label)).ToDictionary(pair => pair.name, pair => pair.label);
        foreach (var row in rows)
            if (!labels.ContainsKey(row.Label))
                throw new UserError($"{full}, {row.Place}: the training images have no class '{row.Label}'", Spelling.Advice(row.Label, [.. names]));
        return new ImageList(rows, Path.GetDirectoryName(full)!, names, labels);
    }

    private sealed record Row(string Path, string Label, double? Weight, string Place);

    // Numbers stand for themselves, so that a class without images keeps its place.
    private static string[] NamesOf(Row[] rows)
    {
        const int mostNumbered = 1_000_000;
        var labels = rows.Select(row => row.Label).Distinct().ToArray();
        if (labels.All(label => int.TryParse(label, NumberStyles.None, CultureInfo.InvariantCulture, out int number) && number < mostNumbered
            && label == number.ToString(CultureInfo.InvariantCulture)))
            return [.. Enumerable.Range(0, labels.Max(label => int.Parse(label, CultureInfo.InvariantCulture)) + 1).Select(i => i.ToString(CultureInfo.InvariantCulture))];
        return [.. labels.Order(StringComparer.Ordinal)];
    }

    private static Row[] FromCsv(string file, string[] lines)
    {
        if (lines.Length == 0)
            return [];
        string[] heading = [.. Fields(lines[0]).Select(name => name.Trim().ToLowerInvariant())];
        int path = Array.FindIndex(heading, name => name is "path" or "file" or "image" or "filename"), label = Array.FindIndex(heading, name => name is "label" or "class");
        int weight = Array.IndexOf(heading, "weight");
        if (path < 0 || label < 0)
            throw new UserError($"{file}, line 1: the heading '{lines[0]}' names no {(path < 0 ? "path" : "label")}", Advice);
        var rows = new List<Row>();
        for (int i = 1; i < lines.Length; i++)
        {
            if (lines[i].Length == 0)
                continue;
            string place = $"line {i + 1}";
            var fields = Fields(lines[i]);
            if (fields.Count != heading.Length)
                throw new UserError($"{file}, {place}: {fields.Count} fields, but the heading has {heading.Length}", "quote fields that hold a comma");
            rows.Add(Checked(file, place, fields[path], fields[label], weight < 0 ? null : fields[weight]));
        }
        return [.. rows];
    }

    // Fields may be quoted; a quote within is doubled.
    private static List<string> Fields(string line)
    {
        var fields = new List<string>();
        var field = new StringBuilder();
        bool quoted = false;
        for (int i = 0; i < line.Length; i++)
            if (line[i] == '"' && quoted && i + 1 < line.Length && line[i + 1] == '"')
                field.Append(line[i++]);
            else if (line[i] == '"')
                quoted = !quoted;
            else if (line[i] == ',' && !quoted)
            {
                fields.Add(field.ToString());
                field.Clear();
            }
            else
                field.Append(line[i]);
        fields.Add(field.ToString());
        return fields;
    }

    private static Row[] FromJson(string file, string text)
    {
        using var document = Parsed(file, "the file", text);
        if (document.RootElement.ValueKind != JsonValueKind.Array)
            throw new UserError($"{file} is not an array of objects", Advice);
        return [.. document.RootElement.EnumerateArray().Select((element, i) => FromObject(file, $"entry {i + 1}", element))];
    }

    private static Row[] FromJsonLines(string file, string[] lines)
    {
        var rows = new List<Row>();
        for (int i = 0; i < lines.Length; i++)
        {
            if (lines[i].Trim().Length == 0)
                continue;
            using var document = Parsed(file, $"line {i + 1}", lines[i]);
            rows.Add(FromObject(file, $"line {i + 1}", document.RootElement));
        }
        return [.. rows];
    }

    private static JsonDocument Parsed(string file, string place, string text)
    {
        try
        {
            return JsonDocument.Parse(text);
        }
        catch (JsonException e)
        {
            throw new UserError($"{file}, {place}: it is no JSON: {e.Message}", Advice, e);
        }
    }

    private static Row FromObject(string file, string place, JsonElement element)
    {
        string? Text(string name) => element.ValueKind == JsonValueKind.Object && element.TryGetProperty(name, out var value)
            && value.ValueKind is JsonValueKind.String or JsonValueKind.Number ? value.ToString() : null;
        return Checked(file, place, Text("path") ?? Text("file") ?? Text("image"), Text("label") ?? Text("class"), Text("weight"));
    }

    private static Row Checked(string file, string place, string? path, string? label, string? weight)
    {
        if (string.IsNullOrWhiteSpace(path) || string.IsNullOrWhiteSpace(label))
            throw new UserError($"{file}, {place}: there is no {(string.IsNullOrWhiteSpace(path) ? "path" : "label")}", Advice);
        if (string.IsNullOrEmpty(weight))
            return new Row(path, label.Trim(), null, place);
        return double.TryParse(weight, NumberStyles.Float, CultureInfo.InvariantCulture, out double number) && number >= 0 && double.IsFinite(number)
            ? new Row(path, label.Trim(), number, place)
            : throw new UserError($"{file}, {place}: the weight is '{weight}'", "weights are numbers from 0 on");
    }
}
