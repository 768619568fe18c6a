using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.RegularExpressions;

namespace Attention.Engine.Configuration;

/// <summary>Writes nodes as YAML that <see cref="YamlReader"/> reads back as the same.</summary>
public static partial class YamlWriter
{
    /// <summary>Maps on lines of their own, lists in brackets.</summary>
    /// <param name="comment">A remark behind a key's line, if any.</param>
    public static string Write(MapNode map, Func<MapEntry, string?>? comment = null)
    {
        var lines = new List<(string text, string? comment)>();
        Lines(map, "", lines, comment ?? (_ => null));
        // The remarks stand in one column, but for those behind very long values.
        const int farthest = 48;
        var column = lines.Where(line => line.text.Length <= farthest).Select(line => line.text.Length).DefaultIfEmpty(0).Max();
        var yaml = new StringBuilder();
        foreach (var (text, remark) in lines)
            yaml.Append(remark is null ? text : $"{text.PadRight(column)}  # {remark}").Append('\n');
        return yaml.ToString();
    }

    /// <summary>A node on one line: <c>{name: adamw, betas: [0.9, 0.999]}</c>.</summary>
    public static string Inline(Node node) => node switch
    {
        MapNode map => $"{{{string.Join(", ", map.Entries.Select(entry => $"{Text(entry.Key, true)}: {Inline(entry.Value)}"))}}}",
        ListNode list => $"[{string.Join(", ", list.Items.Select(Inline))}]",
        ScalarNode { Value: null } => "null",
        ScalarNode scalar => Scalar(scalar, inFlow: true),
        _ => throw new ArgumentException($"no YAML form for {node.GetType()}", nameof(node)),
    };

    private static void Lines(MapNode map, string indentation, List<(string, string?)> lines, Func<MapEntry, string?> comment)
    {
        foreach (var entry in map.Entries)
        {
            var key = $"{indentation}{Text(entry.Key, false)}:";
            if (entry.Value is MapNode { Entries.Count: > 0 } inner)
            {
                lines.Add((key, null));
                Lines(inner, indentation + "  ", lines, comment);
            }
            else
            {
                var value = entry.Value is ScalarNode { Value: not null } scalar ? Scalar(scalar, inFlow: false) : Inline(entry.Value);
                lines.Add(($"{key} {value}", comment(entry)));
            }
        }
    }

    private static string Scalar(ScalarNode scalar, bool inFlow) =>
        scalar.Quoted && LooksLikeValue().IsMatch(scalar.Value!) ? Quote(scalar.Value!) : Text(scalar.Value!, inFlow);

    private static string Text(string text, bool inFlow)
    {
        var plain = text.Length > 0
            && text.AsSpan().Trim().Length == text.Length
            && !text.Any(char.IsControl)
            && !"-?:,[]{}#&*!|>'\"%@`".Contains(text[0])
            && !text.Contains(": ") && !text.Contains(" #") && !text.EndsWith(':')
            && !(inFlow && text.AsSpan().ContainsAny(",[]{}"));
        // A leading minus or dot is common in numbers and paths.
        return plain || Number().IsMatch(text) ? text : Quote(text);
    }

    private static string Quote(string text) => $"\"{JsonEncodedText.Encode(text, JavaScriptEncoder.UnsafeRelaxedJsonEscaping)}\"";

    /// <summary>Texts that plain YAML takes for null, a truth value or a number, in this reader or another.</summary>
    [GeneratedRegex(@"^(~|null|true|false|yes|no|on|off|[-+]?\.?[0-9][0-9_.,:xo]*([eE][-+]?[0-9]+)?|[-+]?\.(inf|nan))$", RegexOptions.IgnoreCase)]
    private static partial Regex LooksLikeValue();

    [GeneratedRegex(@"^[-+]?\.?([0-9]|inf)")]
    private static partial Regex Number();
}
