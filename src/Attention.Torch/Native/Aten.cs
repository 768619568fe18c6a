using System.Collections.Concurrent;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Text;
using static TorchSharp.torch;

namespace Attention.Torch.Native;

/// <summary>
/// Calls operators of libtorch by name through its boxed dispatcher. A name is that of the schema without its
/// namespace where that is aten: "add.Tensor", "softmax.int", "attention::fused_adamw_". Arguments come in the
/// schema's order, and those left out take the schema's default; "full_like(self,fill_value,device)" names them
/// instead, which holds where a newer libtorch has inserted an argument.
/// </summary>
internal static unsafe class Aten
{
    private const int MaxResults = 8;
    private const int StackScratch = 512;

    /// <summary>The one tensor that the operator gives.</summary>
    public static Tensor Call(string name, params ReadOnlySpan<Arg> args)
    {
        NativeValue result;
        Invoke(name, args, &result, 1);
        return ToTensor(result, name);
    }

    /// <summary>The two tensors that the operator gives.</summary>
    public static (Tensor, Tensor) Call2(string name, params ReadOnlySpan<Arg> args)
    {
        var results = stackalloc NativeValue[2];
        Invoke(name, args, results, 2);
        return (ToTensor(results[0], name), ToTensor(results[1], name));
    }

    /// <summary>The three tensors that the operator gives.</summary>
    public static (Tensor, Tensor, Tensor) Call3(string name, params ReadOnlySpan<Arg> args)
    {
        var results = stackalloc NativeValue[3];
        Invoke(name, args, results, 3);
        return (ToTensor(results[0], name), ToTensor(results[1], name), ToTensor(results[2], name));
    }

    /// <summary>All tensors that the operator gives, as results or in one list.</summary>
    public static Tensor[] CallMany(string name, params ReadOnlySpan<Arg> args)
    {
        var results = stackalloc NativeValue[MaxResults];
        int count = Invoke(name, args, results, MaxResults);
        if (count == 1 && results[0].tag == NativeTag.TensorList)
            return ToTensors(results[0]);
        var tensors = new Tensor[count];
        for (int i = 0; i < count; i++)
            tensors[i] = ToTensor(results[i], name);
        return tensors;
    }

    /// <summary>For an operator that gives nothing, or whose results are its own arguments.</summary>
    public static void CallVoid(string name, params ReadOnlySpan<Arg> args) => Invoke(name, args, null, 0);

    /// <summary>For an operator that changes its first argument: gives that same object.</summary>
    public static Tensor CallInPlace(string name, params ReadOnlySpan<Arg> args)
    {
        CallVoid(name, args);
        return (Tensor)args[0].reference!;
    }

    /// <summary>The number or truth value that the operator gives.</summary>
    public static long CallInt(string name, params ReadOnlySpan<Arg> args)
    {
        NativeValue result;
        Invoke(name, args, &result, 1);
        return result.tag == NativeTag.Double ? (long)result.d : result.i;
    }

    /// <inheritdoc cref="CallInt"/>
    public static bool CallBool(string name, params ReadOnlySpan<Arg> args) => CallInt(name, args) != 0;

    /// <inheritdoc cref="CallInt"/>
    public static double CallDouble(string name, params ReadOnlySpan<Arg> args)
    {
        NativeValue result;
        Invoke(name, args, &result, 1);
        return result.tag == NativeTag.Double ? result.d : result.i;
    }

    /// <summary>All results as .NET values: tensors, arrays of tensors, long, double, bool, arrays of long, or null.</summary>
    public static object?[] CallAny(string name, params ReadOnlySpan<Arg> args)
    {
        var results = stackalloc NativeValue[MaxResults];
        int count = Invoke(name, args, results, MaxResults);
        var values = new object?[count];
        for (int i = 0; i < count; i++)
            values[i] = results[i].tag switch
            {
                NativeTag.Tensor => results[i].p == null ? null : Tensor.FromHandle((nint)results[i].p),
                NativeTag.TensorList => ToTensors(results[i]),
                NativeTag.Int => results[i].i,
                NativeTag.Double => results[i].d,
                NativeTag.Bool => results[i].i != 0,
                NativeTag.IntList => new ReadOnlySpan<long>(results[i].p, results[i].length).ToArray(),
                _ => null,
            };
        return values;
    }

    /// <summary>Whether this libtorch has the operator.</summary>
    public static bool Exists(string name)
    {
        var (full, overload) = Split(name);
        fixed (byte* n = Utf8(full), o = Utf8(overload))
            return NativeMethods.att_find_operator(n, o) != 0;
    }

