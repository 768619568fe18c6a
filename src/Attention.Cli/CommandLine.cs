using System.CommandLine;
using System.CommandLine.Help;
using System.CommandLine.Invocation;
using System.Runtime.InteropServices;

namespace Attention.Cli;

/// <summary>
/// The <c>attention</c> command: finds the commands, runs one and turns whatever goes wrong into two lines. Exit codes: 0 for
/// success, 1 for a fault of ours, 2 for a mistake of the user's, 130 where the user stopped it.
/// </summary>
public static class CommandLine
{
    private static readonly Dictionary<string, string> groups = new()
    {
        ["bench"] = "Measure speed and memory",
        ["config"] = "Show and check configurations",
        ["convert"] = "Make the start of another model from a trained one",
        ["data"] = "Make and check data sets",
        ["make"] = "Render sample data",
        ["tokenizer"] = "Make tokenizers",
    };

    /// <summary>Runs the command on the calling thread, which thereby is the one that computes.</summary>
    public static int Run(string[] args, TextWriter output, TextWriter error)
    {
        var verbose = new Option<bool>("--verbose") { Description = "Print the stack trace of an error", Recursive = true };
        var parsed = Root(verbose).Parse(args);
        var terminal = new Terminal(output, error, parsed.GetValue(verbose));
        try
        {
            if (parsed.Action is ParseErrorAction) throw UsageError.Of(parsed);
            if (parsed.Action is not null) return parsed.Invoke(new() { EnableDefaultExceptionHandler = false, Output = output, Error = error });
            using var stop = new StopSignals();
            return ((CliCommand)parsed.CommandResult.Command).Run(new(parsed, terminal, stop.Token));
        }
        catch (Exception failure)
        {
            return terminal.Report(failure);
        }
    }

    /// <summary>The program's commands.</summary>
    internal static RootCommand Root(Option<bool> verbose)
    {
        var root = new RootCommand("Attention: train, fine-tune and evaluate transformers from YAML.") { verbose };
        foreach (var command in CliCommand.All())
        {
            Command parent = root;
            foreach (var name in command.Group) parent = Child(parent, name);
            parent.Add(command);
        }
        ShowHelp(root);
        return root;
    }

    private static Command Child(Command parent, string name)
    {
        var group = parent.Subcommands.FirstOrDefault(command => command.Name == name);
        if (group is not null) return group;
        group = new(name, groups[name]);
        ShowHelp(group);
        parent.Add(group);
        return group;
    }

    /// <summary>A group of commands alone prints its help.</summary>
    private static void ShowHelp(Command group) => group.SetAction(parsed => new HelpAction().Invoke(parsed));

    /// <summary>Ctrl-C and SIGTERM ask the command to stop; a second one ends the process at once.</summary>
    private sealed class StopSignals : IDisposable
    {
        private readonly CancellationTokenSource source = new();
        private readonly PosixSignalRegistration[] registrations;

        public StopSignals() => registrations =
        [
            PosixSignalRegistration.Create(PosixSignal.SIGINT, Stop),
            PosixSignalRegistration.Create(PosixSignal.SIGTERM, Stop),
        ];

        public CancellationToken Token => source.Token;

        public void Dispose()
        {
            foreach (var registration in registrations) registration.Dispose();
            source.Dispose();
        }

        private void Stop(PosixSignalContext signal)
        {
            signal.Cancel = !source.IsCancellationRequested;
            source.Cancel();
        }
    }
}
