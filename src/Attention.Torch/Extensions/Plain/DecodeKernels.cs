using static TorchSharp.torch;

namespace Attention.Torch;

/// <summary>The official package has no operator for a whole step of decoding.</summary>
public static class DecodeKernels
{
    /// <summary>Whether it is there: no.</summary>
    public static bool IsAvailable => false;

    public static void Step(Tensor[] tensors, Tensor memory, Tensor steps, Tensor constants, Tensor tokens, long position) =>
        throw new UserError("fused decoding needs the system flavour: TorchSharp's package has no kernels for it",
            "build with -p:Torch=system (scripts/setup.sh --torch system)");

    /// <summary>Does nothing.</summary>
    public static void UseLargePages(Tensor[] tensors)
    {
    }
}
