namespace Attention.Data.Text;

/// <summary>
/// Copying: a random sequence, a mark, and the sequence again, which is asked for. Jelassi et al., Repeat After Me: Transformers are
/// Better than State Space Models at Copying, 2024 (arXiv:2402.01032).
/// </summary>
/// <param name="vocab_size">Tokens there are; the last is the mark.</param>
/// <param name="lengths">Tokens to copy, taken in turn from batch to batch; a batch's sequences have twice as many.</param>
/// <param name="batch_size">Sequences of a batch.</param>
/// <param name="steps_per_epoch">Batches of an epoch.</param>
/// <param name="seed">Decides all.</param>
/// <param name="fixed_epoch">Every epoch has the same sequences, as a test needs.</param>
public sealed class Copying(
    int vocab_size, IReadOnlyList<int> lengths, int batch_size, int steps_per_epoch, long seed, bool fixed_epoch = false) : ITokenSource
{
    public int StepsPerEpoch => steps_per_epoch;

    public TokenBatch Batch(int epoch, int step)
    {
        var random = new SeededRandom(seed, fixed_epoch ? 0 : epoch + 1, step);
        int length = lengths[step % lengths.Count], context = 2 * length, mark = vocab_size - 1;
        var (tokens, targets) = (new long[batch_size * context], new long[batch_size * context]);
        Array.Fill(targets, TokenBatch.Ignored);
        for (int row = 0; row < batch_size; row++)
        {
            int first = row * context, copy = first + length;
            tokens[copy] = mark;
            for (int i = 0; i < length; i++)
            {
                targets[copy + i] = tokens[first + i] = random.Next(mark);
                if (i + 1 < length)
                    tokens[copy + 1 + i] = tokens[first + i];
            }
        }
        return TokenBatch.Of(tokens, targets, batch_size);
    }
}
