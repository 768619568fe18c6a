namespace Attention.Engine.Configuration;

/// <summary>A value of a YAML document that knows where it was written. Nodes do not change once made.</summary>
public abstract class Node(Origin origin)
{
    public Origin Origin { get; } = origin;

    /// <summary>The node in an error message: <c>'ten'</c>, <c>a list</c>, <c>a map</c>.</summary>
    public abstract override string ToString();
}

/// <summary>A single value; <see cref="Value"/> is null for YAML's null (<c>null</c>, <c>~</c> or nothing).</summary>
public sealed class ScalarNode(string? value, Origin origin, bool quoted = false) : Node(origin)
{
    public string? Value { get; } = value;

    /// <summary>True where the text stood in quotes, which makes <c>"null"</c> and <c>""</c> texts.</summary>
    public bool Quoted { get; } = quoted;

    /// <summary>True for a null that took the place of a value of the base file: it takes the key away.</summary>
    public bool Removes { get; init; }

    public override string ToString() => Value is null ? "null" : $"'{Value}'";
}

public sealed class ListNode(IReadOnlyList<Node> items, Origin origin) : Node(origin)
{
    public IReadOnlyList<Node> Items { get; } = items;

    public override string ToString() => "a list";
}

public sealed record MapEntry(string Key, Origin Origin, Node Value);

/// <summary>Keys and values in the order in which they were written.</summary>
public sealed class MapNode(IReadOnlyList<MapEntry> entries, Origin origin) : Node(origin)
{
    public IReadOnlyList<MapEntry> Entries { get; } = entries;

    public static MapNode Empty(Origin origin) => new([], origin);

    public MapEntry? Find(string key)
    {
        foreach (var entry in Entries)
            if (entry.Key == key) return entry;
        return null;
    }

    public Node? this[string key] => Find(key)?.Value;

    public MapNode Without(string key) => new(Entries.Where(entry => entry.Key != key).ToArray(), Origin);

    /// <summary>The same map with one entry replaced in its place, or added at the end.</summary>
    public MapNode With(MapEntry entry) => Find(entry.Key) is null
        ? new([.. Entries, entry], Origin)
        : new(Entries.Select(old => old.Key == entry.Key ? entry : old).ToArray(), Origin);

    /// <summary>
    /// This map with another laid over it: maps merge key by key, lists and scalars replace, and a null takes the
    /// key away, so that its default holds again.
    /// </summary>
    public MapNode Merge(MapNode over)
    {
        var merged = new MapNode(Entries, over.Origin);
        foreach (var entry in over.Entries)
            merged = merged.With(entry with { Value = Merge(merged[entry.Key], entry.Value) });
        return merged;
    }

    private static Node Merge(Node? under, Node over) => (under, over) switch
    {
        (MapNode a, MapNode b) => a.Merge(b),
        (ScalarNode { Value: not null } a, MapNode b) => b.Find("name") is null ? Named(a)!.Merge(b) : b,
        (not null, ScalarNode { Value: null } b) => new ScalarNode(null, b.Origin) { Removes = true },
        _ => over,
    };

    /// <summary>The node as a map: a lone word, as in <c>optimizer: sgd</c>, is short for a map with that name.</summary>
    public static MapNode? Named(Node? node) => node switch
    {
        MapNode map => map,
        ScalarNode { Value: not null } name => new([new("name", name.Origin, name)], name.Origin),
        _ => null,
    };

    public override string ToString() => "a map";
}
