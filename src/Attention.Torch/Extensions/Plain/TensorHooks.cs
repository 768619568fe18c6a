using static TorchSharp.torch;

namespace Attention.Torch;

/// <summary>The official package has no hooks on tensors.</summary>
public static class TensorHooks
{
    public static IDisposable Register(Tensor tensor, Func<Tensor, Tensor?> hook) =>
        throw new UserError("a hook on a tensor needs the system flavour: TorchSharp's package has none",
            "use a custom autograd function, or build with -p:Torch=system (scripts/setup.sh --flavour system)");
}
