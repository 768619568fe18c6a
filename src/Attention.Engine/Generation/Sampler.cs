using System.ComponentModel.DataAnnotations;
using Attention.Data;

namespace Attention.Engine.Generation;

/// <summary>How the next token is chosen.</summary>
public sealed record SamplingConfig
{
    /// <summary>Tokens that are generated at the most.</summary>
    [Range(1, int.MaxValue)]
    public int max_new_tokens { get; init; } = 128;

    /// <summary>Divides the logits: below 1 likelier tokens gain, above 1 they lose; 0 takes the likeliest always.</summary>
    [Range(0, double.PositiveInfinity)]
    public double temperature { get; init; } = 1;

    /// <summary>Only so many of the likeliest tokens remain; null for all.</summary>
    [Range(1, int.MaxValue)]
    public int? top_k { get; init; }

    /// <summary>Only the likeliest tokens remain that together have this probability (Holtzman et al., arXiv:1904.09751); null for all.</summary>
    [Range(0, 1, MinimumIsExclusive = true)]
    public double? top_p { get; init; }

    /// <summary>Only tokens remain that are at least so likely relative to the likeliest (Nguyen et al., arXiv:2407.01082); null for all.</summary>
    [Range(0, 1)]
    public double? min_p { get; init; }

    /// <summary>Logits of tokens that were there before are divided by it, or multiplied where negative (Keskar et al., arXiv:1909.05858).</summary>
    [Range(0, double.PositiveInfinity, MinimumIsExclusive = true)]
    public double repetition_penalty { get; init; } = 1;

    /// <summary>Texts that end the generation; they are not part of it.</summary>
    public IReadOnlyList<string> stop { get; init; } = [];

    /// <summary>The same seed chooses the same tokens.</summary>
    public long seed { get; init; }
}

/// <summary>
/// Chooses tokens from logits. The order is that of transformers: penalty, temperature, top-k, top-p, min-p. What it chooses
/// depends on the logits, the seed, the sequence's number and the number of the token alone.
/// </summary>
public sealed class Sampler(SamplingConfig config)
{
    // Likeliest tokens among which a share or a least probability is looked for first.
    private const int Few = 256;

    // Memory that is taken for the first token.
    private (float Logit, int Token)[] candidates = [];
    private double[] weights = [];
    private int[] seen = [];
    private int round;

    /// <summary>The next token of a sequence.</summary>
    /// <param name="logits">One for each token; changed by the penalty.</param>
    /// <param name="history">The tokens so far, the prompt's included.</param>
    /// <param name="sequence">The sequence's number among those that are generated together.</param>
    public int Next(Span<float> logits, IReadOnlyList<int> history, int sequence = 0)
    {
        Penalise(logits, history);
        if (config.temperature == 0 || config.top_k == 1)
            return Likeliest(logits);
        var kept = Candidates(logits);
        var random = new SeededRandom(config.seed, sequence, history.Count);
        return Draw(kept, ref random);
    }

    // Each token once, however often it was there.
    private void Penalise(Span<float> logits, IReadOnlyList<int> history)
    {
        if (config.repetition_penalty == 1)
            return;
        if (seen.Length != logits.Length)
            (seen, round) = (new int[logits.Length], 0);
        round++;
        for (int i = 0; i < history.Count; i++)
        {
            int token = history[i];
            if (seen[token] == round)
                continue;
            seen[token] = round;
            logits[token] = (float)(logits[token] > 0 ? logits[token] / config.repetition_penalty : logits[token] * config.repetition_penalty);
        }
    }

    private static int Likeliest(ReadOnlySpan<float> logits)
    {
        int best = 0;
        for (int i = 1; i < logits.Length; i++)
            if (logits[i] > logits[best])
                best = i;
        return best;
    }

