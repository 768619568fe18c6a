using Attention.Torch.Native;
using static TorchSharp.torch;

namespace Attention.Torch;

/// <summary>The operators of native/optimizers.cpp and native/optimizers_layerwise.cpp.</summary>
internal static class FusedKernels
{
    public static void Adam(Tensor[] parameters, Tensor[] gradients, Tensor[] means, Tensor[] squares,
        double lr, double beta1, double beta2, double eps, double weightDecay, bool decoupled, long step, double gradScale) =>
        Aten.CallVoid("attention::fused_adam_", parameters, gradients, means, squares, lr, beta1, beta2, eps, weightDecay, decoupled, step, gradScale);

    public static void Sgd(Tensor[] parameters, Tensor[] gradients, Tensor[] buffers,
        double lr, double momentum, double dampening, double weightDecay, bool nesterov, bool firstStep, double gradScale) =>
        Aten.CallVoid("attention::fused_sgd_", parameters, gradients, buffers, lr, momentum, dampening, weightDecay, nesterov, firstStep, gradScale);

    public static void Lion(Tensor[] parameters, Tensor[] gradients, Tensor[] means,
        double lr, double beta1, double beta2, double weightDecay, double gradScale) =>
        Aten.CallVoid("attention::fused_lion_", parameters, gradients, means, lr, beta1, beta2, weightDecay, gradScale);

    public static void Lamb(Tensor[] parameters, Tensor[] gradients, Tensor[] means, Tensor[] squares,
        double lr, double beta1, double beta2, double eps, double weightDecay, bool adapt, bool trustClip, long step, double gradScale) =>
        Aten.CallVoid("attention::fused_lamb_", parameters, gradients, means, squares, lr, beta1, beta2, eps, weightDecay, adapt, trustClip, step, gradScale);

    public static void Adafactor(Tensor[] parameters, Tensor[] gradients, Tensor[] rows, Tensor[] columns, long[] first, long[] second,
        double lr, double decayRate, double eps, double clipThreshold, double weightDecay, long step, double gradScale) =>
        Aten.CallVoid("attention::fused_adafactor_", parameters, gradients, rows, columns, first, second, lr, decayRate, eps, clipThreshold, weightDecay, step, gradScale);

    public static void Muon(Tensor[] parameters, Tensor[] gradients, Tensor[] buffers,
        double lr, double momentum, bool nesterov, double eps, double weightDecay, double gradScale) =>
        Aten.CallVoid("attention::fused_muon_", parameters, gradients, buffers, lr, momentum, nesterov, eps, weightDecay, gradScale);

    public static Tensor GradNorm(Tensor[] gradients) => Aten.Call("attention::grad_norm", [gradients]);
}
