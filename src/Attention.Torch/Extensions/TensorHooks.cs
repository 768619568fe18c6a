using Attention.Torch.Native;
using static TorchSharp.torch;

namespace Attention.Torch;

/// <summary>Callbacks on gradients.</summary>
public static class TensorHooks
{
    /// <summary>
    /// Calls the hook with the tensor's gradient whenever backward computes it, until the result is disposed. What it
    /// gives takes the gradient's place; null leaves it.
    /// </summary>
    public static IDisposable Register(Tensor tensor, Func<Tensor, Tensor?> hook) =>
        // Another object over the same tensor: the caller's may end with its scope before the hook does.
        new Registration(Tensor.FromHandle(NativeMethods.att_tensor_alias(tensor.Handle)).DetachFromDisposeScope(), tensor.RegisterHook(hook));

    private sealed class Registration(Tensor tensor, int id) : IDisposable
    {
        public void Dispose()
        {
            if (tensor.IsInvalid)
                return;
            tensor.RemoveHook(id);
            tensor.Dispose();
        }
    }
}
