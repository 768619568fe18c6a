using System.Text;
using Attention.Data.Text;
using Xunit;

namespace Attention.Tests.Text;

/// <summary>The hand-written scanners against the regular expressions that they stand for.</summary>
public class SplitPatternTests
{
    [Theory]
    [InlineData(SplitPatterns.Gpt2)]
    [InlineData(SplitPatterns.Cl100k)]
    [InlineData(SplitPatterns.Llama3)]
    [InlineData(SplitPatterns.Qwen2)]
    [InlineData(SplitPatterns.O200k)]
    public void A_scanner_splits_as_its_pattern_does(string pattern)
    {
        var (scanner, regex, random) = (SplitPatterns.Scanner(pattern)!, new RegexSplitter(pattern), new Random(11));
        for (int round = 0; round < 1500; round++)
        {
            // .NET does not count the long s as an s where case is ignored; Rust and Oniguruma do.
            var text = RandomText.Text(random, 30).Replace("ſ", "");
            var bytes = round % 3 == 0 ? RandomText.Bytes(random, 30) : Encoding.UTF8.GetBytes(text);
            if (Encoding.UTF8.GetString(bytes).Contains('ſ')) continue;
            var (expected, actual) = (new List<int>(), new List<int>());
            regex.Split(bytes, expected);
            scanner.Split(bytes, actual);
            Assert.True(expected.SequenceEqual(actual), $"{Convert.ToHexString(bytes)} '{RawText.FromUtf8(bytes)}': {string.Join(',', expected)} but {string.Join(',', actual)}");
        }
    }

    [Theory]
    [InlineData(SplitPatterns.Gpt2, "I'll go  to 12345 x's!?\n\n ok ", "I|'ll| go| | to| 12345| x|'s|!?|\n\n| ok| ")]
    [InlineData(SplitPatterns.Llama3, "I'LL go  to 12345 x's!?\n\n ok\n ", "I|'LL| go| | to| |123|45| x|'s|!?\n\n| ok|\n| ")]
    [InlineData(SplitPatterns.Cl100k, "ok\n ", "ok|\n ")]
    [InlineData(SplitPatterns.Qwen2, "x 12", "x| |1|2")]
    [InlineData(SplitPatterns.O200k, "HelloWorld's a/b HTTPServer", "Hello|World's| a|/b| HTTPServer")]
    [InlineData(SplitPatterns.Llama3, "it'ſ", "it|'ſ")]
    public void Words_are_these(string pattern, string text, string expected)
    {
        var ends = new List<int>();
        var bytes = Encoding.UTF8.GetBytes(text);
        WordSplitter.For(pattern).Split(bytes, ends);
        Assert.Equal(expected, string.Join('|', ends.Select((end, i) => Encoding.UTF8.GetString(bytes[(i == 0 ? 0 : ends[i - 1])..end]))));
    }

    [Fact]
    public void A_pattern_that_is_not_known_runs_as_a_regular_expression()
    {
        var ends = new List<int>();
        WordSplitter.For(@"\p{N}{1,2}+|[A-Z]++|\p{Han}+$").Split("AB123x漢字"u8, ends);
        Assert.Equal([2, 4, 5, 6, 12], ends);
        Assert.StartsWith("the tokenizer's pattern cannot be run", Assert.Throws<UserError>(() => WordSplitter.For("(")).Message);
    }

    [Theory]
    [InlineData("e\u0301", "é", "e\u0301", "é")]
    [InlineData("ﬁ①", "ﬁ①", "ﬁ①", "fi1")]
    [InlineData("한글", "한글", "\u1112\u1161\u11AB\u1100\u1173\u11AF", "한글")]
    [InlineData("\u1112\u1161\u11AB", "한", "\u1112\u1161\u11AB", "한")]
    [InlineData("a\u0315\u0300\u05AE\u0300b", "\u00E0\u05AE\u0300\u0315b", "a\u05AE\u0300\u0300\u0315b", "\u00E0\u05AE\u0300\u0315b")]
    [InlineData("\u0958", "\u0915\u093C", "\u0915\u093C", "\u0915\u093C")]
    [InlineData("Å\u0323", "\u1EA0\u030A", "A\u0323\u030A", "\u1EA0\u030A")]
    [InlineData("𝕬\uDC80", "𝕬\uDC80", "𝕬\uDC80", "A\uDC80")]
    public void Normalisation_forms_are_Unicodes(string text, string nfc, string nfd, string nfkc)
    {
        Assert.Equal((nfc, nfd, nfkc), (Normalization.Compose(text), Normalization.Decompose(text), Normalization.Compose(text, compatible: true)));
        Assert.Equal(Normalization.Decompose(nfkc, compatible: true), Normalization.Decompose(text, compatible: true));
    }
}
