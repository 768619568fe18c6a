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
        int length = prompts[rows[0]].Count, wanted = length + config.max_new_tokens;
        int room = Math.Min(model.max_position_embeddings, wanted);
        var sampler = new Sampler(config);
        var histories = rows.Select(row => prompts[row].ToList()).ToArray();
        // What was read, of sequences that are over as well: rows stay of one length.
        var read = rows.Select(row => prompts[row].Select(token => (long)token).ToList()).ToArray();
        var over = new bool[rows.Length];
        var session = model.StartDecoding(rows.Length, room);
        try
        {
            session.Feed([.. read.SelectMany(row => row)]);
            var next = new long[rows.Length];
            for (int at = length; ; at++)
            {
                cancellation.ThrowIfCancellationRequested();
                for (int i = 0; i < rows.Length; i++)
                {
                    var logits = session.Logits(i);
                    int token = sampler.Next(logits[..Math.Min(tokens ?? logits.Length, logits.Length)], histories[i], rows[i]);
                    next[i] = token;
                    read[i].Add(token);
                    if (over[i])
                        continue;
                    histories[i].Add(token);
                    yield return new GeneratedToken(rows[i], token);
                    over[i] = ends?.Contains(token) == true || finished?.Invoke(rows[i]) == true;
                }
                if (at + 1 == wanted || over.All(each => each))
                    yield break;
                if (session.Length < room)
                    session.Feed(next);
                else
                {
                    // The context is full: its last half is read anew, so that there is room again.
                    session.Dispose();
                    session = model.StartDecoding(rows.Length, room);
                    session.Feed([.. read.SelectMany(row => row.TakeLast(Math.Max(1, room / 2)))]);
                }
            }
        }
        finally
        {
            session.Dispose();
        }
    }
}
