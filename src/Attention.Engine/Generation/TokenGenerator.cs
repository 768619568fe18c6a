using Attention.Models.Language;

namespace Attention.Engine.Generation;

/// <summary>One more token of a sequence.</summary>
/// <param name="Sequence">The prompt's number.</param>
/// <param name="Token">The token.</param>
public readonly record struct GeneratedToken(int Sequence, int Token);

/// <summary>
/// Goes on with prompts, token by token. Prompts of the same length are decoded side by side, which gives each what it gives
/// alone.
/// </summary>
/// <param name="model">The model, in evaluation mode.</param>
/// <param name="config">How tokens are chosen, and how many.</param>
/// <param name="ends">Tokens after which a sequence is over; they are given out too.</param>
/// <param name="tokens">Only tokens below this are chosen, where the model's vocabulary is padded; null for all.</param>
public sealed class TokenGenerator(LanguageModel model, SamplingConfig config, IReadOnlySet<int>? ends = null, int? tokens = null)
{
    /// <summary>The tokens as they come. The caller may end a sequence through <paramref name="finished"/>.</summary>
    /// <param name="prompts">Token numbers of each prompt, at least one.</param>
    /// <param name="finished">Asked after each token whether its sequence is over; null for never.</param>
    /// <param name="cancellation">Ends all.</param>
    /// <exception cref="UserError">A prompt is empty, or longer than the model's context.</exception>
    public IEnumerable<GeneratedToken> Generate(
        IReadOnlyList<IReadOnlyList<int>> prompts, Func<int, bool>? finished = null, CancellationToken cancellation = default)
    {
        for (int i = 0; i < prompts.Count; i++)
        {
            if (prompts[i].Count == 0)
                throw new UserError($"prompt {i + 1} is empty", "give at least one token");
            if (prompts[i].Count >= model.max_position_embeddings)
                throw new UserError($"prompt {i + 1} has {prompts[i].Count} tokens, which leaves no room in the model's context of {model.max_position_embeddings}",
                    "give a shorter prompt");
        }
        var groups = prompts.Select((prompt, i) => (prompt, i)).GroupBy(pair => pair.prompt.Count);
        return groups.SelectMany(group => Together([.. group.Select(pair => pair.i)], prompts, finished, cancellation));
    }

    private IEnumerable<GeneratedToken> Together(
        int[] rows, IReadOnlyList<IReadOnlyList<int>> prompts, Func<int, bool>? finished, CancellationToken cancellation)
    {
        int length = prompts[rows[0]].Count;
        int room = Math.Min(model.max_position_embeddings, length + config.max_new_tokens);
        var sampler = new Sampler(config);
        var histories = rows.Select(row => prompts[row].ToList()).ToArray();
        var over = new bool[rows.Length];
        using var session = model.StartDecoding(rows.Length, room);
        session.Feed(histories.SelectMany(history => history).Select(token => (long)token).ToArray());
        var next = new long[rows.Length];
        for (int at = length; ; at++)
        {
            cancellation.ThrowIfCancellationRequested();
            for (int i = 0; i < rows.Length; i++)
            {
                var logits = session.Logits(i);
                int token = sampler.Next(logits[..Math.Min(tokens ?? logits.Length, logits.Length)], histories[i], rows[i]);
                next[i] = token;
                if (over[i])
                    continue;
                histories[i].Add(token);
                yield return new GeneratedToken(rows[i], token);
                over[i] = ends?.Contains(token) == true || finished?.Invoke(rows[i]) == true;
            }
            if (at + 1 == room || over.All(each => each))
                yield break;
            session.Feed(next);
        }
    }
}
