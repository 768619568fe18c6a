using static TorchSharp.torch;

namespace Attention.Torch;

/// <summary>How many threads an operator may use.</summary>
public static class Threads
{
    /// <summary>Threads inside one operator, for the thread that asks: libtorch keeps the number for each of them.</summary>
    public static int IntraOp
    {
        get => get_num_threads();
        set => set_num_threads(value > 0 ? value : throw new ArgumentOutOfRangeException(nameof(value), $"the number of threads is positive, not {value}"));
    }
}
