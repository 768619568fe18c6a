using System.Text.Json;
using Attention.Cli;
using Attention.Engine.Checkpoints;
using Attention.Engine.Conversion;
using Attention.Engine.Generation;
using Attention.Models.Language;
using Attention.Modules;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Attention.Tests.Engine.Conversion;

public sealed class MixtureOfHeadConversionTests : IDisposable
{
    private readonly TemporaryFolder folder = new();
    private readonly DisposeScope scope = NewDisposeScope();

    public void Dispose()
    {
        scope.Dispose();
        folder.Dispose();
    }

    private string From => folder.File("dense");
    private string To => folder.File("moh");

    private static Tensor Logits(string path)
    {
        using var _ = no_grad();
        using var model = TextModel.Load(path, CPU);
        return model.Model.call(TinyLlama.Tokens(model.Tokenizer));
    }

    [Theory]
    [InlineData("llama")]
    [InlineData("qwen2")]
    [InlineData("qwen3")]
    [InlineData("phi3")]
    [InlineData("gemma2")]
    [InlineData("olmo2")]
    public void With_all_heads_the_mixture_is_the_dense_model(string type)
    {
        TinyLlama.Write(From, type);
        MixtureOfHeadConversion.Run(From, To, heads: 1, shared: 2);
        Assert.True(allclose(Logits(From), Logits(To), 1e-5, 1e-5));
    }

    [Fact]
    public void The_mixture_is_a_folder_that_generates()
    {
        TinyLlama.Write(From);
        var attention = MixtureOfHeadConversion.Run(From, To);
        Assert.Equal((2, 1, "query_norm"), (attention.shared_head, attention.routed_head, attention.router));
        Assert.Equal(["config.json", "generation_config.json", "model.safetensors", "tokenizer.json"], Directory.GetFiles(To).Select(Path.GetFileName).Order());
        Assert.Equal([From, To], Directory.GetDirectories(folder.Path).Order());

        using var model = TextModel.Load(To, CPU);
        Assert.Equal(2, model.Model.modules().OfType<MixtureOfHeadDecoding>().Count());
        var text = string.Concat(model.Continue(["The quick"], new SamplingConfig { max_new_tokens = 12, temperature = 0 }).Select(part => part.Text));
        Assert.NotEmpty(text);
        // Heads are missing, so that it is not the dense model any more.
        Assert.False(allclose(Logits(From), Logits(To), 1e-3, 1e-3));
    }

    [Fact]
    public void Weights_and_other_keys_stay_as_they_are()
    {
        TinyLlama.Write(From, "llama", ("rope_theta", 5000), ("eos_token_id", new[] { 1, 2 }));
        MixtureOfHeadConversion.Run(From, To, 0.5, 1);
        using var dense = CheckpointReader.Open(From);
        using var moh = CheckpointReader.Open(To);
        Assert.Equal(dense.Entries.Select(entry => entry.Name).Order(), moh.Entries.Select(entry => entry.Name).Order());
        Assert.All(dense.Entries, entry => Assert.True(dense.Read(entry.Name).equal(moh.Read(entry.Name)).all().item<bool>()));
        var config = JsonDocument.Parse(File.ReadAllText(Path.Combine(To, "config.json"))).RootElement;
        Assert.Equal(5000, config.GetProperty("rope_theta").GetInt32());
        Assert.Equal("[1,2]", config.GetProperty("eos_token_id").GetRawText().Replace(" ", "").Replace("\n", ""));
        Assert.Equal(1, config.GetProperty("attention").GetProperty("routed_head").GetInt32());
    }

    [Theory]
    [InlineData(0, null, "0 is no share of the heads")]
    [InlineData(1.5, null, "1.5 is no share of the heads")]
    [InlineData(0.75, 3, "of 4 heads a token is to use 3, 3 of them shared, which leaves none to choose")]
    [InlineData(0.5, 4, "of 4 heads a token is to use 2, 4 of them shared, which leaves none to choose")]
    public void Numbers_that_do_not_fit_leave_nothing_behind(double heads, int? shared, string message)
    {
        TinyLlama.Write(From);
        Assert.Equal(message, Assert.Throws<UserError>(() => MixtureOfHeadConversion.Run(From, To, heads, shared)).Message);
        Assert.Equal([From], Directory.GetDirectories(folder.Path));
    }

    [Fact]
    public void What_is_there_already_is_not_touched()
    {
        TinyLlama.Write(From);
        Directory.CreateDirectory(To);
        var output = new StringWriter();
        Assert.Equal(2, CommandLine.Run(["convert", "moh", "--from", From, "--to", To], output, output));
        Assert.Contains($"'{To}' is there already", output.ToString());
        Assert.Empty(Directory.GetFileSystemEntries(To));
    }

    [Fact]
    public void A_mixture_is_not_mixed_again()
    {
        TinyLlama.Write(From);
        var output = new StringWriter();
        Assert.Equal(0, CommandLine.Run(["convert", "moh", "--from", From, "--to", To, "--shared", "1"], output, output));
        Assert.Contains("1 heads of each layer are shared, 2 of the others chosen", output.ToString());
        Assert.Contains("an attention of its own already, 'moh'", Assert.Throws<UserError>(() => MixtureOfHeadConversion.Run(To, folder.File("again"))).Message);
    }

    [Fact]
    public void Gpt2_is_refused()
    {
        TinyLlama.Write(From, "gpt2", ("n_embd", 32), ("n_layer", 2), ("n_head", 4));
        Assert.Contains("is no decoder of Llama's line", Assert.Throws<UserError>(() => MixtureOfHeadConversion.Run(From, To)).Message);
    }

    [Fact]
    public void The_authors_folder_is_known_by_its_code()
    {
        TinyLlama.Write(From, "llama", ("auto_map", new Dictionary<string, string> { ["AutoModelForCausalLM"] = "modeling_llama.LlamaForCausalLM" }));
        Assert.Contains("modeling_llama.py", Assert.Throws<UserError>(() => LanguageModelConfigFile.Load(From)).Message);
        File.WriteAllText(Path.Combine(From, "modeling_llama.py"), "self.routed_head = int(self.num_heads * (0.75 - 0.5))");
        using (var model = TextModel.Load(From, CPU))
            Assert.Equal(2, model.Model.modules().OfType<MixtureOfHeadDecoding>().Count());
        File.WriteAllText(Path.Combine(From, "modeling_llama.py"), "class LlamaForCausalLM: pass");
        Assert.Null(LanguageModelConfigFile.Load(From).attention);
    }

    [Fact]
    public void An_attention_that_is_not_known_is_named()
    {
        TinyLlama.Write(From);
        var file = Path.Combine(From, "config.json");
        File.WriteAllText(file, File.ReadAllText(file).Replace("{\"model_type\"", "{\"attention\": {\"name\": \"mho\"}, \"model_type\""));
        Assert.Contains("mho", Assert.ThrowsAny<UserError>(() => LanguageModelConfigFile.Load(From)).Message);
    }
}
