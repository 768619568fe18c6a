namespace Attention;

/// <summary>Finds the name that a user most likely meant.</summary>
public static class Spelling
{
    /// <summary>The candidate nearest to the word, or null where none is near.</summary>
    public static string? Nearest(string word, IEnumerable<string> candidates)
    {
        var wanted = Plain(word);
        var limit = wanted.Length switch { <= 2 => 1, <= 5 => 2, _ => Math.Max(3, wanted.Length / 3) };
        string? nearest = null;
        foreach (var candidate in candidates)
        {
            var distance = Distance(wanted, Plain(candidate));
            if (distance > limit || (nearest is not null && distance == limit)) continue;
            // Two words with no letter in place are not alike, however short.
            if (distance >= Math.Max(wanted.Length, candidate.Length)) continue;
            (nearest, limit) = (candidate, distance);
        }
        return nearest;
    }

    /// <summary>Advice for an unknown name: the nearest one, else the whole list.</summary>
    public static string Advice(string word, IReadOnlyCollection<string> candidates)
    {
        if (Nearest(word, candidates) is { } nearest) return $"did you mean '{nearest}'?";
        const int shown = 24;
        var list = string.Join(", ", candidates.Take(shown));
        return candidates.Count > shown ? $"possible: {list}, ... ({candidates.Count} in all)" : $"possible: {list}";
    }

    /// <summary>
    /// The number of letters inserted, left out, replaced, or swapped with their neighbour that turns one word into the
    /// other (Damerau-Levenshtein, optimal string alignment).
    /// </summary>
    public static int Distance(string a, string b)
    {
        var (before, last, row) = (new int[b.Length + 1], new int[b.Length + 1], new int[b.Length + 1]);
        for (var j = 0; j <= b.Length; j++) last[j] = j;
        for (var i = 1; i <= a.Length; i++)
        {
            row[0] = i;
            for (var j = 1; j <= b.Length; j++)
            {
                var replaced = last[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
                row[j] = Math.Min(replaced, Math.Min(last[j], row[j - 1]) + 1);
                if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                    row[j] = Math.Min(row[j], before[j - 2] + 1);
            }
            (before, last, row) = (last, row, before);
        }
        return last[b.Length];
    }

    /// <summary><c>batchSize</c>, <c>batch-size</c> and <c>batch_size</c> are one name.</summary>
    private static string Plain(string name) => name.Replace("_", "").Replace("-", "").ToLowerInvariant();
}
