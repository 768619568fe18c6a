using Attention.Data.Text;
using Attention.Models.Language;

namespace Attention.Engine.Evaluation.Language;

/// <summary>How well a model foretells a text.</summary>
/// <param name="LogLikelihood">The sum of the log-probabilities of its tokens, natural logarithms.</param>
/// <param name="Tokens">How many were foretold.</param>
/// <param name="Bytes">Bytes of UTF-8 that they stand for.</param>
/// <param name="Documents">Documents, each read for itself.</param>
public sealed record PerplexityResult(double LogLikelihood, long Tokens, long Bytes, int Documents)
{
    /// <summary>Mean loss of a token, in nats.</summary>
    public double Loss => -LogLikelihood / Tokens;

    public double Perplexity => Math.Exp(Loss);

    public double BitsPerToken => Loss / Math.Log(2);

    /// <summary>Does not depend on the tokenizer.</summary>
    public double BitsPerByte => -LogLikelihood / Math.Log(2) / Bytes;
}

/// <summary>
/// Perplexity with windows that overlap, as Hugging Face's guide defines it: a window begins every <c>stride</c> tokens and is
/// <c>context</c> long, and of each only those tokens are judged that none before it judged. Every token of a document is judged
/// once but the first, which nothing comes before; where the tokenizer puts a beginning token, the text's first is judged too.
/// Windows that do not overlap (a stride of the whole context) do not judge their first tokens either.
/// </summary>
/// <param name="model">The model, in evaluation mode.</param>
/// <param name="tokenizer">Its tokenizer.</param>
public sealed class Perplexity(LanguageModel model, ITokenizer tokenizer)
{
    /// <param name="documents">UTF-8 texts.</param>
    /// <param name="context">Tokens of a window; null for the model's context.</param>
    /// <param name="stride">Tokens between windows' beginnings; null for half the context.</param>
    /// <param name="progress">Is told windows done, and of how many.</param>
    /// <param name="cancellation">Ends it.</param>
    /// <exception cref="UserError">The context or the stride is out of range, or there is no text.</exception>
    public PerplexityResult Measure(IEnumerable<byte[]> documents, int? context = null, int? stride = null, Action<int, int>? progress = null, CancellationToken cancellation = default)
    {
        int window = context ?? model.max_position_embeddings, step = stride ?? Math.Max(window / 2, 1);
        if (window < 2 || window > model.max_position_embeddings)
            throw new UserError($"a context of {window} tokens is out of the model's range of 2 to {model.max_position_embeddings}", "choose one within it");
        if (step < 1 || step > window)
            throw new UserError($"a stride of {step} tokens is out of the range of 1 to the context of {window}", "choose one within it");
        var requests = new List<ScoreRequest>();
        long bytes = 0;
        int count = 0;
        foreach (var text in documents)
        {
            cancellation.ThrowIfCancellationRequested();
            var ids = new List<int>();
            tokenizer.Encode(text, ids, SpecialTokenUse.Add);
            if (ids.Count < 2)
                continue;
            count++;
            bytes += text.Length - FirstBytes(text, ids);
            requests.AddRange(Windows([.. ids], window, step));
            for (int start = window; step == window && start < ids.Count; start += window)
                bytes -= tokenizer.DecodeBytes([ids[start]], skipSpecial: false).Length;
        }
        if (requests.Count == 0)
            throw new UserError("the text has fewer than two tokens", "give more text");
        var scores = new TokenScorer(model).Score(requests, done => progress?.Invoke(done, requests.Count), cancellation);
        return new PerplexityResult(scores.Sum(score => score.LogLikelihood), requests.Sum(request => (long)request.Asked), bytes, count);
    }

    internal static IEnumerable<ScoreRequest> Windows(int[] ids, int window, int stride)
    {
        for (int begin = 0, judged = 1; judged < ids.Length; begin += stride)
        {
            int end = Math.Min(begin + window, ids.Length);
            if (Math.Min(end - judged, end - begin - 1) is > 0 and var asked)
                yield return new ScoreRequest(ids[begin..end], asked);
            judged = end;
        }
    }

    // The first token is not judged, and so its bytes do not count either; a beginning token has none.
    private int FirstBytes(byte[] text, List<int> ids)
    {
        var plain = new List<int>();
        tokenizer.Encode(text.AsSpan(0, Math.Min(text.Length, 4096)), plain);
        return plain.Count > 0 && ids[0] == plain[0] ? Math.Min(tokenizer.DecodeBytes([ids[0]], skipSpecial: false).Length, text.Length) : 0;
    }
}
