namespace Attention.Engine.Configuration;

/// <summary>
/// A part chosen by name whose record is known only where the part is made: <c>model: {name: vit_tiny_patch16_224, depth: 4}</c>.
/// The registry looks the name up and lays the other keys over the variant's record with <see cref="Bind{T}"/>.
/// In YAML, <c>model: vit_tiny_patch16_224</c> is short for <c>model: {name: vit_tiny_patch16_224}</c>.
/// </summary>
public sealed class NamedPart
{
    private readonly Origin origin;

    /// <param name="name">The part's name in its registry.</param>
    /// <param name="options">Keys of its record, with values as a record would hold them.</param>
    public NamedPart(string name, params (string key, object? value)[] options)
        : this(name, Origin.Default, ToMap(options), "model")
    {
    }

    internal NamedPart(string name, Origin origin, MapNode options, string path) =>
        (this.name, this.origin, this.options, Path) = (name, origin, options, path);

    public string name { get; }

    /// <summary>Every key but the name.</summary>
    public MapNode options { get; }

    /// <summary>Where the part stands in the configuration: <c>model</c>.</summary>
    public string Path { get; }

    public static implicit operator NamedPart(string name) => new(name);

    /// <summary>A copy of the record with the fields that the configuration names replaced.</summary>
    /// <param name="defaults">The variant's record; its own type decides which keys there are.</param>
    /// <exception cref="ConfigError">A key that the record lacks, or a value of a wrong type or out of range.</exception>
    public T Bind<T>(T defaults) where T : class => (T)Binder.BindRecord(options, defaults, Path, $"'{Path}' ({name})");

    /// <summary>The error for a name that no registry knows, at the place where the user wrote it.</summary>
    public ConfigError Unknown(IReadOnlyCollection<string> names) =>
        new(origin, $"there is no {Path} named '{name}'", Spelling.Advice(name, names));

    internal MapNode ToNode() => new([new("name", origin, new ScalarNode(name, origin)), .. options.Entries], origin);

    private static MapNode ToMap((string key, object? value)[] options) => new(
        options.Select(each => new MapEntry(each.key, Origin.Default, RecordWriter.ToNode(each.value, null))).ToArray(), Origin.Default);

    public override string ToString() => options.Entries.Count == 0 ? name : $"{name} with {string.Join(", ", options.Entries.Select(each => each.Key))}";
}
