using System.Text.RegularExpressions;

namespace Attention.Engine.Training;

/// <summary>Names chosen with wildcards: <c>*</c> stands for any text, <c>?</c> for one character.</summary>
public static class NamePatterns
{
    /// <summary>Whether a name fits one of the patterns.</summary>
    public static bool Fits(string name, IEnumerable<string> patterns) => patterns.Any(pattern => Fits(name, pattern));

    /// <summary>The names that fit one of the patterns.</summary>
    /// <param name="key">The config's key that holds the patterns, for the error.</param>
    /// <exception cref="UserError">A pattern that fits nothing, which is most likely a mistake.</exception>
    public static IReadOnlySet<string> Choose(IReadOnlyCollection<string> names, IEnumerable<string> patterns, string key)
    {
        var chosen = new HashSet<string>();
        foreach (var pattern in patterns)
        {
            var fitting = names.Where(name => Fits(name, pattern)).ToArray();
            if (fitting.Length == 0)
                throw new UserError($"{key}: nothing in the model is called '{pattern}'", Spelling.Advice(pattern, names));
            chosen.UnionWith(fitting);
        }
        return chosen;
    }

    private static bool Fits(string name, string pattern) =>
        Regex.IsMatch(name, $"^{Regex.Escape(pattern).Replace("\\*", ".*").Replace("\\?", ".")}$", RegexOptions.CultureInvariant);
}
