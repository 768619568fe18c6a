using System.Text;

namespace Attention.Data.Text;

/// <summary>
/// Unigram language model segmentation (Kudo 2018): of all ways to cut a text into pieces, the one with the largest sum of
/// scores. A character that no piece covers is unknown, at a cost of 10 below the lowest score.
/// </summary>
internal sealed class UnigramModel
{
    private const double UnknownPenalty = 10;
    private readonly ByteTrie trie = new();
    private readonly double[] scores;
    private readonly HashSet<int> bonus;
    private readonly double unknownScore, maxScore;
    private readonly bool single;

    /// <param name="pieces">The pieces that text may become, by id; null for an id that none may.</param>
    /// <param name="scores">Log-probabilities by id.</param>
    /// <param name="bonus">Ids of pieces that are preferred to everything else: SentencePiece's user-defined symbols.</param>
    /// <param name="single">Whether to add in single precision, as SentencePiece does.</param>
    /// <param name="isNormal">Which ids count for the lowest and highest score; all with a piece unless given.</param>
    public UnigramModel(byte[]?[] pieces, double[] scores, HashSet<int> bonus, bool single, Func<int, bool>? isNormal = null)
    {
        (this.scores, this.bonus, this.single) = (scores, bonus, single);
        double min = double.MaxValue, max = double.MinValue;
        for (int id = 0; id < pieces.Length; id++)
        {
            if (pieces[id] is { Length: > 0 } piece)
                trie.Add(piece, id);
            if (isNormal?.Invoke(id) ?? true)
                (min, max) = (Math.Min(min, scores[id]), Math.Max(max, scores[id]));
        }
        unknownScore = min - UnknownPenalty;
        maxScore = max;
    }

    /// <summary>The best way, as ends of pieces and their ids; -1 for an unknown character.</summary>
    public void Encode(ReadOnlySpan<byte> text, List<(int End, int Id)> pieces)
    {
        var best = new (double Score, int Start, int Id)[text.Length + 1];
        for (int i = 1; i < best.Length; i++)
            best[i].Start = -1;
        for (int start = 0; start < text.Length;)
        {
            Rune.DecodeFromUtf8(text[start..], out _, out int size);
            bool coversCharacter = false;
            for (int end = start, node = ByteTrie.Root; end < text.Length && (node = trie.Child(node, text[end])) >= 0;)
            {
                end++;
                if (trie.Value(node) is not (>= 0 and var id))
                    continue;
                Offer(best, start, end, bonus.Contains(id) ? (end - start) * maxScore - 0.1 : scores[id], id);
                coversCharacter |= end - start == size;
            }
            if (!coversCharacter)
                Offer(best, start, start + size, unknownScore, -1);
            start += size;
        }
        int first = pieces.Count;
        for (int end = text.Length; end > 0; end = best[end].Start)
            pieces.Add((end, best[end].Id));
        pieces.Reverse(first, pieces.Count - first);
    }

    private void Offer((double Score, int Start, int Id)[] best, int start, int end, double score, int id)
    {
        double sum = best[start].Score + score;
        if (single && id < 0)
            sum = (float)sum;
        // SentencePiece compares in double precision and keeps what it compared in single.
        if (best[end].Start < 0 || sum > best[end].Score)
            best[end] = (single ? (float)sum : sum, start, id);
    }
}
