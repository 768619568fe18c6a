using Attention.Models.Language;
using TorchSharp;
using static TorchSharp.torch;

namespace Attention.Engine.Evaluation.Language;

/// <summary>Tokens of which the last ones are judged, each after all before it.</summary>
/// <param name="Tokens">What is read, at most one more than the model's context.</param>
/// <param name="Asked">How many at the end are judged; fewer than there are.</param>
public readonly record struct ScoreRequest(int[] Tokens, int Asked);

/// <summary>How likely a model finds the tokens that were asked for.</summary>
/// <param name="LogLikelihood">The sum of their log-probabilities, natural logarithms.</param>
/// <param name="IsGreedy">Whether each is the likeliest at its place.</param>
public readonly record struct TokenScore(double LogLikelihood, bool IsGreedy);

/// <summary>
/// Log-probabilities of tokens by a language model, many sequences at once: those of like length side by side, filled up at their
/// ends, which a decoder does not see. Requests that differ in their last token alone are read once.
/// </summary>
/// <param name="model">The model, in evaluation mode.</param>
/// <param name="vocabulary">Only tokens below this can be the likeliest, where the model's vocabulary is padded; null for all.</param>
public sealed class TokenScorer(LanguageModel model, int? vocabulary = null)
{
    // Logits of a batch, in numbers.
    private const long MostLogits = 32 << 20;

    /// <summary>Tokens read so far, fillings not counted.</summary>
    public long Tokens { get; private set; }

    /// <summary>The score of each request, in their order.</summary>
    /// <param name="requests">What is judged.</param>
    /// <param name="progress">Is told how many requests are done.</param>
    /// <param name="cancellation">Ends it between batches.</param>
    /// <exception cref="UserError">A request is longer than the model's context.</exception>
    public TokenScore[] Score(IReadOnlyList<ScoreRequest> requests, Action<int>? progress = null, CancellationToken cancellation = default)
    {
        var scores = new TokenScore[requests.Count];
        // A row is what is read: all but the last token.
        var rows = Enumerable.Range(0, requests.Count).GroupBy(i => requests[i], SameReading.Instance)
            .Select(group => group.ToArray()).OrderByDescending(row => requests[row[0]].Tokens.Length).ToList();
        int done = 0;
        for (int first = 0; first < rows.Count;)
        {
            cancellation.ThrowIfCancellationRequested();
            int width = requests[rows[first][0]].Tokens.Length - 1;
            int count = (int)Math.Clamp(MostLogits / ((long)width * model.vocab_size), 1, 64);
            var batch = rows.GetRange(first, Math.Min(count, rows.Count - first));
            Score(batch, width, requests, scores);
            first += batch.Count;
            done += batch.Sum(row => row.Length);
            progress?.Invoke(done);
        }
        return scores;
    }

    private void Score(List<int[]> rows, int width, IReadOnlyList<ScoreRequest> requests, TokenScore[] scores)
    {
        var read = new long[rows.Count * width];
        var (places, targets, owners) = (new List<long>(), new List<long>(), new List<int>());
        for (int row = 0; row < rows.Count; row++)
        {
            var tokens = requests[rows[row][0]].Tokens;
            Tokens += tokens.Length - 1;
            for (int i = 0; i < tokens.Length - 1; i++)
                read[row * width + i] = tokens[i];
            foreach (int request in rows[row])
            {
                var (asked, count) = requests[request];
                for (int i = asked.Length - count; i < asked.Length; i++)
                {
                    places.Add(row * width + i - 1);
                    targets.Add(asked[i]);
                    owners.Add(request);
                }
            }
        }
        var (logs, greedy) = Judge(read, rows.Count, [.. places], [.. targets]);
        foreach (int request in rows.SelectMany(row => row))
            scores[request] = new TokenScore(0, IsGreedy: true);
        for (int i = 0; i < logs.Length; i++)
        {
            var so = scores[owners[i]];
            scores[owners[i]] = new TokenScore(so.LogLikelihood + logs[i], so.IsGreedy && greedy[i] == targets[i]);
        }
    }

    private (double[] Logs, long[] Greedy) Judge(long[] read, int rows, long[] places, long[] targets)
    {
        using var scope = NewDisposeScope();
        using var mode = inference_mode();
        var device = model.parameters().First().device;
        var logits = model.call(tensor(read, [rows, read.Length / rows]).to(device));
        var asked = logits.reshape(-1, logits.shape[2]).index_select(0, tensor(places).to(device)).to(ScalarType.Float32);
        var logs = nn.functional.log_softmax(asked, 1).gather(1, tensor(targets).to(device).unsqueeze(1)).squeeze(1);
        var likeliest = asked.narrow(1, 0, Math.Min(vocabulary ?? asked.shape[1], asked.shape[1])).argmax(1);
        return ([.. logs.cpu().data<float>().ToArray().Select(value => (double)value)], likeliest.cpu().data<long>().ToArray());
    }

    private sealed class SameReading : IEqualityComparer<ScoreRequest>
    {
        public static SameReading Instance { get; } = new();

        public bool Equals(ScoreRequest x, ScoreRequest y) => x.Tokens.AsSpan(0, x.Tokens.Length - 1).SequenceEqual(y.Tokens.AsSpan(0, y.Tokens.Length - 1));

        public int GetHashCode(ScoreRequest request)
        {
            var hash = new HashCode();
            hash.AddBytes(System.Runtime.InteropServices.MemoryMarshal.AsBytes(request.Tokens.AsSpan(0, request.Tokens.Length - 1)));
            return hash.ToHashCode();
        }
    }
}
