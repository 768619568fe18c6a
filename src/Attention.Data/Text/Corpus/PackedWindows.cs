namespace Attention.Data.Text;

/// <summary>What happens where one document ends and the next begins in the same window.</summary>
public enum DocumentBoundary
{
    /// <summary>Nothing: the next document is asked for like any other text, after the end-of-text token between them, as in nanoGPT and litgpt.</summary>
    Joined,

    /// <summary>The first token of a document is not asked for after the last of another.</summary>
    Ignored,
}

/// <summary>
/// Documents one after the other, cut into windows of the same length that do not overlap. Attention reaches over the documents of
/// a window. Training takes the windows in an order that depends on (seed, epoch) alone, with cuts at other places in each epoch:
/// the text counts as a ring, whose end goes on with its beginning. Measuring takes them from the start to the end, every token but
/// the first as a target once; the last window is shorter, and comes alone.
/// </summary>
public sealed class PackedWindows : ITokenSource
{
    private const long OrderKey = -1, OffsetKey = -2;
    private readonly ITokenStore store;
    private readonly int context, batchSize;
    private readonly long seed, windows;
    private readonly bool shuffle;
    private readonly DocumentBoundary boundary;

    /// <param name="store">The documents.</param>
    /// <param name="context">Tokens of a window.</param>
    /// <param name="batch_size">Windows of a batch.</param>
    /// <param name="seed">Decides order and cuts.</param>
    /// <param name="shuffle">Whether for training, or in order for measuring.</param>
    /// <param name="boundary">Whether a document's first token is asked for.</param>
    /// <exception cref="UserError">There is less text than one window, or than two tokens.</exception>
    public PackedWindows(ITokenStore store, int context, int batch_size, long seed = 0, bool shuffle = true, DocumentBoundary boundary = DocumentBoundary.Joined)
    {
        (this.store, this.context, batchSize, this.seed, this.shuffle, this.boundary) = (store, context, batch_size, seed, shuffle, boundary);
        long least = shuffle ? context + 1 : 2;
        if (store.Tokens < least)
            throw new UserError($"the text has {store.Tokens} tokens, but {(shuffle ? $"a window with its targets takes {least}" : "at least 2 are needed")}", "give more text, or a smaller context");
        windows = shuffle ? store.Tokens / context : (store.Tokens - 1) / context;
        long steps = shuffle ? Math.Max(windows / batchSize, 1) : (windows + batchSize - 1) / batchSize + (Rest > 0 ? 1 : 0);
        StepsPerEpoch = (int)Math.Min(steps, int.MaxValue);
    }

    public int StepsPerEpoch { get; }

    private int Rest => (int)((store.Tokens - 1) % context);

    public TokenBatch Batch(int epoch, int step)
    {
        long first = (long)step * batchSize;
        if (!shuffle)
            return first < windows ? Windows([.. Enumerable.Range(0, (int)Math.Min(batchSize, windows - first)).Select(row => (first + row) * context)], context)
                : Windows([windows * context], Rest);
        var order = new RandomOrder(windows, seed, epoch, OrderKey);
        long offset = (long)(new SeededRandom(seed, epoch, OffsetKey).NextDouble() * store.Tokens);
        var starts = new long[batchSize];
        for (int row = 0; row < batchSize; row++)
            starts[row] = Start(first + row);
        // A batch of dialogues that asks for nothing has no loss: its first window gives way to the next that does.
        for (long next = first + batchSize; store.HasAnswers && !AsksAny(starts) && next < first + batchSize + windows; next++)
            starts[0] = Start(next);
        return Windows(starts, context);

        long Start(long place) => (offset + order[place % windows] * context) % store.Tokens;
    }

    private bool AsksAny(long[] starts)
    {
        var (text, asked) = (new long[context + 1], new bool[context + 1]);
        return starts.Any(start =>
        {
            Read(start, text, asked);
            return asked.AsSpan(1).Contains(true);
        });
    }

    private TokenBatch Windows(long[] starts, int length)
    {
        var (tokens, targets) = (new long[starts.Length * length], new long[starts.Length * length]);
        var text = new long[length + 1];
        var asked = new bool[length + 1];
        for (int row = 0; row < starts.Length; row++)
        {
            Read(starts[row], text, asked);
            for (int i = 0; i < length; i++)
                (tokens[row * length + i], targets[row * length + i]) = (text[i], asked[i + 1] ? text[i + 1] : TokenBatch.Ignored);
        }
        return TokenBatch.Of(tokens, targets, starts.Length);
    }

    private void Read(long start, Span<long> text, Span<bool> asked)
    {
        int count = (int)Math.Min(text.Length, store.Tokens - start);
        store.Read(start, text[..count]);
        store.ReadAnswers(start, asked[..count]);
        if (boundary == DocumentBoundary.Ignored)
            for (long document = store.DocumentAt(start), first; document < store.Documents && (first = store.StartOf(document)) < start + count; document++)
                if (first >= start)
                    asked[(int)(first - start)] = false;
        if (count < text.Length)
            Read(0, text[count..], asked[count..]);
    }
}
