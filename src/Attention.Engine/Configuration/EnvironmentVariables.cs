using System.Text.RegularExpressions;

namespace Attention.Engine.Configuration;

/// <summary>
/// Replaces <c>${NAME}</c>, <c>${NAME:-default}</c> and a leading <c>~/</c> in a configuration's values; <c>$${</c> stands
/// for a plain <c>${</c>.
/// </summary>
internal static partial class EnvironmentVariables
{
    /// <exception cref="ConfigError">A variable that is not set and has no default.</exception>
    public static Node Expand(Node node) => node switch
    {
        MapNode map => new MapNode(map.Entries.Select(entry => entry with { Value = Expand(entry.Value) }).ToArray(), map.Origin),
        ListNode list => new ListNode(list.Items.Select(Expand).ToArray(), list.Origin),
        ScalarNode { Value: { } text } scalar when text.Contains("${") || text.StartsWith("~/") =>
            new ScalarNode(Expand(text, scalar.Origin), scalar.Origin, scalar.Quoted),
        _ => node,
    };

    /// <summary>The text that <see cref="Expand(Node)"/> turns into this one.</summary>
    public static string Escape(string text) => text.Replace("${", "$${");

    private static string Expand(string text, Origin origin)
    {
        if (text.StartsWith("~/")) text = Environment.GetFolderPath(Environment.SpecialFolder.UserProfile) + text[1..];
        return Variable().Replace(text, match =>
        {
            if (match.Value == "$${") return "${";
            var name = match.Groups["name"].Value;
            if (Environment.GetEnvironmentVariable(name) is { Length: > 0 } value) return value;
            if (match.Groups["default"] is { Success: true } fallback) return fallback.Value;
            throw new ConfigError(origin, $"environment variable '{name}' is not set", $"set it with: export {name}=..., or write ${{{name}:-default}}");
        });
    }

    [GeneratedRegex(@"\$\$\{|\$\{(?<name>[A-Za-z_][A-Za-z0-9_]*)(:-(?<default>[^}]*))?\}")]
    private static partial Regex Variable();
}
