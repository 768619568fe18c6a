using TorchSharp.Modules;
using static TorchSharp.torch;

namespace TorchSharp.Modules
{
    /// <summary>The mean of each window of (N, C, L).</summary>
    public sealed class AvgPool1d : ParameterLessModule<Tensor, Tensor>
    {
        internal AvgPool1d(long kernel_size, long? stride, long? padding, bool ceil_mode, bool count_include_pad) : base(nameof(AvgPool1d)) =>
            (this.kernel_size, this.stride, this.padding, this.ceil_mode, this.count_include_pad) = (kernel_size, stride, padding, ceil_mode, count_include_pad);

        public long kernel_size { get; set; }
        public long? stride { get; set; }
        public long? padding { get; set; }
        public bool ceil_mode { get; set; }
        public bool count_include_pad { get; set; }

        public override Tensor forward(Tensor input) => nn.functional.avg_pool1d(input, kernel_size, stride, padding, ceil_mode, count_include_pad);
    }

    /// <summary>The mean of each window of (N, C, H, W).</summary>
    public sealed class AvgPool2d : ParameterLessModule<Tensor, Tensor>
    {
        internal AvgPool2d(long[] kernel_size, long[]? stride, long[]? padding, bool ceil_mode, bool count_include_pad, long? divisor_override) : base(nameof(AvgPool2d)) =>
            (this.kernel_size, this.stride, this.padding, this.ceil_mode, this.count_include_pad, this.divisor_override) = (kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override);

        public long[] kernel_size { get; set; }
        public long[]? stride { get; set; }
        public long[]? padding { get; set; }
        public bool ceil_mode { get; set; }
        public bool count_include_pad { get; set; }
        public long? divisor_override { get; set; }

        public override Tensor forward(Tensor input) => nn.functional.avg_pool2d(input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override);
    }

    /// <summary>The mean of each window of (N, C, D, H, W).</summary>
    public sealed class AvgPool3d : ParameterLessModule<Tensor, Tensor>
    {
        internal AvgPool3d(long[] kernel_size, long[]? stride, long[]? padding, bool ceil_mode, bool count_include_pad, long? divisor_override) : base(nameof(AvgPool3d)) =>
            (this.kernel_size, this.stride, this.padding, this.ceil_mode, this.count_include_pad, this.divisor_override) = (kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override);

        public long[] kernel_size { get; set; }
        public long[]? stride { get; set; }
        public long[]? padding { get; set; }
        public bool ceil_mode { get; set; }
        public bool count_include_pad { get; set; }
        public long? divisor_override { get; set; }

        public override Tensor forward(Tensor input) => nn.functional.avg_pool3d(input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override);
    }

    /// <summary>The maximum of each window of (N, C, L).</summary>
    public sealed class MaxPool1d : ParameterLessModule<Tensor, Tensor>
    {
        internal MaxPool1d(long kernel_size, long? stride, long? padding, long? dilation, bool ceil_mode) : base(nameof(MaxPool1d)) =>
            (this.kernel_size, this.stride, this.padding, this.dilation, this.ceil_mode) = (kernel_size, stride, padding, dilation, ceil_mode);

        public long kernel_size { get; set; }
        public long? stride { get; set; }
        public long? padding { get; set; }
        public long? dilation { get; set; }
        public bool ceil_mode { get; set; }

        public override Tensor forward(Tensor input) => nn.functional.max_pool1d(input, kernel_size, stride, padding, dilation, ceil_mode);

        public (Tensor Values, Tensor Indices) forward_with_indices(Tensor input) => nn.functional.max_pool1d_with_indices(input, kernel_size, stride, padding, dilation, ceil_mode);
    }

    /// <summary>The maximum of each window of (N, C, H, W).</summary>
    public sealed class MaxPool2d : ParameterLessModule<Tensor, Tensor>
    {
        internal MaxPool2d(long[] kernel_size, long[]? stride, long[]? padding, long[]? dilation, bool ceil_mode) : base(nameof(MaxPool2d)) =>
            (this.kernel_size, this.stride, this.padding, this.dilation, this.ceil_mode) = (kernel_size, stride, padding, dilation, ceil_mode);

