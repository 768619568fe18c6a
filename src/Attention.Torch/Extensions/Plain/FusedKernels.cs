using TorchSharp;
using static TorchSharp.torch;

namespace Attention.Torch;

/// <summary>The same steps tensor by tensor, where the official package is all there is.</summary>
internal static class FusedKernels
{
    private static readonly (double A, double B, double C)[] quintic =
    [
        (4.0848, -6.8946, 2.9270), (3.9505, -6.3029, 2.6377), (3.7418, -5.5913, 2.3037), (2.8769, -3.1427, 1.2046), (2.8366, -3.0525, 1.2012),
    ];

    public static void Adam(Tensor[] parameters, Tensor[] gradients, Tensor[] means, Tensor[] squares,
        double lr, double beta1, double beta2, double eps, double weightDecay, bool decoupled, long step, double gradScale)
    {
        for (int i = 0; i < parameters.Length; i++)
        {
            using var scope = NewDisposeScope();
            var (master, gradient) = Prepare(parameters[i], gradients[i], means[i], gradScale);
            if (decoupled)
                master.mul_(1 - lr * weightDecay);
            else if (weightDecay != 0)
                gradient = gradient.add(master, weightDecay);
            var (numerator, denominator) = Moments(gradient, means[i], squares[i], beta1, beta2, eps, step);
            master.addcdiv_(numerator, denominator, -lr);
            Store(master, parameters[i]);
        }
    }

    public static void Sgd(Tensor[] parameters, Tensor[] gradients, Tensor[] buffers,
        double lr, double momentum, double dampening, double weightDecay, bool nesterov, bool firstStep, double gradScale)
    {
        for (int i = 0; i < parameters.Length; i++)
        {
            using var scope = NewDisposeScope();
            var (master, update) = Prepare(parameters[i], gradients[i], buffers.Length == 0 ? parameters[i] : buffers[i], gradScale);
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

    public static void Lion(Tensor[] parameters, Tensor[] gradients, Tensor[] means,
        double lr, double beta1, double beta2, double weightDecay, double gradScale)
    {
        for (int i = 0; i < parameters.Length; i++)
        {
            using var scope = NewDisposeScope();
            var (master, gradient) = Prepare(parameters[i], gradients[i], means[i], gradScale);
            var direction = (means[i] * beta1).add_(gradient, 1 - beta1).sign();
            means[i].mul_(beta2).add_(gradient, 1 - beta2);
            master.mul_(1 - lr * weightDecay).add_(direction, -lr);
            Store(master, parameters[i]);
        }
    }

    public static void Lamb(Tensor[] parameters, Tensor[] gradients, Tensor[] means, Tensor[] squares,
        double lr, double beta1, double beta2, double eps, double weightDecay, bool adapt, bool trustClip, long step, double gradScale)
    {
        for (int i = 0; i < parameters.Length; i++)
        {
            using var scope = NewDisposeScope();
            var (master, gradient) = Prepare(parameters[i], gradients[i], means[i], gradScale);
            var (numerator, denominator) = Moments(gradient, means[i], squares[i], beta1, beta2, eps, step);
            var update = (numerator / denominator).add(master, weightDecay);
            var (size, reach) = (Norm(master), Norm(update));
            double ratio = adapt && size > 0 && reach > 0 ? size / reach : 1;
            master.add_(update, -lr * (trustClip ? Math.Min(1, ratio) : ratio));
            Store(master, parameters[i]);
        }
    }

    public static void Adafactor(Tensor[] parameters, Tensor[] gradients, Tensor[] rows, Tensor[] columns, long[] first, long[] second,
        double lr, double decayRate, double eps, double clipThreshold, double weightDecay, long step, double gradScale)
    {
        double beta = 1 - Math.Pow(step, decayRate);
        for (int i = 0; i < parameters.Length; i++)
        {
            using var scope = NewDisposeScope();
            var (master, gradient) = Prepare(parameters[i], gradients[i], rows[i], gradScale);
            var square = gradient.square().add_(eps);
            Tensor factor;
            if (columns.Length == 0)
            {
                factor = rows[i].mul_(beta).add_(square, 1 - beta).rsqrt();
            }
            else
            {
                rows[i].mul_(beta).add_(square.mean([second[i]]), 1 - beta);
                columns[i].mul_(beta).add_(square.mean([first[i]]), 1 - beta);
                factor = (rows[i] / rows[i].mean([first[i]], keepdim: true)).rsqrt().unsqueeze(second[i]) * columns[i].unsqueeze(first[i]).rsqrt();
            }
            var update = factor * gradient;
            double rms = Norm(update) / Math.Sqrt(update.numel());
            master.mul_(1 - lr * weightDecay).add_(update, -lr / Math.Max(1, rms / clipThreshold));
            Store(master, parameters[i]);
        }
    }

    public static void Muon(Tensor[] parameters, Tensor[] gradients, Tensor[] buffers,
        double lr, double momentum, bool nesterov, double eps, double weightDecay, double gradScale)
    {
        for (int i = 0; i < parameters.Length; i++)
        {
            using var scope = NewDisposeScope();
            var (master, gradient) = Prepare(parameters[i], gradients[i], buffers[i], gradScale);
            buffers[i].mul_(momentum).add_(gradient, 1 - momentum);
            var direction = (nesterov ? gradient * (1 - momentum) + buffers[i] * momentum : buffers[i]).flatten(1);
            double scale = 0.2 * Math.Sqrt(Math.Max(direction.shape[0], direction.shape[1]));
            master.mul_(1 - lr * weightDecay).add_(Orthogonalised(direction, eps).view(master.shape), -lr * scale);
            Store(master, parameters[i]);
        }
    }

    public static Tensor GradNorm(Tensor[] gradients) =>
        stack(gradients.Select(g => linalg.vector_norm(g.to_type(ScalarType.Float64)).cpu()).ToArray()).norm();

    // The parameter and its scaled gradient in the type of its state.
    private static (Tensor Master, Tensor Gradient) Prepare(Tensor parameter, Tensor gradient, Tensor state, double gradScale) =>
        (parameter.to_type(state.dtype), gradient.to_type(state.dtype) * gradScale);

    // Adam's running means, corrected for their start at zero: the direction is the one over the other.
    private static (Tensor Numerator, Tensor Denominator) Moments(
        Tensor gradient, Tensor mean, Tensor square, double beta1, double beta2, double eps, long step)
    {
        mean.mul_(beta1).add_(gradient, 1 - beta1);
        square.mul_(beta2).addcmul_(gradient, gradient, 1 - beta2);
        return (mean / (1 - Math.Pow(beta1, step)), (square.sqrt() / Math.Sqrt(1 - Math.Pow(beta2, step))).add_(eps));
    }

    private static Tensor Orthogonalised(Tensor matrix, double eps)
    {
        bool tall = matrix.shape[0] > matrix.shape[1];
        var x = tall ? matrix.t() : matrix;
        x = x / Math.Max(eps, Norm(x));
        foreach (var (a, b, c) in quintic)
        {
            var gram = x.mm(x.t());
            x = x * a + (gram * b + gram.mm(gram) * c).mm(x);
        }
        return (tall ? x.t() : x).contiguous();
    }

    private static double Norm(Tensor x) => x.norm().to_type(ScalarType.Float64).item<double>();

    // For parameters of lower precision than their state, the result is rounded back.
    private static void Store(Tensor master, Tensor parameter)
    {
        if (master.dtype != parameter.dtype)
            parameter.copy_(master);
    }
}
