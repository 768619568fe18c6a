using System.Text;
using Attention.Data.Text;
using Xunit;

namespace Attention.Tests.Text;

/// <summary>Training a byte-level BPE.</summary>
public class TrainerTests
{
    internal const string Sample = "the cat sat on the mat; the cat's hat, 123 cats and 1234 hats.\n\nDie Kätzchen saßen auf der Matte. 日本語 日本語\n";

    internal static ITokenizer Train(TemporaryFolder folder, string text, BytePairTrainingOptions options)
    {
        var trainer = new BytePairTrainer(options);
        trainer.Feed(Encoding.UTF8.GetBytes(text));
        trainer.Train().Save(folder.File("tokenizer.json"));
        return Tokenizers.Load(folder.Path);
    }

    [Fact]
    public void The_most_frequent_pair_is_merged_first()
    {
        using var folder = new TemporaryFolder();
        // ab four times, then abc three times; cd twice has nothing left to merge with.
        var tokenizer = Train(folder, "abc abc abc ab cd", new() { VocabularySize = 259, SpecialTokens = [] });
        Assert.Equal(["ab", "Ġab", "Ġabc"], Enumerable.Range(256, 3).Select(tokenizer.Piece));
        Assert.Equal(["ab", "c", "Ġab"], tokenizer.Encode("abc ab").Select(tokenizer.Piece));
    }

    [Fact]
    public void The_same_text_gives_the_same_file_and_a_file_that_loads()
    {
        using var folder = new TemporaryFolder();
        var tokenizer = Train(folder, Sample, new() { VocabularySize = 300 });
        var first = File.ReadAllText(folder.File("tokenizer.json"));
        Train(folder, Sample, new() { VocabularySize = 300 });
        Assert.Equal(first, File.ReadAllText(folder.File("tokenizer.json")));
        Assert.Equal(0, tokenizer.SpecialToken("<|endoftext|>"));
        Assert.Equal(300, tokenizer.VocabularySize);
        var ids = tokenizer.Encode(Sample);
        Assert.True(ids.Length < Encoding.UTF8.GetByteCount(Sample) / 2);
        Assert.Equal(Sample, tokenizer.Decode(ids));
    }

    [Fact]
    public void Special_tokens_separate_text_and_training_stops_where_pairs_end()
    {
        using var folder = new TemporaryFolder();
        var tokenizer = Train(folder, "aa<|endoftext|>aa<|endoftext|>aa", new() { VocabularySize = 1000 });
        Assert.Equal(258, tokenizer.VocabularySize);
        Assert.Equal("aa", tokenizer.Piece(257));
    }

    [Fact]
    public void Impossible_requests_are_refused()
    {
        Assert.Equal("a vocabulary of 256 tokens is out of bounds", Assert.Throws<UserError>(() => new BytePairTrainer(new() { VocabularySize = 256 })).Message);
        Assert.Equal("there is no way to split text named 'gpt3'", Assert.Throws<UserError>(() => new BytePairTrainer(new() { Split = "gpt3" })).Message);
        Assert.Equal("there is no text to train a tokenizer on", Assert.Throws<UserError>(() => new BytePairTrainer(new()).Train()).Message);
    }
}
