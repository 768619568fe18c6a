using Attention.Torch.Native;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace TorchSharp.Modules
{
    /// <summary>Makes one dimension of several.</summary>
    public sealed class Flatten : ParameterLessModule<Tensor, Tensor>
    {
        internal Flatten(long start_dim, long end_dim) : base(nameof(Flatten)) => (this.start_dim, this.end_dim) = (start_dim, end_dim);

        public long start_dim { get; set; }
        public long end_dim { get; set; }

        public override Tensor forward(Tensor input) => Aten.Call("flatten.using_ints", input, start_dim, end_dim);
    }

    /// <summary>Makes several dimensions of one.</summary>
    public sealed class Unflatten : ParameterLessModule<Tensor, Tensor>
    {
        internal Unflatten(long dim, long[] unflattened_size) : base(nameof(Unflatten)) => (this.dim, this.unflattened_size) = (dim, unflattened_size);

        public long dim { get; set; }
        public long[] unflattened_size { get; set; }

        public override Tensor forward(Tensor tensor) => tensor.unflatten(dim, unflattened_size);
    }

    /// <summary>Sliding blocks of (N, C, H, W) as columns: (N, C kH kW, blocks).</summary>
    public sealed class Unfold : ParameterLessModule<Tensor, Tensor>
    {
        internal Unfold((long, long) kernel_size, (long, long) dilation, (long, long) padding, (long, long) stride) : base(nameof(Unfold)) =>
            (this.kernel_size, this.dilation, this.padding, this.stride) = (kernel_size, dilation, padding, stride);

        public (long, long) kernel_size { get; set; }
        public (long, long) dilation { get; set; }
        public (long, long) padding { get; set; }
        public (long, long) stride { get; set; }

        public override Tensor forward(Tensor tensor) => nn.functional.unfold(tensor, kernel_size, dilation, padding, stride);
    }

    /// <summary>Adds up the columns (N, C kH kW, blocks) that <see cref="Unfold"/> makes: (N, C, H, W).</summary>
    public sealed class Fold : ParameterLessModule<Tensor, Tensor>
    {
        internal Fold((long, long) output_size, (long, long) kernel_size, (long, long) dilation, (long, long) padding, (long, long) stride) : base(nameof(Fold)) =>
            (this.output_size, this.kernel_size, this.dilation, this.padding, this.stride) = (output_size, kernel_size, dilation, padding, stride);

        public (long, long) output_size { get; set; }
        public (long, long) kernel_size { get; set; }
        public (long, long) dilation { get; set; }
        public (long, long) padding { get; set; }
        public (long, long) stride { get; set; }

        public override Tensor forward(Tensor tensor) => nn.functional.fold(tensor, output_size, kernel_size, dilation, padding, stride);
    }

    /// <summary>(N, C r², H, W) to (N, C, H r, W r) (Shi et al., 2016).</summary>
    public sealed class PixelShuffle : ParameterLessModule<Tensor, Tensor>
    {
        internal PixelShuffle(long upscale_factor) : base(nameof(PixelShuffle)) => this.upscale_factor = upscale_factor;

        public long upscale_factor { get; set; }

        public override Tensor forward(Tensor input) => nn.functional.pixel_shuffle(input, upscale_factor);
    }

    /// <summary>(N, C, H r, W r) to (N, C r², H, W).</summary>
    public sealed class PixelUnshuffle : ParameterLessModule<Tensor, Tensor>
    {
        internal PixelUnshuffle(long downscale_factor) : base(nameof(PixelUnshuffle)) => this.downscale_factor = downscale_factor;

        public long downscale_factor { get; set; }

        public override Tensor forward(Tensor input) => nn.functional.pixel_unshuffle(input, downscale_factor);
    }

    /// <summary>Deals the channels of (N, C, H, W) out: the first of each group, the second of each, and so on.</summary>
    public sealed class ChannelShuffle : ParameterLessModule<Tensor, Tensor>
    {
        internal ChannelShuffle(long groups) : base(nameof(ChannelShuffle)) => this.groups = groups;

        public long groups { get; set; }

        public override Tensor forward(Tensor tensor) => Aten.Call("channel_shuffle", tensor, groups);
    }

    /// <summary>Resizes (N, C, L), (N, C, H, W) or (N, C, D, H, W) to a size, or by factors.</summary>
    public sealed class Upsample : ParameterLessModule<Tensor, Tensor>
    {
        private readonly long[]? sizes;
        private readonly double[]? factors;

        internal Upsample(long[]? size, double[]? scale_factor, UpsampleMode mode, bool? align_corners, bool? recompute_scale_factor) : base(nameof(Upsample)) =>
            (sizes, factors, this.mode, this.align_corners, this.recompute_scale_factor) = (size, scale_factor, mode, align_corners, recompute_scale_factor);

        public UpsampleMode mode { get; }
        public bool? align_corners { get; }
        public bool? recompute_scale_factor { get; set; }
        public ReadOnlySpan<long> size => sizes;
        public ReadOnlySpan<double> scale_factor => factors;

        public override Tensor forward(Tensor input) =>
            nn.functional.interpolate(input, sizes, factors, (InterpolationMode)mode, align_corners, recompute_scale_factor ?? false);
    }

    /// <summary>The cosine of the angle between vectors along a dimension.</summary>
    public sealed class CosineSimilarity : ParameterLessModule<Tensor, Tensor, Tensor>
    {
        internal CosineSimilarity(long dim, double eps) : base(nameof(CosineSimilarity)) => (this.dim, this.eps) = (dim, eps);

        public long dim { get; set; }
        public double eps { get; set; }

        public override Tensor forward(Tensor input1, Tensor input2) => nn.functional.cosine_similarity(input1, input2, dim, eps);
    }

    /// <summary>The p-norm of the difference of vectors along the last dimension.</summary>
    public sealed class PairwiseDistance : ParameterLessModule<Tensor, Tensor, Tensor>
    {
        internal PairwiseDistance(double norm, double eps, bool keepdim) : base(nameof(PairwiseDistance)) => (this.norm, this.eps, this.keepdim) = (norm, eps, keepdim);

        public double norm { get; set; }
        public double eps { get; set; }
        public bool keepdim { get; set; }

        public override Tensor forward(Tensor input1, Tensor input2) => nn.functional.pairwise_distance(input1, input2, norm, eps, keepdim);
    }
}

