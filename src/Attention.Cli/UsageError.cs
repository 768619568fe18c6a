using System.CommandLine;
using System.CommandLine.Parsing;
using Attention.Engine.Configuration;

namespace Attention.Cli;

/// <summary>A command line that cannot be understood, in the words and the form of our other errors.</summary>
internal static class UsageError
{
    public static UserError Of(ParseResult parsed)
    {
        var command = parsed.CommandResult.Command;
        var help = $"see: {string.Join(' ', Names(parsed.CommandResult))} --help";
        if (parsed.UnmatchedTokens is [var word, ..])
        {
            var isOption = word.StartsWith('-');
            var known = isOption ? Options(parsed.CommandResult) : command.Subcommands.Select(each => each.Name);
            var kind = isOption ? "option" : command.Subcommands.Count > 0 ? "command" : "argument";
            return new($"unknown {kind} '{word}'", Spelling.Nearest(word, known) is { } near ? $"did you mean '{near}'?" : help);
        }
        var said = parsed.Errors[0].Message.TrimEnd('.');
        return new($"{char.ToLowerInvariant(said[0])}{said[1..]}", help);
    }

    private static IEnumerable<string> Names(CommandResult result)
    {
        var above = result.Parent is CommandResult parent ? Names(parent) : [];
        return above.Append(result.Command is RootCommand ? "attention" : result.Command.Name);
    }

    private static IEnumerable<string> Options(CommandResult result) =>
        result.Command.Options.Select(option => option.Name).Concat(result.Parent is CommandResult parent ? Options(parent) : []);
}
