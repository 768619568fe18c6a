namespace Attention.Torch;

/// <summary>The official package cannot call operators by name.</summary>
public static class AtenOperators
{
    public static object?[] Call(string name, params object?[] args) => throw Unsupported(name);
    public static object?[] Call(string name, IReadOnlyDictionary<string, object?> args) => throw Unsupported(name);

    /// <summary>Whether an operator can be called by name: none.</summary>
    public static bool Exists(string name) => false;
    public static IReadOnlyList<string> Schemas(string name) => [];

    private static UserError Unsupported(string name) =>
        new($"calling the operator '{name}' by name needs the system flavour: TorchSharp's package cannot do it",
            "build with -p:Torch=system (scripts/setup.sh --flavour system)");
}