    // Those that may be drawn.
    private ReadOnlySpan<(float Logit, int Token)> Candidates(ReadOnlySpan<float> logits)
    {
        if (candidates.Length != logits.Length)
            (candidates, weights) = (new (float, int)[logits.Length], new double[logits.Length]);
        for (int i = 0; i < logits.Length; i++)
            candidates[i] = (logits[i], i);
        if (config.top_k is null && config.top_p is null && config.min_p is null)
            return candidates;
        int limit = Math.Min(config.top_k ?? logits.Length, logits.Length);
        double total = config.top_k is null && config.top_p is not null ? Total(candidates, logits[Likeliest(logits)]) : 0;
        // Sorting them all takes longer than the model: mostly the few first tell.
        for (int count = config.top_k is null ? Math.Min(limit, Few) : limit; ; count = (int)Math.Min(limit, 8L * count))
        {
            var sorted = candidates.AsSpan(0, count);
            SortFirst(count);
            if (config.top_k is not null && config.top_p is not null)
                total = Total(sorted, sorted[0].Logit);
            int kept = config.top_p is { } share ? Nucleus(sorted, share * total) : count + 1;
            if (config.min_p is { } least)
                kept = Math.Min(kept, AtLeast(sorted, least));
            if (kept <= count || count == limit)
                return sorted[..Math.Min(kept, count)];
        }
    }

    // Brings the likeliest to the front in order, the likeliest first; of two with the same logit, the lower number.
    private void SortFirst(int count)
    {
        // The first ones are a heap whose root is the least likely of them.
        if (count < candidates.Length)
        {
            for (int i = count / 2 - 1; i >= 0; i--)
                Sink(i, count);
            for (int i = count; i < candidates.Length; i++)
                if (Precedes(candidates[i], candidates[0]))
                {
                    (candidates[i], candidates[0]) = (candidates[0], candidates[i]);
                    Sink(0, count);
                }
        }
        candidates.AsSpan(0, count).Sort(static (a, b) => Precedes(a, b) ? -1 : Precedes(b, a) ? 1 : 0);
    }

    private void Sink(int place, int count)
    {
        while (true)
        {
            int child = 2 * place + 1;
            if (child >= count)
                return;
            if (child + 1 < count && Precedes(candidates[child], candidates[child + 1]))
                child++;
            if (!Precedes(candidates[place], candidates[child]))
                return;
            (candidates[place], candidates[child]) = (candidates[child], candidates[place]);
            place = child;
        }
    }

    private static bool Precedes((float Logit, int Token) a, (float Logit, int Token) b) => a.Logit != b.Logit ? a.Logit > b.Logit : a.Token < b.Token;

    // How many have this weight together; one more than there are where they do not.
    private int Nucleus(ReadOnlySpan<(float Logit, int Token)> sorted, double wanted)
    {
        double sum = 0;
        for (int i = 0; i < sorted.Length; i++)
        {
            sum += Weight(sorted[i].Logit, sorted[0].Logit);
            if (sum >= wanted)
                return i + 1;
        }
        return sorted.Length + 1;
    }

    // How many are likely enough, one at least; one more than there are where all are.
    private int AtLeast(ReadOnlySpan<(float Logit, int Token)> sorted, double least)
    {
        for (int count = 1; count < sorted.Length; count++)
            if (Weight(sorted[count].Logit, sorted[0].Logit) < least)
                return count;
        return sorted.Length + 1;
    }

    private double Total(ReadOnlySpan<(float Logit, int Token)> all, float highest)
    {
        double total = 0;
        foreach (var (logit, _) in all)
            total += Weight(logit, highest);
        return total;
    }

    private int Draw(ReadOnlySpan<(float Logit, int Token)> kept, ref SeededRandom random)
    {
        float highest = float.NegativeInfinity;
        foreach (var (logit, _) in kept)
            highest = Math.Max(highest, logit);
        double total = 0;
        for (int i = 0; i < kept.Length; i++)
            total += weights[i] = Weight(kept[i].Logit, highest);
        double left = random.NextDouble() * total;
        for (int i = 0; i < kept.Length; i++)
        {
            left -= weights[i];
            if (left < 0)
                return kept[i].Token;
        }
        return kept[^1].Token;
    }

    private double Weight(float logit, float highest) => Math.Exp((logit - highest) / config.temperature);
}
