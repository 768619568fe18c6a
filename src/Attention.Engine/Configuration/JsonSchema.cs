using System.Reflection;
using System.Text.Json.Nodes;
using System.Xml.Linq;
using Attention.Models;
using Attention.Modules;

namespace Attention.Engine.Configuration;

/// <summary>
/// The JSON schema (draft 7) of a configuration record, with which an editor completes and checks the YAML. Descriptions come
/// from the documentation files beside the records' assemblies, where they are there.
/// </summary>
public sealed class JsonSchema
{
    private readonly IReadOnlyList<NamedRecord> parts;
    private readonly Dictionary<Assembly, Dictionary<string, string>> descriptions = [];

    // What many records have is written once, or the schema would have megabytes.
    private readonly Dictionary<Type, (string Name, JsonObject? Schema)> shared = new()
    {
        [typeof(AttentionConfig)] = ("attention", null),
        [typeof(BackboneConfig)] = ("backbone", null),
    };

    private JsonSchema(IReadOnlyList<NamedRecord> parts) => this.parts = parts;

    /// <summary>Names of a registry that share one record, with an instance of it.</summary>
    public sealed record NamedRecord(IReadOnlyList<string> Names, object Record);

    /// <param name="parts">What may stand under a key of type <see cref="NamedPart"/>; anything, where nothing is given.</param>
    public static JsonObject Of<T>(params IReadOnlyList<NamedRecord> parts) where T : class, new()
    {
        var writer = new JsonSchema(parts);
        var schema = writer.Record(new T());
        var required = RecordShape.Of(typeof(T)).Fields.Where(field => field.IsRequired).Select(field => (JsonNode)field.Name).ToArray();
        var properties = schema["properties"]!.AsObject();
        properties.Insert(0, "base", new JsonObject { ["type"] = "string", ["description"] = "Another config that this one is laid over." });
        schema.Insert(0, "$schema", "http://json-schema.org/draft-07/schema#");
        // What a config leaves out, its base may have.
        schema["anyOf"] = new JsonArray(
            new JsonObject { ["required"] = new JsonArray("base") },
            new JsonObject { ["required"] = new JsonArray(required) });
        if (writer.shared.Values.Any(part => part.Schema is not null))
            schema["definitions"] = new JsonObject(writer.shared.Values.Where(part => part.Schema is not null).Select(part => KeyValuePair.Create(part.Name, (JsonNode?)part.Schema)));
        return schema;
    }

    private JsonObject Shared(Type type)
    {
        var (name, schema) = shared[type];
        if (schema is null)
        {
            shared[type] = (name, []); // it may be met within itself
            shared[type] = (name, type == typeof(BackboneConfig) ? Part(part => part.Record is ImageModelConfig) : Member(PartFamily.Of(type)!));
        }
        return new() { ["allOf"] = new JsonArray(new JsonObject { ["$ref"] = $"#/definitions/{name}" }) };
    }

    private JsonObject Record(object defaults, JsonObject? name = null)
    {
        var properties = new JsonObject();
        if (name is not null) properties["name"] = name;
        foreach (var field in RecordShape.Of(defaults.GetType()).Fields)
            if (name is null || field.Name != "name") properties[field.Name] = Field(field, field.Get(defaults));
        return new() { ["type"] = "object", ["properties"] = properties, ["additionalProperties"] = false };
    }

    /// <summary>One map for each record of the registry. Their defaults differ by name, so none is given.</summary>
    private JsonObject Part(Func<NamedRecord, bool> fits)
    {
        var parts = this.parts.Where(fits).ToArray();
        if (parts.Length == 0)
            return Named(OfType("string"), [new() { ["type"] = "object", ["properties"] = new JsonObject { ["name"] = OfType("string") } }]);
        var maps = parts.Select(part => Record(part.Record, OneOf(part.Names))).ToArray();
        foreach (var field in maps.SelectMany(map => map["properties"]!.AsObject())) field.Value!.AsObject().Remove("default");
        return Named(OneOf([.. parts.SelectMany(part => part.Names)]), maps);
    }

