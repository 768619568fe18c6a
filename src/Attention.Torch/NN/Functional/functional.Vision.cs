using Attention.Torch.Native;

namespace TorchSharp;

public static partial class torch
{
    public static partial class nn
    {
        public static partial class functional
        {
            // --- padding -------------------------------------------------------------------------

            /// <summary>Pads the last dimension first: (left, right, top, bottom, front, back).</summary>
            public static Tensor pad(Tensor input, long[] pad, PaddingModes mode = PaddingModes.Constant, double value = 0) => mode switch
            {
                PaddingModes.Reflect => Aten.Call("pad", input, pad, "reflect"),
                PaddingModes.Replicate => Aten.Call("pad", input, pad, "replicate"),
                PaddingModes.Circular => Aten.Call("pad", input, pad, "circular"),
                _ => Aten.Call("constant_pad_nd", input, pad, mode == PaddingModes.Zeros ? 0 : value),
            };

            public static Tensor pad(Tensor input, ReadOnlySpan<long> pad, PaddingModes mode = PaddingModes.Constant, double value = 0) =>
                functional.pad(input, pad.ToArray(), mode, value);

            public static Tensor pad(Tensor input, (long, long) pad, PaddingModes mode = PaddingModes.Constant, double value = 0) =>
                functional.pad(input, List(pad), mode, value);

            public static Tensor pad(Tensor input, (long, long, long, long) pad, PaddingModes mode = PaddingModes.Constant, double value = 0) =>
                functional.pad(input, [pad.Item1, pad.Item2, pad.Item3, pad.Item4], mode, value);

            /// <summary>Pads both ends of every dimension.</summary>
            public static Tensor pad(Tensor input, long pad, PaddingModes mode = PaddingModes.Constant, double value = 0)
            {
                var all = new long[input.ndim * 2];
                Array.Fill(all, pad);
                return functional.pad(input, all, mode, value);
            }

            // --- sampling ------------------------------------------------------------------------

            public static Tensor grid_sample(Tensor input, Tensor grid, GridSampleMode mode = GridSampleMode.Bilinear, GridSamplePaddingMode padding_mode = GridSamplePaddingMode.Zeros, bool? align_corners = null)
            {
                int interpolation = mode == GridSampleMode.Nearest ? 1 : 0;
                int padding = padding_mode switch { GridSamplePaddingMode.Border => 1, GridSamplePaddingMode.Reflection => 2, _ => 0 };
                return Aten.Call("grid_sampler", input, grid, interpolation, padding, align_corners ?? false);
            }

            /// <summary>Where the points of the output lie in the input: theta (N, 2, 3) to (N, H, W, 2), or (N, 3, 4) to (N, D, H, W, 3).</summary>
            /// <param name="size">The size of the output: (N, C, H, W) or (N, C, D, H, W).</param>
            public static Tensor affine_grid(Tensor theta, long[]? size = null, bool align_corners = false)
            {
                if (size is null)
                    throw new ArgumentNullException(nameof(size), "affine_grid needs the size of the output (N, C, H, W)");
                // libtorch's operator takes no gradient that is not contiguous, so only the points themselves are its work.
                using var scope = NewDisposeScope();
                int spatial = size.Length - 2;
                var identity = eye(spatial, spatial + 1, theta.dtype, theta.device).unsqueeze(0);
                var points = Aten.Call("affine_grid_generator", identity, (long[])[1, .. size[1..]], align_corners).reshape(-1, spatial);
                points = nn.functional.pad(points, (0, 1), value: 1);
                return points.matmul(theta.transpose(-2, -1)).reshape([size[0], .. size[2..], spatial]).MoveToOuterDisposeScope();
            }

            /// <summary>Resizes (N, C, L), (N, C, H, W) or (N, C, D, H, W) to a size, or by factors.</summary>
            /// <param name="size">Sizes of the spatial dimensions; one for all is enough.</param>
            /// <param name="scale_factor">Factors of the spatial dimensions; one for all is enough.</param>
            /// <param name="antialias">Averages over the pixels that fall together: bilinear and bicubic only.</param>
            public static Tensor interpolate(Tensor x, long[]? size = null, double[]? scale_factor = null, InterpolationMode mode = InterpolationMode.Nearest, bool? align_corners = null, bool recompute_scale_factor = false, bool antialias = false)
            {
                int spatial = (int)x.ndim - 2;
                var sizes = Expanded(size, spatial, "size");
                var factors = Expanded(scale_factor, spatial, "scale_factor");
                if (sizes is null == factors is null)
                    throw new ArgumentException("interpolate takes a size or a scale_factor");
                if (factors is not null && (recompute_scale_factor || mode == InterpolationMode.Area))
                {
                    sizes = factors.Select((factor, i) => (long)Math.Floor(x.size(i + 2) * factor)).ToArray();
                    factors = null;
                }
                if (align_corners is not null && mode is InterpolationMode.Nearest or InterpolationMode.NearestExact or InterpolationMode.Area && align_corners == true)
                    throw new ArgumentException($"align_corners does not apply to mode {mode}");
                bool corners = align_corners ?? false;
                return (mode, spatial, antialias) switch
                {
                    (InterpolationMode.Nearest, 1, false) => Aten.Call("upsample_nearest1d.vec", x, sizes, factors),
                    (InterpolationMode.Nearest, 2, false) => Aten.Call("upsample_nearest2d.vec", x, sizes, factors),
                    (InterpolationMode.Nearest, 3, false) => Aten.Call("upsample_nearest3d.vec", x, sizes, factors),
                    (InterpolationMode.NearestExact, 1, false) => Aten.Call("_upsample_nearest_exact1d.vec", x, sizes, factors),
                    (InterpolationMode.NearestExact, 2, false) => Aten.Call("_upsample_nearest_exact2d.vec", x, sizes, factors),
                    (InterpolationMode.NearestExact, 3, false) => Aten.Call("_upsample_nearest_exact3d.vec", x, sizes, factors),
                    (InterpolationMode.Linear, 1, false) => Aten.Call("upsample_linear1d.vec", x, sizes, corners, factors),
                    (InterpolationMode.Bilinear, 2, false) => Aten.Call("upsample_bilinear2d.vec", x, sizes, corners, factors),
                    (InterpolationMode.Bilinear, 2, true) => Aten.Call("_upsample_bilinear2d_aa.vec", x, sizes, corners, factors),
                    (InterpolationMode.Bicubic, 2, false) => Aten.Call("upsample_bicubic2d.vec", x, sizes, corners, factors),
                    (InterpolationMode.Bicubic, 2, true) => Aten.Call("_upsample_bicubic2d_aa.vec", x, sizes, corners, factors),
                    (InterpolationMode.Trilinear, 3, false) => Aten.Call("upsample_trilinear3d.vec", x, sizes, corners, factors),
                    (InterpolationMode.Area, 1, false) => Aten.Call("adaptive_avg_pool1d", x, sizes),
                    (InterpolationMode.Area, 2, false) => Aten.Call("adaptive_avg_pool2d", x, sizes),
                    (InterpolationMode.Area, 3, false) => Aten.Call("adaptive_avg_pool3d", x, sizes),
                    _ => throw new ArgumentException($"interpolate: mode {mode}{(antialias ? " with antialias" : "")} does not take a tensor of {x.ndim} dimensions"),
                };
            }

