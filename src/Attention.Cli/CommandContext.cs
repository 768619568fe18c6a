using System.CommandLine;

namespace Attention.Cli;

/// <summary>What a command is given to run with.</summary>
/// <param name="Parsed">The arguments and options of the command line.</param>
/// <param name="Terminal">Where to write.</param>
/// <param name="Stop">Set when the user asks to stop by Ctrl-C or SIGTERM.</param>
public sealed record CommandContext(ParseResult Parsed, Terminal Terminal, CancellationToken Stop)
{
    /// <summary>The argument's value, or its default.</summary>
    public T Get<T>(Argument<T> argument) => Parsed.GetValue(argument)!;

    /// <summary>The option's value, or null (false, 0) where it was not given and has no default.</summary>
    public T? Get<T>(Option<T> option) => Parsed.GetValue(option);
}
