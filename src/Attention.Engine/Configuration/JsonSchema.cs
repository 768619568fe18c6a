using System.Text.Json.Nodes;
using System.Xml.Linq;

namespace Attention.Engine.Configuration;

/// <summary>
/// The JSON schema (draft 7) of a configuration record, with which an editor completes and checks the YAML. Descriptions come
/// from the documentation file beside the record's assembly, where it is there.
/// </summary>
public sealed class JsonSchema
{
    private readonly Dictionary<string, string> descriptions = [];

    private JsonSchema(Type root)
    {
        var file = Path.ChangeExtension(root.Assembly.Location, ".xml");
        if (!File.Exists(file)) return;
        foreach (var member in XDocument.Load(file).Descendants("member"))
            if (member.Element("summary") is { } summary) descriptions[member.Attribute("name")!.Value] = Plain(summary);
    }

    public static JsonObject Of<T>() where T : class, new()
    {
        var schema = new JsonSchema(typeof(T)).Record(new T());
        var required = RecordShape.Of(typeof(T)).Fields.Where(field => field.IsRequired).Select(field => (JsonNode)field.Name).ToArray();
        var properties = schema["properties"]!.AsObject();
        properties.Insert(0, "base", new JsonObject { ["type"] = "string", ["description"] = "Another config that this one is laid over." });
        schema.Insert(0, "$schema", "http://json-schema.org/draft-07/schema#");
        // What a config leaves out, its base may have.
        schema["anyOf"] = new JsonArray(new JsonObject { ["required"] = new JsonArray("base") }, new JsonObject { ["required"] = new JsonArray(required) });
        return schema;
    }

    private JsonObject Record(object defaults, string? name = null)
    {
        var properties = new JsonObject();
        if (name is not null) properties["name"] = new JsonObject { ["const"] = name };
        foreach (var field in RecordShape.Of(defaults.GetType()).Fields)
            if (name is null || field.Name != "name") properties[field.Name] = Field(field, field.Get(defaults));
        return new() { ["type"] = "object", ["properties"] = properties, ["additionalProperties"] = false };
    }

    private JsonObject Field(RecordField field, object? value)
    {
        var type = Nullable.GetUnderlyingType(field.Type) ?? field.Type;
        var schema = Value(type, value);
        var items = schema["items"] switch { JsonObject one => [one], JsonArray some => some.Select(item => item!.AsObject()).ToArray(), _ => new[] { schema } };
        foreach (var constraint in field.Constraints)
            foreach (var item in items) Constrain(item, constraint);
        if (schema["type"] is JsonValue kind && (field.AllowsNull || type != field.Type)) schema["type"] = new JsonArray(kind.DeepClone(), "null");
        if (schema["enum"] is JsonArray values && field.AllowsNull) values.Add((JsonNode?)null);
        // A whole record is no default worth showing.
        if (value is not null && RecordWriter.ToNode(value) is ScalarNode or ListNode) schema["default"] = JsonValues.Of(RecordWriter.ToNode(value));
        if (descriptions.TryGetValue(field.DocumentationId, out var description)) schema.Insert(0, "description", description);
        return schema;
    }

    private JsonObject Value(Type type, object? value)
    {
        if (type == typeof(NamedPart)) return Named(new JsonObject { ["type"] = "object", ["properties"] = new JsonObject { ["name"] = OfType("string") }, ["required"] = new JsonArray("name") });
        if (PartFamily.Of(type) is { } family) return Named([.. family.Names.Select(name => Record(family.Defaults(name), name))], family.Names);
        if (type == typeof(Node)) return [];
        if (type == typeof(bool)) return OfType("boolean");
        if (type == typeof(string)) return OfType("string");
        if (type.IsEnum) return new() { ["enum"] = new JsonArray([.. ScalarTypes.EnumNames(type).Select(name => (JsonNode)name)]) };
        if (ScalarTypes.IsScalar(type)) return OfType(ScalarTypes.IsWhole(type) ? "integer" : "number");
        if (Binder.DictionaryItem(type) is { } entry) return new() { ["type"] = "object", ["additionalProperties"] = Value(entry, null) };
        if (Binder.ListItem(type) is { } item) return new() { ["type"] = "array", ["items"] = Value(item, null) };
        if (Binder.TupleItems(type) is { } items)
            return new() { ["type"] = "array", ["items"] = new JsonArray([.. items.Select(each => Value(each, null))]), ["minItems"] = items.Length, ["maxItems"] = items.Length };
        return Record(value ?? RecordShape.Create(type));
    }

    /// <summary>A map with a name, or the name alone.</summary>
    private static JsonObject Named(params JsonObject[] maps) => new() { ["anyOf"] = new JsonArray([OfType("string"), .. maps]) };

    private static JsonObject Named(JsonObject[] maps, IReadOnlyList<string> names)
    {
        var schema = Named(maps);
        schema["anyOf"]![0] = new JsonObject { ["enum"] = new JsonArray([.. names.Select(name => (JsonNode)name)]) };
        return schema;
    }

    private static JsonObject OfType(string type) => new() { ["type"] = type };

    private static void Constrain(JsonObject schema, Constraint constraint)
    {
        switch (constraint)
        {
            case Constraint.Range range:
                if (range.HasMinimum) schema[range.AboveMinimum ? "exclusiveMinimum" : "minimum"] = range.Minimum;
                if (range.HasMaximum) schema[range.BelowMaximum ? "exclusiveMaximum" : "maximum"] = range.Maximum;
                break;
            case Constraint.OneOf some:
                schema["enum"] = new JsonArray([.. some.Values.Select(value => (JsonNode)value)]);
                break;
            case Constraint.Pattern pattern:
                schema["pattern"] = $"^(?:{pattern.Expression})$";
                break;
        }
    }

    private static string Plain(XElement summary)
    {
        var text = string.Concat(summary.Nodes().Select(node => node switch
        {
            XElement element when element.Attribute("cref") is { } cref => cref.Value[(cref.Value.LastIndexOf('.') + 1)..],
            XElement element => element.Value,
            _ => node.ToString(),
        }));
        return string.Join(' ', text.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries));
    }
}
