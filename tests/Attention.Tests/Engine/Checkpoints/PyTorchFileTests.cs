using Attention.Engine.Checkpoints;
using TorchSharp;
using static TorchSharp.torch;

namespace Attention.Tests.Engine.Checkpoints;

public sealed class PyTorchFileTests : IDisposable
{
    private readonly TemporaryFolder folder = new();
    private readonly DisposeScope scope = NewDisposeScope();

    public void Dispose()
    {
        scope.Dispose();
        folder.Dispose();
    }

    private static void AssertSame(Tensor expected, Tensor found)
    {
        Assert.Equal(expected.dtype, found.dtype);
        Assert.Equal(expected.shape, found.shape);
        Assert.True(expected.equal(found).item<bool>());
    }

    [Theory]
    [InlineData("types-zip.pth")]
    [InlineData("types-legacy.pth")]
    public void Every_type_is_read(string name)
    {
        using var file = CheckpointReader.Open(CheckpointFiles.Of(name));
        Assert.Equal(12, file.Entries.Count());
        foreach (var entry in file.Entries)
        {
            Assert.Equal(entry.Name, entry.TypeName);
            AssertSame(CheckpointFiles.Values(entry.Type, 3, 4), file.Read(entry.Name));
        }
    }

    [Theory]
    [InlineData("views-zip.pth")]
    [InlineData("views-legacy.pth")]
    public void Views_of_one_storage_are_read_with_their_strides(string name)
    {
        var whole = CheckpointFiles.Values(ScalarType.Float32, 4, 6);
        var expected = new Dictionary<string, Tensor>
        {
            ["whole"] = whole,
            ["transposed"] = whole.t(),
            ["row"] = whole[2],
            ["column"] = whole[TensorIndex.Colon, 3],
            ["corner"] = whole[1..3, 2..5],
            ["expanded"] = whole[0, ..1].expand(5, 6),
            ["scalar"] = whole[3, 3],
            ["empty"] = whole[..0],
            ["channels_last"] = CheckpointFiles.Values(ScalarType.Float32, 2, 3, 4, 5),
            ["parameter"] = CheckpointFiles.Values(ScalarType.Float32, 3),
        };
        using var file = CheckpointReader.Open(CheckpointFiles.Of(name));
        Assert.Equal(expected.Keys.Order(), file.Entries.Select(entry => entry.Name).Order());
        foreach (var (key, tensor) in expected)
        {
            AssertSame(tensor, file.Read(key));
            var target = zeros(tensor.shape);
            file.CopyTo(key, target);
            AssertSame(tensor, target);
            var half = zeros(tensor.shape, ScalarType.Float16);
            file.CopyTo(key, half);
            AssertSame(tensor.to(ScalarType.Float16), half);
        }
        Assert.Equal([60, 1, 15, 3], file.Read("channels_last").stride());
    }

    [Fact]
    public void Averaged_weights_go_first_and_wrappers_prefixes_fall_away()
    {
        using var averaged = CheckpointReader.Open(CheckpointFiles.Of("nested.pth"));
        Assert.Equal("model_ema", averaged.Part);
        Assert.Contains("epoch", averaged.OtherParts);
        using var plain = CheckpointReader.Open(CheckpointFiles.Of("nested.pth"), "model");
        Assert.Equal(averaged.Entries.Select(entry => entry.Name), plain.Entries.Select(entry => entry.Name));
        Assert.Contains("0.weight", plain.Entries.Select(entry => entry.Name));
        AssertSame(plain.Read("0.weight") + 1, averaged.Read("0.weight"));
    }

    [Fact]
    public void A_part_that_is_not_there_is_named_with_those_that_are()
    {
        var error = Assert.Throws<UserError>(() => CheckpointReader.Open(CheckpointFiles.Of("nested.pth"), "modle"));
        Assert.Contains("'modle'; it holds model, model_ema, optimizer", error.Message);
    }

