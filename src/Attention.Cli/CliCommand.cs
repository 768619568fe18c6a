using System.CommandLine;
using System.Reflection;

namespace Attention.Cli;

/// <summary>
/// A command in one file: a class derived from this one, with a constructor without arguments that names it and adds its
/// arguments and options. It is found by itself. Its constructor runs at every start of the program, so it does no work and
/// touches no type of the engine; <see cref="Run"/> does.
/// </summary>
public abstract class CliCommand : Command
{
    /// <param name="path">The words after <c>attention</c>: <c>train</c>, or <c>config show</c> for a command of a group.</param>
    /// <param name="description">One line without a full stop.</param>
    protected CliCommand(string path, string description) : base(path.Split(' ')[^1], description) => Group = path.Split(' ')[..^1];

    /// <summary>The words before the command's own name.</summary>
    public IReadOnlyList<string> Group { get; }

    /// <summary>Does the work and gives the exit code.</summary>
    public abstract int Run(CommandContext context);

    /// <summary>Every command of this program, by name.</summary>
    internal static IEnumerable<CliCommand> All() => typeof(CliCommand).Assembly.GetTypes()
        .Where(type => type.IsSubclassOf(typeof(CliCommand)) && !type.IsAbstract)
        .Select(type => (CliCommand)Activator.CreateInstance(type)!)
        .OrderBy(command => command.Name, StringComparer.Ordinal);
}
