using Attention.Cli;
using Attention.Data.Text;
using Attention.Engine.Checkpoints;
using Attention.Engine.Generation;
using Attention.Models.Language;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Attention.Tests.Engine.Generation;

public sealed class GenerateTests : IDisposable
{
    private const string Text = "the quick brown fox jumps over the lazy dog. ";
    private readonly TemporaryFolder folder = new();

    public void Dispose() => folder.Dispose();

    // A folder as Hugging Face has them, with random weights and a tokenizer of characters.
    private string Folder(bool prefixed = true)
    {
        var tokenizer = CharacterTokenizer.Train(Text);
        tokenizer.Save(folder.File("tokenizer.json"));
        File.WriteAllText(folder.File("config.json"), $$"""
            {"model_type": "gpt2", "vocab_size": {{tokenizer.VocabularySize}}, "n_positions": 64, "n_embd": 16, "n_layer": 2, "n_head": 2}
            """);
        manual_seed(5);
        using var model = new Gpt2(new Gpt2Config { vocab_size = tokenizer.VocabularySize, n_positions = 64, n_embd = 16, n_layer = 2, n_head = 2 });
        using var scope = NewDisposeScope();
        var state = model.state_dict().ToDictionary(pair => prefixed ? pair.Key : pair.Key.Replace("transformer.", ""), pair => pair.Value * 3);
        using var file = File.Create(folder.File("model.safetensors"));
        SafeTensors.Write(file, state);
        return folder.Path;
    }

    private static string Continue(TextModel model, SamplingConfig sampling) =>
        string.Concat(model.Continue(["the quick"], sampling).Select(part => part.Text));

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void A_folder_generates_the_same_text_for_the_same_seed(bool prefixed)
    {
        using var model = TextModel.Load(Folder(prefixed), CPU);
        var sampling = new SamplingConfig { max_new_tokens = 20, seed = 3 };
        var text = Continue(model, sampling);
        Assert.Equal(20, text.Length);
        Assert.Equal(text, Continue(model, sampling));
        Assert.NotEqual(text, Continue(model, sampling with { seed = 4 }));
    }

    [Fact]
    public void A_stop_string_ends_the_text_before_itself()
    {
        using var model = TextModel.Load(Folder(), CPU);
        var sampling = new SamplingConfig { max_new_tokens = 30, seed = 3 };
        var text = Continue(model, sampling);
        var stop = text.Substring(8, 3);
        Assert.Equal(text[..text.IndexOf(stop, StringComparison.Ordinal)], Continue(model, sampling with { stop = [stop] }));
        // One whose beginning alone comes up changes nothing.
        Assert.Equal(text, Continue(model, sampling with { stop = [text[5] + "\u0001"] }));
    }

    [Fact]
    public void What_a_folder_lacks_is_named()
    {
        Assert.Contains("has no config.json", Assert.Throws<UserError>(() => TextModel.Load(folder.Path, CPU)).Message);
        Folder();
        File.Delete(folder.File("tokenizer.json"));
        Assert.Contains("has no tokenizer", Assert.Throws<UserError>(() => TextModel.Load(folder.Path, CPU)).Message);
    }
}
