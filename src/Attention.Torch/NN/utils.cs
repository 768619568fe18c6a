using Attention.Torch.Native;
using TorchSharp.Modules;

namespace TorchSharp;

public static partial class torch
{
    public static partial class nn
    {
        /// <summary>Gradient clipping, parameters as one vector, and layers made one.</summary>
        public static partial class utils
        {
            /// <summary>Scales all gradients down together where their common norm is larger than <paramref name="max_norm"/>.</summary>
            /// <returns>The norm before.</returns>
            public static double clip_grad_norm_(IEnumerable<Parameter> tensors, double max_norm, double norm_type = 2)
            {
                using var modes = no_grad();
                using var scope = NewDisposeScope();
                var groups = tensors.Select(p => p.grad).OfType<Tensor>().GroupBy(grad => (grad.device_type, grad.device_index)).Select(group => group.ToArray()).ToList();
                if (groups.Count == 0)
                    return 0;
                // The norm of the norms: one pass over each device's gradients, and one number to wait for.
                var norms = groups.SelectMany(grads => grads.Select(grad => Aten.Call("linalg_vector_norm", grad, norm_type)))
                    .Select(norm => norm.to(ScalarType.Float32, groups[0][0].device)).ToArray();
                double total = Aten.Call("linalg_vector_norm", Aten.Call("stack", norms), norm_type).item<float>();
                double factor = max_norm / (total + 1e-6);
                // A NaN in the norm goes on into the gradients: it is not hidden.
                if (factor >= 1)
                    return total;
                foreach (var grads in groups)
                    Aten.CallVoid("_foreach_mul_.Scalar", grads, factor);
                return total;
            }

            /// <summary>Holds each element of the gradients between -<paramref name="clip_value"/> and it.</summary>
            public static void clip_grad_value_(IEnumerable<Parameter> tensors, double clip_value)
            {
                using var modes = no_grad();
                foreach (var parameter in tensors)
                {
                    using var grad = parameter.grad;
                    if (grad is not null)
                        Aten.CallVoid("clamp_", grad, -clip_value, clip_value);
                }
            }

            /// <summary>The elements of all parameters in one vector.</summary>
            public static Tensor parameters_to_vector(IEnumerable<Parameter> tensors)
            {
                using var scope = NewDisposeScope();
                return cat(tensors.Select(p => p.reshape(-1)).ToArray()).MoveToOuterDisposeScope();
            }

            /// <summary>Copies the parts of a vector into parameters: the reverse of <see cref="parameters_to_vector"/>.</summary>
            public static void vector_to_parameters(Tensor vec, IEnumerable<Parameter> tensors)
            {
                using var modes = no_grad();
                using var scope = NewDisposeScope();
                long start = 0;
                foreach (var parameter in tensors)
                {
                    long count = parameter.numel();
                    parameter.copy_(vec.narrow(0, start, count).view_as(parameter));
                    start += count;
                }
            }

            // y = (W x + b - μ) γ / σ + β, as one layer. The scale is along the output channels.
            private static (Parameter weight, Parameter bias) Fused(Tensor w, Tensor? b, Tensor mean, Tensor var, double eps, Tensor? scale, Tensor? shift, int channelDim)
            {
                using var modes = no_grad();
                using var scope = NewDisposeScope();
                scale ??= ones_like(mean);
                shift ??= zeros_like(mean);
                b ??= zeros_like(mean);
                var factor = scale * (var + eps).rsqrt();
                var shape = new long[w.ndim];
                Array.Fill(shape, 1);
                shape[channelDim] = -1;
                var weight = new Parameter((w * factor.reshape(shape)).to(w.dtype), w.requires_grad);
                var bias = new Parameter(((b - mean) * factor + shift).to(w.dtype), b.requires_grad);
                weight.DetachFromDisposeScope();
                bias.DetachFromDisposeScope();
                return (weight, bias);
            }

            /// <summary>The weights of a convolution that does what it and the batch normalization after it do in evaluation.</summary>
            public static (Parameter weight, Parameter bias) fuse_conv_bn_weights(Tensor conv_w, Tensor? conv_b, Tensor bn_rm, Tensor bn_rv, double bn_eps, Tensor? bn_w, Tensor? bn_b, bool transpose = false) =>
                Fused(conv_w, conv_b, bn_rm, bn_rv, bn_eps, bn_w, bn_b, transpose ? 1 : 0);

            /// <summary>The weights of a linear layer that does what it and the batch normalization after it do in evaluation.</summary>
            public static (Parameter weight, Parameter bias) fuse_linear_bn_weights(Tensor linear_w, Tensor? linear_b, Tensor bn_rm, Tensor bn_rv, double bn_eps, Tensor bn_w, Tensor bn_b) =>
                Fused(linear_w, linear_b, bn_rm, bn_rv, bn_eps, bn_w, bn_b, 0);

            /// <summary>A new linear layer in the place of one and the batch normalization after it, both in evaluation.</summary>
            public static Linear fuse_linear_bn_eval(Linear linear, BatchNorm bn)
            {
                if (linear.training || bn.training)
                    throw new ArgumentException("fuse_linear_bn_eval takes modules in evaluation mode: call eval() first");
                if (bn.running_mean is not { } mean || bn.running_var is not { } var)
                    throw new ArgumentException("fuse_linear_bn_eval takes a batch normalization with running statistics");
                var (weight, bias) = Fused(linear.weight, linear.bias, mean, var, bn.eps, bn.Weight, bn.bias, 0);
                return Linear(weight, bias);
            }
        }
    }
}
