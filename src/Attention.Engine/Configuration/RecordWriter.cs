using System.Collections;
using System.Runtime.CompilerServices;
using Attention.Models;

namespace Attention.Engine.Configuration;

/// <summary>Writes records back as nodes: the way back of <see cref="Binder"/>.</summary>
public static class RecordWriter
{
    /// <summary>
    /// A value as nodes, with every field of its records. What stands in <paramref name="given"/> keeps its origin, the rest
    /// is a default.
    /// </summary>
    public static Node ToNode(object? value, Node? given = null)
    {
        var origin = given?.Origin ?? Origin.Default;
        if (ScalarTypes.ToText(value) is var (text, isText)) return new ScalarNode(text, origin, isText);
        if (value is Node node) return node;
        if (value is NamedPart part) return part.ToNode();
        if (value is BackboneConfig backbone) return Named(backbone, MapNode.Named(given));
        if (value is IDictionary dictionary)
            return new MapNode(dictionary.Cast<DictionaryEntry>().Select(each => Entry((string)each.Key, each.Value, given)).ToArray(), origin);
        if (Items(value!) is { } items)
            return new ListNode(items.Select((item, i) => ToNode(item, (given as ListNode)?.Items.ElementAtOrDefault(i))).ToArray(), origin);

        var shape = RecordShape.Of(value!.GetType());
        var entries = shape.Fields.Select(field => Entry(field.Name, field.Get(value), given));
        if (NameOf(value) is { } name && shape.Find("name") is null) entries = entries.Prepend(Entry("name", name, MapNode.Named(given)));
        return new MapNode(entries.ToArray(), origin);
    }

    private static MapNode Named(BackboneConfig backbone, MapNode? given)
    {
        var fields = (MapNode)ToNode(backbone.config, given);
        return new([Entry("name", backbone.name, given), .. fields.Entries], fields.Origin);
    }

    /// <summary>The name of a record in the family to which one of its base types belongs, or null.</summary>
    internal static string? NameOf(object value)
    {
        for (var type = value.GetType(); type is not null && type != typeof(object); type = type.BaseType)
            if (PartFamily.Of(type)?.NameOf(value) is { } name) return name;
        return null;
    }

    /// <summary>The items of a list or tuple, or null for other values.</summary>
    internal static object?[]? Items(object value) => value switch
    {
        string or IDictionary => null,
        ITuple tuple => Enumerable.Range(0, tuple.Length).Select(i => tuple[i]).ToArray(),
        IEnumerable list => list.Cast<object?>().ToArray(),
        _ => null,
    };

    /// <summary>A value in an error message: <c>'adamw'</c>, <c>0.001</c>, <c>[0.9, 0.999]</c>.</summary>
    internal static string Show(object value) => value is string text ? $"'{text}'" : YamlWriter.Inline(ToNode(value));

    private static MapEntry Entry(string key, object? value, Node? given)
    {
        var entry = (given as MapNode)?.Find(key);
        return new(key, entry?.Origin ?? Origin.Default, ToNode(value, entry?.Value));
    }
}
