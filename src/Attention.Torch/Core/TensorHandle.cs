using Attention.Torch.Native;

namespace TorchSharp;

/// <summary>
/// One reference to a tensor of libtorch. Its finalizer frees what was not disposed. Making an object with a finalizer is
/// slow, so that a handle whose tensor was disposed serves the thread's next tensor.
/// </summary>
internal sealed class TensorHandle
{
    private const int MaxSpare = 1024;

    [ThreadStatic]
    private static Spare ofThread;

    private struct Spare
    {
        internal TensorHandle?[]? handles;
        internal int count;
    }

    private static long live;
    private static long peak;

    private TensorHandle()
    {
    }

    /// <summary>The number of handles in the process that hold a tensor, and the largest number there was.</summary>
    internal static long Live => live;
    internal static long Peak => peak;

    internal nint Value { get; private set; }

    internal static TensorHandle Of(nint value)
    {
        ref var spare = ref ofThread;
        var handle = spare.count > 0 ? spare.handles![--spare.count]! : new TensorHandle();
        handle.Value = value;
        long count = Interlocked.Increment(ref live);
        if (count > peak)
            peak = count;
        return handle;
    }

    /// <summary>Gives the reference to the caller; the handle must not be used afterwards.</summary>
    internal nint Take()
    {
        var value = Value;
        Value = 0;
        Interlocked.Decrement(ref live);
        ref var spare = ref ofThread;
        spare.handles ??= new TensorHandle[MaxSpare];
        if (spare.count < MaxSpare)
            spare.handles[spare.count++] = this;
        return value;
    }

    internal void Free() => NativeMethods.att_tensor_release(Take());

    ~TensorHandle()
    {
        if (Value == 0)
            return;
        Interlocked.Decrement(ref live);
        NativeMethods.att_tensor_release(Value);
    }
}
