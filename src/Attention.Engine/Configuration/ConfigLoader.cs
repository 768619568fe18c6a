namespace Attention.Engine.Configuration;

/// <summary>Loads a configuration: its file, the file's <c>base:</c>, overrides, environment variables, then a typed record.</summary>
public static class ConfigLoader
{
    /// <param name="path">The YAML file.</param>
    /// <param name="overrides">Values laid over it, such as <c>optimizer.lr=1e-3</c>.</param>
    /// <exception cref="ConfigError">What is wrong, with file and line.</exception>
    /// <exception cref="UserError">The file is missing or cannot be read.</exception>
    public static Config<T> Load<T>(string path, params IEnumerable<string> overrides) where T : class, new() => Load(path, new T(), overrides);

    /// <summary>The same, with defaults other than the record's own.</summary>
    public static Config<T> Load<T>(string path, T defaults, params IEnumerable<string> overrides) where T : class =>
        Bind(Overrides.Apply(WithBase(YamlReader.ReadFile(path), path), overrides), defaults);

    /// <summary>The same from a text, which may not have a base; <paramref name="source"/> names it in errors.</summary>
    public static Config<T> Parse<T>(string yaml, string source = "config", params IEnumerable<string> overrides) where T : class, new() =>
        Bind(Overrides.Apply(YamlReader.ReadMap(yaml, source), overrides), new T());

    /// <summary>A configuration made in a program rather than read from a file.</summary>
    public static Config<T> Of<T>(T value) where T : class => Bind((MapNode)RecordWriter.ToNode(value), value);

    private static Config<T> Bind<T>(MapNode map, T defaults) where T : class
    {
        var given = (MapNode)EnvironmentVariables.Expand(map);
        var value = (T)Binder.BindRecord(given, defaults);
        return new(value, (MapNode)RecordWriter.ToNode(value, given));
    }

    /// <summary>One level of inheritance: more would spread one learning rate over many files.</summary>
    private static MapNode WithBase(MapNode map, string path)
    {
        if (map.Find("base") is not { } entry) return map;
        if (entry.Value is not ScalarNode { Value: { } name })
            throw new ConfigError(entry.Origin, $"'base' is {entry.Value}, but must be the path of one config", "for example: base: vit_tiny.yaml");
        name = ((ScalarNode)EnvironmentVariables.Expand(entry.Value)).Value!;
        var basePath = BesideFile(path, name);
        if (!File.Exists(basePath))
            throw new ConfigError(entry.Origin, $"the base '{basePath}' does not exist", $"the path of a base is taken from the folder of '{path}'");
        if (Path.GetFullPath(basePath) == Path.GetFullPath(path))
            throw new ConfigError(entry.Origin, "the config names itself as its base", "name another file, or remove 'base'");

        var under = YamlReader.ReadFile(basePath);
        if (under.Find("base") is { } second)
            throw IsSameFile(second.Value, basePath, path)
                ? new ConfigError(entry.Origin, $"'{path}' and '{basePath}' are each other's base", "remove 'base' from one of them")
                : new ConfigError(entry.Origin, $"the base '{basePath}' has a base itself (line {second.Origin.Line})",
                    "only one level is allowed: write what the two have in common into one file");
        return under.Merge(map.Without("base"));
    }

    private static bool IsSameFile(Node node, string from, string path) =>
        node is ScalarNode { Value: { } name } && Path.GetFullPath(BesideFile(from, name)) == Path.GetFullPath(path);

    /// <summary>A path relative to a file's folder, shown the way the file's own path was given.</summary>
    private static string BesideFile(string file, string name)
    {
        if (Path.IsPathRooted(name)) return name;
        var whole = Path.GetFullPath(Path.Combine(Path.GetDirectoryName(file) ?? "", name));
        return Path.IsPathRooted(file) ? whole : Path.GetRelativePath(Environment.CurrentDirectory, whole);
    }
}