        public long[] kernel_size { get; set; }
        public long[]? stride { get; set; }
        public long[]? padding { get; set; }
        public long[]? dilation { get; set; }
        public bool ceil_mode { get; set; }

        public override Tensor forward(Tensor input) => nn.functional.max_pool2d(input, kernel_size, stride, padding, dilation, ceil_mode);

        public (Tensor Values, Tensor Indices) forward_with_indices(Tensor input) => nn.functional.max_pool2d_with_indices(input, kernel_size, stride, padding, dilation, ceil_mode);
    }

    /// <summary>The maximum of each window of (N, C, D, H, W).</summary>
    public sealed class MaxPool3d : ParameterLessModule<Tensor, Tensor>
    {
        internal MaxPool3d(long[] kernel_size, long[]? stride, long[]? padding, long[]? dilation, bool ceil_mode) : base(nameof(MaxPool3d)) =>
            (this.kernel_size, this.stride, this.padding, this.dilation, this.ceil_mode) = (kernel_size, stride, padding, dilation, ceil_mode);

        public long[] kernel_size { get; set; }
        public long[]? stride { get; set; }
        public long[]? padding { get; set; }
        public long[]? dilation { get; set; }
        public bool ceil_mode { get; set; }

        public override Tensor forward(Tensor input) => nn.functional.max_pool3d(input, kernel_size, stride, padding, dilation, ceil_mode);

        public (Tensor Values, Tensor Indices) forward_with_indices(Tensor input) => nn.functional.max_pool3d_with_indices(input, kernel_size, stride, padding, dilation, ceil_mode);
    }

    /// <summary>Means over as many windows of (N, C, L) as the output has elements.</summary>
    public sealed class AdaptiveAvgPool1d : ParameterLessModule<Tensor, Tensor>
    {
        internal AdaptiveAvgPool1d(long output_size) : base(nameof(AdaptiveAvgPool1d)) => this.output_size = output_size;

        public long output_size { get; set; }

        public override Tensor forward(Tensor input) => nn.functional.adaptive_avg_pool1d(input, output_size);
    }

    /// <summary>Means over as many windows of (N, C, H, W) as the output has elements.</summary>
    public sealed class AdaptiveAvgPool2d : ParameterLessModule<Tensor, Tensor>
    {
        internal AdaptiveAvgPool2d(long[] output_size) : base(nameof(AdaptiveAvgPool2d)) => this.output_size = output_size;

        public long[] output_size { get; set; }

        public override Tensor forward(Tensor input) => nn.functional.adaptive_avg_pool2d(input, output_size);
    }

    /// <summary>Means over as many windows of (N, C, D, H, W) as the output has elements.</summary>
    public sealed class AdaptiveAvgPool3d : ParameterLessModule<Tensor, Tensor>
    {
        internal AdaptiveAvgPool3d(long[] output_size) : base(nameof(AdaptiveAvgPool3d)) => this.output_size = output_size;

        public long[] output_size { get; set; }

        public override Tensor forward(Tensor input) => nn.functional.adaptive_avg_pool3d(input, output_size);
    }

    /// <summary>Maxima over as many windows of (N, C, L) as the output has elements.</summary>
    public sealed class AdaptiveMaxPool1d : ParameterLessModule<Tensor, Tensor>
    {
        internal AdaptiveMaxPool1d(long output_size) : base(nameof(AdaptiveMaxPool1d)) => this.output_size = output_size;

        public long output_size { get; set; }

        public override Tensor forward(Tensor input) => nn.functional.adaptive_max_pool1d(input, output_size);

        public (Tensor Values, Tensor Indices) forward_with_indices(Tensor input) => nn.functional.adaptive_max_pool1d_with_indices(input, output_size);
    }

