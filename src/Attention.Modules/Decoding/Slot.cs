using static TorchSharp.torch;

namespace Attention.Modules;

/// <summary>Channels (rows, Width) that a step of a <see cref="DecodeProgram"/> reads or writes: a place in its memory.</summary>
/// <param name="Offset">Of the first row.</param>
/// <param name="Start">Of the channels in their row.</param>
/// <param name="Stride">From row to row.</param>
/// <param name="Width">Channels.</param>
public readonly record struct Slot(long Offset, long Start, long Stride, long Width)
{
    /// <summary>Some of the channels.</summary>
    public Slot Part(long start, long width) => this with { Start = Start + start, Width = width };

    internal Tensor View(Tensor memory, long rows) => memory.narrow(0, Offset, rows * Stride).view(rows, Stride).narrow(1, Start, Width);
}
