using TorchSharp;
using static TorchSharp.torch;

namespace Attention.Modules;

/// <summary>A tensor that depends on a map's size alone, kept from call to call while the size stays.</summary>
/// <param name="make">Makes it from height and width.</param>
internal sealed class MapSizeCache(Func<long, long, Tensor> make) : IDisposable
{
    private Tensor? kept;
    private (long, long) size;

    /// <summary>The tensor, on the device and of the type of <paramref name="like"/>.</summary>
    public Tensor Get(long height, long width, Tensor like)
    {
        if (kept is null || size != (height, width) || kept.dtype != like.dtype || kept.device != like.device)
        {
            kept?.Dispose();
            using var made = make(height, width);
            kept = made.to(like.dtype, like.device, copy: true).DetachFromDisposeScope();
            size = (height, width);
        }
        return kept;
    }

    public void Dispose() => kept?.Dispose();
}
