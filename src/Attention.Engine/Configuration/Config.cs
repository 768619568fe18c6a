namespace Attention.Engine.Configuration;

/// <summary>A value of a configuration under its dotted key, and where it came from.</summary>
public sealed record ResolvedValue(string Key, Node Node)
{
    public Origin Origin => Node.Origin;

    /// <summary>The value as YAML on one line.</summary>
    public string Value => YamlWriter.Inline(Node);
}

/// <summary>A configuration, bound and checked, with the origin of each of its values.</summary>
public sealed class Config<T>(T value, MapNode resolved) where T : class
{
    public T Value { get; } = value;

    /// <summary>Every value, defaults included.</summary>
    public MapNode Resolved { get; } = resolved;

    /// <summary>The same configuration with a part's whole record in place of its name and options, so that its defaults show too.</summary>
    /// <param name="part">The part as the configuration holds it.</param>
    /// <param name="record">The record to which it was bound.</param>
    public Config<T> Showing(NamedPart part, object record)
    {
        var given = part.ToNode();
        var whole = (MapNode)RecordWriter.ToNode(record, given);
        if (whole.Find("name") is null) whole = new MapNode([given.Entries[0], .. whole.Entries], whole.Origin);
        return new(Value, Resolved.With(Resolved.Find(part.Path)! with { Value = whole }));
    }

    /// <summary>The whole configuration as YAML that loads again to the same values.</summary>
    public string ToYaml() => YamlWriter.Write((MapNode)Escape(Resolved));

    /// <summary>The same, with each value's origin as a comment.</summary>
    public string ToCommentedYaml() => YamlWriter.Write((MapNode)Escape(Resolved), entry => entry.Value.Origin.ToString());

    /// <summary>Every value under its dotted key, in order.</summary>
    public IEnumerable<ResolvedValue> Flatten() => Flatten(Resolved, "");

    private static IEnumerable<ResolvedValue> Flatten(MapNode map, string path) => map.Entries.SelectMany(entry =>
        entry.Value is MapNode { Entries.Count: > 0 } inner
            ? Flatten(inner, $"{path}{entry.Key}.")
            : [new($"{path}{entry.Key}", entry.Value)]);

    private static Node Escape(Node node) => node switch
    {
        MapNode map => new MapNode(map.Entries.Select(entry => entry with { Value = Escape(entry.Value) }).ToArray(), map.Origin),
        ListNode list => new ListNode(list.Items.Select(Escape).ToArray(), list.Origin),
        ScalarNode { Value: { } text } scalar => new ScalarNode(EnvironmentVariables.Escape(text), scalar.Origin, scalar.Quoted),
        _ => node,
    };
}
