using System.Text;
using Attention.Data.Text;
using Xunit;

namespace Attention.Tests.Text;

/// <summary>Hugging Face's tokenizer.json, step by step, on vocabularies small enough to follow by hand.</summary>
public class TokenizerJsonTests
{
    private const string WordLevel = """{"type": "WordLevel", "unk_token": "?", "vocab": {"?": 0, "a": 1, "b": 2, "ab": 3, ",": 4, "1": 5, "12": 6, "é": 7, "<s>": 8, "</s>": 9, "▁a": 10, "▁b": 11}}""";

    private static ITokenizer Load(string model, string rest = "")
    {
        using var folder = new TemporaryFolder();
        return Tokenizers.Load(folder.Write("tokenizer.json", $$"""{"version": "1.0", {{rest}} "model": {{model}}}"""));
    }

    private static string Pieces(ITokenizer tokenizer, string text, SpecialTokenUse special = SpecialTokenUse.None) =>
        string.Join('|', tokenizer.Encode(text, special).Select(tokenizer.Piece));

    [Theory]
    [InlineData("""{"type": "Lowercase"}""", "AB İ", "ab i\u0307")]
    [InlineData("""{"type": "NFC"}""", "e\u0301", "é")]
    [InlineData("""{"type": "Sequence", "normalizers": [{"type": "NFD"}, {"type": "StripAccents"}]}""", "éÅ", "eA")]
    [InlineData("""{"type": "NFKC"}""", "ﬁ①", "fi1")]
    [InlineData("""{"type": "Replace", "pattern": {"String": " "}, "content": "▁"}""", "a b", "a▁b")]
    [InlineData("""{"type": "Replace", "pattern": {"Regex": " {2,}"}, "content": " "}""", "a   b c", "a b c")]
    [InlineData("""{"type": "Prepend", "prepend": "▁"}""", "a", "▁a")]
    [InlineData("""{"type": "Strip", "strip_left": true, "strip_right": false}""", " a ", "a ")]
    [InlineData("""{"type": "BertNormalizer", "clean_text": true, "handle_chinese_chars": true, "strip_accents": null, "lowercase": true}""", "É\t\u0000日x", "e  日 x")]
    [InlineData("""{"type": "BertNormalizer", "clean_text": false, "handle_chinese_chars": false, "strip_accents": false, "lowercase": true}""", "É", "é")]
    [InlineData("""{"type": "ByteLevel"}""", "é ", "Ã©Ġ")]
    public void Normalisers(string json, string text, string expected)
    {
        using var folder = new TemporaryFolder();
        var part = JsonPart.Load(folder.Write("n.json", json));
        Assert.Equal(expected, Normalizers.Of(part)!(text));
    }

    [Theory]
    [InlineData("""{"type": "Whitespace"}""", "Hey, you_2!? ", "Hey|,|you_2|!?")]
    [InlineData("""{"type": "WhitespaceSplit"}""", " Hey, you ", "Hey,|you")]
    [InlineData("""{"type": "BertPreTokenizer"}""", "Hey, it's $5.", "Hey|,|it|'|s|$|5|.")]
    [InlineData("""{"type": "Digits", "individual_digits": true}""", "a12 b", "a|1|2| b")]
    [InlineData("""{"type": "Digits", "individual_digits": false}""", "a12 b", "a|12| b")]
    [InlineData("""{"type": "Punctuation"}""", "Hey friend!  ?!", "Hey friend|!|  |?|!")]
    [InlineData("""{"type": "Punctuation", "behavior": "MergedWithPrevious"}""", "a!b??", "a!|b?|?")]
    [InlineData("""{"type": "Punctuation", "behavior": "Contiguous"}""", "a!?b", "a|!?|b")]
    [InlineData("""{"type": "Split", "pattern": {"String": " "}, "behavior": "MergedWithNext", "invert": false}""", "a b  c", "a| b| | c")]
    [InlineData("""{"type": "Split", "pattern": {"Regex": "\\w+|[^\\w\\s]+"}, "behavior": "Removed", "invert": true}""", "a b!", "a|b|!")]
    [InlineData("""{"type": "CharDelimiterSplit", "delimiter": "-"}""", "a-b--c", "a|b|c")]
    [InlineData("""{"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": true}""", "a b", "▁a|▁b")]
    [InlineData("""{"type": "Metaspace", "replacement": "▁", "prepend_scheme": "never", "split": false}""", "a b", "a▁b")]
    [InlineData("""{"type": "ByteLevel", "add_prefix_space": true, "use_regex": true}""", "Hey you", "ĠHey|Ġyou")]
    [InlineData("""{"type": "Sequence", "pretokenizers": [{"type": "WhitespaceSplit"}, {"type": "Digits", "individual_digits": true}]}""", "a12 b", "a|1|2|b")]
    public void Pre_tokenizers(string json, string text, string expected)
    {
        using var folder = new TemporaryFolder();
        var split = PreTokenizers.Of(JsonPart.Load(folder.Write("p.json", json)));
        Assert.Equal(expected, string.Join('|', split(new(text, IsFirst: true)).Select(word => word.Text)));
    }

