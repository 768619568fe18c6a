using YamlDotNet.Core;
using YamlDotNet.Core.Events;

namespace Attention.Engine.Configuration;

/// <summary>Reads YAML into <see cref="Node"/>s, each with the line and column where it starts.</summary>
public sealed class YamlReader
{
    private readonly Func<Mark, Origin> origin;
    private readonly IParser parser;
    private readonly Dictionary<string, Node> anchors = [];

    private YamlReader(string text, Func<Mark, Origin> origin)
    {
        this.origin = origin;
        parser = new Parser(new Scanner(new StringReader(text), skipComments: true));
    }

    /// <summary>Reads a file whose root is a map.</summary>
    /// <param name="path">The file; errors name it as it is given here.</param>
    /// <exception cref="ConfigError">The file is missing, is not YAML, or its root is not a map.</exception>
    public static MapNode ReadFile(string path)
    {
        string text;
        try
        {
            text = File.ReadAllText(path);
        }
        catch (Exception error) when (error is FileNotFoundException or DirectoryNotFoundException)
        {
            throw new UserError($"config file '{path}' does not exist", AdviceForMissing(path), error);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw Directory.Exists(path)
                ? new UserError($"'{path}' is a folder, not a config file", AdviceForMissing(Path.Combine(path, "")), error)
                : new UserError($"config file '{path}' cannot be read: {error.Message}", "check its permissions", error);
        }
        return ReadMap(text, path);
    }

    /// <summary>Reads a text whose root is a map; <paramref name="source"/> names it in errors.</summary>
    public static MapNode ReadMap(string text, string source)
    {
        var node = Read(text, mark => new Origin(source, (int)mark.Line, (int)mark.Column));
        return node switch
        {
            MapNode map => map,
            ScalarNode { Value: null } => throw new ConfigError(new(source, 1, 1), "the config is empty", "write at least 'model:' and 'data:'"),
            _ => throw new ConfigError(node.Origin, $"a config is a map of keys, but this is {node}", "start it with a key, for example 'name: my_run'"),
        };
    }

    /// <summary>Reads one value written on the command line, such as <c>1e-3</c>, <c>[0.9, 0.95]</c> or <c>{name: sgd}</c>.</summary>
    public static Node ReadValue(string text, Origin origin) => Read(text, _ => origin);

    private static Node Read(string text, Func<Mark, Origin> origin)
    {
        var reader = new YamlReader(text, origin);
        try
        {
            return reader.ReadDocument();
        }
        catch (YamlException error)
        {
            throw Explain(error, error.Start, error.Message.TrimEnd('.'), text, origin);
        }
        catch (InvalidOperationException error)
        {
            // YamlDotNet's scanner throws this for a key inside brackets that are still open.
            throw Explain(error, reader.parser.Current!.Start, "A bracket or brace is not closed", text, origin);
        }
    }

    private Node ReadDocument()
    {
        parser.Consume<StreamStart>();
        if (parser.Accept<StreamEnd>(out var end)) return new ScalarNode(null, origin(end.Start));
        parser.Consume<DocumentStart>();
        var root = ReadNode();
        parser.Consume<DocumentEnd>();
        if (!parser.Accept<StreamEnd>(out _))
            throw new ConfigError(origin(parser.Current!.Start), "a second YAML document starts here", "keep one config in one file, without '---'");
        return root;
    }

    private Node ReadNode()
    {
        if (parser.TryConsume<AnchorAlias>(out var alias))
            return anchors.TryGetValue(alias.Value.Value, out var known)
                ? known
                : throw new ConfigError(origin(alias.Start), $"unknown anchor '*{alias.Value.Value}'", $"define it before with '&{alias.Value.Value}'");
        var anchor = (parser.Current as NodeEvent)?.Anchor ?? AnchorName.Empty;
        Node node = parser.Current switch
        {
            MappingStart => ReadMapping(),
            SequenceStart => ReadSequence(),
            _ => ReadScalar(),
        };
        if (!anchor.IsEmpty) anchors[anchor.Value] = node;
        return node;
    }

    private ScalarNode ReadScalar()
    {
        var scalar = parser.Consume<Scalar>();
        var quoted = scalar.Style is not ScalarStyle.Plain;
        var value = !quoted && scalar.Value is "" or "~" or "null" or "Null" or "NULL" ? null : scalar.Value;
        return new(value, origin(scalar.Start), quoted);
    }

    private ListNode ReadSequence()
    {
        var start = parser.Consume<SequenceStart>();
        var items = new List<Node>();
        while (!parser.TryConsume<SequenceEnd>(out _)) items.Add(ReadNode());
        return new(items, origin(start.Start));
    }

    private MapNode ReadMapping()
    {
        var start = parser.Consume<MappingStart>();
        var entries = new List<MapEntry>();
        while (!parser.TryConsume<MappingEnd>(out _))
        {
            if (!parser.TryConsume<Scalar>(out var key))
                throw new ConfigError(origin(parser.Current!.Start), "a key must be a single word", "put quotes around it if it is meant as text");
            var here = origin(key.Start);
            if (entries.Find(entry => entry.Key == key.Value) is { } first)
                throw new ConfigError(here, $"key '{key.Value}' stands twice, first in line {first.Origin.Line}", "remove one of the two");
            entries.Add(new(key.Value, here, ReadNode()));
        }
        return new(entries, origin(start.Start));
    }

    private static ConfigError Explain(Exception error, Mark at, string said, string text, Func<Mark, Origin> origin)
    {
        var lines = text.TrimEnd('\n').Split('\n');
        var where = origin(at);
        // The scanner says "tab" but names the place where the map began.
        var tab = said.Contains("tab") ? Array.FindIndex(lines, line => line.TakeWhile(char.IsWhiteSpace).Contains('\t')) : -1;
        if (tab >= 0 && where.Line > 0)
            return new(where with { Line = tab + 1 }, "a tab in the indentation, where YAML allows only spaces", "replace the tab by two spaces", error);
        return new(where with { Line = Math.Min(where.Line, lines.Length) }, $"not valid YAML: {char.ToLowerInvariant(said[0])}{said[1..]}",
            where.Line > 0 ? "check colons, quotes, brackets and indentation of this line and the one before" : "put quotes around the value", error);
    }

    private static string AdviceForMissing(string path)
    {
        var folder = Path.GetDirectoryName(path) is { Length: > 0 } named ? named : ".";
        if (!Directory.Exists(folder)) return $"folder '{folder}' does not exist either; the path is taken from '{Environment.CurrentDirectory}'";
        var configs = Directory.EnumerateFiles(folder, "*.yaml").Select(file => folder == "." ? Path.GetFileName(file) : file).Order().ToArray();
        return configs.Length == 0 ? $"there is no .yaml file in '{folder}'" : Spelling.Advice(path, configs);
    }
}