    /// <summary>Maxima over as many windows of (N, C, H, W) as the output has elements.</summary>
    public sealed class AdaptiveMaxPool2d : ParameterLessModule<Tensor, Tensor>
    {
        internal AdaptiveMaxPool2d(long[] output_size) : base(nameof(AdaptiveMaxPool2d)) => this.output_size = output_size;

        public long[] output_size { get; set; }

        public override Tensor forward(Tensor input) => nn.functional.adaptive_max_pool2d(input, output_size);

        public (Tensor output, Tensor indices) forward_with_indices(Tensor input) => nn.functional.adaptive_max_pool2d_with_indices(input, output_size);
    }

    /// <summary>Maxima over as many windows of (N, C, D, H, W) as the output has elements.</summary>
    public sealed class AdaptiveMaxPool3d : ParameterLessModule<Tensor, Tensor>
    {
        internal AdaptiveMaxPool3d(long[] output_size) : base(nameof(AdaptiveMaxPool3d)) => this.output_size = output_size;

        public long[] output_size { get; set; }

        public override Tensor forward(Tensor input) => nn.functional.adaptive_max_pool3d(input, output_size);

        public (Tensor output, Tensor indices) forward_with_indices(Tensor input) => nn.functional.adaptive_max_pool3d_with_indices(input, output_size);
    }

    /// <summary>The maximum of each window of (N, C, H, W), at steps that are random within a pattern (Graham, 2014).</summary>
    public sealed class FractionalMaxPool2d : ParameterLessModule<Tensor, Tensor>
    {
        internal FractionalMaxPool2d(long[] kernel_size, long[]? output_size, double[]? output_ratio) : base(nameof(FractionalMaxPool2d)) =>
            (this.kernel_size, this.output_size, this.output_ratio) = (kernel_size, output_size, output_ratio);

        public long[] kernel_size { get; set; }
        public long[]? output_size { get; set; }
        public double[]? output_ratio { get; set; }

        public override Tensor forward(Tensor input) => nn.functional.fractional_max_pool2d(input, kernel_size, output_size, output_ratio);

        public (Tensor Values, Tensor Indices) forward_with_indices(Tensor input) => nn.functional.fractional_max_pool2d_with_indices(input, kernel_size, output_size, output_ratio);
    }

    /// <summary>The maximum of each window of (N, C, D, H, W), at steps that are random within a pattern (Graham, 2014).</summary>
    public sealed class FractionalMaxPool3d : ParameterLessModule<Tensor, Tensor>
    {
        internal FractionalMaxPool3d(long[] kernel_size, long[]? output_size, double[]? output_ratio) : base(nameof(FractionalMaxPool3d)) =>
            (this.kernel_size, this.output_size, this.output_ratio) = (kernel_size, output_size, output_ratio);

        public long[] kernel_size { get; set; }
        public long[]? output_size { get; set; }
        public double[]? output_ratio { get; set; }

        public override Tensor forward(Tensor input) => nn.functional.fractional_max_pool3d(input, kernel_size, output_size, output_ratio);

        public (Tensor Values, Tensor Indices) forward_with_indices(Tensor input) => nn.functional.fractional_max_pool3d_with_indices(input, kernel_size, output_size, output_ratio);
    }

    /// <summary>The p-norm of each window of (N, C, L).</summary>
    public sealed class LPPool1d : ParameterLessModule<Tensor, Tensor>
    {
        internal LPPool1d(double norm_type, long kernel_size, long? stride, bool ceil_mode) : base(nameof(LPPool1d)) =>
            (this.norm_type, this.kernel_size, this.stride, this.ceil_mode) = (norm_type, kernel_size, stride, ceil_mode);

        public double norm_type { get; set; }
        public long kernel_size { get; set; }
        public long? stride { get; set; }
        public bool ceil_mode { get; set; }

        public override Tensor forward(Tensor input) => nn.functional.lp_pool1d(input, norm_type, kernel_size, stride, ceil_mode);
    }

