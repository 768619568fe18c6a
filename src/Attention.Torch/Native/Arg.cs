using System.Runtime.CompilerServices;
using TorchSharp;
using static TorchSharp.torch;

namespace Attention.Torch.Native;

/// <summary>One argument of an operator, made by conversion from whatever the caller has.</summary>
internal readonly struct Arg
{
    internal readonly object? reference;
    internal readonly long bits;
    internal readonly NativeTag tag;

    private Arg(NativeTag tag, long bits, object? reference = null)
    {
        this.tag = tag;
        this.bits = bits;
        this.reference = reference;
    }

    private static Arg List(NativeTag tag, object? list) => list is null ? default : new(tag, 0, list);

    public static implicit operator Arg(Tensor? tensor) => tensor is null ? default : new(NativeTag.Tensor, 0, tensor);
    public static implicit operator Arg(int value) => new(NativeTag.Int, value);
    public static implicit operator Arg(long value) => new(NativeTag.Int, value);
    public static implicit operator Arg(double value) => new(NativeTag.Double, BitConverter.DoubleToInt64Bits(value));
    public static implicit operator Arg(bool value) => new(NativeTag.Bool, value ? 1 : 0);
    public static implicit operator Arg(int? value) => value is { } v ? (Arg)v : default;
    public static implicit operator Arg(long? value) => value is { } v ? (Arg)v : default;
    public static implicit operator Arg(double? value) => value is { } v ? (Arg)v : default;
    public static implicit operator Arg(bool? value) => value is { } v ? (Arg)v : default;
    public static implicit operator Arg(string? text) => List(NativeTag.String, text);
    public static implicit operator Arg(long[]? list) => List(NativeTag.IntList, list);
    public static implicit operator Arg(double[]? list) => List(NativeTag.DoubleList, list);
    public static implicit operator Arg(bool[]? list) => List(NativeTag.BoolList, list);
    public static implicit operator Arg(Tensor?[]? list) => List(NativeTag.TensorList, list);
    public static implicit operator Arg(List<Tensor>? list) => List(NativeTag.TensorList, list?.ToArray());
    public static implicit operator Arg(Size size) => List(NativeTag.IntList, size.Shape);
    public static implicit operator Arg(ScalarType type) => new(NativeTag.Int, (long)type);
    public static implicit operator Arg(ScalarType? type) => type is { } t ? (Arg)t : default;
    public static implicit operator Arg(layout value) => new(NativeTag.Int, (long)value);
    public static implicit operator Arg(memory_format value) => new(NativeTag.Int, value switch
    {
        memory_format.contiguous_format => 0,
        memory_format.preserve_format => 1,
        _ => (long)value,
    });
    public static implicit operator Arg(Device? device) =>
        device is null ? default : new(NativeTag.Device, (long)(uint)device.index << 32 | (uint)device.type);
    public static implicit operator Arg(Generator? generator) =>
        generator is null ? default : new(NativeTag.Generator, generator.Handle, generator);
    public static implicit operator Arg(Scalar? scalar) => scalar is null ? default : scalar.ToArg();

    internal static Arg Complex(System.Numerics.Complex value) => new(NativeTag.Complex, 0, new[] { value.Real, value.Imaginary });

    /// <summary>Bytes of scratch memory that <see cref="Write"/> needs.</summary>
    internal int ScratchBytes => tag switch
    {
        NativeTag.IntList => Unsafe.As<long[]>(reference!).Length * sizeof(long),
        NativeTag.DoubleList or NativeTag.Complex => Unsafe.As<double[]>(reference!).Length * sizeof(double),
        NativeTag.BoolList => Unsafe.As<bool[]>(reference!).Length + 7 & ~7,
        NativeTag.TensorList => Unsafe.As<Tensor?[]>(reference!).Length * sizeof(long),
        NativeTag.String => System.Text.Encoding.UTF8.GetMaxByteCount(Unsafe.As<string>(reference!).Length) + 7 & ~7,
        _ => 0,
    };

    /// <summary>Writes the argument for native code; lists are copied to <paramref name="scratch"/>, which moves on.</summary>
    internal unsafe void Write(NativeValue* value, ref byte* scratch)
    {
        value->tag = tag;
        value->length = 0;
        switch (tag)
        {
            case NativeTag.Tensor:
                value->p = (void*)Unsafe.As<Tensor>(reference!).Handle;
                return;
            case NativeTag.Device:
                value->i = bits & 0xffffffff;
                value->length = (int)(bits >> 32);
                return;
            case NativeTag.IntList:
                Copy<long>(Unsafe.As<long[]>(reference!), value, ref scratch);
                return;
            case NativeTag.DoubleList:
            case NativeTag.Complex:
                Copy<double>(Unsafe.As<double[]>(reference!), value, ref scratch);
                return;
            case NativeTag.BoolList:
                Copy<bool>(Unsafe.As<bool[]>(reference!), value, ref scratch);
                return;
            case NativeTag.TensorList:
                var tensors = Unsafe.As<Tensor?[]>(reference!);
                value->p = scratch;
                value->length = tensors.Length;
                foreach (var tensor in tensors)
                {
                    *(nint*)scratch = tensor is null ? 0 : tensor.Handle;
                    scratch += sizeof(nint);
                }
                return;
            case NativeTag.String:
                var text = Unsafe.As<string>(reference!);
                value->p = scratch;
                value->length = System.Text.Encoding.UTF8.GetBytes(text, new Span<byte>(scratch, ScratchBytes));
                scratch += ScratchBytes;
                return;
            default:
                value->i = bits;
                return;
        }
    }

    private static unsafe void Copy<T>(ReadOnlySpan<T> list, NativeValue* value, ref byte* scratch) where T : unmanaged
    {
        value->p = scratch;
        value->length = list.Length;
        list.CopyTo(new Span<T>(scratch, list.Length));
        scratch += list.Length * sizeof(T) + 7 & ~7;
    }
}
