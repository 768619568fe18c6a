using Attention.Torch;
using Attention.Torch.Native;

namespace TorchSharp;

public static partial class torch
{
    public static partial class nn
    {
        /// <summary>Fills weights in place, without a trace for gradients, and gives the same tensor.</summary>
        public static class init
        {
            public enum NonlinearityType
            {
                Linear = 0,
                Conv1D = 1,
                Conv2D = 2,
                Conv3D = 3,
                ConvTranspose1D = 4,
                ConvTranspose2D = 5,
                ConvTranspose3D = 6,
                Sigmoid = 7,
                Tanh = 8,
                ReLU = 9,
                LeakyReLU = 10,
            }

            public enum FanInOut
            {
                FanIn = 0,
                FanOut = 1,
            }

            /// <summary>How much a nonlinearity lessens the standard deviation of what passes it.</summary>
            /// <param name="param">The slope of a leaky ReLU.</param>
            public static double calculate_gain(NonlinearityType nonlinearity, double param = 0) => nonlinearity switch
            {
                NonlinearityType.Tanh => 5.0 / 3,
                NonlinearityType.ReLU => Math.Sqrt(2),
                NonlinearityType.LeakyReLU => Math.Sqrt(2 / (1 + param * param)),
                _ => 1,
            };

            /// <summary>The number of inputs that make one output, and of outputs that one input enters.</summary>
            public static (long fanIn, long fanOut) CalculateFanInAndFanOut(Tensor tensor)
            {
                var shape = tensor.shape;
                if (shape.Length < 2)
                    throw new ArgumentException($"fan in and fan out are those of a tensor of two or more dimensions, not of shape ({string.Join(", ", shape)})");
                long field = 1;
                foreach (var size in shape.AsSpan(2))
                    field *= size;
                return (shape[1] * field, shape[0] * field);
            }

            private static Tensor InPlace(string name, Tensor tensor, params ReadOnlySpan<Arg> rest)
            {
                using (no_grad())
                    Aten.CallVoid(name, [tensor, .. rest]);
                return tensor;
            }

            public static Tensor constant_(Tensor tensor, Scalar val) => InPlace("fill_.Scalar", tensor, val);
            public static Tensor ones_(Tensor tensor) => InPlace("fill_.Scalar", tensor, 1);
            public static Tensor zeros_(Tensor tensor) => InPlace("zero_", tensor);
            public static Tensor uniform_(Tensor tensor, double low = 0, double high = 1, Generator? generator = null) => RandomInit.IsSkipped ? tensor : InPlace("uniform_", tensor, low, high, generator);
            public static Tensor normal_(Tensor tensor, double mean = 0, double std = 1, Generator? generator = null) => RandomInit.IsSkipped ? tensor : InPlace("normal_", tensor, mean, std, generator);

            /// <summary>A normal distribution of which all outside <paramref name="a"/> to <paramref name="b"/> is cut off.</summary>
            public static Tensor trunc_normal_(Tensor tensor, double mean = 0, double std = 1, double a = -2, double b = 2, Generator? generator = null)
            {
                if (RandomInit.IsSkipped)
                    return tensor;
                // A uniform draw between the cumulative probabilities of the ends, sent back through the error function.
                double low = 2 * Cumulative((a - mean) / std) - 1;
                double high = 2 * Cumulative((b - mean) / std) - 1;
                using (no_grad())
                {
                    Aten.CallVoid("uniform_", tensor, low, high, generator);
                    Aten.CallVoid("erfinv_", tensor);
                    Aten.CallVoid("mul_.Scalar", tensor, std * Math.Sqrt(2));
                    Aten.CallVoid("add_.Scalar", tensor, mean);
                    Aten.CallVoid("clamp_", tensor, a, b);
                }
                return tensor;
            }

            // Of the standard normal distribution: Abramowitz and Stegun 26.2.17 is too coarse, so libtorch's erf is asked.
            private static double Cumulative(double x)
            {
                using var modes = inference_mode();
                using var point = full([], x / Math.Sqrt(2), ScalarType.Float64, CPU);
                using var erf = point.erf();
                return (1 + erf.item<double>()) / 2;
            }

            private static double Std(double gain, double fan) => gain / Math.Sqrt(fan);

            /// <summary>Uniform with the variance 2 / (fan in + fan out) (Glorot and Bengio, 2010).</summary>
            public static Tensor xavier_uniform_(Tensor tensor, double gain = 1)
            {
                var (fanIn, fanOut) = CalculateFanInAndFanOut(tensor);
                double bound = Math.Sqrt(3) * Std(gain, (fanIn + fanOut) / 2.0);
                return uniform_(tensor, -bound, bound);
            }

            /// <summary>Normal with the variance 2 / (fan in + fan out) (Glorot and Bengio, 2010).</summary>
            public static Tensor xavier_normal_(Tensor tensor, double gain = 1)
            {
                var (fanIn, fanOut) = CalculateFanInAndFanOut(tensor);
                return normal_(tensor, 0, Std(gain, (fanIn + fanOut) / 2.0));
            }