    /// <summary>The p-norm of each window of (N, C, H, W).</summary>
    public sealed class LPPool2d : ParameterLessModule<Tensor, Tensor>
    {
        internal LPPool2d(double norm_type, long[] kernel_size, long[]? stride, bool ceil_mode) : base(nameof(LPPool2d)) =>
            (this.norm_type, this.kernel_size, this.stride, this.ceil_mode) = (norm_type, kernel_size, stride, ceil_mode);

        public double norm_type { get; set; }
        public long[] kernel_size { get; set; }
        public long[]? stride { get; set; }
        public bool ceil_mode { get; set; }

        public override Tensor forward(Tensor input) => nn.functional.lp_pool2d(input, norm_type, kernel_size, stride, ceil_mode);
    }

    /// <summary>Puts maxima back to the places in (N, C, L) that they came from, among zeros.</summary>
    public sealed class MaxUnpool1d : ParameterLessModule<Tensor, Tensor, long[], Tensor>
    {
        internal MaxUnpool1d(long kernel_size, long? stride, long? padding) : base(nameof(MaxUnpool1d)) =>
            (this.kernel_size, this.stride, this.padding) = (kernel_size, stride, padding);

        public long kernel_size { get; set; }
        public long? stride { get; set; }
        public long? padding { get; set; }

        public override Tensor forward(Tensor tensor, Tensor indices, long[]? output_size = null) => nn.functional.max_unpool1d(tensor, indices, kernel_size, stride, padding, output_size);

        public new Tensor call(Tensor tensor, Tensor indices, long[]? output_size = null) => base.call(tensor, indices, output_size!);
    }

    /// <summary>Puts maxima back to the places in (N, C, H, W) that they came from, among zeros.</summary>
    public sealed class MaxUnpool2d : ParameterLessModule<Tensor, Tensor, long[], Tensor>
    {
        internal MaxUnpool2d(long[] kernel_size, long[]? stride, long[]? padding) : base(nameof(MaxUnpool2d)) =>
            (this.kernel_size, this.stride, this.padding) = (kernel_size, stride, padding);

        public long[] kernel_size { get; set; }
        public long[]? stride { get; set; }
        public long[]? padding { get; set; }

        public override Tensor forward(Tensor tensor, Tensor indices, long[]? output_size = null) => nn.functional.max_unpool2d(tensor, indices, kernel_size, stride, padding, output_size);

        public new Tensor call(Tensor tensor, Tensor indices, long[]? output_size = null) => base.call(tensor, indices, output_size!);
    }

    /// <summary>Puts maxima back to the places in (N, C, D, H, W) that they came from, among zeros.</summary>
    public sealed class MaxUnpool3d : ParameterLessModule<Tensor, Tensor, long[], Tensor>
    {
        internal MaxUnpool3d(long[] kernel_size, long[]? stride, long[]? padding) : base(nameof(MaxUnpool3d)) =>
            (this.kernel_size, this.stride, this.padding) = (kernel_size, stride, padding);

        public long[] kernel_size { get; set; }
        public long[]? stride { get; set; }
        public long[]? padding { get; set; }

        public override Tensor forward(Tensor tensor, Tensor indices, long[]? output_size = null) => nn.functional.max_unpool3d(tensor, indices, kernel_size, stride, padding, output_size);

        public new Tensor call(Tensor tensor, Tensor indices, long[]? output_size = null) => base.call(tensor, indices, output_size!);
    }
}

namespace TorchSharp
{
    public static partial class torch
    {
        public static partial class nn
        {
            private static long[] Same(long size, int count) => Enumerable.Repeat(size, count).ToArray();
            private static long[]? Same(long? size, int count) => size is { } s ? Same(s, count) : null;
            private static long[]? Pair((long, long)? pair) => pair is { } p ? Pair(p) : null;
            private static long[]? Triple((long, long, long)? triple) => triple is { } t ? Triple(t) : null;

