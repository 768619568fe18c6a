namespace Attention.Engine.Configuration;

/// <summary>Values given on the command line: <c>--set optimizer.lr=1e-3</c>.</summary>
public static class Overrides
{
    /// <summary>Lays overrides over a configuration, in their order.</summary>
    /// <param name="overrides">Each of the form <c>key=value</c>; the key may be dotted, the value is YAML.</param>
    /// <exception cref="ConfigError">An override without a key or an equals sign, or whose value is not YAML.</exception>
    public static MapNode Apply(MapNode map, IEnumerable<string> overrides) =>
        overrides.Aggregate(map, (current, text) => current.Merge(Parse(text)));

    private static MapNode Parse(string text)
    {
        var origin = Origin.Override(text);
        var equals = text.IndexOf('=');
        var keys = equals < 0 ? [] : text[..equals].Trim().Split('.');
        if (keys.Length == 0 || keys.Any(string.IsNullOrWhiteSpace))
            throw new ConfigError(origin, "not of the form key=value", "write for example --set optimizer.lr=1e-3");
        var node = YamlReader.ReadValue(text[(equals + 1)..], origin);
        return (MapNode)keys.Reverse().Aggregate(node, (value, key) => new MapNode([new(key, origin, value)], origin));
    }
}
