using System.Diagnostics;
using Attention.Data.Text;

namespace Attention.Engine.Benchmarks;

/// <summary>How fast a tokenizer is on one thread.</summary>
/// <param name="Bytes">The length of the text.</param>
/// <param name="Tokens">The ids that it became.</param>
/// <param name="LoadSeconds">Loading the tokenizer.</param>
/// <param name="EncodeSeconds">Encoding the text: the median of several runs.</param>
/// <param name="DecodeSeconds">Decoding the ids.</param>
/// <param name="IsSame">Whether decoding gave the bytes of the text.</param>
public sealed record TokenizerTiming(long Bytes, long Tokens, double LoadSeconds, double EncodeSeconds, double DecodeSeconds, bool IsSame);

/// <summary>Times a tokenizer on a text.</summary>
public static class TokenizerBenchmark
{
    /// <summary>Repeats the text until it is long enough to be timed.</summary>
    /// <param name="tokenizer">A tokenizer's file or folder.</param>
    /// <param name="textFile">A text of at least one byte.</param>
    /// <param name="bytes">The least length to encode.</param>
    /// <param name="runs">How often.</param>
    public static TokenizerTiming Run(string tokenizer, string textFile, long bytes = 10_000_000, int runs = 3)
    {
        if (!File.Exists(textFile))
            throw new UserError($"there is no file '{textFile}'", "name a file with text");
        var once = File.ReadAllBytes(textFile);
        if (once.Length == 0)
            throw new UserError($"'{textFile}' is empty", "name a file with text");
        var text = new byte[once.Length * Math.Max(1, (bytes + once.Length - 1) / once.Length)];
        for (int start = 0; start < text.Length; start += once.Length)
            once.CopyTo(text, start);

        var (subject, load) = Time(() => Tokenizers.Load(tokenizer));
        var (ids, first) = Time(Encode);
        double[] encode = [first, .. Enumerable.Range(1, runs - 1).Select(_ => Time(Encode).Seconds)];
        var (decoded, decode) = Time(() => subject.DecodeBytes(ids));
        return new(text.Length, ids.Length, load, encode.Order().ElementAt(runs / 2), decode, decoded.AsSpan().SequenceEqual(text));

        int[] Encode()
        {
            var output = new List<int>();
            subject.Encode(text, output);
            return [.. output];
        }
    }

    private static (T Value, double Seconds) Time<T>(Func<T> work)
    {
        long start = Stopwatch.GetTimestamp();
        var value = work();
        return (value, Stopwatch.GetElapsedTime(start).TotalSeconds);
    }
}
