using Attention.Engine.Checkpoints;
using TorchSharp;
using static TorchSharp.torch;

namespace Attention.Tests.Engine.Checkpoints;

public sealed class FolderTests : IDisposable
{
    private readonly TemporaryFolder folder = new();
    private readonly DisposeScope scope = NewDisposeScope();

    public void Dispose()
    {
        scope.Dispose();
        folder.Dispose();
    }

    private static Dictionary<string, Tensor> State() => new() { ["a"] = ones(10), ["b"] = rand(7, 3), ["c"] = zeros(2), ["d"] = rand(100) };

    [Theory]
    [InlineData(5_000_000_000, 1)]
    [InlineData(100, 3)]
    [InlineData(1, 4)]
    public void What_is_written_in_shards_reads_back(long shardBytes, int files)
    {
        var state = State();
        SafeTensors.WriteFolder(folder.Path, state, shardBytes);
        Assert.Equal(files, Directory.GetFiles(folder.Path, "*.safetensors").Length);
        Assert.Equal(files > 1, File.Exists(folder.File("model.safetensors.index.json")));
        using var checkpoint = CheckpointReader.Open(folder.Path);
        Assert.Equal(state.Keys, checkpoint.Entries.Select(entry => entry.Name).Order());
        foreach (var (name, tensor) in state)
            Assert.True(tensor.equal(checkpoint.Read(name)).item<bool>());
    }

    [Theory]
    [InlineData("""{"weight_map": {"a": "../model-1.safetensors"}}""", "'../model-1.safetensors', is not the name of a file beside the index")]
    [InlineData("""{"weight_map": {"a": "/etc/passwd"}}""", "is not the name of a file")]
    [InlineData("""{"weight_map": {"a": 3}}""", "is not the name of a file")]
    [InlineData("""{"weight_map": {"a": "none.safetensors"}}""", "none.safetensors is missing")]
    [InlineData("""{"weight_map": {"z": "whole.safetensors"}}""", "tensor 'z' is not in whole.safetensors")]
    [InlineData("""{"weight_map": 3}""", "it has no weight_map")]
    [InlineData("""[]""", "is no JSON object")]
    [InlineData("{", "is no JSON")]
    public void A_wrong_index_is_named(string index, string expected)
    {
        using (var stream = File.Create(folder.File("whole.safetensors")))
            SafeTensors.Write(stream, State());
        folder.Write("model.safetensors.index.json", index);
        Assert.Contains(expected, Assert.Throws<UserError>(() => CheckpointReader.Open(folder.Path)).Message);
    }

    [Theory]
    [InlineData("""{"architectures": ["LlamaForCausalLM"], "model_type": "llama"}""", "LlamaForCausalLM", "llama")]
    [InlineData("""{"architecture": "vit_tiny_patch16_224", "num_classes": 10}""", "vit_tiny_patch16_224", null)]
    public void A_Hugging_Face_folder_says_what_it_is(string config, string architecture, string? type)
    {
        SafeTensors.WriteFolder(folder.Path, State());
        folder.Write("config.json", config);
        using var checkpoint = CheckpointReader.Open(folder.Path);
        Assert.Equal([architecture], checkpoint.Config!.Architectures);
        Assert.Equal(type, checkpoint.Config.ModelType);
    }

    [Fact]
    public void A_folder_with_shards_of_PyTorch_is_read()
    {
        var state = State();
        PyTorchFile.Write(folder.File("pytorch_model-1.bin"), state.Take(2));
        PyTorchFile.Write(folder.File("pytorch_model-2.bin"), state.Skip(2));
        folder.Write("pytorch_model.bin.index.json", """{"weight_map": {"a": "pytorch_model-1.bin", "d": "pytorch_model-2.bin"}}""");
        using var checkpoint = CheckpointReader.Open(folder.Path);
        Assert.True(state["d"].equal(checkpoint.Read("d")).item<bool>());
        Assert.Equal("PyTorch in 2 shards", checkpoint.Format);
    }
}
