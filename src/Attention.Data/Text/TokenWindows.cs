namespace Attention.Data.Text;

/// <summary>Windows of a text at random places, as nanoGPT trains: each token's target is the next one.</summary>
/// <param name="text">The tokens; more than the context.</param>
/// <param name="context">Tokens of a window.</param>
/// <param name="batch_size">Windows of a batch.</param>
/// <param name="steps_per_epoch">Batches of an epoch.</param>
/// <param name="seed">Decides the places.</param>
public sealed class RandomWindows(IReadOnlyList<int> text, int context, int batch_size, int steps_per_epoch, long seed) : ITokenSource
{
    public int StepsPerEpoch => steps_per_epoch;

    public TokenBatch Batch(int epoch, int step)
    {
        var random = new SeededRandom(seed, epoch, step);
        var (tokens, targets) = (new long[batch_size * context], new long[batch_size * context]);
        for (int row = 0; row < batch_size; row++)
        {
            int start = random.Next(text.Count - context);
            for (int i = 0; i < context; i++)
                (tokens[row * context + i], targets[row * context + i]) = (text[start + i], text[start + i + 1]);
        }
        return TokenBatch.Of(tokens, targets, batch_size);
    }
}

/// <summary>A text from its start to its end in windows that do not overlap; the last is shorter, and comes alone.</summary>
/// <param name="text">The tokens; at least two.</param>
/// <param name="context">Tokens of a window.</param>
/// <param name="batch_size">Windows of a batch.</param>
public sealed class SequentialWindows(IReadOnlyList<int> text, int context, int batch_size) : ITokenSource
{
    // Every token but the first is a target once.
    private readonly int whole = (text.Count - 1) / context;
    private readonly int rest = (text.Count - 1) % context;

    public int StepsPerEpoch => (whole + batch_size - 1) / batch_size + (rest > 0 ? 1 : 0);

    public TokenBatch Batch(int epoch, int step)
    {
        int first = step * batch_size;
        return first < whole ? Windows(first, Math.Min(batch_size, whole - first), context) : Windows(whole, 1, rest);
    }

    private TokenBatch Windows(int first, int rows, int length)
    {
        var (tokens, targets) = (new long[rows * length], new long[rows * length]);
        for (int i = 0; i < rows * length; i++)
            (tokens[i], targets[i]) = (text[first * context + i], text[first * context + i + 1]);
        return TokenBatch.Of(tokens, targets, rows);
    }
}
