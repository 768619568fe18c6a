using Attention.Torch.Native;

namespace TorchSharp;

public static partial class torch
{
    public static partial class nn
    {
        /// <summary>How the losses of the elements become one.</summary>
        public enum Reduction : long
        {
            None = 0,
            Mean = 1,
            Sum = 2,
        }

        /// <summary>Layers as functions: what they take, give and throw is PyTorch's documentation of the same name.</summary>
        public static partial class functional
        {
            private static long[] List((long, long) pair) => [pair.Item1, pair.Item2];
            private static long[]? List((long, long)? pair) => pair is { } p ? List(p) : null;
            private static long[] List((long, long, long) triple) => [triple.Item1, triple.Item2, triple.Item3];
            private static long[]? List((long, long, long)? triple) => triple is { } t ? List(t) : null;
            private static double[]? List((double, double)? pair) => pair is { } p ? [p.Item1, p.Item2] : null;
            private static double[]? List((double, double, double)? triple) => triple is { } t ? [t.Item1, t.Item2, t.Item3] : null;

            /// <summary>x Wᵀ + b: (..., in) to (..., out), with weights (out, in) and bias (out).</summary>
            public static Tensor linear(Tensor input, Tensor weights, Tensor? bias = null) => Aten.Call("linear", input, weights, bias);

            public static Tensor bilinear(Tensor input1, Tensor input2, Tensor weight, Tensor? bias = null) =>
                Aten.Call("bilinear", input1, input2, weight, bias);

            /// <summary>Class numbers (...) to (..., num_classes) with a one in the place of each.</summary>
            public static Tensor one_hot(Tensor x, long num_classes = -1) => Aten.Call("one_hot", x, num_classes);

            // --- attention -----------------------------------------------------------------------

            private static readonly bool hasAttention = Aten.Exists("scaled_dot_product_attention");

            /// <summary>
            /// softmax(Q Kᵀ / √E + mask) V: query (..., L, E), key (..., S, E) and value (..., S, V) to (..., L, V). A boolean mask
            /// is true where a key takes part. <paramref name="is_casual"/> lets a query see the keys up to its own place.
            /// </summary>
            public static Tensor scaled_dot_product_attention(Tensor query, Tensor key, Tensor value, Tensor? attn_mask = null, double p = 0, bool is_casual = false)
            {
                if (hasAttention)
                    return Aten.Call("scaled_dot_product_attention", query, key, value, attn_mask, p, is_casual);
                if (is_casual && attn_mask is not null)
                    throw new ArgumentException("scaled_dot_product_attention takes a mask or is_casual, not both");
                using var scope = NewDisposeScope();
                // What is not needed any more ends at once: the matrices of L x S are what fills the memory.
                Tensor scores;
                using (var scaled = query * (1 / Math.Sqrt(query.size(-1))))
                    scores = scaled.matmul(key.transpose(-2, -1));
                var hidden = is_casual ? ones([query.size(-2), key.size(-2)], ScalarType.Bool, query.device).triu_(1)
                    : attn_mask?.dtype == ScalarType.Bool ? attn_mask.logical_not()
                    : null;
                if ((hidden ?? attn_mask) is { } mask)
                {
                    bool fits = Fits(mask.shape, scores.shape);
                    scores = (hidden is not null, fits) switch
                    {
                        (true, true) => scores.masked_fill_(mask, double.NegativeInfinity),
                        (true, false) => scores.masked_fill(mask, double.NegativeInfinity),
                        (false, true) => scores.add_(mask),
                        (false, false) => scores + mask,
                    };
                }
                var weights = Aten.Call("softmax.int", scores, -1);
                scores.Dispose();
                if (p > 0)
                {
                    using var all = weights;
                    weights = Aten.Call("dropout", all, p, true);
                }
                return weights.matmul(value).MoveToOuterDisposeScope();
            }

            // Whether broadcasting the first shape to the second leaves the second as it is.
            private static bool Fits(long[] shape, long[] target)
            {
                int offset = target.Length - shape.Length;
                for (int i = 0; i < shape.Length && offset >= 0; i++)
                    if (shape[i] != 1 && shape[i] != target[offset + i])
                        return false;
                return offset >= 0;
            }

            // --- dropout -------------------------------------------------------------------------

            // One element, one channel, or a channel with noise instead of zeros at a time.
            private static Tensor Drop(string name, string inPlaceName, Tensor input, double p, bool training, bool inplace)
            {
                if (p is < 0 or > 1 or double.NaN)
                    throw new ArgumentOutOfRangeException(nameof(p), p, $"{name}: the probability is between 0 and 1");
                if (!training || p == 0)
                    return input.Handover();
                return inplace ? Aten.CallInPlace(inPlaceName, input, p, true).Handover() : Aten.Call(name, input, p, true);
            }

            public static Tensor dropout(Tensor input, double p = 0.5, bool training = true, bool inplace = false) =>
                Drop("dropout", "dropout_", input, p, training, inplace);

