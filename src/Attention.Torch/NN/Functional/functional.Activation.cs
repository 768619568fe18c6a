using Attention.Torch.Native;
using TorchSharp.Modules;

namespace TorchSharp;

public static partial class torch
{
    public static partial class nn
    {
        public static partial class functional
        {
            // In place or not, the result is an object of its own.
            private static Tensor InPlace(string name, Tensor x, params ReadOnlySpan<Arg> rest)
            {
                Aten.CallVoid(name, [x, .. rest]);
                return x.Handover();
            }

            public static Tensor celu(Tensor x, double alpha, bool inplace = false) =>
                inplace ? InPlace("celu_", x, alpha) : Aten.Call("celu", x, alpha);

            public static Tensor elu(Tensor x, double alpha, bool inplace = false) =>
                inplace ? InPlace("elu_", x, alpha) : Aten.Call("elu", x, alpha);

            public static Tensor gelu(Tensor x) => Aten.Call("gelu", x);

            public static Tensor gelu(Tensor x, bool inplace) => inplace ? InPlace("gelu_", x) : Aten.Call("gelu", x);

            public static Tensor gelu(Tensor x, GELU.Approximate approximate, bool inplace = false)
            {
                if (approximate == Modules.GELU.Approximate.none)
                    return gelu(x, inplace);
                return inplace ? InPlace("gelu_", x, "tanh") : Aten.Call("gelu", x, "tanh");
            }

            /// <summary>The first half of a dimension times the sigmoid of the second.</summary>
            public static Tensor glu(Tensor input, long dim = -1) => Aten.Call("glu", input, dim);

            public static Tensor hardshrink(Tensor x, double lambda = 0.5) => Aten.Call("hardshrink", x, lambda);

            public static Tensor hardsigmoid(Tensor input, bool inplace = false) =>
                inplace ? InPlace("hardsigmoid_", input) : Aten.Call("hardsigmoid", input);

            public static Tensor hardswish(Tensor input, bool inplace = false) =>
                inplace ? InPlace("hardswish_", input) : Aten.Call("hardswish", input);

            public static Tensor hardtanh(Tensor x, double min_val = -1, double max_val = 1, bool inplace = false) =>
                inplace ? InPlace("hardtanh_", x, min_val, max_val) : Aten.Call("hardtanh", x, min_val, max_val);

            public static Tensor leaky_relu(Tensor input, double negative_slope = 0.01, bool inplace = false) =>
                inplace ? InPlace("leaky_relu_", input, negative_slope) : Aten.Call("leaky_relu", input, negative_slope);

            public static Tensor logsigmoid(Tensor x) => Aten.Call("log_sigmoid", x);
            public static Tensor log_softmax(Tensor x, long dim) => Aten.Call("log_softmax.int", x, dim);
            public static Tensor mish(Tensor x, bool inplace = false) => inplace ? InPlace("mish_", x) : Aten.Call("mish", x);
            public static Tensor prelu(Tensor input, Tensor weight) => Aten.Call("prelu", input, weight);
            public static Tensor relu(Tensor x, bool inplace = false) => inplace ? InPlace("relu_", x) : Aten.Call("relu", x);
            public static Tensor relu6(Tensor x, bool inplace = false) => inplace ? InPlace("relu6_", x) : Aten.Call("relu6", x);

            public static Tensor rrelu(Tensor x, double lower = 0.125, double upper = 1.0 / 3, bool inplace = false) => RandomLeakyRelu(x, lower, upper, false, inplace);

            internal static Tensor RandomLeakyRelu(Tensor x, double lower, double upper, bool training, bool inplace) =>
                inplace ? InPlace("rrelu_", x, lower, upper, training) : Aten.Call("rrelu", x, lower, upper, training);

            public static Tensor selu(Tensor x, bool inplace = false) => inplace ? InPlace("selu_", x) : Aten.Call("selu", x);
            public static Tensor sigmoid(Tensor x) => Aten.Call("sigmoid", x);
            public static Tensor sigmoid(Tensor x, bool inplace) => inplace ? InPlace("sigmoid_", x) : Aten.Call("sigmoid", x);
            public static Tensor silu(Tensor x, bool inplace = false) => inplace ? InPlace("silu_", x) : Aten.Call("silu", x);
            public static Tensor softmax(Tensor input, long dim, ScalarType? dtype = null) => Aten.Call("softmax.int", input, dim, dtype);

            /// <summary>Softmax over the channels of (N, C, H, W) or (C, H, W).</summary>
            public static Tensor softmax2d(Tensor x) => Aten.Call("softmax.int", x, -3);

            public static Tensor softmin(Tensor x, long dim)
            {
                using var negative = -x;
                return Aten.Call("softmax.int", negative, dim);
            }

            public static Tensor softplus(Tensor x, double beta = 1, double threshold = 20) => Aten.Call("softplus", x, beta, threshold);
            public static Tensor softshrink(Tensor x, double lambda = 0.5) => Aten.Call("softshrink", x, lambda);

            /// <summary>x / (1 + |x|).</summary>
            public static Tensor softsign(Tensor x, bool inplace = false)
            {
                using var size = x.abs();
                using var divisor = size + 1;
                return inplace ? InPlace("div_.Tensor", x, divisor) : x / divisor;
            }

            public static Tensor tanh(Tensor x, bool inplace = false) => inplace ? InPlace("tanh_", x) : Aten.Call("tanh", x);

            /// <summary>x - tanh(x).</summary>
            public static Tensor tanhshrink(Tensor x, bool inplace = false)
            {
                using var tanh = x.tanh();
                return inplace ? InPlace("sub_.Tensor", x, tanh) : x - tanh;
            }

            public static Tensor threshold(Tensor x, double threshold, double value, bool inplace = false) =>
                inplace ? InPlace("threshold_", x, threshold, value) : Aten.Call("threshold", x, threshold, value);
        }
    }
}
