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
    private (float Logit, int Token)[] candidates = [];

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

    private void Penalise(Span<float> logits, IReadOnlyList<int> history)
    {
        if (config.repetition_penalty == 1)
            return;
        foreach (int token in history.Distinct())
            logits[token] = (float)(logits[token] > 0 ? logits[token] / config.repetition_penalty : logits[token] * config.repetition_penalty);
    }

    private static int Likeliest(ReadOnlySpan<float> logits)
    {
        int best = 0;
        for (int i = 1; i < logits.Length; i++)
            if (logits[i] > logits[best])
                best = i;
        return best;
    }

    // Those that may be drawn, the likeliest first; of two with the same logit, the lower number.
    private Span<(float Logit, int Token)> Candidates(ReadOnlySpan<float> logits)
    {
        if (candidates.Length != logits.Length)
            candidates = new (float, int)[logits.Length];
        for (int i = 0; i < logits.Length; i++)
            candidates[i] = (logits[i], i);
        var kept = candidates.AsSpan();
        if (config.top_k is null && config.top_p is null && config.min_p is null)
            return kept;
        kept.Sort(static (a, b) => a.Logit != b.Logit ? b.Logit.CompareTo(a.Logit) : a.Token.CompareTo(b.Token));
        if (config.top_k is { } count)
            kept = kept[..Math.Min(count, kept.Length)];
        if (config.top_p is { } share)
            kept = kept[..Nucleus(kept, share)];
        if (config.min_p is { } least)
            kept = kept[..AtLeast(kept, least)];
        return kept;
    }

    private int Nucleus(ReadOnlySpan<(float Logit, int Token)> sorted, double share)
    {
        double total = 0, sum = 0;
        foreach (var (logit, _) in sorted)
            total += Weight(logit, sorted[0].Logit);
        for (int i = 0; i < sorted.Length; i++)
        {
            sum += Weight(sorted[i].Logit, sorted[0].Logit);
            if (sum >= share * total)
                return i + 1;
        }
        return sorted.Length;
    }

    private int AtLeast(ReadOnlySpan<(float Logit, int Token)> sorted, double least)
    {
        int count = 1;
        while (count < sorted.Length && Weight(sorted[count].Logit, sorted[0].Logit) >= least)
            count++;
        return count;
    }

    private int Draw(ReadOnlySpan<(float Logit, int Token)> kept, ref SeededRandom random)
    {
        float highest = float.NegativeInfinity;
        foreach (var (logit, _) in kept)
            highest = Math.Max(highest, logit);
        double total = 0;
        foreach (var (logit, _) in kept)
            total += Weight(logit, highest);
        double left = random.NextDouble() * total;
        foreach (var (logit, token) in kept)
        {
            left -= Weight(logit, highest);
            if (left < 0)
                return token;
        }
        return kept[^1].Token;
    }

    private double Weight(float logit, float highest) => Math.Exp((logit - highest) / config.temperature);
}
