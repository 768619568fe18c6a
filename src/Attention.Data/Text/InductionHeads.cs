namespace Attention.Data.Text;

/// <summary>
/// Induction heads: somewhere in a random sequence stands a mark, and at its end the mark again, after which the token is asked for
/// that followed it the first time. Dao et al., Hungry Hungry Hippos, 2022 (arXiv:2212.14052), after Olsson et al., 2022.
/// </summary>
/// <param name="vocab_size">Tokens there are; the last is the mark.</param>
/// <param name="context">Tokens of a sequence, at least three.</param>
/// <param name="batch_size">Sequences of a batch.</param>
/// <param name="steps_per_epoch">Batches of an epoch.</param>
/// <param name="seed">Decides all.</param>
/// <param name="fixed_epoch">Every epoch has the same sequences, as a test needs.</param>
public sealed class InductionHeads(int vocab_size, int context, int batch_size, int steps_per_epoch, long seed, bool fixed_epoch = false) : ITokenSource
{
    public int StepsPerEpoch => steps_per_epoch;

    public TokenBatch Batch(int epoch, int step)
    {
        var random = new SeededRandom(seed, fixed_epoch ? 0 : epoch + 1, step);
        var (tokens, targets) = (new long[batch_size * context], new long[batch_size * context]);
        Array.Fill(targets, TokenBatch.Ignored);
        int mark = vocab_size - 1;
        for (int row = 0; row < batch_size; row++)
        {
            var sequence = tokens.AsSpan(row * context, context);
            foreach (ref long token in sequence)
                token = random.Next(mark);
            int place = random.Next(context - 2);
            sequence[place] = sequence[^1] = mark;
            targets[(row + 1) * context - 1] = sequence[place + 1];
        }
        return TokenBatch.Of(tokens, targets, batch_size);
    }
}