            private static T[]? Expanded<T>(T[]? values, int count, string what)
            {
                if (values is null || values.Length == count)
                    return values;
                if (values.Length != 1)
                    throw new ArgumentException($"interpolate: {what} has {values.Length} entries for {count} spatial dimensions");
                return Enumerable.Repeat(values[0], count).ToArray();
            }

            public static Tensor upsample(Tensor input, long[]? size = null, double[]? scale_factor = null, UpsampleMode mode = UpsampleMode.Nearest, bool align_corners = false) =>
                interpolate(input, size, scale_factor, (InterpolationMode)mode, mode == UpsampleMode.Nearest ? null : align_corners);

            public static Tensor upsample_bilinear(Tensor x, long[]? size = null, double[]? scale_factor = null, bool align_corners = false) =>
                interpolate(x, size, scale_factor, InterpolationMode.Bilinear, align_corners);

            public static Tensor upsample_nearest(Tensor x, long[]? size = null, double[]? scale_factor = null, bool align_corners = false) =>
                interpolate(x, size, scale_factor, InterpolationMode.Nearest);

            public static Tensor upsample_nearest1d(Tensor input, long? outputSize, double? scaleFactor) =>
                Aten.Call("upsample_nearest1d.vec", input, outputSize is { } size ? new[] { size } : null, scaleFactor is { } factor ? new[] { factor } : null);

            public static Tensor upsample_nearest2d(Tensor input, long[]? outputSizes = null, double[]? scaleFactors = null) =>
                Aten.Call("upsample_nearest2d.vec", input, outputSizes, scaleFactors);

            public static Tensor upsample_nearest3d(Tensor input, long[]? outputSizes = null, double[]? scaleFactors = null) =>
                Aten.Call("upsample_nearest3d.vec", input, outputSizes, scaleFactors);

            // --- patches -------------------------------------------------------------------------

            /// <summary>Sliding blocks of (N, C, H, W) as columns: (N, C kH kW, blocks).</summary>
            public static Tensor unfold(Tensor input, long kernel_size, long dilation = 1, long padding = 0, long stride = 1) =>
                Aten.Call("im2col", input, kernel_size, dilation, padding, stride);

            /// <inheritdoc cref="unfold(Tensor, long, long, long, long)"/>
            public static Tensor unfold(Tensor input, (long, long) kernel_size, (long, long)? dilation = null, (long, long)? padding = null, (long, long)? stride = null) =>
                Aten.Call("im2col", input, List(kernel_size), List(dilation ?? (1, 1)), List(padding ?? (0, 0)), List(stride ?? (1, 1)));

            /// <summary>Adds up what <see cref="unfold(Tensor, long, long, long, long)"/> has spread: (N, C kH kW, blocks) to (N, C, H, W).</summary>
            public static Tensor fold(Tensor input, long output_size, long kernel_size, long dilation = 1, long padding = 0, long stride = 1) =>
                Aten.Call("col2im", input, output_size, kernel_size, dilation, padding, stride);

            /// <inheritdoc cref="fold(Tensor, long, long, long, long, long)"/>
            public static Tensor fold(Tensor input, (long, long) output_size, (long, long) kernel_size, (long, long)? dilation = null, (long, long)? padding = null, (long, long)? stride = null) =>
                Aten.Call("col2im", input, List(output_size), List(kernel_size), List(dilation ?? (1, 1)), List(padding ?? (0, 0)), List(stride ?? (1, 1)));

            /// <summary>(N, C r², H, W) to (N, C, H r, W r).</summary>
            public static Tensor pixel_shuffle(Tensor input, long upscale_factor) => Aten.Call("pixel_shuffle", input, upscale_factor);

            /// <summary>(N, C, H r, W r) to (N, C r², H, W).</summary>
            public static Tensor pixel_unshuffle(Tensor input, long downscale_factor) => Aten.Call("pixel_unshuffle", input, downscale_factor);
        }
    }
}
