using System.Text.Json.Nodes;

namespace Attention.Engine.Configuration;

/// <summary>Nodes as JSON, with numbers and truth values where the YAML has them.</summary>
public static class JsonValues
{
    public static JsonNode? Of(Node node) => node switch
    {
        MapNode map => new JsonObject(map.Entries.Select(entry => KeyValuePair.Create(entry.Key, Of(entry.Value)))),
        ListNode list => new JsonArray([.. list.Items.Select(Of)]),
        ScalarNode { Value: { } text, Quoted: var isText } => isText ? JsonValue.Create(text) : Plain(text),
        _ => null,
    };

    private static JsonValue Plain(string text)
    {
        if (ScalarTypes.Parse(text, typeof(bool)) is bool flag) return JsonValue.Create(flag);
        if (ScalarTypes.Parse(text, typeof(long)) is long whole) return JsonValue.Create(whole);
        // JSON has no infinity.
        return ScalarTypes.Parse(text, typeof(double)) is double real && double.IsFinite(real) ? JsonValue.Create(real) : JsonValue.Create(text);
    }
}
