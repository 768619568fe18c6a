namespace Attention.Engine.Configuration;

/// <summary>One thing wrong in a configuration, and what to do about it.</summary>
public sealed record Problem(Origin Origin, string Message, string Advice)
{
    public override string ToString() => $"{Origin}: {Message}";
}

/// <summary>
/// Everything that is wrong in a configuration. The message and the advice are the first problem's;
/// <see cref="Problems"/> has them all, in the order of the file.
/// </summary>
public sealed class ConfigError : UserError
{
    public ConfigError(IEnumerable<Problem> problems) : this(problems.ToArray())
    {
    }

    public ConfigError(Origin origin, string message, string advice, Exception? inner = null)
        : base($"{origin}: {message}", advice, inner) => Problems = [new(origin, message, advice)];

    private ConfigError(Problem[] problems) : base(problems[0].ToString(), problems[0].Advice) => Problems = problems;

    public IReadOnlyList<Problem> Problems { get; }
}
