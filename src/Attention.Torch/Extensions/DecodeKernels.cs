using Attention.Torch.Native;
using static TorchSharp.torch;

namespace Attention.Torch;

/// <summary>The operators of native/decode.cpp: a whole step of decoding in one call.</summary>
public static class DecodeKernels
{
    /// <summary>Whether they are there.</summary>
    public static bool IsAvailable => true;

    /// <summary>Runs a program of steps; what its numbers mean is written in native/decode.cpp.</summary>
    /// <param name="tensors">Weights, tables and caches.</param>
    /// <param name="memory">Activations, fp32.</param>
    /// <param name="steps">(n, 16), int64.</param>
    /// <param name="constants">Numbers that steps refer to, fp64.</param>
    /// <param name="tokens">One for each row, int64.</param>
    /// <param name="position">Of these tokens.</param>
    public static void Step(Tensor[] tensors, Tensor memory, Tensor steps, Tensor constants, Tensor tokens, long position) =>
        Aten.CallVoid("attention::decode_step_", tensors, memory, steps, constants, tokens, position);

    /// <summary>Asks the system for large pages under these tensors, which makes reading them faster.</summary>
    public static void UseLargePages(Tensor[] tensors) => Aten.CallVoid("attention::use_large_pages", [tensors]);
}