namespace TorchSharp
{
    public static partial class torch
    {
        public static partial class nn
        {
            public static Flatten Flatten(long start_dim = 1, long end_dim = -1) => new(start_dim, end_dim);
            public static Unflatten Unflatten(long dim, long[] unflattened_size) => new(dim, unflattened_size);

            public static Unfold Unfold(long kernel_size, long dilation = 1, long padding = 0, long stride = 1) =>
                new((kernel_size, kernel_size), (dilation, dilation), (padding, padding), (stride, stride));

            public static Unfold Unfold((long, long) kernel_size, (long, long)? dilation = null, (long, long)? padding = null, (long, long)? stride = null) =>
                new(kernel_size, dilation ?? (1, 1), padding ?? (0, 0), stride ?? (1, 1));

            public static Fold Fold(long output_size, long kernel_size, long dilation = 1, long padding = 0, long stride = 1) =>
                new((output_size, output_size), (kernel_size, kernel_size), (dilation, dilation), (padding, padding), (stride, stride));

            public static Fold Fold((long, long) output_size, (long, long) kernel_size, (long, long)? dilation = null, (long, long)? padding = null, (long, long)? stride = null) =>
                new(output_size, kernel_size, dilation ?? (1, 1), padding ?? (0, 0), stride ?? (1, 1));

            public static PixelShuffle PixelShuffle(long upscale_factor) => new(upscale_factor);
            public static PixelUnshuffle PixelUnshuffle(long downscale_factor) => new(downscale_factor);
            public static ChannelShuffle ChannelShuffle(long groups) => new(groups);

            public static Upsample Upsample(long[]? size = null, double[]? scale_factor = null, UpsampleMode mode = UpsampleMode.Nearest, bool? align_corners = null, bool? recompute_scale_factor = null) =>
                new(size, scale_factor, mode, align_corners, recompute_scale_factor);

            public static CosineSimilarity CosineSimilarity(long dim = 1, double eps = 1e-08) => new(dim, eps);
            public static PairwiseDistance PairwiseDistance(double p = 2, double eps = 1e-06, bool keepdim = false) => new(p, eps, keepdim);
        }
    }
}
