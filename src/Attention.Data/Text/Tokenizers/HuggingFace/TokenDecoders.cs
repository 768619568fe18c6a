using System.Buffers;
using System.Text;

namespace Attention.Data.Text;

/// <summary>The <c>decoder</c> of a tokenizer.json as a function from tokens to parts of the text.</summary>
internal static class TokenDecoders
{
    public static Func<List<string>, List<string>> Of(JsonPart? part)
    {
        // Without a decoder, tokens are words.
        if (part is not { } step)
            return tokens => [string.Join(' ', tokens)];
        switch (step.Type)
        {
            case "Sequence":
                var steps = step.Items("decoders").Select(each => Of(each)).ToArray();
                return tokens => steps.Aggregate(tokens, (current, next) => next(current));
            case "ByteLevel": return tokens => [RawText.FromUtf8([.. tokens.SelectMany(token => ByteAlphabet.ToBytes(token) ?? RawText.ToUtf8(token))])];
            case "ByteFallback": return ByteFallback;
            case "Fuse": return tokens => [string.Concat(tokens)];
            case "Replace":
                var replace = Normalizers.Of(step)!;
                return tokens => [.. tokens.Select(replace)];
            case "Strip":
                var (content, start, stop) = (step.Text("content")[0], step.Number("start", 0), step.Number("stop", 0));
                return tokens => [.. tokens.Select(token => Strip(token, content, start, stop))];
            case "WordPiece": return WordPiece(step.FindText("prefix") ?? "##", step.Flag("cleanup", true));
            case "BPEDecoder":
                var suffix = step.FindText("suffix") ?? "</w>";
                return tokens => [.. tokens.Select((token, i) => token.Replace(suffix, i == tokens.Count - 1 ? "" : " "))];
            case "Metaspace":
                var mark = step.FindText("replacement") ?? "▁";
                bool skipFirst = PreTokenizers.PrependScheme(step) != "never";
                return tokens => [.. tokens.Select((token, i) => token.Replace(mark, i == 0 && skipFirst ? "" : " "))];
            case "CTC": return Ctc(step.FindText("pad_token") ?? "<pad>", step.FindText("word_delimiter_token") ?? "|", step.Flag("cleanup", true));
            default: throw step.Unsupported("decoder");
        }
    }

    /// <summary>Joins BERT's pieces: a piece with the prefix belongs to the word before.</summary>
    public static Func<List<string>, List<string>> WordPiece(string prefix, bool cleanUp) => tokens =>
        [.. tokens.Select((token, i) =>
        {
            var text = i == 0 ? token : token.StartsWith(prefix, StringComparison.Ordinal) ? token[prefix.Length..] : " " + token;
            return cleanUp ? CleanUp(text) : text;
        })];

    /// <summary>Byte tokens become the characters that they spell; bytes that spell none stay bytes.</summary>
    private static List<string> ByteFallback(List<string> tokens)
    {
        var (output, bytes) = (new List<string>(), new List<byte>());
        foreach (var token in tokens)
        {
            if (ByteTokens.Value(token) is { } value)
            {
                bytes.Add(value);
                continue;
            }
            Flush();
            output.Add(token);
        }
        Flush();
        return output;

        void Flush()
        {
            if (bytes.Count > 0)
                output.Add(RawText.FromUtf8([.. bytes]));
            bytes.Clear();
        }
    }

    private static string Strip(string token, char content, int start, int stop)
    {
        int first = 0, last = token.Length;
        while (first < Math.Min(start, token.Length) && token[first] == content)
            first++;
        while (last > first && token.Length - last < stop && token[last - 1] == content)
            last--;
        return token[first..last];
    }

    private static Func<List<string>, List<string>> Ctc(string pad, string delimiter, bool cleanUp) => tokens =>
        [.. tokens.Where((token, i) => i == 0 || token != tokens[i - 1]).Select(token =>
        {
            var text = token.Replace(pad, "");
            return cleanUp ? CleanUp(text).Replace(delimiter, " ") : text;
        }).Where(text => text != "")];

    /// <summary>Takes out the spaces that English does not write.</summary>
    private static string CleanUp(string text) => text.Replace(" .", ".").Replace(" ?", "?").Replace(" !", "!").Replace(" ,", ",")
        .Replace(" ' ", "'").Replace(" n't", "n't").Replace(" 'm", "'m").Replace(" do not", " don't").Replace(" 's", "'s")
        .Replace(" 've", "'ve").Replace(" 're", "'re");
}

/// <summary>
/// Decodes by a function of all tokens: the last few are decoded again with each new one, and what the text gained is given.
/// </summary>
internal sealed class WindowDecoder(Func<int, string?> tokenOf, Func<List<string>, List<string>> decode) : ITokenDecoder
{
    private const int Longest = 24, Kept = 8;
    private readonly List<string> window = [];
    private string given = "";

    public void Push(int id, IBufferWriter<byte> output)
    {
        if (tokenOf(id) is not { } token)
            return;
        window.Add(token);
        var text = Text();
        // Bytes at the end may yet become a character, and then are no bytes any more.
        int certain = text.Length;
        while (certain > 0 && text.Length - certain < 3 && RawText.IsEscape(text, certain - 1))
            certain--;
        Give(text[..certain], output);
        if (window.Count > Longest && certain == text.Length && given == text)
        {
            window.RemoveRange(0, window.Count - Kept);
            given = Text();
        }
    }

    public void Finish(IBufferWriter<byte> output)
    {
        Give(Text(), output);
        window.Clear();
        given = "";
    }

    private string Text() => window.Count == 0 ? "" : string.Concat(decode([.. window]));

    private void Give(string text, IBufferWriter<byte> output)
    {
        if (!text.StartsWith(given, StringComparison.Ordinal))
            return;
        output.Write(RawText.ToUtf8(text.AsSpan(given.Length)));
        given = text;
    }
}
