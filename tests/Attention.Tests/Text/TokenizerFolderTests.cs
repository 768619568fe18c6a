using Attention.Data.Text;
using Xunit;

namespace Attention.Tests.Text;

/// <summary>What a folder may have, and what is said about a broken one.</summary>
public class TokenizerFolderTests
{
    [Fact]
    public void Settings_beside_the_vocabulary_are_read()
    {
        using var folder = new TemporaryFolder();
        folder.Write("vocab.json", """{"a": 0, "b": 1, "ab": 2, "<end>": 3}""");
        folder.Write("merges.txt", "#version: 0.2\na b\n");
        folder.Write("tokenizer_config.json", """
            {"eos_token": {"content": "<end>"}, "bos_token": "<go>", "add_bos_token": true, "chat_template": "{{ messages }}",
             "added_tokens_decoder": {"4": {"content": "<go>", "special": true}}}
            """);
        var tokenizer = Tokenizers.Load(folder.Path);
        Assert.Equal([2, 0], tokenizer.Encode("aba"));
        Assert.Equal([4, 2, 3], tokenizer.Encode("ab<end>", SpecialTokenUse.Parse | SpecialTokenUse.Add));
        Assert.Equal((3, 4, null), (tokenizer.SpecialToken("eos_token"), tokenizer.SpecialToken("bos_token"), tokenizer.SpecialToken("pad_token")));
        Assert.Equal("{{ messages }}", tokenizer.Settings.ChatTemplate);
        Assert.Equal(5, tokenizer.VocabularySize);
    }

    [Fact]
    public void Named_chat_templates_are_read()
    {
        using var folder = new TemporaryFolder();
        folder.Write("vocab.json", """{"a": 0}""");
        folder.Write("merges.txt", "");
        folder.Write("tokenizer_config.json", """{"chat_template": [{"name": "default", "template": "x"}, {"name": "tool_use", "template": "y"}]}""");
        var settings = Tokenizers.Load(folder.Path).Settings;
        Assert.Equal(("x", "y"), (settings.ChatTemplate, settings.NamedChatTemplates["tool_use"]));
        folder.Write("chat_template.jinja", "z");
        Assert.Equal("z", Tokenizers.Load(folder.Path).Settings.ChatTemplate);
    }

    [Theory]
    [InlineData("x.tiktoken", "IQ== 0\nIg== x\n", "' line 2 is no token in base64 and its rank")]
    [InlineData("x.tiktoken", "IQ== 0\nIg== 0\n", "' line 2 has the rank 0 for a second time")]
    [InlineData("x.tiktoken", "IQ== 0\n", "' lacks 255 of the 256 single bytes: it is cut or no rank file")]
    [InlineData("x.tiktoken", "IQ== 99999999\n", "' line 1 is no token in base64 and its rank")]
    [InlineData("tokenizer.json", "[]", "' is no JSON object")]
    [InlineData("tokenizer.json", "{}", "': it has no 'model'")]
    [InlineData("tokenizer.model", "", "' is empty")]
    [InlineData("tokenizer.model", "hello", "' is no SentencePiece model, or is cut")]
    [InlineData("vocab.txt", "a\nb\n", "' is no WordPiece vocabulary: it has no token [UNK]")]
    [InlineData("vocab.json", "{\"a\": 0}", "vocab.json' needs 'merges.txt' beside it")]
    [InlineData("weights.bin", "hello", "' is no tokenizer's file")]
    public void Broken_files_are_errors_that_say_why(string name, string content, string expected)
    {
        using var folder = new TemporaryFolder();
        var path = folder.Write(name, content);
        Assert.EndsWith(expected, Assert.Throws<UserError>(() => Tokenizers.Load(path)).Message);
    }

    [Fact]
    public void A_folder_without_a_tokenizer_says_what_it_needs()
    {
        using var folder = new TemporaryFolder();
        var error = Assert.Throws<UserError>(() => Tokenizers.Load(folder.Path));
        Assert.Equal($"the folder '{folder.Path}' has no tokenizer", error.Message);
        Assert.Equal("put one of these into it: tokenizer.json, tokenizer.model, sentencepiece.bpe.model, spiece.model, spm.model, source.spm, merges.txt, vocab.txt", error.Advice);
        Assert.StartsWith("there is no file or folder", Assert.Throws<UserError>(() => Tokenizers.Load(folder.File("none"))).Message);
    }
}