            public static AvgPool1d AvgPool1d(long kernel_size, long? stride = null, long padding = 0, bool ceil_mode = false, bool count_include_pad = true) => new(kernel_size, stride, padding, ceil_mode, count_include_pad);
            public static AvgPool2d AvgPool2d(long[] kernel_size, long[]? stride = null, long[]? padding = null, bool ceil_mode = false, bool count_include_pad = true, long? divisor_override = null) => new(kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override);
            public static AvgPool2d AvgPool2d((long, long) kernel_size, (long, long)? stride = null, (long, long)? padding = null, bool ceil_mode = false, bool count_include_pad = true, long? divisor_override = null) => new(Pair(kernel_size), Pair(stride), Pair(padding), ceil_mode, count_include_pad, divisor_override);
            public static AvgPool2d AvgPool2d(long kernel_size, long? stride = null, long? padding = null, bool ceil_mode = false, bool count_include_pad = true, long? divisor_override = null) => new(Same(kernel_size, 2), Same(stride, 2), Same(padding, 2), ceil_mode, count_include_pad, divisor_override);
            public static AvgPool3d AvgPool3d(long[] kernel_size, long[]? stride = null, long[]? padding = null, bool ceil_mode = false, bool count_include_pad = true, long? divisor_override = null) => new(kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override);
            public static AvgPool3d AvgPool3d((long, long, long) kernel_size, (long, long, long)? stride = null, (long, long, long)? padding = null, bool ceil_mode = false, bool count_include_pad = true, long? divisor_override = null) => new(Triple(kernel_size), Triple(stride), Triple(padding), ceil_mode, count_include_pad, divisor_override);
            public static AvgPool3d AvgPool3d(long kernel_size, long? stride = null, long? padding = null, bool ceil_mode = false, bool count_include_pad = true, long? divisor_override = null) => new(Same(kernel_size, 3), Same(stride, 3), Same(padding, 3), ceil_mode, count_include_pad, divisor_override);

            public static MaxPool1d MaxPool1d(long kernel_size, long? stride = null, long? padding = null, long? dilation = null, bool ceil_mode = false) => new(kernel_size, stride, padding, dilation, ceil_mode);
            public static MaxPool2d MaxPool2d(long[] kernel_size, long[]? stride = null, long[]? padding = null, long[]? dilation = null, bool ceil_mode = false) => new(kernel_size, stride, padding, dilation, ceil_mode);
            public static MaxPool2d MaxPool2d((long, long) kernel_size, (long, long)? stride = null, (long, long)? padding = null, (long, long)? dilation = null, bool ceil_mode = false) => new(Pair(kernel_size), Pair(stride), Pair(padding), Pair(dilation), ceil_mode);
            public static MaxPool2d MaxPool2d(long kernel_size, long? stride = null, long? padding = null, long? dilation = null, bool ceil_mode = false) => new(Same(kernel_size, 2), Same(stride, 2), Same(padding, 2), Same(dilation, 2), ceil_mode);
            public static MaxPool3d MaxPool3d(long[] kernel_size, long[]? stride = null, long[]? padding = null, long[]? dilation = null, bool ceil_mode = false) => new(kernel_size, stride, padding, dilation, ceil_mode);
            public static MaxPool3d MaxPool3d((long, long, long) kernel_size, (long, long, long)? stride = null, (long, long, long)? padding = null, (long, long, long)? dilation = null, bool ceil_mode = false) => new(Triple(kernel_size), Triple(stride), Triple(padding), Triple(dilation), ceil_mode);
            public static MaxPool3d MaxPool3d(long kernel_size, long? stride = null, long? padding = null, long? dilation = null, bool ceil_mode = false) => new(Same(kernel_size, 3), Same(stride, 3), Same(padding, 3), Same(dilation, 3), ceil_mode);

