using System.Text;
using Attention.Data.Text;
using Xunit;

namespace Attention.Tests.Text;

/// <summary>SentencePiece models made by hand.</summary>
public class SentencePieceTests
{
    private static readonly (string, float, int)[] start = [("<unk>", 0, 2), ("<s>", 0, 3), ("</s>", 0, 3)];

    private static readonly (string, float, int)[] letters =
        [("▁", -20, 1), ("a", -20, 1), ("b", -20, 1), ("c", -20, 1), ("ab", -1, 1), ("▁ab", -2, 1), ("bc", -3, 1), ("abc", -4, 1)];

    private static (string, float, int)[] Bytes() => [.. Enumerable.Range(0, 256).Select(value => ($"<0x{value:X2}>", 0f, 6))];

    /// <summary>Writes a model: pieces of (text, score, type), pairs or unigram, with byte fallback where there are byte pieces.</summary>
    private static byte[] Model((string Text, float Score, int Type)[] pieces, bool pairs, bool extraSpaces = false)
    {
        var model = new List<byte>();
        foreach (var (text, score, type) in pieces)
        {
            byte[] name = Encoding.UTF8.GetBytes(text);
            byte[] piece = [0x0A, (byte)name.Length, .. name, 0x15, .. BitConverter.GetBytes(score), 0x18, (byte)type];
            model.AddRange([0x0A, (byte)piece.Length, .. piece]);
        }
        byte fallback = (byte)(pieces.Any(piece => piece.Type == 6) ? 1 : 0);
        byte[] trainer = [0x18, (byte)(pairs ? 2 : 1), 0x98, 0x02, fallback];
        byte[] normalizer = [0x18, 1, 0x20, (byte)(extraSpaces ? 0 : 1)];
        model.AddRange([0x12, (byte)trainer.Length, .. trainer, 0x1A, (byte)normalizer.Length, .. normalizer]);
        return [.. model];
    }

    private static ITokenizer Load(params byte[] model)
    {
        using var folder = new TemporaryFolder();
        File.WriteAllBytes(folder.File("tokenizer.model"), model);
        return Tokenizers.Load(folder.Path);
    }

    private static string Pieces(ITokenizer tokenizer, string text, SpecialTokenUse special = SpecialTokenUse.None) =>
        string.Join('|', tokenizer.Encode(text, special).Select(tokenizer.Piece));

    [Fact]
    public void Pairs_merge_by_score()
    {
        var tokenizer = Load(Model([.. start, .. letters], pairs: true));
        Assert.Equal("▁ab|▁|c|ab|<unk>|c", Pieces(tokenizer, "  ab  cabxyc "));
        Assert.Equal("ab cab \u2047 c", tokenizer.Decode(tokenizer.Encode("ab cabxyc")));
        Assert.Equal("<s>|▁ab", Pieces(tokenizer, "ab", SpecialTokenUse.Add));
        Assert.Equal((1, 2), (tokenizer.SpecialToken("bos_token"), tokenizer.SpecialToken("</s>")));
    }

    [Fact]
    public void Unigram_takes_the_best_sum() =>
        Assert.Equal("▁ab|c|▁|abc|<unk>", Pieces(Load(Model([.. start, .. letters], pairs: false)), "abc abcxy"));

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Unknown_characters_fall_back_to_bytes(bool pairs)
    {
        var tokenizer = Load(Model([.. start, .. Bytes(), .. letters], pairs, extraSpaces: true));
        Assert.Equal("▁ab|<0xC3>|<0xA9>", Pieces(tokenizer, "abé"));
        foreach (var text in new[] { "ab é\n\t日本 😀  x ", "  two", "" })
            Assert.Equal(text, tokenizer.Decode(tokenizer.Encode(text)));
        TokenizerTests.AssertStreams(tokenizer);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void A_users_symbol_is_never_cut(bool pairs) =>
        Assert.Equal("▁ab|ca|bc", Pieces(Load(Model([.. start, .. letters, ("ca", 0, 4)], pairs)), "abcabc"));

    [Fact]
    public void An_unused_piece_gives_way_to_its_parts() =>
        Assert.Equal("▁|ab|c", Pieces(Load(Model([.. start, .. letters.Where(piece => piece.Item1 is not ("▁ab" or "bc" or "abc")), ("abc", -4, 5)], pairs: true)), "abc"));

    [Fact]
    public void A_cut_model_is_an_error_wherever_it_is_cut()
    {
        var model = Model([.. start, .. letters], pairs: true);
        for (int length = 1; length < model.Length; length++)
        {
            var cut = model[..length];
            var failure = Record.Exception(() => Load(cut));
            Assert.True(failure is null or UserError, $"{failure}");
        }
        Assert.EndsWith("is no SentencePiece model, or is cut", Assert.Throws<UserError>(() => Load(model[..^3])).Message);
        Assert.EndsWith("has 0 unknown pieces, but must have one", Assert.Throws<UserError>(() => Load(Model(letters, pairs: true))).Message);
    }

    [Fact]
    public void Noise_in_a_model_is_never_worse_than_an_error()
    {
        var (model, random) = (Model([.. start, .. letters], pairs: false), new Random(3));
        for (int round = 0; round < 300; round++)
        {
            var noisy = (byte[])model.Clone();
            for (int i = 0; i < 4; i++)
                noisy[random.Next(noisy.Length)] = (byte)random.Next(256);
            var failure = Record.Exception(() => Load(noisy).Encode("ab cab x"));
            Assert.True(failure is null or UserError, $"{failure}");
        }
    }
}
