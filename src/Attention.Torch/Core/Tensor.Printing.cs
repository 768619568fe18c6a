using System.Globalization;
using System.Numerics;
using System.Text;

namespace TorchSharp;

/// <summary>How a tensor is printed.</summary>
public enum TensorStringStyle
{
    /// <summary>Its shape, type and device only.</summary>
    Metadata = 0,
    Julia = 1,
    Numpy = 2,
    CSharp = 3,

    /// <summary>As <see cref="torch.TensorStringStyle"/> says.</summary>
    Default = 4,
}

public enum PrintOptionsProfile
{
    @default = 0,
    @short = 1,
    full = 2,
}

public static partial class torch
{
    public const TensorStringStyle julia = TensorStringStyle.Julia;
    public const TensorStringStyle numpy = TensorStringStyle.Numpy;
    public const TensorStringStyle csharp = TensorStringStyle.CSharp;

    private static TensorStringStyle printStyle = TensorStringStyle.Julia;
    private static string printFormat = "g5";
    private static string printNewLine = Environment.NewLine;
    private static int printWidth = 100;
    private static int printRows = 6;
    private static int printColumns = 6;

    /// <summary>The style that printing takes where none is given.</summary>
    public static TensorStringStyle TensorStringStyle
    {
        get => printStyle;
        set => printStyle = value != TensorStringStyle.Default ? value : throw new ArgumentException("the default style cannot be 'Default'");
    }

    /// <summary>Sets the digits after the point and, where given, the other settings of printing.</summary>
    public static void set_printoptions(int precision, int? linewidth = null, string? newLine = null, bool sci_mode = false, int? maxRows = null, int? maxColumns = null) =>
        set_printoptions(null, $"{(sci_mode ? 'E' : 'F')}{precision}", linewidth, newLine, maxRows, maxColumns);

    /// <summary>Sets those settings of printing that are given; the others stay as they are.</summary>
    /// <param name="floatFormat">A .NET format for real numbers, "g5" at first.</param>
    /// <param name="linewidth">Characters in a line, 100 at first.</param>
    /// <param name="maxRows">Rows of a matrix before its middle is left out in the NumPy and C# styles, 6 at first.</param>
    public static void set_printoptions(TensorStringStyle? style = null, string? floatFormat = null, int? linewidth = null, string? newLine = null, int? maxRows = null, int? maxColumns = null)
    {
        printStyle = style ?? printStyle;
        printFormat = floatFormat ?? printFormat;
        printWidth = linewidth ?? printWidth;
        printNewLine = newLine ?? printNewLine;
        printRows = maxRows ?? printRows;
        printColumns = maxColumns ?? printColumns;
    }

    public partial class Tensor
    {
        /// <summary>The tensor's shape, type and device: "[2x3], type = Float32, device = cpu".</summary>
        public override string ToString() => IsInvalid ? "" : Metadata;

        private string Metadata => $"[{string.Join("x", shape)}], type = {dtype}, device = {device}";

        public string ToString(bool disamb, string? fltFormat = null, int? width = null, CultureInfo? cultureInfo = null, string? newLine = null) =>
            disamb ? ToString(printStyle, fltFormat, width, cultureInfo, newLine) : ToString();

        /// <summary>The tensor's elements as text.</summary>
        public string ToString(TensorStringStyle style, string? fltFormat = null, int? width = null, CultureInfo? cultureInfo = null, string? newLine = null)
        {
            if (style == TensorStringStyle.Default)
                style = printStyle;
            if (style == TensorStringStyle.Metadata || is_meta)
                return ToString();
            using var none = no_grad();
            using var scope = NewDisposeScope();
            var printer = new Printer(this, fltFormat ?? printFormat, width ?? printWidth, cultureInfo ?? CultureInfo.CurrentCulture, newLine ?? printNewLine);
            return style switch
            {
                TensorStringStyle.Julia => printer.Julia(),
                TensorStringStyle.Numpy => printer.Numpy(),
                TensorStringStyle.CSharp => printer.CSharp(),
                _ => throw new ArgumentException($"no such style: {style}"),
            };
        }