            public static Tensor glorot_uniform_(Tensor tensor, double gain = 1) => xavier_uniform_(tensor, gain);
            public static Tensor glorot_normal_(Tensor tensor, double gain = 1) => xavier_normal_(tensor, gain);

            private static double KaimingStd(Tensor tensor, double a, FanInOut mode, NonlinearityType nonlinearity)
            {
                var (fanIn, fanOut) = CalculateFanInAndFanOut(tensor);
                return Std(calculate_gain(nonlinearity, a), mode == FanInOut.FanIn ? fanIn : fanOut);
            }

            /// <summary>Uniform with the variance gain² / fan (He et al., 2015).</summary>
            /// <param name="a">The slope of a leaky ReLU after the layer.</param>
            public static Tensor kaiming_uniform_(Tensor tensor, double a = 0, FanInOut mode = FanInOut.FanIn, NonlinearityType nonlinearity = NonlinearityType.LeakyReLU)
            {
                double bound = Math.Sqrt(3) * KaimingStd(tensor, a, mode, nonlinearity);
                return tensor.numel() == 0 ? tensor : uniform_(tensor, -bound, bound);
            }

            /// <summary>Normal with the variance gain² / fan (He et al., 2015).</summary>
            /// <param name="a">The slope of a leaky ReLU after the layer.</param>
            public static Tensor kaiming_normal_(Tensor tensor, double a = 0, FanInOut mode = FanInOut.FanIn, NonlinearityType nonlinearity = NonlinearityType.LeakyReLU) =>
                tensor.numel() == 0 ? tensor : normal_(tensor, 0, KaimingStd(tensor, a, mode, nonlinearity));

            /// <summary>A random orthogonal matrix, of the rows or of the columns, whichever are fewer (Saxe et al., 2013).</summary>
            public static Tensor orthogonal_(Tensor tensor, double gain = 1)
            {
                if (tensor.ndim < 2)
                    throw new ArgumentException($"orthogonal_ takes a tensor of two or more dimensions, not of {tensor.ndim}");
                if (tensor.numel() == 0 || RandomInit.IsSkipped)
                    return tensor;
                using var modes = no_grad();
                using var scope = NewDisposeScope();
                long rows = tensor.size(0);
                long columns = tensor.numel() / rows;
                var flat = empty(Math.Max(rows, columns), Math.Min(rows, columns), tensor.dtype, tensor.device).normal_();
                var (q, r) = Aten.Call2("linalg_qr", flat);
                // The signs make the distribution uniform.
                q = q * r.diagonal(0, 0, 1).sign();
                if (rows < columns)
                    q = q.t();
                tensor.copy_((q * gain).reshape(tensor.shape));
                return tensor;
            }

            /// <summary>The identity, for a matrix.</summary>
            public static Tensor eye_(Tensor tensor)
            {
                if (tensor.ndim != 2)
                    throw new ArgumentException($"eye_ takes a matrix, not a tensor of {tensor.ndim} dimensions");
                using var modes = no_grad();
                using var identity = eye(tensor.size(0), tensor.size(1), tensor.dtype, tensor.device);
                tensor.copy_(identity);
                return tensor;
            }

            /// <summary>A convolution that hands each channel on: a one in the middle of the kernels from a channel to itself.</summary>
            public static Tensor dirac_(Tensor tensor)
            {
                var shape = tensor.shape;
                if (shape.Length is < 3 or > 5)
                    throw new ArgumentException($"dirac_ takes the weights of a convolution, of 3 to 5 dimensions, not of {shape.Length}");
                using var modes = no_grad();
                tensor.zero_();
                for (long channel = 0; channel < Math.Min(shape[0], shape[1]); channel++)
                {
                    using var scope = NewDisposeScope();
                    var place = tensor.select(0, channel).select(0, channel);
                    foreach (var size in shape.AsSpan(2))
                        place = place.select(0, size / 2);
                    place.fill_(1);
                }
                return tensor;
            }

            /// <summary>Normal, with that share of each column set to zero (Martens, 2010).</summary>
            public static Tensor sparse_(Tensor tensor, double sparsity, double std = 0.01)
            {
                if (tensor.ndim != 2)
                    throw new ArgumentException($"sparse_ takes a matrix, not a tensor of {tensor.ndim} dimensions");
                using var modes = no_grad();
                using var scope = NewDisposeScope();
                long rows = tensor.size(0);
                long zeros = (long)Math.Ceiling(sparsity * rows);
                tensor.normal_(0, std);
                for (long column = 0; column < tensor.size(1); column++)
                {
                    var empty = randperm(rows, device: tensor.device).narrow(0, 0, zeros);
                    tensor.select(1, column).index_fill_(0, empty, 0);
                }
                return tensor;
            }
        }
    }
}
