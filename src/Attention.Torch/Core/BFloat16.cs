using System.Globalization;

namespace TorchSharp;

/// <summary>A 16-bit number with float's 8 exponent bits and 7 bits of mantissa.</summary>
public readonly struct BFloat16 : IComparable, IComparable<BFloat16>, IEquatable<BFloat16>, IFormattable
{
    private readonly ushort bits;

    private BFloat16(ushort bits) => this.bits = bits;

    /// <summary>Rounds to the nearest, ties to even.</summary>
    public BFloat16(float f)
    {
        uint raw = BitConverter.SingleToUInt32Bits(f);
        bits = float.IsNaN(f) ? (ushort)0x7fc0 : (ushort)(raw + 0x7fff + (raw >> 16 & 1) >> 16);
    }

    public static readonly BFloat16 Zero = new((ushort)0);
    public static readonly BFloat16 One = new((ushort)0x3f80);
    public static readonly BFloat16 NaN = new((ushort)0x7fc0);
    public static readonly BFloat16 PositiveInfinity = new((ushort)0x7f80);
    public static readonly BFloat16 NegativeInfinity = new((ushort)0xff80);
    public static readonly BFloat16 MaxValue = new((ushort)0x7f7f);
    public static readonly BFloat16 MinValue = new((ushort)0xff7f);
    public static readonly BFloat16 Epsilon = new((ushort)0x3c00);
    public static readonly BFloat16 MinNormal = new((ushort)0x0080);
    public static readonly BFloat16 SmallestSubnormal = new((ushort)0x0001);

    public static BFloat16 FromRawValue(ushort rawValue) => new(rawValue);
    public float ToSingle() => BitConverter.UInt32BitsToSingle((uint)bits << 16);

    public static bool IsNaN(BFloat16 bf) => float.IsNaN(bf.ToSingle());
    public static bool IsInfinity(BFloat16 bf) => float.IsInfinity(bf.ToSingle());
    public static bool IsPositiveInfinity(BFloat16 bf) => float.IsPositiveInfinity(bf.ToSingle());
    public static bool IsNegativeInfinity(BFloat16 bf) => float.IsNegativeInfinity(bf.ToSingle());
    public static bool IsFinite(BFloat16 bf) => float.IsFinite(bf.ToSingle());

    public static explicit operator BFloat16(float f) => new(f);
    public static explicit operator BFloat16(double d) => new((float)d);
    public static explicit operator float(BFloat16 bf) => bf.ToSingle();
    public static explicit operator double(BFloat16 bf) => bf.ToSingle();

    public static BFloat16 operator +(BFloat16 a, BFloat16 b) => new(a.ToSingle() + b.ToSingle());
    public static BFloat16 operator -(BFloat16 a, BFloat16 b) => new(a.ToSingle() - b.ToSingle());
    public static BFloat16 operator *(BFloat16 a, BFloat16 b) => new(a.ToSingle() * b.ToSingle());
    public static BFloat16 operator /(BFloat16 a, BFloat16 b) => new(a.ToSingle() / b.ToSingle());
    public static BFloat16 operator %(BFloat16 a, BFloat16 b) => new(a.ToSingle() % b.ToSingle());
    public static BFloat16 operator -(BFloat16 a) => new((ushort)(a.bits ^ 0x8000));
    public static bool operator ==(BFloat16 a, BFloat16 b) => a.ToSingle() == b.ToSingle();
    public static bool operator !=(BFloat16 a, BFloat16 b) => a.ToSingle() != b.ToSingle();
    public static bool operator <(BFloat16 a, BFloat16 b) => a.ToSingle() < b.ToSingle();
    public static bool operator >(BFloat16 a, BFloat16 b) => a.ToSingle() > b.ToSingle();
    public static bool operator <=(BFloat16 a, BFloat16 b) => a.ToSingle() <= b.ToSingle();
    public static bool operator >=(BFloat16 a, BFloat16 b) => a.ToSingle() >= b.ToSingle();

    public int CompareTo(BFloat16 other) => ToSingle().CompareTo(other.ToSingle());
    public int CompareTo(object? obj) => obj is null ? 1 : CompareTo((BFloat16)obj);
    public bool Equals(BFloat16 other) => ToSingle().Equals(other.ToSingle());
    public override bool Equals(object? obj) => obj is BFloat16 other && Equals(other);
    public override int GetHashCode() => ToSingle().GetHashCode();
    public override string ToString() => ToSingle().ToString(CultureInfo.InvariantCulture);
    public string ToString(string? format, IFormatProvider? formatProvider) => ToSingle().ToString(format, formatProvider);
}