        /// <summary>Writes the elements of a tensor as text, in the styles and layouts of the official package.</summary>
        private sealed class Printer
        {
            private const string Ellipsis = "...";

            private readonly string metadata;
            private readonly ScalarType type;
            private readonly long[] shape;
            private readonly long[] strides;
            private readonly Func<long, string> element;
            private readonly int width;
            private readonly string newLine;
            private readonly StringBuilder text = new();

            internal Printer(Tensor tensor, string format, int width, CultureInfo culture, string newLine)
            {
                metadata = tensor.Metadata;
                type = tensor.dtype;
                shape = tensor.shape;
                this.width = width;
                this.newLine = newLine;
                strides = new long[shape.Length];
                for (long dim = shape.Length - 1, stride = 1; dim >= 0; stride *= shape[dim--])
                    strides[dim] = stride;
                element = Formatter((tensor.is_quantized() ? tensor.dequantize() : tensor.is_sparse ? tensor.to_dense() : tensor).cpu().contiguous(), format, culture);
            }

            private static Func<long, string> Formatter(Tensor values, string format, CultureInfo culture)
            {
                Func<long, string> Number<T>() where T : unmanaged, IFormattable
                {
                    var data = values.data<T>();
                    return i => data[i].ToString(values.is_floating_point() ? format : null, culture);
                }
                Func<long, string> Pair(Func<long, Complex> read) => i =>
                {
                    var value = read(i);
                    if (value.Imaginary == 0)
                        return value.Real.ToString(format, culture);
                    var imaginary = value.Imaginary.ToString(format, culture) + 'i';
                    return value.Real == 0 ? imaginary : $"{value.Real.ToString(format, culture)}+{imaginary}";
                };
                switch (values.dtype)
                {
                    case ScalarType.Bool:
                        var flags = values.data<bool>();
                        return i => flags[i].ToString();
                    case ScalarType.ComplexFloat32:
                        var single = values.data<(float, float)>();
                        return Pair(i => new Complex(single[i].Item1, single[i].Item2));
                    case ScalarType.ComplexFloat64:
                        var complex = values.data<Complex>();
                        return Pair(i => complex[i]);
                    case ScalarType.Byte: return Number<byte>();
                    case ScalarType.Int8: return Number<sbyte>();
                    case ScalarType.Int16: return Number<short>();
                    case ScalarType.Int32: return Number<int>();
                    case ScalarType.Int64: return Number<long>();
                    case ScalarType.Float64: return Number<double>();
                    case ScalarType.Float32: return Number<float>();
                    default:
                        values = values.@float();
                        return Number<float>();
                }
            }

            // --- Julia ---------------------------------------------------------------------------

            internal string Julia()
            {
                text.Append(metadata);
                if (shape.Length == 0)
                    return text.Append(", value = ").Append(element(0)).ToString();
                if (shape.Length <= 2)
                {
                    text.Append(newLine);
                    if (shape.Length == 1)
                        Rows(0, 1, shape[0]);
                    else
                        Rows(0, shape[0], shape[1]);
                }
                else
                    Slices(0, 0, "");
                return text.ToString();
            }

            // The matrices in the last two dimensions, each under its index.
            private void Slices(int dim, long offset, string index)
            {
                for (long i = 0; i < shape[dim]; i++)
                {
                    var inner = index.Length == 0 ? $"{i}" : $"{index},{i}";
                    long start = offset + i * strides[dim];
                    if (dim < shape.Length - 3)
                    {
                        Slices(dim + 1, start, inner);
                        continue;
                    }
                    text.Append(newLine).Append($"[{inner},..,..] =").Append(newLine);
                    Rows(start, shape[^2], shape[^1]);
                }
            }

