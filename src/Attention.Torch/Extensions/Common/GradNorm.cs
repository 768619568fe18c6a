using TorchSharp;
using static TorchSharp.torch;

namespace Attention.Torch;

/// <summary>The size of all gradients together, for clipping and for the log.</summary>
public static class GradNorm
{
    /// <summary>The 2-norm over the gradients of all parameters, summed in double; 0 where there is none.</summary>
    public static double Total(IEnumerable<Tensor> parameters)
    {
        using var scope = NewDisposeScope();
        using var mode = no_grad();
        var gradients = parameters.Select(p => p.grad).OfType<Tensor>().ToArray();
        return gradients.Length == 0 ? 0 : FusedKernels.GradNorm(gradients).item<double>();
    }

    /// <summary>The factor that brings gradients of this norm down to <paramref name="maxNorm"/>, as clip_grad_norm_ has it; at most 1.</summary>
    public static double ClipScale(double norm, double maxNorm) => Math.Min(1, maxNorm / (norm + 1e-6));
}
