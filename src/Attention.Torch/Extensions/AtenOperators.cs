using Attention.Torch.Native;
using TorchSharp;
using static TorchSharp.torch;

namespace Attention.Torch;

/// <summary>
/// Every operator of libtorch by its name in the dispatcher: "softmax.int", "aten::add.Tensor",
/// "attention::grad_norm". For what has no wrapper.
/// </summary>
public static class AtenOperators
{
    /// <summary>Calls an operator with arguments in its schema's order; those left out take the schema's default.</summary>
    /// <param name="name">The operator, with its overload after a dot where it has one.</param>
    /// <param name="args">Tensors, numbers, truth values, strings, arrays of them, ScalarType, Device, Generator, Scalar, or null.</param>
    /// <returns>The results: tensors, arrays of tensors, long, double, bool, long[], or null.</returns>
    /// <exception cref="TorchException">No such operator, or libtorch refuses the arguments.</exception>
    public static object?[] Call(string name, params object?[] args) => Aten.CallAny(name, Array.ConvertAll(args, ToArg));

    /// <summary>Calls an operator with arguments by name.</summary>
    public static object?[] Call(string name, IReadOnlyDictionary<string, object?> args) =>
        args.Count == 0 ? Aten.CallAny(name) : Aten.CallAny($"{name}({string.Join(",", args.Keys)})", args.Values.Select(ToArg).ToArray());

    /// <summary>Whether this libtorch has the operator.</summary>
    public static bool Exists(string name) => Aten.Exists(name);

    /// <summary>The schemas of all overloads of an operator, as libtorch writes them.</summary>
    public static IReadOnlyList<string> Schemas(string name) => Aten.Schemas(name);

    private static Arg ToArg(object? value) => value switch
    {
        null => default,
        Tensor t => t,
        bool b => b,
        int or long or short or sbyte or byte or ushort or uint => Convert.ToInt64(value),
        float or double => Convert.ToDouble(value),
        Half h => (double)h,
        string s => s,
        Scalar s => s,
        System.Numerics.Complex c => Arg.Complex(c),
        ScalarType type => type,
        memory_format format => format,
        layout l => l,
        Device device => device,
        Generator generator => generator,
        Size size => size,
        IEnumerable<long> list => list.ToArray(),
        IEnumerable<int> list => list.Select(i => (long)i).ToArray(),
        IEnumerable<double> list => list.ToArray(),
        IEnumerable<float> list => list.Select(f => (double)f).ToArray(),
        IEnumerable<bool> list => list.ToArray(),
        IEnumerable<Tensor?> list => list.ToArray(),
        _ => throw new ArgumentException($"an argument of type {value.GetType()} cannot be given to an operator"),
    };
}