            private void Rows(long offset, long count, long length)
            {
                var rows = new List<List<string>>();
                for (long i = 0; i < count; i++)
                    rows.Add(Row(offset + i * length, length));
                int columns = rows.Count == 0 ? 0 : rows.Min(row => row.Count);
                foreach (var row in rows)
                {
                    for (int i = 0; i < columns; i++)
                        text.Append(' ').Append(row[i].PadLeft(rows.Max(r => r[i].Length)));
                    if (columns < length)
                        text.Append(' ').Append(Ellipsis);
                    text.Append(newLine);
                }
            }

            // As many elements as the line holds beside an ellipsis.
            private List<string> Row(long offset, long length)
            {
                var row = new List<string>();
                int left = width;
                for (long i = 0; i < length; i++)
                {
                    var value = element(offset + i);
                    if (left - value.Length - Ellipsis.Length - 1 < 0)
                        break;
                    row.Add(value);
                    left -= value.Length + 1;
                }
                return row;
            }

            // --- NumPy and C# --------------------------------------------------------------------

            internal string Numpy()
            {
                if (shape.Length == 0)
                    return element(0);
                Nested(0, 0, true, '[', ']', "", dim => string.Concat(Enumerable.Repeat(newLine, shape.Length - dim - 1)));
                return text.ToString();
            }

            internal string CSharp()
            {
                text.Append(metadata).Append(", value = ");
                if (shape.Length == 0)
                    return text.Append(element(0)).ToString();
                var (name, suffix) = type switch
                {
                    ScalarType.Bool => ("bool", ""),
                    ScalarType.Byte => ("byte", ""),
                    ScalarType.Int8 => ("sbyte", ""),
                    ScalarType.Int16 => ("short", ""),
                    ScalarType.Int32 => ("int", ""),
                    ScalarType.Int64 => ("long", "L"),
                    ScalarType.Float16 => ("float16", "f"),
                    ScalarType.BFloat16 => ("bfloat16", "f"),
                    ScalarType.Float32 => ("float", "f"),
                    ScalarType.Float64 => ("double", ""),
                    ScalarType.ComplexFloat32 => ("complex32", ""),
                    ScalarType.ComplexFloat64 => ("complex64", ""),
                    _ => (type.ToString(), ""),
                };
                bool several = shape.Length > 1;
                if (several)
                    text.Append(newLine);
                text.Append(name).Append(" [").Append(',', shape.Length - 1).Append("] {");
                if (several)
                    text.Append(newLine).Append(' ');
                Items(0, 0, '{', '}', suffix, _ => "," + newLine);
                if (several)
                    text.Append(newLine);
                return text.Append('}').ToString();
            }

            private void Nested(int dim, long offset, bool indent, char open, char close, string suffix, Func<int, string> separator)
            {
                if (indent)
                    text.Append(' ', dim);
                text.Append(open);
                Items(dim, offset, open, close, suffix, separator);
                text.Append(close);
            }

            // The middle of a long dimension is left out.
            private void Items(int dim, long offset, char open, char close, string suffix, Func<int, string> separator)
            {
                bool last = dim == shape.Length - 1;
                int most = last ? printColumns : printRows;
                long size = shape[dim];
                long skipFrom = size <= most ? size : most - most / 2;
                long skipTo = size <= most ? size : size - most / 2;
                for (long i = 0; i < size; i++)
                {
                    if (i == skipFrom)
                    {
                        if (last)
                            text.Append(Ellipsis).Append(' ');
                        else
                            text.Append(' ', dim).Append(' ').Append(Ellipsis).Append(open == '{' ? newLine : separator(dim));
                        i = skipTo;
                    }
                    if (last)
                        text.Append(element(offset + i)).Append(suffix);
                    else
                        Nested(dim + 1, offset + i * strides[dim], i > 0, open, close, suffix, separator);
                    if (i < size - 1)
                        text.Append(last ? ", " : separator(dim));
                }
            }
        }
    }
}
