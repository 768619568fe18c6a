using Attention.Engine;
using Attention.Engine.Checkpoints;
using Attention.Engine.Configuration;
using Attention.Models.Vision;
using Attention.Torch;
using TorchSharp;
using static TorchSharp.torch;

namespace Attention.Tests.Engine.Checkpoints;

/// <summary>Models that start from a checkpoint, as the <c>init:</c> section asks for.</summary>
public sealed class InitTests : IDisposable
{
    private static readonly (string, object?)[] small = [("img_size", 32), ("patch_size", 8), ("embed_dim", 24), ("depth", 1), ("num_heads", 2)];

    private readonly TemporaryFolder folder = new();
    private readonly DisposeScope scope = NewDisposeScope();

    public void Dispose()
    {
        scope.Dispose();
        folder.Dispose();
    }

    private static NamedPart Part(int classes) => new("vit_tiny_patch16_224", [.. small, ("num_classes", classes)]);

    private string Saved(Action<Dictionary<string, Tensor>>? change = null)
    {
        using var model = ModelBuilder.Build(Part(5));
        var state = model.state_dict();
        change?.Invoke(state);
        PyTorchFile.Write(folder.File("x.pth"), state);
        return folder.File("x.pth");
    }

    [Fact]
    public void The_model_has_the_checkpoints_weights_and_no_random_number_was_drawn()
    {
        var path = Saved();
        var before = GeneratorState.Save()["cpu"];
        var (model, report) = ModelBuilder.Build(Part(5), new InitConfig { checkpoint = path });
        Assert.True(report.Fits);
        Assert.Equal(before, GeneratorState.Save()["cpu"]);
        using var file = CheckpointReader.Open(path);
        foreach (var (name, tensor) in model.state_dict())
            Assert.True(tensor.equal(file.Read(name)).item<bool>(), name);
        model.Dispose();
    }

    [Fact]
    public void What_the_checkpoint_lacks_is_initialised()
    {
        var path = Saved(state =>
        {
            state.Remove("blocks.0.attn.qkv.weight");
            state["blocks.0.mlp.fc1.weight"] = ones(3);
        });
        manual_seed(1);
        using var model = ModelBuilder.Build(Part(5), new InitConfig { checkpoint = path, strict = false }).Model;
        foreach (var name in (string[])["blocks.0.attn.qkv.weight", "blocks.0.mlp.fc1.weight"])
            Assert.InRange(model.state_dict()[name].std().item<float>(), 0.005, 0.5);
        Assert.Throws<LoadError>(() => ModelBuilder.Build(Part(5), new InitConfig { checkpoint = path }));
    }

    [Fact]
    public void Another_number_of_classes_gives_a_fresh_classifier()
    {
        var path = Saved();
        using var model = (VisionTransformer)ModelBuilder.Build(Part(7), new InitConfig { checkpoint = path }).Model;
        var (weight, bias) = (model.state_dict()["head.weight"], model.state_dict()["head.bias"]);
        Assert.Equal([7, 24], weight.shape);
        Assert.True(weight.isfinite().all().item<bool>() && weight.abs().max().item<float>() < 1);
        Assert.Equal(0, bias.abs().max().item<float>());
    }

    [Fact]
    public void A_part_can_be_chosen()
    {
        var error = Assert.Throws<UserError>(() => ModelBuilder.Build(Part(5), new InitConfig { checkpoint = Saved(), part = "ema" }));
        Assert.Contains("has no part 'ema'", error.Message);
    }
}
