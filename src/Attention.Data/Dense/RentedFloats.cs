using System.Buffers;

namespace Attention.Data;

/// <summary>Memory for the time of a step; its content is undefined at first.</summary>
internal sealed class RentedFloats(int length) : IDisposable
{
    private readonly float[] _array = ArrayPool<float>.Shared.Rent(length);

    public Span<float> Values => _array.AsSpan(0, length);

    public void Dispose() => ArrayPool<float>.Shared.Return(_array);
}
