namespace Attention.Engine.Configuration;

/// <summary>Where a value of a configuration came from: a line of a file, an override, or the record's default.</summary>
/// <param name="Source">The file as the user named it, <c>--set a.b=c</c>, or <c>default</c>.</param>
/// <param name="Line">1-based line in the file; 0 where there is none.</param>
/// <param name="Column">1-based column in the file; 0 where there is none.</param>
public sealed record Origin(string Source, int Line = 0, int Column = 0)
{
    public static Origin Default { get; } = new("default");

    public static Origin Override(string text) => new($"--set {text}");

    public override string ToString() => Line > 0 ? $"{Source}:{Line}" : Source;
}
