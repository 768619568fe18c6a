namespace Attention.Data.Text;

/// <summary>
/// A document, such as a dialogue, in each row, so that none sees another. Rows of a batch are filled up at their ends to the
/// longest, which asks for nothing; what is longer than the context is cut. Documents of like length come together: of 32 batches
/// those are sorted that the order of (seed, epoch) puts there. Documents that ask for nothing are left out.
/// </summary>
public sealed class DocumentRows : ITokenSource
{
    private const int Pool = 32;
    private const long OrderKey = -1, BatchKey = -2;
    private readonly ITokenStore store;
    private readonly int context, batchSize;
    private readonly long seed;
    private readonly bool shuffle;
    private readonly List<long> usable = [];
    private (int Epoch, int Number, long[] Documents) pool = (-1, -1, []);

    /// <param name="store">The documents.</param>
    /// <param name="context">Tokens of a row at the most.</param>
    /// <param name="batch_size">Documents of a batch.</param>
    /// <param name="seed">Decides the order.</param>
    /// <param name="shuffle">Whether for training, or in order for measuring, where the last batch may be smaller.</param>
    /// <exception cref="UserError">No document asks for anything.</exception>
    public DocumentRows(ITokenStore store, int context, int batch_size, long seed = 0, bool shuffle = true)
    {
        (this.store, this.context, batchSize, this.seed, this.shuffle) = (store, context, batch_size, seed, shuffle);
        var asked = new bool[context + 1];
        for (long document = 0; document < store.Documents; document++)
        {
            var seen = asked.AsSpan(0, (int)Math.Min(context + 1, store.StartOf(document + 1) - store.StartOf(document)));
            store.ReadAnswers(store.StartOf(document), seen);
            if (seen[1..].Contains(true))
                usable.Add(document);
        }
        if (usable.Count == 0)
            throw new UserError($"none of {store.Documents} documents has an answer within {context} tokens", "give a larger context, or other documents");
        StepsPerEpoch = shuffle ? Math.Max(usable.Count / batchSize, 1) : (usable.Count + batchSize - 1) / batchSize;
    }

    public int StepsPerEpoch { get; }

    /// <summary>Documents that are left out because nothing within the context is asked for.</summary>
    public long LeftOut => store.Documents - usable.Count;

    public TokenBatch Batch(int epoch, int step)
    {
        var documents = shuffle ? Shuffled(epoch, step) : [.. usable.Skip(step * batchSize).Take(batchSize)];
        var lengths = documents.Select(Length).ToArray();
        int width = lengths.Max() - 1;
        var (tokens, targets) = (new long[documents.Length * width], new long[documents.Length * width]);
        Array.Fill(targets, TokenBatch.Ignored);
        for (int row = 0; row < documents.Length; row++)
        {
            var (text, asked) = (new long[lengths[row]], new bool[lengths[row]]);
            store.Read(store.StartOf(documents[row]), text);
            store.ReadAnswers(store.StartOf(documents[row]), asked);
            for (int i = 0; i < text.Length - 1; i++)
                (tokens[row * width + i], targets[row * width + i]) = (text[i], asked[i + 1] ? text[i + 1] : TokenBatch.Ignored);
        }
        return TokenBatch.Of(tokens, targets, documents.Length);
    }

    private int Length(long document) => (int)Math.Min(store.StartOf(document + 1) - store.StartOf(document), context + 1);

    private long[] Shuffled(int epoch, int step)
    {
        var (number, place) = Math.DivRem(step, Pool);
        int batches = Math.Min(Pool, StepsPerEpoch - number * Pool);
        if ((pool.Epoch, pool.Number) != (epoch, number))
        {
            var order = new RandomOrder(usable.Count, seed, epoch, OrderKey);
            long first = (long)number * Pool * batchSize;
            var members = Enumerable.Range(0, batches * batchSize).Select(i => usable[(int)order[(first + i) % usable.Count]]);
            pool = (epoch, number, [.. members.OrderBy(Length)]);
        }
        int batch = (int)new RandomOrder(batches, seed, epoch, BatchKey, number)[place];
        return pool.Documents[(batch * batchSize)..((batch + 1) * batchSize)];
    }
}