    private JsonObject Field(RecordField field, object? value)
    {
        var type = Nullable.GetUnderlyingType(field.Type) ?? field.Type;
        var schema = Value(type, value);
        // A constraint on a list holds for its items.
        JsonNode?[] bound = schema["items"] switch { JsonObject one => [one], JsonArray some => [.. some], _ => [schema] };
        foreach (var constraint in field.Constraints)
            foreach (var item in bound) Constrain(item!.AsObject(), constraint);
        if (schema["type"] is JsonValue kind && (field.AllowsNull || type != field.Type)) schema["type"] = new JsonArray(kind.DeepClone(), "null");
        if (schema["enum"] is JsonArray values && field.AllowsNull) values.Add((JsonNode?)null);
        // A whole record is no default worth showing.
        if (value is not null && RecordWriter.ToNode(value) is ScalarNode or ListNode) schema["default"] = JsonValues.Of(RecordWriter.ToNode(value));
        if (Description(field) is { } description) schema.Insert(0, "description", description);
        return schema;
    }

    private JsonObject Value(Type type, object? value)
    {
        if (Nullable.GetUnderlyingType(type) is { } inner)
        {
            // An item of a list that may be null.
            var schema = Value(inner, value);
            if (schema["type"] is JsonValue kind) schema["type"] = new JsonArray(kind.DeepClone(), "null");
            return schema;
        }
        if (type == typeof(NamedPart)) return Part(_ => true);
        if (shared.ContainsKey(type)) return Shared(type);
        if (PartFamily.Of(type) is { } family) return Member(family);
        if (type == typeof(Node)) return [];
        if (type == typeof(bool)) return OfType("boolean");
        if (type == typeof(string)) return OfType("string");
        if (type.IsEnum) return OneOf(ScalarTypes.EnumNames(type));
        if (ScalarTypes.IsScalar(type)) return OfType(ScalarTypes.IsWhole(type) ? "integer" : "number");
        if (Binder.DictionaryItem(type) is { } entry) return new() { ["type"] = "object", ["additionalProperties"] = Value(entry, null) };
        if (Binder.ListItem(type) is { } listItem) return new() { ["type"] = "array", ["items"] = Value(listItem, null) };
        if (Binder.TupleItems(type) is { } items)
        {
            var each = new JsonArray([.. items.Select(item => Value(item, null))]);
            return new() { ["type"] = "array", ["items"] = each, ["minItems"] = items.Length, ["maxItems"] = items.Length };
        }
        return Record(value ?? RecordShape.Create(type));
    }

    private JsonObject Member(PartFamily family) =>
        Named(OneOf([.. family.Names]), [.. family.Names.Select(name => Record(family.Defaults(name), new() { ["const"] = name }))]);

    /// <summary>A name alone, or a map with a name.</summary>
    private static JsonObject Named(JsonObject name, JsonObject[] maps) => new() { ["anyOf"] = new JsonArray([name, .. maps]) };

    private static JsonObject OfType(string type) => new() { ["type"] = type };

    private static JsonObject OneOf(IReadOnlyList<string> names) => new() { ["enum"] = new JsonArray([.. names.Select(name => (JsonNode)name)]) };

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

    private string? Description(RecordField field)
    {
        if (!descriptions.TryGetValue(field.Assembly, out var known)) descriptions[field.Assembly] = known = ReadDescriptions(field.Assembly);
        return known.GetValueOrDefault(field.DocumentationId);
    }

    private static Dictionary<string, string> ReadDescriptions(Assembly assembly)
    {
        var file = Path.ChangeExtension(assembly.Location, ".xml");
        if (!File.Exists(file)) return [];
        return XDocument.Load(file).Descendants("member").Where(member => member.Element("summary") is not null)
            .ToDictionary(member => member.Attribute("name")!.Value, member => Plain(member.Element("summary")!));
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