    [Theory]
    [InlineData("""{"type": "WordPiece", "prefix": "##", "cleanup": true}""", "Hey|##lo|,|you", "Heylo, you")]
    [InlineData("""{"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always"}""", "▁a|▁b", "a b")]
    [InlineData("""{"type": "BPEDecoder", "suffix": "</w>"}""", "he|y</w>|you</w>", "hey you")]
    [InlineData("""{"type": "ByteLevel"}""", "ĠÃ|©", " é")]
    [InlineData("""{"type": "CTC", "pad_token": "<pad>", "word_delimiter_token": "|", "cleanup": true}""", "h|h|<pad>|e|e", "he")]
    [InlineData("""{"type": "Sequence", "decoders": [{"type": "Replace", "pattern": {"String": "▁"}, "content": " "}, {"type": "ByteFallback"}, {"type": "Fuse"}, {"type": "Strip", "content": " ", "start": 1, "stop": 0}]}""",
        "▁▁a|<0xE2>|<0x82>|<0xAC>|▁b", " a€ b")]
    public void Decoders(string json, string tokens, string expected)
    {
        using var folder = new TemporaryFolder();
        var join = TokenDecoders.Of(JsonPart.Load(folder.Write("d.json", json)));
        Assert.Equal(expected, string.Concat(join([.. tokens.Split('|')])));
    }

    [Fact]
    public void Word_level_takes_words_whole() =>
        Assert.Equal("ab|?|,|12", Pieces(Load(WordLevel, """ "pre_tokenizer": {"type": "Whitespace"}, """), "ab xy, 12"));

    [Fact]
    public void WordPiece_takes_the_longest_piece_first()
    {
        using var folder = new TemporaryFolder();
        folder.Write("vocab.txt", "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nun\n##aff\n##able\n##a\naff\n,\nhello\n");
        var tokenizer = Tokenizers.Load(folder.Path);
        Assert.Equal("hello|,|un|##aff|##able|[UNK]", Pieces(tokenizer, "Héllo, unaffable unxable"));
        Assert.Equal("[CLS]|aff|[SEP]", Pieces(tokenizer, "aff", SpecialTokenUse.Add));
        Assert.Equal("[MASK]|aff", Pieces(tokenizer, "[MASK] aff", SpecialTokenUse.Parse));
        Assert.Equal("hello, unaffable", tokenizer.Decode(tokenizer.Encode("hello, unaffable")));
        TokenizerTests.AssertStreams(tokenizer);
    }

    [Fact]
    public void Unigram_takes_the_best_sum()
    {
        var tokenizer = Load("""{"type": "Unigram", "unk_id": 0, "vocab": [["<unk>", 0], ["a", 0], ["b", 0], ["c", 0], ["d", 0], ["cd", 1], ["ab", 2], ["abc", 5], ["abcd", 10]]}""");
        Assert.Equal("abcd|a|cd|<unk>", Pieces(tokenizer, "abcdacdxx"));
    }

