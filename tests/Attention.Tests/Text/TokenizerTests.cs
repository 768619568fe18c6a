using System.Text;
using System.Text.Json;
using Attention.Data.Text;
using Xunit;

namespace Attention.Tests.Text;

/// <summary>Tokenizers against recorded ids of tiktoken and SentencePiece, and what holds for all of them.</summary>
public class TokenizerTests
{
    [SkippableTheory]
    [InlineData("gpt2.tiktoken", "gpt2")]
    [InlineData("cl100k_base.tiktoken", "cl100k_base")]
    [InlineData("sentencepiece-test.model", "sentencepiece")]
    public void Ids_and_text_are_those_of_the_reference(string file, string key)
    {
        var tokenizer = Tokenizers.Load(SharedFiles.Require($"data/{file}"));
        using var cases = JsonDocument.Parse(File.ReadAllText(SharedFiles.Require("data/tokenizer-cases.json")));
        foreach (var each in cases.RootElement.GetProperty("cases").EnumerateArray())
        {
            var text = each.GetProperty("text").GetString()!;
            var ids = tokenizer.Encode(text);
            Assert.Equal(each.GetProperty(key).EnumerateArray().Select(id => id.GetInt32()), ids);
            Assert.Equal(each.TryGetProperty($"{key}_decoded", out var decoded) ? decoded.GetString() : text, tokenizer.Decode(ids));
        }
    }

    [SkippableTheory]
    [InlineData("gpt2.tiktoken")]
    [InlineData("cl100k_base.tiktoken")]
    public void Any_bytes_come_back_from_a_rank_file(string file) =>
        AssertBytesComeBack(Tokenizers.Load(SharedFiles.Require($"data/{file}")));

    [Fact]
    public void Any_bytes_come_back_from_a_trained_vocabulary()
    {
        using var folder = new TemporaryFolder();
        foreach (var split in BytePairTrainer.Splits)
            AssertBytesComeBack(TrainerTests.Train(folder, TrainerTests.Sample, new() { VocabularySize = 400, Split = split }));
    }

    [SkippableFact]
    public void Long_words_merge_as_short_ones_do()
    {
        // More than the limit for searching: the heap does it. 100 letters go to the search, and a run of them repeats.
        var tokenizer = Tokenizers.Load(SharedFiles.Require("data/gpt2.tiktoken"));
        int letter = tokenizer.Encode("aaaa")[0];
        Assert.Equal(Enumerable.Repeat(letter, 500), tokenizer.Encode(new string('a', 2000)));
        Assert.Equal(Enumerable.Repeat(letter, 10), tokenizer.Encode(new string('a', 40)));
    }

    [SkippableFact]
    public void Special_tokens_are_text_unless_asked_for()
    {
        var tokenizer = Tokenizers.Load(SharedFiles.Require("data/gpt2.tiktoken"));
        Assert.Equal(50256, tokenizer.SpecialToken("<|endoftext|>"));
        Assert.Equal(50257, tokenizer.VocabularySize);
        Assert.DoesNotContain(50256, tokenizer.Encode("a<|endoftext|>b"));
        var ids = tokenizer.Encode("a<|endoftext|>b", SpecialTokenUse.Parse);
        Assert.Equal([64, 50256, 65], ids);
        Assert.Equal("ab", tokenizer.Decode(ids));
        Assert.Equal("a<|endoftext|>b", tokenizer.Decode(ids, skipSpecial: false));
        Assert.StartsWith("id 50257 is not in the vocabulary of 50257 tokens", Assert.Throws<UserError>(() => tokenizer.Decode([50257])).Message);
    }

    [SkippableTheory]
    [InlineData("gpt2.tiktoken")]
    [InlineData("sentencepiece-test.model")]
    public void A_stream_gives_whole_characters(string file) => AssertStreams(Tokenizers.Load(SharedFiles.Require($"data/{file}")));

    [Fact]
    public void A_vocabulary_of_characters_is_saved_and_loaded()
    {
        using var folder = new TemporaryFolder();
        var trained = CharacterTokenizer.Train("héllo\n😀");
        trained.Save(folder.File("tokenizer.json"));
        var loaded = Tokenizers.Load(folder.Path);
        Assert.Equal(6, loaded.VocabularySize);
        Assert.Equal([1, 4, 2, 2, 3, 0, 5], loaded.Encode("héllo\n😀"));
        Assert.Equal("h😀", loaded.Decode([1, 5]));
        Assert.Equal("the character 'x' (U+0078) is not in the vocabulary of 6 characters", Assert.Throws<UserError>(() => loaded.Encode("x")).Message);
        Assert.Equal("the text is no UTF-8 at byte 1", Assert.Throws<UserError>(() => loaded.Encode([(byte)'h', 0xFF], [])).Message);
    }

    internal static void AssertStreams(ITokenizer tokenizer)
    {
        const string text = "Hello, naïve 😀 world!\n 日本語 👩‍👩‍👧 done";
        var ids = tokenizer.Encode(text);
        var stream = tokenizer.Stream();
        var parts = ids.Select(stream.Append).Append(stream.Finish()).ToList();
        Assert.Equal(tokenizer.Decode(ids), string.Concat(parts));
        Assert.All(parts, part => Assert.DoesNotContain('\uFFFD', part));
    }

    internal static void AssertBytesComeBack(ITokenizer tokenizer)
    {
        var random = new Random(7);
        for (int round = 0; round < 200; round++)
        {
            var bytes = round % 2 == 0 ? RandomText.Bytes(random, 300) : Encoding.UTF8.GetBytes(RandomText.Text(random, 100));
            var ids = new List<int>();
            tokenizer.Encode(bytes, ids);
            Assert.Equal(bytes, tokenizer.DecodeBytes([.. ids]));
        }
    }
}

/// <summary>Texts that have much of what split patterns tell apart.</summary>
internal static class RandomText
{
    private static readonly string[] parts =
    [
        " ", "  ", "\n", "\r\n", "\t", "\u00A0", "\u3000", "a", "B", "é", "ß", "日本", "ǅ", "ʰ", "\u0301", "\u0903", "1", "22", "٣", "Ⅷ", "²", "'s", "'LL", "'ſ", "'re",
        "'", "!", "/", "-", "€", "😀", "𝕬", "𝟘", "𐐀", "\u200D", "don't", "WORLD", "Hello", "x=1;", "\u1E9E", "_", "%",
    ];

    public static string Text(Random random, int count) => string.Concat(Enumerable.Range(0, random.Next(count)).Select(_ => parts[random.Next(parts.Length)]));

    /// <summary>Half noise, half pieces of characters.</summary>
    public static byte[] Bytes(Random random, int count)
    {
        var bytes = Encoding.UTF8.GetBytes(Text(random, count));
        for (int i = 0; i < bytes.Length; i += 1 + random.Next(8))
            bytes[i] = (byte)random.Next(256);
        return bytes;
    }
}
