using Attention.Cli;
using Attention.Engine;
using Attention.Engine.Checkpoints;
using Attention.Engine.Configuration;
using Attention.Engine.Conversion;
using Attention.Engine.Generation;
using Attention.Models;
using Attention.Modules;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Attention.Tests.Engine.Conversion;

public sealed class GroupedQueryConversionTests : IDisposable
{
    private readonly TemporaryFolder folder = new();
    private readonly DisposeScope scope = NewDisposeScope();

    public void Dispose()
    {
        scope.Dispose();
        folder.Dispose();
    }

    private sealed record ModelSection
    {
        public NamedPart model { get; init; } = "";
    }

    private string From => folder.File("dense");
    private string To => folder.File("grouped");

    private static Tensor Logits(string path)
    {
        using var _ = no_grad();
        using var model = TextModel.Load(path, CPU);
        return model.Model.call(TinyLlama.Tokens(model.Tokenizer));
    }

    [Theory]
    [InlineData("llama")]
    [InlineData("qwen2")]
    [InlineData("phi3")]
    [InlineData("olmo2")]
    public void As_many_groups_as_heads_are_the_dense_model(string type)
    {
        TinyLlama.Write(From, type);
        GroupedQueryConversion.RunDecoder(From, To, 4);
        Assert.True(allclose(Logits(From), Logits(To), 1e-5, 1e-5));
    }

    [Theory]
    [InlineData("llama", "grouped_query")]
    [InlineData("qwen3", "kdgqa")]
    [InlineData("phi3", "dgqa")]
    [InlineData("qwen2", "pgqa")]
    public void A_group_s_keys_and_values_are_the_mean_of_its_heads(string type, string attention)
    {
        TinyLlama.Write(From, type);
        var output = new StringWriter();
        Assert.Equal(0, CommandLine.Run(["convert", "gqa", "--from", From, "--to", To, "--groups", "2", "--attention", attention], output, output));
        Assert.Contains("2 heads of keys and values in each layer", output.ToString());
        using var dense = CheckpointReader.Open(From);
        using var grouped = CheckpointReader.Open(To);
        Tensor Keys(CheckpointReader file, int heads) => type == "phi3"
            ? file.Read("model.layers.1.self_attn.qkv_proj.weight").narrow(0, 32, heads * 8) : file.Read("model.layers.1.self_attn.k_proj.weight");
        var expected = Keys(dense, 4).view(2, 2, 8, 32).mean([1]).view(16, 32);
        Assert.True(allclose(expected, Keys(grouped, 2)));
        Assert.True(Logits(To).isfinite().all().item<bool>());
    }

    [Theory]
    [InlineData("grouped_query")]
    [InlineData("dgqa")]
    public void A_vit_s_checkpoint_becomes_one_with_groups(string attention)
    {
        var (file, to) = (folder.File("vit.safetensors"), folder.File("grouped.safetensors"));
        manual_seed(1);
        using var vit = (ImageModel)ModelRegistry.Create("vit_tiny_patch16_224");
        using (var stream = File.Create(file))
            SafeTensors.Write(stream, vit.state_dict());
        var output = new StringWriter();
        Assert.Equal(0, CommandLine.Run(["convert", "gqa", "--from", file, "--to", to, "--groups", "3", "--attention", attention, "--model", "vit_tiny_patch16_224"], output, output));
        var section = $"model: {{name: vit_tiny_patch16_224, attention: {{name: {attention}, num_key_value_heads: 3, qkv_bias: true}}}}";
        Assert.Contains(section, output.ToString());

        var (model, report) = ModelBuilder.Build(ConfigLoader.Parse<ModelSection>(section).Value.model, new InitConfig { checkpoint = to });
        using var grouped = (ImageModel)model;
        Assert.True(report.Fits);
        Assert.Equal(12, grouped.modules().OfType<QueryGroupAttention>().Count());
        if (attention != "grouped_query")
            return;
        vit.eval();
        grouped.eval();
        using var _ = no_grad();
        var images = randn(1, 3, 224, 224);
        Assert.True(allclose(vit.call(images), grouped.call(images), 1e-4, 1e-4));
    }

    [Fact]
    public void What_does_not_fit_is_named()
    {
        TinyLlama.Write(From);
        string Message(Action action) => Assert.Throws<UserError>(action).Message;
        Assert.Equal("4 heads of keys and values cannot be pooled to 3", Message(() => GroupedQueryConversion.RunDecoder(From, To, 3)));
        Assert.Equal("attention 'self' has no grouped queries", Message(() => GroupedQueryConversion.RunDecoder(From, To, 2, "self")));
        Assert.Contains("does not say what model it is of", Message(() => GroupedQueryConversion.RunImageModel(From, null, To, 2)));
        Assert.Equal("the attention of resnet50 cannot be replaced", Message(() => GroupedQueryConversion.RunImageModel(From, "resnet50", To, 2)));
        Assert.Contains("has no plain multi-head attention", Message(() => GroupedQueryConversion.RunImageModel(From, "biformer_tiny", To, 2)));
        Assert.Contains("has no 'blocks.0.attn.qkv.weight'", Message(() => GroupedQueryConversion.RunImageModel(From, "vit_tiny_patch16_224", To, 1)));
        Directory.CreateDirectory(To);
        Assert.Contains("is there already", Message(() => GroupedQueryConversion.RunDecoder(From, To, 2)));
    }
}