    /// <summary>The schemas of all overloads of an operator of this libtorch.</summary>
    public static string[] Schemas(string name)
    {
        var bytes = Utf8(Split(name).Name);
        return NativeMethods.ReadText((buffer, capacity) =>
        {
            fixed (byte* n = bytes)
                return NativeMethods.att_operator_schemas(n, buffer, capacity);
        }).Split('\n', StringSplitOptions.RemoveEmptyEntries);
    }

    [SkipLocalsInit]
    private static int Invoke(string name, ReadOnlySpan<Arg> args, NativeValue* results, int capacity)
    {
        var op = Operator.Find(name);
        int bytes = 0;
        for (int i = 0; i < args.Length; i++)
            bytes += args[i].ScratchBytes;
        byte* small = stackalloc byte[bytes > 0 && bytes <= StackScratch ? bytes : 0];
        byte* large = bytes > StackScratch ? (byte*)NativeMemory.Alloc((nuint)bytes) : null;
        var scratch = large != null ? large : small;
        var values = stackalloc NativeValue[args.Length];
        int count;
        try
        {
            for (int i = 0; i < args.Length; i++)
                args[i].Write(values + i, ref scratch);
            fixed (int* positions = op.positions)
                count = NativeMethods.att_call(op.handle, values, positions, args.Length, results, capacity);
        }
        finally
        {
            if (large != null)
                NativeMemory.Free(large);
        }
        // A tensor may be reachable from its argument alone, and its finalizer frees the handle.
        for (int i = 0; i < args.Length; i++)
            GC.KeepAlive(args[i].reference);
        if (count < 0)
            throw new TorchException($"{op.name}: {NativeMethods.LastError}");
        return count;
    }

    private static Tensor ToTensor(in NativeValue value, string name)
    {
        if (value.tag == NativeTag.Tensor && value.p != null)
            return Tensor.FromHandle((nint)value.p);
        if (value.tag == NativeTag.Tensor || value.tag == NativeTag.None)
            return null!;
        throw new TorchException($"{name}: gives a {value.tag}, not a tensor");
    }

    private static Tensor[] ToTensors(in NativeValue value)
    {
        var tensors = new Tensor[value.length];
        for (int i = 0; i < tensors.Length; i++)
            tensors[i] = Tensor.FromHandle(((nint*)value.p)[i]);
        return tensors;
    }

    internal static byte[] Utf8(string text) => Encoding.UTF8.GetBytes(text + "\0");

    internal static (string Name, string Overload) Split(string name)
    {
        int names = name.IndexOf('(');
        if (names >= 0)
            name = name[..names];
        int scope = name.IndexOf("::", StringComparison.Ordinal);
        int dot = name.IndexOf('.', scope < 0 ? 0 : scope);
        var overload = dot < 0 ? "" : name[(dot + 1)..];
        var bare = dot < 0 ? name : name[..dot];
        return (scope < 0 ? "aten::" + bare : bare, overload);
    }

    /// <summary>An operator that was looked up once.</summary>
    private sealed class Operator
    {
        private static readonly ConcurrentDictionary<string, Operator> all = new();

        // Names are literals, so nearly every call finds its operator by the identity of the string.
        private static readonly Operator?[] byIdentity = new Operator?[4096];

        internal readonly nint handle;
        internal readonly string name;
        internal readonly int[]? positions;
        private readonly string key;

        private Operator(string text)
        {
            key = text;
            var (full, overload) = Split(text);
            name = overload.Length == 0 ? full : $"{full}.{overload}";
            fixed (byte* n = Utf8(full), o = Utf8(overload))
                handle = NativeMethods.att_find_operator(n, o);
            if (handle == 0)
                throw new TorchException(Missing(full));
            int names = text.IndexOf('(');
            if (names < 0)
                return;
            var list = text[(names + 1)..^1].Replace(" ", "");
            positions = new int[list.Count(c => c == ',') + 1];
            fixed (byte* n = Utf8(list))
            fixed (int* p = positions)
                NativeMethods.Check(NativeMethods.att_argument_positions(handle, n, p, positions.Length), name);
        }

        private string Missing(string full)
        {
            var overloads = Schemas(full);
            return overloads.Length == 0
                ? $"{name}: libtorch {NativeMethods.TorchVersion} has no such operator"
                : $"{name}: no such overload in libtorch {NativeMethods.TorchVersion}, which has {string.Join("; ", overloads)}";
        }

        internal static Operator Find(string text)
        {
            ref var slot = ref byIdentity[RuntimeHelpers.GetHashCode(text) & 4095];
            if (slot is { } seen && ReferenceEquals(seen.key, text))
                return seen;
            var op = all.GetOrAdd(text, static t => new Operator(t));
            slot = op;
            return op;
        }
    }
}
