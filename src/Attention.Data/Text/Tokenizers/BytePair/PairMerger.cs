namespace Attention.Data.Text;

/// <summary>A piece of a word while its pairs are merged.</summary>
internal struct Symbol(int start, int end, int id)
{
    /// <summary>Its first byte in the word.</summary>
    public int Start = start;

    /// <summary>The byte after its last.</summary>
    public int End = end;

    /// <summary>Its id, or -1 where the vocabulary has none.</summary>
    public int Id = id;

    /// <summary>How early it is merged with the next one; <see cref="int.MaxValue"/> for never.</summary>
    public int Rank;

    /// <summary>The id that both have together.</summary>
    public int MergedId;
}

/// <summary>Which pairs are merged, and which first.</summary>
internal interface IMergeRule
{
    /// <summary>The rank of a pair (the smallest is merged first, among equals the leftmost), or <see cref="int.MaxValue"/>.</summary>
    int Rank(ReadOnlySpan<byte> word, in Symbol left, in Symbol right, out int merged);
}

/// <summary>tiktoken's rule, also SentencePiece's: a pair is merged where both together are in the vocabulary.</summary>
/// <param name="ranks">The rank and id of every byte string.</param>
internal readonly struct ConcatenationRule(Dictionary<byte[], (int Rank, int Id)> ranks) : IMergeRule
{
    private readonly Dictionary<byte[], (int Rank, int Id)>.AlternateLookup<ReadOnlySpan<byte>> lookup = ranks.GetAlternateLookup<ReadOnlySpan<byte>>();

    public int Rank(ReadOnlySpan<byte> word, in Symbol left, in Symbol right, out int merged)
    {
        bool found = lookup.TryGetValue(word[left.Start..right.End], out var entry);
        merged = entry.Id;
        return found ? entry.Rank : int.MaxValue;
    }
}

/// <summary>The rule of a merges file: exactly the listed pairs.</summary>
/// <param name="pairs">The rank and the id of every pair of ids.</param>
internal readonly struct PairRule(Dictionary<long, (int Rank, int Id)> pairs) : IMergeRule
{
    public static long Key(int left, int right) => (long)left << 32 | (uint)right;

    public int Rank(ReadOnlySpan<byte> word, in Symbol left, in Symbol right, out int merged)
    {
        bool found = pairs.TryGetValue(Key(left.Id, right.Id), out var entry);
        merged = entry.Id;
        return found ? entry.Rank : int.MaxValue;
    }
}

/// <summary>Merges the pairs of a word: by searching for the best in short ones, by a heap in long ones.</summary>
internal static class PairMerger
{
    private const int MostForSearch = 96;

    /// <summary>Merges in place and gives how many symbols are left.</summary>
    public static int Merge<TRule>(in TRule rule, ReadOnlySpan<byte> word, Span<Symbol> symbols) where TRule : struct, IMergeRule
    {
        for (int i = 0; i < symbols.Length; i++)
            RankPair(rule, word, symbols, i, i + 1);
        return symbols.Length <= MostForSearch ? Search(rule, word, symbols) : WithHeap(rule, word, symbols);
    }

    private static void RankPair<TRule>(in TRule rule, ReadOnlySpan<byte> word, Span<Symbol> symbols, int left, int right) where TRule : struct, IMergeRule
    {
        if ((uint)right < (uint)symbols.Length)
            symbols[left].Rank = rule.Rank(word, symbols[left], symbols[right], out symbols[left].MergedId);
        else
            symbols[left].Rank = int.MaxValue;
    }

    private static int Search<TRule>(in TRule rule, ReadOnlySpan<byte> word, Span<Symbol> symbols) where TRule : struct, IMergeRule
    {
        while (true)
        {
            int best = 0;
            for (int i = 1; i < symbols.Length; i++)
                if (symbols[i].Rank < symbols[best].Rank)
                    best = i;
            if (symbols.IsEmpty || symbols[best].Rank == int.MaxValue)
                return symbols.Length;
            symbols[best].End = symbols[best + 1].End;
            symbols[best].Id = symbols[best].MergedId;
            symbols[(best + 2)..].CopyTo(symbols[(best + 1)..]);
            symbols = symbols[..^1];
            RankPair(rule, word, symbols, best, best + 1);
            if (best > 0)
                RankPair(rule, word, symbols, best - 1, best);
        }
    }

    private static int WithHeap<TRule>(in TRule rule, ReadOnlySpan<byte> word, Span<Symbol> symbols) where TRule : struct, IMergeRule
    {
        const int merged = -1;
        int count = symbols.Length;
        var (next, previous) = (new int[count], new int[count]);
        // An entry holds the pair as it was; where a neighbour has been merged since, it is passed over.
        var heap = new PriorityQueue<(int Left, int Middle, int End), (int Rank, int Left)>();
        for (int i = 0; i < count; i++)
        {
            (next[i], previous[i]) = (i + 1, i - 1);
            Offer(symbols, i);
        }
        while (heap.TryDequeue(out var pair, out _))
        {
            int left = pair.Left, right = next[left];
            if (right == merged || right >= count || symbols[left].End != pair.Middle || symbols[right].End != pair.End)
                continue;
            symbols[left].End = symbols[right].End;
            symbols[left].Id = symbols[left].MergedId;
            int after = next[left] = next[right];
            next[right] = merged;
            if (after < count)
                previous[after] = left;
            RankPair(rule, word, symbols, left, after);
            Offer(symbols, left);
            if (previous[left] is >= 0 and var before)
            {
                RankPair(rule, word, symbols, before, left);
                Offer(symbols, before);
            }
        }
        int kept = 0;
        for (int i = 0; i < count; i = next[i])
            symbols[kept++] = symbols[i];
        return kept;

        void Offer(Span<Symbol> symbols, int left)
        {
            if (symbols[left].Rank != int.MaxValue)
                heap.Enqueue((left, symbols[left].End, symbols[next[left]].End), (symbols[left].Rank, left));
        }
    }
}
