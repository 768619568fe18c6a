using System.CommandLine;
using System.Text.RegularExpressions;
using Attention.Cli;
using Attention.Engine;
using Attention.Engine.Configuration;
using Xunit;

namespace Attention.Tests.Documentation;

/// <summary>What the pages say holds: their code compiles, their commands and configs are understood, their links lead somewhere.</summary>
public partial class PageTests
{
    private static readonly string[] pages =
        ["README.md", "data/README.md", .. Directory.GetFiles(Repository.File("docs"), "*.md").Select(file => $"docs/{Path.GetFileName(file)}").Order(StringComparer.Ordinal)];

    public static TheoryData<string> Pages => new(pages);

    [GeneratedRegex(@"^( *)```(\w*)\r?\n(.*?)^ *```", RegexOptions.Multiline | RegexOptions.Singleline)]
    private static partial Regex Fenced();

    [GeneratedRegex(@"\]\((?!https?://)([^)#]+)")]
    private static partial Regex Link();

    /// <summary>The blocks of a language, without their indentation.</summary>
    private static IEnumerable<string[]> Blocks(string page, string language) =>
        from Match match in Fenced().Matches(File.ReadAllText(Repository.File(page)))
        where match.Groups[2].Value == language
        select match.Groups[3].Value.Split('\n').Select(line => line.StartsWith(match.Groups[1].Value, StringComparison.Ordinal) ? line[match.Groups[1].Length..].TrimEnd() : line.Trim()).ToArray();

    /// <summary>Code is copied from docs/examples, which is built with everything else, and runs in <see cref="PackageTests"/>.</summary>
    [Theory]
    [MemberData(nameof(Pages))]
    public void CSharp_stands_in_an_example(string page)
    {
        string[][] examples = [.. Directory.GetFiles(Repository.File("docs/examples"), "*.cs").Select(file => Meaningful(File.ReadAllLines(file)))];
        foreach (var block in Blocks(page, "csharp"))
        {
            var usings = block.Where(line => line.StartsWith("using ", StringComparison.Ordinal) && !line.Contains('=') && !line.Contains('(')).ToHashSet();
            Assert.All(usings, line => Assert.Contains(examples, example => example.Contains(line)));
            var code = Meaningful(block.Where(line => !usings.Contains(line)));
            Assert.True(examples.Any(example => Contains(example, code)), $"{page}: this is in no file of docs/examples:\n{string.Join('\n', block)}");
        }
    }

    private static string[] Meaningful(IEnumerable<string> lines) => [.. lines.Select(line => line.Trim()).Where(line => line.Length > 0)];

    private static bool Contains(string[] whole, string[] part) =>
        Enumerable.Range(0, Math.Max(0, whole.Length - part.Length + 1)).Any(start => whole.AsSpan(start, part.Length).SequenceEqual(part));

    [Theory]
    [MemberData(nameof(Pages))]
    public void Commands_are_understood(string page)
    {
        var root = CommandLine.Root(new Option<bool>("--verbose") { Recursive = true });
        var lines = File.ReadAllText(Repository.File(page)).Replace("\\\n", " ").Split('\n').Select(line => line.Trim());
        foreach (var line in lines.Where(line => line.StartsWith("./attention ", StringComparison.Ordinal)))
        {
            var parsed = root.Parse(line["./attention ".Length..].Split(" # ")[0]);
            Assert.True(parsed.Errors.Count == 0, $"{page}: {line}: {string.Join("; ", parsed.Errors)}");
        }
    }

    [Theory]
    [MemberData(nameof(Pages))]
    public void Configs_bind(string page)
    {
        foreach (var block in Blocks(page, "yaml"))
        {
            // Parts of a config are laid over what every config needs; what a base would give is left out.
            var yaml = string.Join('\n', block.Where(line => !line.StartsWith("base:", StringComparison.Ordinal)).Select(line => Variable().Replace(line, "x")));
            if (!block.Any(line => line.StartsWith("model:", StringComparison.Ordinal)))
                yaml += "\nmodel: vit_tiny_patch16_224";
            if (!block.Any(line => line.StartsWith("data:", StringComparison.Ordinal)))
                yaml += "\ndata: {name: image_folder, path: x}";
            var model = ConfigLoader.Parse<ExperimentConfig>(yaml, page).Value.model;
            // A folder with a model of Hugging Face's is not at hand.
            if (!model.name.Contains('/'))
                ModelBuilder.Config(model);
        }
    }

    [GeneratedRegex(@"\$\{\w+\}")]
    private static partial Regex Variable();

    [Theory]
    [MemberData(nameof(Pages))]
    public void Links_lead_somewhere(string page)
    {
        var folder = Path.GetDirectoryName(Repository.File(page))!;
        foreach (Match link in Link().Matches(File.ReadAllText(Repository.File(page))))
            Assert.True(Path.Exists(Path.Combine(folder, link.Groups[1].Value)), $"{page}: there is no {link.Groups[1].Value}");
    }
}
