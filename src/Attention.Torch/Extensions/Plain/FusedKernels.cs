using TorchSharp;
using static TorchSharp.torch;

namespace Attention.Torch;

/// <summary>The same steps tensor by tensor, where the official package is all there is.</summary>
internal static class FusedKernels
{
    public static void AdamW(Tensor[] parameters, Tensor[] gradients, Tensor[] means, Tensor[] squares,
        double lr, double beta1, double beta2, double eps, double weightDecay, long step, double gradScale)
    {
        double correction1 = 1 - Math.Pow(beta1, step);
        double correction2 = Math.Sqrt(1 - Math.Pow(beta2, step));
        for (int i = 0; i < parameters.Length; i++)
        {
            using var scope = NewDisposeScope();
            var (master, mean, square) = (parameters[i].to_type(means[i].dtype), means[i], squares[i]);
            var gradient = gradients[i].to_type(mean.dtype) * gradScale;
            mean.mul_(beta1).add_(gradient, 1 - beta1);
            square.mul_(beta2).addcmul_(gradient, gradient, 1 - beta2);
            var denominator = (square.sqrt() / correction2).add_(eps);
            master.mul_(1 - lr * weightDecay).addcdiv_(mean, denominator, -lr / correction1);
            Store(master, parameters[i]);
        }
    }

    public static void Sgd(Tensor[] parameters, Tensor[] gradients, Tensor[] buffers,
        double lr, double momentum, double dampening, double weightDecay, bool nesterov, bool firstStep, double gradScale)
    {
        for (int i = 0; i < parameters.Length; i++)
        {
            using var scope = NewDisposeScope();
            var master = buffers.Length == 0 ? parameters[i] : parameters[i].to_type(buffers[i].dtype);
            var update = gradients[i].to_type(master.dtype) * gradScale;
            if (weightDecay != 0)
                update = update.add(master, weightDecay);
            if (buffers.Length > 0)
            {
                buffers[i].mul_(momentum).add_(update, firstStep ? 1 : 1 - dampening);
                update = nesterov ? update.add(buffers[i], momentum) : buffers[i];
            }
            master.add_(update, -lr);
            Store(master, parameters[i]);
        }
    }

    public static Tensor GradNorm(Tensor[] gradients) =>
        stack(gradients.Select(g => linalg.vector_norm(g.to_type(ScalarType.Float64)).cpu()).ToArray()).norm();

    // For parameters of lower precision than their state, the result is rounded back.
    private static void Store(Tensor master, Tensor parameter)
    {
        if (master.dtype != parameter.dtype)
            parameter.copy_(master);
    }
}
