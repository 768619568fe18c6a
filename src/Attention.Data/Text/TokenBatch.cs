using TorchSharp;
using static TorchSharp.torch;

namespace Attention.Data.Text;

/// <summary>Sequences side by side, and what is to be said after each of their tokens.</summary>
/// <param name="tokens">(B, T), int64.</param>
/// <param name="targets">(B, T), int64: the token that follows, or <see cref="Ignored"/> where nothing is asked.</param>
public sealed class TokenBatch(Tensor tokens, Tensor targets) : IDisposable
{
    /// <summary>A target that does not count.</summary>
    public const long Ignored = -100;

    public Tensor tokens { get; } = tokens;
    public Tensor targets { get; } = targets;

    /// <summary>Sequences.</summary>
    public int Samples => (int)tokens.shape[0];

    internal static TokenBatch Of(long[] tokens, long[] targets, int rows) =>
        new(tensor(tokens, [rows, tokens.Length / rows]).DetachFromDisposeScope(), tensor(targets, [rows, targets.Length / rows]).DetachFromDisposeScope());

    public void Dispose()
    {
        tokens.Dispose();
        targets.Dispose();
    }
}

/// <summary>Batches of sequences, which depend on the epoch and the step alone.</summary>
public interface ITokenSource
{
    /// <summary>Batches of an epoch.</summary>
    int StepsPerEpoch { get; }

    /// <summary>The batch of a step.</summary>
    TokenBatch Batch(int epoch, int step);
}
