namespace Attention.Data.Text;

/// <summary>
/// Multi-query associative recall: a sequence begins with pairs of a key and a value, and later asks for the value of each key
/// at some place. Keys are from the lower half of the vocabulary, values from the upper, and only the answers count.
/// Arora et al., Zoology: Measuring and Improving Recall in Efficient Language Models, 2023 (arXiv:2312.04927).
/// </summary>
/// <param name="vocab_size">Tokens there are.</param>
/// <param name="pairs">Numbers of pairs, taken in turn from batch to batch.</param>
/// <param name="context">Tokens of a sequence: at least four for each pair.</param>
/// <param name="batch_size">Sequences of a batch.</param>
/// <param name="steps_per_epoch">Batches of an epoch.</param>
/// <param name="seed">Decides all.</param>
/// <param name="fixed_epoch">Every epoch has the same sequences, as a test needs.</param>
public sealed class AssociativeRecall(
    int vocab_size, IReadOnlyList<int> pairs, int context, int batch_size, int steps_per_epoch, long seed, bool fixed_epoch = false) : ITokenSource
{
    // The share of early places among those of the questions: Zoology's power law with exponent 0.01 - 1.
    private const double Power = -0.99;

    public int StepsPerEpoch => steps_per_epoch;

    public TokenBatch Batch(int epoch, int step)
    {
        var random = new SeededRandom(seed, fixed_epoch ? 0 : epoch + 1, step);
        int count = pairs[step % pairs.Count];
        var (tokens, targets) = (new long[batch_size * context], new long[batch_size * context]);
        Array.Fill(targets, TokenBatch.Ignored);
        for (int row = 0; row < batch_size; row++)
            Fill(tokens.AsSpan(row * context, context), targets.AsSpan(row * context, context), count, ref random);
        return TokenBatch.Of(tokens, targets, batch_size);
    }

    private void Fill(Span<long> tokens, Span<long> targets, int count, ref SeededRandom random)
    {
        int half = vocab_size / 2;
        // What fills the rest asks nothing and is no key.
        for (int i = 0; i < tokens.Length; i++)
            tokens[i] = half + random.Next(vocab_size - half);
        var keys = Choose(half - 1, count, ref random);
        for (int i = 0; i < count; i++)
        {
            tokens[2 * i] = keys[i] + 1;
            tokens[2 * i + 1] = half + random.Next(vocab_size - half);
        }
        int places = (tokens.Length - 2 * count) / 2;
        var asked = ChoosePlaces(places, count, ref random);
        for (int i = 0; i < count; i++)
        {
            int at = 2 * count + 2 * asked[i];
            (tokens[at], targets[at], tokens[at + 1]) = (tokens[2 * i], tokens[2 * i + 1], tokens[2 * i + 1]);
        }
    }

    private static int[] Choose(int from, int count, ref SeededRandom random)
    {
        var all = Enumerable.Range(0, from).ToArray();
        random.Shuffle<int>(all);
        return all[..count];
    }

    // Without putting back, each with its weight (Efraimidis and Spirakis 2006).
    private static int[] ChoosePlaces(int from, int count, ref SeededRandom random)
    {
        var scored = new (double Score, int Place)[from];
        for (int i = 0; i < from; i++)
            scored[i] = (-Math.Log(1 - random.NextDouble()) / Math.Pow(i + 1, Power), i);
        Array.Sort(scored);
        return [.. scored.Take(count).Select(each => each.Place)];
    }
}