    [Fact]
    public void Arguments_beside_the_weights_are_passed_over()
    {
        using var file = CheckpointReader.Open(CheckpointFiles.Of("namespace.pth"));
        Assert.Equal("model", file.Part);
        Assert.Equal(["args"], file.OtherParts);
        Assert.Equal([2, 3], file.Entry("0.weight").Shape);
    }

    [Fact]
    public void What_is_written_reads_back_to_the_same_bits()
    {
        var tensors = Tensors();
        PyTorchFile.Write(folder.File("x.pth"), tensors);
        using var file = CheckpointReader.Open(folder.File("x.pth"));
        Assert.Equal(tensors.Keys, file.Entries.Select(entry => entry.Name));
        foreach (var (name, tensor) in tensors)
            AssertSame(tensor, file.Read(name));
    }

    private static Dictionary<string, Tensor> Tensors()
    {
        var tensors = new Dictionary<string, Tensor>();
        foreach (var type in (ScalarType[])[ScalarType.Float32, ScalarType.Float64, ScalarType.Float16, ScalarType.BFloat16, ScalarType.Int64,
                     ScalarType.Int32, ScalarType.Int16, ScalarType.Int8, ScalarType.Byte, ScalarType.Bool, ScalarType.ComplexFloat32])
            tensors[new CheckpointEntry("", type, []).TypeName] = CheckpointFiles.Values(type, 3, 4);
        tensors["transposed.grün"] = tensors["float32"].t();
        tensors["scalar"] = tensors["float32"][1, 1];
        tensors["empty"] = tensors["float32"][..0];
        tensors["tied"] = tensors["float32"];
        return tensors;
    }

    [SkippableFact]
    public void PyTorch_reads_what_is_written_with_weights_only()
    {
        PyTorchFile.Write(folder.File("x.pth"), Tensors());
        CheckpointFiles.RunPython("-c", """
            import sys, torch, collections
            state = torch.load(sys.argv[1], weights_only=True)
            assert type(state) is collections.OrderedDict and len(state) == 15, state.keys()
            for name, tensor in state.items():
                if hasattr(torch, name) and name != "empty":
                    assert tensor.dtype is getattr(torch, name), name
                    assert torch.equal(tensor, (torch.arange(12) - 5).to(tensor.dtype).reshape(3, 4)), name
            assert torch.equal(state["transposed.grün"], state["float32"].t())
            assert state["scalar"].shape == () and state["empty"].shape == (0, 4)
            assert state["tied"].data_ptr() == state["float32"].data_ptr()
            """, folder.File("x.pth"));
    }

    [SkippableFact]
    public void Files_of_the_machines_PyTorch_are_read_or_refused_by_name()
    {
        CheckpointFiles.RunPython(Path.Combine(CheckpointFiles.Folder, "..", "make_files.py"), folder.Path);
        foreach (var name in (string[])["types-zip.pth", "types-legacy.pth", "views-zip.pth", "views-legacy.pth", "nested.pth", "protocol4.pth"])
            CheckpointFiles.ReadAll(folder.File(name));
        foreach (var name in (string[])["namespace.pth", "numpy-scalar.pth"])
            CheckpointFiles.ReadAll(folder.File(name));
        foreach (int protocol in (int[])[2, 3, 4, 5])
        {
            using var training = CheckpointReader.Open(folder.File($"training-{protocol}.pth"));
            Assert.Equal("state_dict", training.Part);
            Assert.Contains("args", training.OtherParts);
            Assert.Equal(8, training.Entries.Count());
            AssertSame(CheckpointFiles.Values(ScalarType.Float32, 3), training.Read("attributed"));
        }
        foreach (var (name, expected) in ((string, string)[])[
                     ("module.pth", "torch.nn.modules.linear.Linear"), ("tensor.pth", "one tensor"), ("script.pt", "TorchScript")])
            Assert.Contains(expected, Assert.Throws<UserError>(() => CheckpointReader.Open(folder.File(name))).Message);
    }
}
