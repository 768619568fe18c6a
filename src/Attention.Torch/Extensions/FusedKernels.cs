using Attention.Torch.Native;
using static TorchSharp.torch;

namespace Attention.Torch;

/// <summary>The operators of native/optimizers.cpp.</summary>
internal static class FusedKernels
{
    public static void AdamW(Tensor[] parameters, Tensor[] gradients, Tensor[] means, Tensor[] squares,
        double lr, double beta1, double beta2, double eps, double weightDecay, long step, double gradScale) =>
        Aten.CallVoid("attention::fused_adamw_", parameters, gradients, means, squares, lr, beta1, beta2, eps, weightDecay, step, gradScale);

    public static void Sgd(Tensor[] parameters, Tensor[] gradients, Tensor[] buffers,
        double lr, double momentum, double dampening, double weightDecay, bool nesterov, bool firstStep, double gradScale) =>
        Aten.CallVoid("attention::fused_sgd_", parameters, gradients, buffers, lr, momentum, dampening, weightDecay, nesterov, firstStep, gradScale);

    public static Tensor GradNorm(Tensor[] gradients) => Aten.Call("attention::grad_norm", [gradients]);
}
