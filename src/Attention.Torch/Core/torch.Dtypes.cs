using Attention.Torch.Native;

namespace TorchSharp;

// The types of element by PyTorch's names, and what is known of them.
public static partial class torch
{
    public static ScalarType uint8 = ScalarType.Byte;
    public static ScalarType int8 = ScalarType.Int8;
    public static ScalarType int16 = ScalarType.Int16;
    public static ScalarType int32 = ScalarType.Int32;
    public static ScalarType int64 = ScalarType.Int64;
    public static ScalarType float16 = ScalarType.Float16;
    public static ScalarType float32 = ScalarType.Float32;
    public static ScalarType float64 = ScalarType.Float64;
    public static ScalarType bfloat16 = ScalarType.BFloat16;
    public static ScalarType complex64 = ScalarType.ComplexFloat32;
    public static ScalarType complex128 = ScalarType.ComplexFloat64;
    public static ScalarType qint8 = ScalarType.QInt8;
    public static ScalarType quint8 = ScalarType.QUInt8;
    public static ScalarType qint32 = ScalarType.QInt32;
    public static ScalarType @bool = ScalarType.Bool;
    public static ScalarType @short = ScalarType.Int16;
    public static ScalarType @int = ScalarType.Int32;
    public static ScalarType @long = ScalarType.Int64;
    public static ScalarType half = ScalarType.Float16;
    public static ScalarType @float = ScalarType.Float32;
    public static ScalarType @double = ScalarType.Float64;
    public static ScalarType cfloat = ScalarType.ComplexFloat32;
    public static ScalarType cdouble = ScalarType.ComplexFloat64;

    /// <summary>Whether the elements are whole numbers or truth values.</summary>
    public static bool is_integral(ScalarType type) => type <= ScalarType.Int64 || type == ScalarType.Bool;
    public static bool is_floating_point(ScalarType type) => type is ScalarType.Float16 or ScalarType.Float32 or ScalarType.Float64 or ScalarType.BFloat16;
    public static bool is_complex(ScalarType type) => type is ScalarType.ComplexFloat32 or ScalarType.ComplexFloat64;
    public static bool is_quantized(ScalarType type) => type is ScalarType.QInt8 or ScalarType.QUInt8 or ScalarType.QInt32;

    public static bool is_integral(Tensor t) => is_integral(t.dtype);
    public static bool is_floating_point(Tensor input) => is_floating_point(input.dtype);
    public static bool is_complex(Tensor input) => is_complex(input.dtype);
    public static bool is_tensor(object obj) => obj is Tensor;
    public static bool is_storage(object obj) => obj is Storage;

    public static Tensor BoolTensor(Tensor t) => t.@bool();
    public static Tensor ByteTensor(Tensor t) => t.@byte();
    public static Tensor ShortTensor(Tensor t) => t.@short();
    public static Tensor IntTensor(Tensor t) => t.@int();
    public static Tensor LongTensor(Tensor t) => t.@long();
    public static Tensor FloatTensor(Tensor t) => t.@float();
    public static Tensor DoubleTensor(Tensor t) => t.@double();

    /// <summary>The type that an operation on elements of the two types gives.</summary>
    public static ScalarType promote_types(ScalarType type1, ScalarType type2) => (ScalarType)Aten.CallInt("promote_types", type1, type2);

    /// <summary>The type that an operation on the two tensors gives; one without dimensions counts for its kind only.</summary>
    public static ScalarType result_type(Tensor tensor1, Tensor tensor2) => (ScalarType)Aten.CallInt("result_type.Tensor", tensor1, tensor2);

    /// <summary>The largest number of an integral type.</summary>
    public static long max_int_value(ScalarType type) => type switch
    {
        ScalarType.Byte => byte.MaxValue,
        ScalarType.Int8 => sbyte.MaxValue,
        ScalarType.Int16 => short.MaxValue,
        ScalarType.Int32 => int.MaxValue,
        ScalarType.Int64 => long.MaxValue,
        ScalarType.Bool => 1,
        _ => throw new ArgumentException($"{type} is not an integral type"),
    };

    /// <summary>The limits of a type of floating-point numbers.</summary>
    public struct FInfo
    {
        public int bits;
        public double eps;
        public double max;
        public double min;
        public double tiny;
        public double smallest_normal;
        public double resolution;
    }

    public static FInfo finfo() => finfo(get_default_dtype());

    public static FInfo finfo(ScalarType dtype) => dtype switch
    {
        ScalarType.Float16 => Limits(16, 0.0009765625, 65504, 6.103515625E-05, 0.001),
        ScalarType.BFloat16 => Limits(16, 0.0078125, BFloat16.MaxValue.ToSingle(), 1.1754943508222875E-38, 0.01),
        ScalarType.Float32 or ScalarType.ComplexFloat32 => Limits(32, 1.1920928955078125E-07, float.MaxValue, 1.1754943508222875E-38, 1E-06),
        ScalarType.Float64 or ScalarType.ComplexFloat64 => Limits(64, 2.220446049250313E-16, double.MaxValue, 2.2250738585072014E-308, 1E-15),
        _ => throw new ArgumentException($"finfo is for floating-point types, not {dtype}"),
    };

    private static FInfo Limits(int bits, double eps, double max, double tiny, double resolution) =>
        new() { bits = bits, eps = eps, max = max, min = -max, tiny = tiny, smallest_normal = tiny, resolution = resolution };
}
