using System.Numerics;
using Attention.Torch.Native;
using static TorchSharp.torch;

namespace TorchSharp;

/// <summary>A number, truth value or complex number that an operator takes beside tensors.</summary>
public sealed class Scalar : IDisposable
{
    private readonly Complex complex;
    private readonly long integer;

    private Scalar(ScalarType type, long integer, Complex complex)
    {
        Type = type;
        this.integer = integer;
        this.complex = complex;
    }

    private static Scalar Integral(ScalarType type, long value) => new(type, value, value);
    private static Scalar Real(double value) => new(ScalarType.Float64, (long)value, value);

    /// <summary>The kind of number: Bool, Int64, Float64 or ComplexFloat64.</summary>
    public ScalarType Type { get; }

    public static implicit operator Scalar(bool value) => Integral(ScalarType.Bool, value ? 1 : 0);
    public static implicit operator Scalar(byte value) => Integral(ScalarType.Int64, value);
    public static implicit operator Scalar(sbyte value) => Integral(ScalarType.Int64, value);
    public static implicit operator Scalar(short value) => Integral(ScalarType.Int64, value);
    public static implicit operator Scalar(int value) => Integral(ScalarType.Int64, value);
    public static implicit operator Scalar(long value) => Integral(ScalarType.Int64, value);
    public static implicit operator Scalar(Half value) => Real((double)value);
    public static implicit operator Scalar(BFloat16 value) => Real(value.ToSingle());
    public static implicit operator Scalar(float value) => Real(value);
    public static implicit operator Scalar(double value) => Real(value);
    public static implicit operator Scalar((float, float) value) => new(ScalarType.ComplexFloat64, (long)value.Item1, new Complex(value.Item1, value.Item2));
    public static implicit operator Scalar(Complex value) => new(ScalarType.ComplexFloat64, (long)value.Real, value);

    internal bool IsIntegral => Type == ScalarType.Int64;
    internal bool IsComplex => Type == ScalarType.ComplexFloat64;
    internal long Integer => integer;
    internal Complex Value => complex;

    internal Arg ToArg() => Type switch
    {
        ScalarType.Bool => integer != 0,
        ScalarType.Int64 => integer,
        ScalarType.ComplexFloat64 => Arg.Complex(complex),
        _ => complex.Real,
    };

    /// <summary>Nothing to free: the official package's scalars hold native memory.</summary>
    public void Dispose()
    {
    }
}

public static class ScalarExtensionMethods
{
    public static Scalar ToScalar(this bool value) => value;
    public static Scalar ToScalar(this byte value) => value;
    public static Scalar ToScalar(this sbyte value) => value;
    public static Scalar ToScalar(this short value) => value;
    public static Scalar ToScalar(this int value) => value;
    public static Scalar ToScalar(this long value) => value;
    public static Scalar ToScalar(this Half value) => value;
    public static Scalar ToScalar(this BFloat16 value) => value;
    public static Scalar ToScalar(this float value) => value;
    public static Scalar ToScalar(this double value) => value;
    public static Scalar ToScalar(this (float, float) value) => value;
    public static Scalar ToScalar(this Complex value) => value;
    public static Scalar ToBFloat16Scalar(this float value) => new BFloat16(value);

    public static bool ToBoolean(this Scalar value) => value.Value != Complex.Zero;
    public static byte ToByte(this Scalar value) => (byte)value.Integer;
    public static sbyte ToSByte(this Scalar value) => (sbyte)value.Integer;
    public static short ToInt16(this Scalar value) => (short)value.Integer;
    public static int ToInt32(this Scalar value) => (int)value.Integer;
    public static long ToInt64(this Scalar value) => value.Integer;
    public static Half ToHalf(this Scalar value) => (Half)value.Value.Real;
    public static BFloat16 ToBFloat16(this Scalar value) => new((float)value.Value.Real);
    public static float ToSingle(this Scalar value) => (float)value.Value.Real;
    public static double ToDouble(this Scalar value) => value.Value.Real;
    public static (float Real, float Imaginary) ToComplexFloat32(this Scalar value) => ((float)value.Value.Real, (float)value.Value.Imaginary);
    public static Complex ToComplexFloat64(this Scalar value) => value.Value;
}
