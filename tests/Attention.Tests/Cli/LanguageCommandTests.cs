using System.Text.Json;
using Attention.Cli;
using Attention.Data.Text;
using Attention.Engine.Checkpoints;
using Attention.Models.Language;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Attention.Tests.Cli;

public sealed class LanguageCommandTests : IDisposable
{
    private const string Text = "user: the fox?\nassistant: the dog.\n";
    private readonly TemporaryFolder folder = new();

    public void Dispose() => folder.Dispose();

    private static (int Code, string Output, string Error) Run(params string[] args)
    {
        var (output, error) = (new StringWriter(), new StringWriter());
        int code = CommandLine.Run(args, output, error);
        return (code, output.ToString(), error.ToString());
    }

    // A folder as Hugging Face has them, with random weights, a tokenizer of characters and a chat template.
    private string Model()
    {
        var tokenizer = CharacterTokenizer.Train(Text);
        Directory.CreateDirectory(folder.File("model"));
        tokenizer.Save(folder.File("model/tokenizer.json"));
        folder.Write("model/chat_template.jinja", "{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}{% if add_generation_prompt %}assistant: {% endif %}");
        folder.Write("model/config.json", $$"""{"model_type": "gpt2", "vocab_size": {{tokenizer.VocabularySize}}, "n_positions": 96, "n_embd": 16, "n_layer": 1, "n_head": 2}""");
        manual_seed(5);
        using var model = new Gpt2(new Gpt2Config { vocab_size = tokenizer.VocabularySize, n_positions = 96, n_embd = 16, n_layer = 1, n_head = 2 });
        using var scope = NewDisposeScope();
        using var file = File.Create(folder.File("model/model.safetensors"));
        SafeTensors.Write(file, model.state_dict().ToDictionary(pair => pair.Key, pair => pair.Value * 3));
        return folder.File("model");
    }

    [Fact]
    public void Text_becomes_shards_that_are_shown()
    {
        var model = Model();
        folder.Write("in/a.txt", "the fox|the dog");
        var (code, output, error) = Run("data", "tokenize", folder.File("in"), "--tokenizer", model, "--out", folder.File("shards"), "--separator", "|", "--json");
        Assert.Equal((0, ""), (code, error));
        using var json = JsonDocument.Parse(output);
        Assert.Equal((2, 14), (json.RootElement[0].GetProperty("documents").GetInt32(), json.RootElement[0].GetProperty("tokens").GetInt32()));
        (code, output, _) = Run("data", "tokens", folder.File("shards"), "--tokenizer", model, "--show", "2");
        Assert.Equal(0, code);
        Assert.Contains("--- document 1: 7 tokens\nthe dog\n", output);
        (code, _, error) = Run("data", "tokenize", folder.File("in"), "--tokenizer", model, "--out", folder.File("shards"));
        Assert.Equal(2, code);
        Assert.Contains("is there already", error);
    }

    [Fact]
    public void Dialogues_show_which_parts_are_answers()
    {
        var model = Model();
        var lines = folder.Write("x.jsonl", """{"messages": [{"role": "user", "content": "the fox?"}, {"role": "assistant", "content": "the dog."}]}""");
        Assert.Equal(0, Run("data", "tokenize", lines, "--format", "chat", "--tokenizer", model, "--out", folder.File("shards")).Code);
        Assert.Contains("user: the fox?\nassistant: [[the dog.\n]]", Run("data", "tokens", folder.File("shards"), "--tokenizer", model, "--show", "1").Output);
    }

    [Fact]
    public void A_dialogue_is_answered_message_by_message()
    {
        var model = Model();
        var (code, output, _) = Run("generate", model, "--chat", "the fox?", "the dog?", "--max-new-tokens", "5", "--temperature", "0", "--json");
        Assert.Equal(0, code);
        using var json = JsonDocument.Parse(output);
        var messages = json.RootElement.EnumerateArray().Select(each => (each.GetProperty("role").GetString(), each.GetProperty("content").GetString()!)).ToList();
        Assert.Equal(["user", "assistant", "user", "assistant"], messages.Select(each => each.Item1));
        // The second answer goes on with the whole dialogue.
        var dialogue = string.Concat(messages.Take(3).Select(each => $"{each.Item1}: {each.Item2}\n")) + "assistant: ";
        Assert.Equal(dialogue + messages[3].Item2 + "\n", Run("generate", model, dialogue, "--max-new-tokens", "5", "--temperature", "0").Output);
        var file = folder.Write("d.json", """[{"role": "user", "content": "the fox?"}]""");
        Assert.Equal(messages[1].Item2 + "\n", Run("generate", model, "--messages", file, "--max-new-tokens", "5", "--temperature", "0").Output);
        File.Delete(folder.File("model/chat_template.jinja"));
        (code, _, var error) = Run("generate", model, "--chat", "the fox?");
        Assert.Equal(2, code);
        Assert.Contains("the tokenizer has no chat template", error);
        Assert.Contains("there is no text to go on with", Run("generate", model).Error);
    }
}