    [Fact]
    public void Unigram_spells_unknown_characters_in_bytes()
    {
        var bytes = string.Join(", ", Enumerable.Range(0, 256).Select(value => $"[\"<0x{value:X2}>\", -9]"));
        var tokenizer = Load($$"""{"type": "Unigram", "unk_id": 0, "byte_fallback": true, "vocab": [["<unk>", 0], ["a", -1], {{bytes}}]}""",
            """ "decoder": {"type": "Sequence", "decoders": [{"type": "ByteFallback"}, {"type": "Fuse"}]}, """);
        Assert.Equal("a|<0xC3>|<0xA9>", Pieces(tokenizer, "aé"));
        TokenizerTests.AssertBytesComeBack(tokenizer);
        TokenizerTests.AssertStreams(tokenizer);
    }

    [Fact]
    public void Pairs_of_characters_merge_in_the_order_of_the_list()
    {
        const string model = """{"type": "BPE", "unk_token": "?", "fuse_unk": FUSE, "vocab": {"?": 0, "a": 1, "b": 2, "c": 3, "ab": 4, "bc": 5, "abc": 6}, "merges": ["b c", ["a", "b"], "a bc"]}""";
        Assert.Equal("abc|ab|?|?|a", Pieces(Load(model.Replace("FUSE", "false")), "abcabxya"));
        Assert.Equal("abc|ab|?|a", Pieces(Load(model.Replace("FUSE", "true")), "abcabxya"));
    }

    [Fact]
    public void Words_may_end_with_a_suffix()
    {
        var tokenizer = Load("""{"type": "BPE", "end_of_word_suffix": "</w>", "vocab": {"a": 0, "b": 1, "b</w>": 2, "ab</w>": 3, "a</w>": 4}, "merges": ["a b</w>"]}""",
            """ "pre_tokenizer": {"type": "WhitespaceSplit"}, "decoder": {"type": "BPEDecoder", "suffix": "</w>"}, """);
        Assert.Equal("ab</w>|b|a</w>", Pieces(tokenizer, "ab ba"));
        Assert.Equal("ab ba", tokenizer.Decode(tokenizer.Encode("ab ba")));
    }

    [Fact]
    public void A_word_in_the_vocabulary_is_taken_whole_where_merges_are_ignored()
    {
        const string steps = """ "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false}, "decoder": {"type": "ByteLevel"}, """;
        const string model = """{"type": "BPE", "ignore_merges": IGNORE, "vocab": {"a": 0, "b": 1, "ab": 2}, "merges": []}""";
        Assert.Equal("a|b", Pieces(Load(model.Replace("IGNORE", "false"), steps), "ab"));
        Assert.Equal("ab", Pieces(Load(model.Replace("IGNORE", "true"), steps), "ab"));
    }

    [Theory]
    [InlineData("""{"type": "ByteLevel", "add_prefix_space": false, "use_regex": true}""")]
    [InlineData("""{"type": "Sequence", "pretokenizers": [{"type": "Split", "pattern": {"Regex": "\\p{N}| ?\\p{L}+|\\s+"}, "behavior": "Isolated", "invert": false}, {"type": "ByteLevel", "add_prefix_space": false, "use_regex": false}]}""")]
    [InlineData("""{"type": "Sequence", "pretokenizers": [{"type": "Split", "pattern": {"Regex": "\\p{N}{1,2}"}, "behavior": "Isolated", "invert": false}, {"type": "Punctuation"}, {"type": "ByteLevel", "add_prefix_space": false, "use_regex": true}]}""")]
    public void Byte_level_steps_keep_any_bytes(string preTokenizer)
    {
        var vocabulary = string.Join(", ", Enumerable.Range(0, 256).Select(value => $"{System.Text.Json.JsonSerializer.Serialize(ByteAlphabet.Character((byte)value).ToString())}: {value}"));
        var tokenizer = Load($$"""{"type": "BPE", "vocab": { {{vocabulary}}, "Ġa": 256}, "merges": ["Ġ a"]}""",
            $$""" "pre_tokenizer": {{preTokenizer}}, "decoder": {"type": "ByteLevel"}, """);
        Assert.Equal("x|Ġa|1|2", Pieces(tokenizer, "x a12"));
        TokenizerTests.AssertBytesComeBack(tokenizer);
        TokenizerTests.AssertStreams(tokenizer);
    }

