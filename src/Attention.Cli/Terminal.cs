using System.Reflection;
using Spectre.Console;

namespace Attention.Cli;

/// <summary>The two streams of the program, and the one way in which an error looks.</summary>
public sealed class Terminal(TextWriter output, TextWriter error, bool verbose)
{
    private IAnsiConsole? console;

    public TextWriter Out { get; } = output;
    public TextWriter Error { get; } = error;

    /// <summary>Colours, tables and live lines on standard output; plain text where that is no terminal.</summary>
    public IAnsiConsole Console => console ??= CreateConsole();

    /// <summary>Whether a person watches standard output.</summary>
    public bool IsLive => IsTerminal && Console.Profile.Capabilities.Ansi;

    private bool IsTerminal => ReferenceEquals(Out, System.Console.Out) && !System.Console.IsOutputRedirected;

    /// <summary>Writes an error as one line, with advice on a second, and gives the exit code for it.</summary>
    public int Report(Exception failure)
    {
        while (failure is TargetInvocationException or AggregateException { InnerExceptions.Count: 1 }) failure = failure.InnerException!;
        switch (failure)
        {
            case OperationCanceledException:
                Error.WriteLine("stopped");
                return 130;
            case UserError mistake:
                Problem(mistake.Message, mistake.Advice);
                if (verbose) Error.WriteLine(mistake);
                return 2;
            default:
                Problem($"{FirstLine(failure.Message)} ({failure.GetType().Name})", verbose ? null : "run again with --verbose to see where it came from");
                if (verbose) Error.WriteLine(failure);
                return 1;
        }
    }

    /// <summary>One error in the form that all have.</summary>
    public void Problem(string message, string? advice)
    {
        var coloured = ReferenceEquals(Error, System.Console.Error) && !System.Console.IsErrorRedirected
            && string.IsNullOrEmpty(Environment.GetEnvironmentVariable("NO_COLOR"));
        Error.WriteLine(coloured ? $"\e[1;31merror:\e[0m {message}" : $"error: {message}");
        if (advice is not null) Error.WriteLine(coloured ? $"\e[36mhint:\e[0m {advice}" : $"hint: {advice}");
    }

    private IAnsiConsole CreateConsole()
    {
        if (IsTerminal) return AnsiConsole.Create(new() { Out = new AnsiConsoleOutput(Out) });
        var plain = AnsiConsole.Create(new() { Out = new AnsiConsoleOutput(Out), Ansi = AnsiSupport.No, ColorSystem = ColorSystemSupport.NoColors });
        // A file or a pipe has no width at which lines should be broken.
        plain.Profile.Width = 1000;
        return plain;
    }

    private static string FirstLine(string text) => text.AsSpan().Trim().ToString().Split('\n')[0].TrimEnd();
}