            /// <summary>Drops whole channels of (N, C, L) or (C, L).</summary>
            public static Tensor dropout1d(Tensor input, double p = 0.5, bool training = true, bool inplace = false) =>
                DropChannels(input, p, training, inplace, 2);

            /// <summary>Drops whole channels of (N, C, H, W).</summary>
            public static Tensor dropout2d(Tensor input, double p = 0.5, bool training = true, bool inplace = false) =>
                Drop("feature_dropout", "feature_dropout_", input, p, training, inplace);

            /// <summary>Drops whole channels of (N, C, D, H, W) or (C, D, H, W).</summary>
            public static Tensor dropout3d(Tensor input, double p = 0.5, bool training = true, bool inplace = false) =>
                DropChannels(input, p, training, inplace, 4);

            private static Tensor DropChannels(Tensor input, double p, bool training, bool inplace, int unbatched)
            {
                if (input.ndim != unbatched)
                    return Drop("feature_dropout", "feature_dropout_", input, p, training, inplace);
                using var scope = NewDisposeScope();
                var result = Drop("feature_dropout", "feature_dropout_", input.unsqueeze(0), p, training, inplace);
                return inplace ? input.Handover().MoveToOuterDisposeScope() : result.squeeze(0).MoveToOuterDisposeScope();
            }

            public static Tensor alpha_dropout(Tensor input, double p = 0.5, bool training = false, bool inplace = false) =>
                Drop("alpha_dropout", "alpha_dropout_", input, p, training, inplace);

            public static Tensor feature_alpha_dropout(Tensor input, double p = 0.5, bool training = false, bool inplace = false) =>
                Drop("feature_alpha_dropout", "feature_alpha_dropout_", input, p, training, inplace);

            // --- normalization -------------------------------------------------------------------

            /// <summary>Zero mean and unit variance over the last dimensions, whose sizes are <paramref name="normalized_shape"/>.</summary>
            public static Tensor layer_norm(Tensor input, long[] normalized_shape, Tensor? weight = null, Tensor? bias = null, double eps = 1e-05) =>
                Aten.Call("layer_norm", input, normalized_shape, weight, bias, eps);

            public static Tensor group_norm(Tensor input, long num_groups, Tensor? weight = null, Tensor? bias = null, double eps = 1e-05) =>
                Aten.Call("group_norm", input, num_groups, weight, bias, eps);

            public static Tensor batch_norm(Tensor input, Tensor? running_mean, Tensor? running_var, Tensor? weight = null, Tensor? bias = null, bool training = false, double momentum = 0.1, double eps = 1e-05) =>
                Aten.Call("batch_norm", input, weight, bias, running_mean, running_var, training, momentum, eps, true);

            public static Tensor instance_norm(Tensor input, Tensor? running_mean = null, Tensor? running_var = null, Tensor? weight = null, Tensor? bias = null, bool use_input_stats = true, double momentum = 0.1, double eps = 1e-05) =>
                Aten.Call("instance_norm", input, weight, bias, running_mean, running_var, use_input_stats, momentum, eps, true);

            /// <summary>Each channel over the (k + α/n Σ x²)^β of the <paramref name="size"/> channels around it.</summary>
            public static Tensor local_response_norm(Tensor input, long size, double alpha = 0.0001, double beta = 0.75, double k = 1)
            {
                using var scope = NewDisposeScope();
                var shape = input.shape;
                if (shape.Length < 3)
                    throw new ArgumentException($"local_response_norm takes (N, C, ...) with at least one more dimension, not ({string.Join(", ", shape)})");
                var squares = input.square().reshape(shape[0], 1, shape[1], -1);
                var sums = avg_pool2d(pad(squares, [0, 0, size / 2, (size - 1) / 2]), [size, 1], [1, 1]).reshape(shape);
                return (input / (sums * alpha + k).pow(beta)).MoveToOuterDisposeScope();
            }

            /// <summary>Divides by the p-norm along a dimension, or by <paramref name="eps"/> where that is larger.</summary>
            public static Tensor normalize(Tensor input, double p = 2, long dim = 1, double eps = 1e-12)
            {
                using var scope = NewDisposeScope();
                var norm = Aten.Call("norm.ScalarOpt_dim", input, p, new[] { dim }, true);
                return (input / Aten.Call("clamp_min", norm, eps)).MoveToOuterDisposeScope();
            }

            // --- distances -----------------------------------------------------------------------

            public static Tensor cosine_similarity(Tensor x1, Tensor x2, long dim = 1, double eps = 1e-08) =>
                Aten.Call("cosine_similarity", x1, x2, dim, eps);

            public static Tensor pairwise_distance(Tensor input1, Tensor input2, double p = 2, double eps = 1e-06, bool keepdim = false) =>
                Aten.Call("pairwise_distance", input1, input2, p, eps, keepdim);
        }
    }
}
