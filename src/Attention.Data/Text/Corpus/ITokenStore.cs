namespace Attention.Data.Text;

/// <summary>Documents as tokens, one after the other.</summary>
public interface ITokenStore
{
    /// <summary>Tokens of all documents.</summary>
    long Tokens { get; }

    long Documents { get; }

    /// <summary>Whether some tokens are a dialogue's answers and others are not; without that all count.</summary>
    bool HasAnswers { get; }

    /// <summary>Copies the tokens from a place on.</summary>
    void Read(long start, Span<long> tokens);

    /// <summary>Says of the tokens from a place on which belong to answers.</summary>
    void ReadAnswers(long start, Span<bool> answers);

    /// <summary>Where a document begins; for the number of documents, where the last one ends.</summary>
    long StartOf(long document);

    /// <summary>The document that a token belongs to.</summary>
    long DocumentAt(long token)
    {
        long low = 0, high = Documents - 1;
        while (low < high)
        {
            long middle = low + (high - low + 1) / 2;
            (low, high) = StartOf(middle) <= token ? (middle, high) : (low, middle - 1);
        }
        return low;
    }
}

/// <summary>Documents in memory.</summary>
public sealed class TokenList : ITokenStore
{
    private readonly List<int> tokens = [];
    private readonly List<bool> answers = [];
    private readonly List<long> starts = [0];

    public long Tokens => tokens.Count;
    public long Documents => starts.Count - 1;
    public bool HasAnswers { get; private set; }

    /// <summary>Appends a document.</summary>
    /// <param name="document">Its tokens, at least one.</param>
    /// <param name="isAnswer">Which of them belong to answers; null where all count.</param>
    public void Add(ReadOnlySpan<int> document, ReadOnlySpan<bool> isAnswer = default)
    {
        ArgumentOutOfRangeException.ThrowIfZero(document.Length);
        HasAnswers |= !isAnswer.IsEmpty;
        tokens.AddRange(document);
        for (int i = 0; i < document.Length; i++)
            answers.Add(isAnswer.IsEmpty || isAnswer[i]);
        starts.Add(tokens.Count);
    }

    public void Read(long start, Span<long> tokens)
    {
        for (int i = 0; i < tokens.Length; i++)
            tokens[i] = this.tokens[(int)start + i];
    }

    public void ReadAnswers(long start, Span<bool> answers)
    {
        for (int i = 0; i < answers.Length; i++)
            answers[i] = this.answers[(int)start + i];
    }

    public long StartOf(long document) => starts[(int)document];
}