    [Theory]
    [InlineData("{}", "a <m>b", "a|<m>|b")]
    [InlineData("""{"lstrip": true, "rstrip": true}""", "a <m> b", "a|<m>|b")]
    [InlineData("""{"single_word": true}""", "a<m> <m>", "a|<m>|<m>")]
    public void Added_tokens_are_found_first(string flags, string text, string expected)
    {
        var inner = flags.Trim('{', '}');
        var tokenizer = Load(WordLevel, $$""" "added_tokens": [{"id": 12, "content": "<m>", "special": false{{(inner == "" ? "" : ", " + inner)}}}], "pre_tokenizer": {"type": "Split", "pattern": {"String": " "}, "behavior": "Removed", "invert": false}, """);
        if (flags.Contains("single_word"))
            Assert.Equal("?|<m>", Pieces(tokenizer, text));
        else
            Assert.Equal(expected, Pieces(tokenizer, text));
        Assert.Equal(13, tokenizer.VocabularySize);
    }

    [Fact]
    public void An_added_token_may_be_looked_for_in_normalised_text()
    {
        const string added = """ "added_tokens": [{"id": 12, "content": "Day", "special": false, "normalized": true}], "normalizer": {"type": "Lowercase"}, """;
        Assert.Equal("a|Day|b", Pieces(Load(WordLevel, added), "ADAYB"));
    }

    [Fact]
    public void Templates_put_tokens_around_a_sequence()
    {
        const string template = """ "post_processor": {"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}, {"SpecialToken": {"id": "</s>", "type_id": 0}}], "special_tokens": {"<s>": {"id": "<s>", "ids": [8], "tokens": ["<s>"]}}}, """;
        Assert.Equal("<s>|a|</s>", Pieces(Load(WordLevel, template), "a", SpecialTokenUse.Add));
        Assert.Equal("a", Pieces(Load(WordLevel, template), "a"));
        Assert.Equal("<s>|a|</s>", Pieces(Load(WordLevel, """ "post_processor": {"type": "RobertaProcessing", "cls": ["<s>", 8], "sep": ["</s>", 9]}, """), "a", SpecialTokenUse.Add));
    }

    [Fact]
    public void Metaspace_marks_only_the_first_part_where_asked()
    {
        const string steps = """ "added_tokens": [{"id": 8, "content": "<s>", "special": true}], "pre_tokenizer": {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "first", "split": true}, """;
        Assert.Equal("▁a|▁b|<s>|a", Pieces(Load(WordLevel, steps), "a b<s>a", SpecialTokenUse.Parse));
    }

    [Theory]
    [InlineData("""{"type": "BPE", "vocab": {"a": 0}, "merges": ["a b"]}""", "model has the merge 'a b', but 'b' is not in its 'vocab'")]
    [InlineData("""{"type": "BPE", "vocab": {"a": -1}, "merges": []}""", "model.vocab.a is -1, which is no id below 4194304")]
    [InlineData("""{"type": "WordLevel", "vocab": {}}""", "model has an empty 'vocab'")]
    [InlineData("""{"type": "Neural"}""", "model is a model of the unknown type 'Neural'")]
    [InlineData("""{"type": "Unigram", "unk_id": 5, "vocab": [["a", 0]]}""", "model has an 'unk_id' of 5 in a vocabulary of 1")]
    public void Broken_files_are_named(string model, string expected) =>
        Assert.EndsWith($"tokenizer.json': {expected}", Assert.Throws<UserError>(() => Load(model)).Message);
}