            public static AdaptiveAvgPool1d AdaptiveAvgPool1d(long output_size) => new(output_size);
            public static AdaptiveAvgPool2d AdaptiveAvgPool2d(long[] output_size) => new(output_size);
            public static AdaptiveAvgPool2d AdaptiveAvgPool2d((long, long) output_size) => new(Pair(output_size));
            public static AdaptiveAvgPool2d AdaptiveAvgPool2d(long output_size) => new(Same(output_size, 2));
            public static AdaptiveAvgPool3d AdaptiveAvgPool3d(long[] output_size) => new(output_size);
            public static AdaptiveAvgPool3d AdaptiveAvgPool3d((long, long, long) output_size) => new(Triple(output_size));
            public static AdaptiveAvgPool3d AdaptiveAvgPool3d(long output_size) => new(Same(output_size, 3));
            public static AdaptiveMaxPool1d AdaptiveMaxPool1d(long output_size) => new(output_size);
            public static AdaptiveMaxPool2d AdaptiveMaxPool2d(long[] output_size) => new(output_size);
            public static AdaptiveMaxPool3d AdaptiveMaxPool3d(long[] output_size) => new(output_size);

            public static FractionalMaxPool2d FractionalMaxPool2d(long[] kernel_size, long[]? output_size = null, double[]? output_ratio = null) => new(kernel_size, output_size, output_ratio);
            public static FractionalMaxPool2d FractionalMaxPool2d((long, long) kernel_size, (long, long)? output_size = null, (double, double)? output_ratio = null) => new(Pair(kernel_size), Pair(output_size), output_ratio is { } r ? [r.Item1, r.Item2] : null);
            public static FractionalMaxPool2d FractionalMaxPool2d(long kernel_size, long? output_size = null, double? output_ratio = null) => new(Same(kernel_size, 2), Same(output_size, 2), output_ratio is { } r ? [r, r] : null);
            public static FractionalMaxPool3d FractionalMaxPool3d(long[] kernel_size, long[]? output_size = null, double[]? output_ratio = null) => new(kernel_size, output_size, output_ratio);
            public static FractionalMaxPool3d FractionalMaxPool3d((long, long, long) kernel_size, (long, long, long)? output_size = null, (double, double, double)? output_ratio = null) => new(Triple(kernel_size), Triple(output_size), output_ratio is { } r ? [r.Item1, r.Item2, r.Item3] : null);
            public static FractionalMaxPool3d FractionalMaxPool3d(long kernel_size, long? output_size = null, double? output_ratio = null) => new(Same(kernel_size, 3), Same(output_size, 3), output_ratio is { } r ? [r, r, r] : null);

            public static LPPool1d LPPool1d(double norm_type, long kernel_size, long? stride = null, bool ceil_mode = false) => new(norm_type, kernel_size, stride, ceil_mode);
            public static LPPool2d LPPool2d(double norm_type, long[] kernel_size, long[]? stride = null, bool ceil_mode = false) => new(norm_type, kernel_size, stride, ceil_mode);
            public static LPPool2d LPPool2d(double norm_type, long kernel_size, long? stride = null, bool ceil_mode = false) => new(norm_type, Same(kernel_size, 2), Same(stride, 2), ceil_mode);

            public static MaxUnpool1d MaxUnpool1d(long kernel_size, long? stride = null, long? padding = null) => new(kernel_size, stride, padding);
            public static MaxUnpool2d MaxUnpool2d(long[] kernel_size, long[]? stride = null, long[]? padding = null) => new(kernel_size, stride, padding);
            public static MaxUnpool2d MaxUnpool2d((long, long) kernel_size, (long, long)? stride = null, (long, long)? padding = null) => new(Pair(kernel_size), Pair(stride), Pair(padding));
            public static MaxUnpool2d MaxUnpool2d(long kernel_size, long? stride = null, long? padding = null) => new(Same(kernel_size, 2), Same(stride, 2), Same(padding, 2));
            public static MaxUnpool3d MaxUnpool3d(long[] kernel_size, long[]? stride = null, long[]? padding = null) => new(kernel_size, stride, padding);
            public static MaxUnpool3d MaxUnpool3d((long, long, long) kernel_size, (long, long, long)? stride = null, (long, long, long)? padding = null) => new(Triple(kernel_size), Triple(stride), Triple(padding));
            public static MaxUnpool3d MaxUnpool3d(long kernel_size, long? stride = null, long? padding = null) => new(Same(kernel_size, 3), Same(stride, 3), Same(padding, 3));
        }
    }
}
