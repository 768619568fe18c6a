using System.Runtime.InteropServices;
using Attention.Data.Text;
using Attention.Engine.Generation;
using Attention.Models.Language;
using TorchSharp;
using static TorchSharp.torch;

namespace Attention.Engine.Benchmarks;

/// <summary>What a type of weights changes, measured by decoding a text token by token.</summary>
/// <param name="Storage">Its name.</param>
/// <param name="Perplexity">Of the text's tokens.</param>
/// <param name="LargestChange">Of a logit, from those of fp32 weights in one pass over the text.</param>
/// <param name="MeanChange">The mean of the logits' changes.</param>
/// <param name="SameLikeliest">Share of the places where the likeliest token is the same.</param>
/// <param name="WeightBytes">Read for a token; 0 where decoding goes through the model's layers.</param>
public sealed record StorageError(string Storage, double Perplexity, double LargestChange, double MeanChange, double SameLikeliest, long WeightBytes);

/// <summary>Compares the types that weights can have for decoding with one pass in fp32.</summary>
public static class StorageComparison
{
    // Windows of the text are no longer than this.
    private const int MostContext = 1024;

    /// <param name="folder">Of a language model, as <see cref="TextModel.Load"/> takes it.</param>
    /// <param name="text">What is read.</param>
    /// <param name="most">Tokens of it at the most.</param>
    /// <param name="cancellation">Ends it early.</param>
    /// <exception cref="UserError">The text is too short.</exception>
    public static IReadOnlyList<StorageError> Run(string folder, string text, int most, CancellationToken cancellation)
    {
        using var scope = NewDisposeScope();
        using var exact = TextModel.Load(folder, CPU);
        var tokens = exact.Tokenizer.Encode(text).Take(most).Select(token => (long)token).ToArray();
        if (tokens.Length < 2)
            throw new UserError($"the text has {tokens.Length} tokens", "give a longer one");
        var windows = tokens.Chunk(Math.Min(MostContext, exact.Model.max_position_embeddings)).Where(window => window.Length > 1).ToArray();
        var expected = windows.Select(window => Logits(exact.Model, window)).ToArray();
        return [.. WeightStorage.Names.Select(name => Compare(folder, WeightStorage.Of(name), windows, expected, cancellation))];
    }

    // One row for each token.
    private static Tensor Logits(LanguageModel model, long[] window)
    {
        using var scope = NewDisposeScope();
        using var mode = no_grad();
        return scope.MoveToOuter(model.call(tensor(window, [1, window.Length]))[0].contiguous());
    }

    private static StorageError Compare(string folder, WeightStorage storage, long[][] windows, Tensor[] expected, CancellationToken cancellation)
    {
        using var loaded = TextModel.Load(folder, CPU, storage);
        var model = loaded.Model;
        double surprise = 0, largest = 0, changes = 0;
        long same = 0, places = 0, predicted = 0, bytes = 0;
        foreach (var (window, reference) in windows.Zip(expected))
        {
            using var session = model.StartDecoding(1, window.Length);
            bytes = session.WeightBytes;
            var all = MemoryMarshal.Cast<byte, float>(reference.bytes);
            for (int at = 0; at < window.Length; at++)
            {
                cancellation.ThrowIfCancellationRequested();
                session.Feed(window.AsSpan(at, 1));
                var logits = session.Logits(0);
                var wanted = all.Slice(at * model.vocab_size, model.vocab_size);
                var (most, sum) = Change(logits, wanted);
                (largest, changes) = (Math.Max(largest, most), changes + sum);
                same += Likeliest(logits) == Likeliest(wanted) ? 1 : 0;
                places++;
                if (at + 1 == window.Length)
                    continue;
                surprise += Surprise(logits, (int)window[at + 1]);
                predicted++;
            }
        }
        return new StorageError(storage.Name, Math.Exp(surprise / predicted), largest, changes / places / model.vocab_size, (double)same / places, bytes);
    }

    private static (double Most, double Sum) Change(ReadOnlySpan<float> a, ReadOnlySpan<float> b)
    {
        double most = 0, sum = 0;
        for (int i = 0; i < a.Length; i++)
        {
            double change = Math.Abs(a[i] - b[i]);
            (most, sum) = (Math.Max(most, change), sum + change);
        }
        return (most, sum);
    }

    private static int Likeliest(ReadOnlySpan<float> logits)
    {
        int best = 0;
        for (int i = 1; i < logits.Length; i++)
            if (logits[i] > logits[best])
                best = i;
        return best;
    }

    // -log of a token's probability.
    private static double Surprise(ReadOnlySpan<float> logits, int token)
    {
        double highest = logits[Likeliest(logits)], total = 0;
        foreach (float logit in logits)
            total += Math.Exp(logit - highest);
        return highest + Math.Log(total) - logits[token];
    }
}
