namespace Attention.Data.Text;

/// <summary>Some documents that follow each other in a store.</summary>
/// <param name="whole">The store.</param>
/// <param name="first">The first document.</param>
/// <param name="count">How many.</param>
public sealed class DocumentRange(ITokenStore whole, long first, long count) : ITokenStore
{
    private readonly long start = whole.StartOf(first);

    /// <summary>The store that it is a part of.</summary>
    public ITokenStore Whole => whole;

    public long Tokens { get; } = whole.StartOf(first + count) - whole.StartOf(first);
    public long Documents => count;
    public bool HasAnswers => whole.HasAnswers;

    public void Read(long start, Span<long> tokens) => whole.Read(this.start + start, tokens);

    public void ReadAnswers(long start, Span<bool> answers) => whole.ReadAnswers(this.start + start, answers);

    public long StartOf(long document) => whole.StartOf(first + document) - start;
}

/// <summary>A source with epochs of a given length, which go on where the one before ended.</summary>
/// <param name="source">The source; its own epochs follow each other.</param>
/// <param name="steps">Batches of an epoch.</param>
public sealed class FixedEpochs(ITokenSource source, int steps) : ITokenSource
{
    public int StepsPerEpoch => steps;

    public TokenBatch Batch(int epoch, int step)
    {
        var (pass, place) = Math.DivRem((long)epoch * steps + step, source.StepsPerEpoch);
        return source.Batch((int)pass, (int)place);
    }
}
