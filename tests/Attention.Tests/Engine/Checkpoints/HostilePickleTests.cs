using System.IO.Compression;
using System.Text;
using Attention.Engine.Checkpoints;
using TorchSharp;
using static TorchSharp.torch;

namespace Attention.Tests.Engine.Checkpoints;

/// <summary>Files that want something run, or are made to exhaust the reader. Each is refused in one line.</summary>
public sealed class HostilePickleTests : IDisposable
{
    /// <summary>A tensor of the storage '0' up to its size: needs (shape)(stride) and the rest.</summary>
    private const string Storage = "ctorch._utils\n_rebuild_tensor_v2\n((X\u0007\0\0\0storagectorch\nFloatStorage\nX\u0001\0\0\00X\u0003\0\0\0cpuK\u0004tQ";
    private const string Rest = "\u0089ccollections\nOrderedDict\n)RtR";

    private readonly TemporaryFolder folder = new();

    public void Dispose() => folder.Dispose();

    private string ErrorOf(byte[] pickle) =>
        Assert.Throws<UserError>(() => CheckpointFiles.ReadAll(CheckpointFiles.WriteZip(folder.File("x.pth"), pickle))).Message;

    private string ErrorOf(string pickle) => ErrorOf(CheckpointFiles.Bytes(pickle));

    [Fact]
    public void The_tensor_that_the_others_vary_is_whole()
    {
        var path = CheckpointFiles.WriteZip(folder.File("x.pth"), CheckpointFiles.Bytes($"\u0080\u0002}}X\u0001\0\0\0w{Storage}K\0K\u0002K\u0002\u0086K\u0002K\u0001\u0086{Rest}s."));
        using var file = CheckpointReader.Open(path);
        using var tensor = file.Read("w");
        Assert.Equal([2, 2], tensor.shape);
    }

    [Theory]
    [InlineData("cos\nsystem\n(X\u0005\0\0\0touchtR.", "os.system")]
    [InlineData("cposix\nsystem\n.", "posix.system")]
    [InlineData("cbuiltins\neval\n(X\u0001\0\0\01tR.", "builtins.eval")]
    [InlineData("c__builtin__\ngetattr\n.", "__builtin__.getattr")]
    [InlineData("ctorch\nload\n.", "torch.load")]
    [InlineData("ctorch.storage\n_load_from_bytes\n.", "torch.storage._load_from_bytes")]
    [InlineData("\u0080\u0004\u008c\u0002os\u008c\u0006system\u0093.", "os.system")]
    [InlineData("ccollections\nOrderedDict.__init__.__globals__\n.", "OrderedDict.__init__")]
    [InlineData("cargparse\nArgumentParser\n)\u0081}b.", "argparse.ArgumentParser")]
    [InlineData("cargparse\nNamespace.__init__\n.", "argparse.Namespace.__init__")]
    [InlineData("c__main__\nrun\n)R.", "__main__.run")]
    [InlineData("ctimm\ncreate_model\n)R.", "timm.create_model")]
    [InlineData("ctimm.models\nVisionTransformer.load\n)R.", "timm.models.VisionTransformer.load")]
    [InlineData("cpathlib\nos\n.", "pathlib.os")]
    [InlineData("csubprocess\nPopen\n)R.", "subprocess.Popen")]
    [InlineData("cfunctools\npartial\n)R.", "functools.partial")]
    [InlineData("cbuiltins\nexec\n.", "builtins.exec")]
    [InlineData("cnumpy\nload\n.", "numpy.load")]
    [InlineData("ctorch.hub\nload\n.", "torch.hub.load")]
    [InlineData("ctorch.nn.parameter\nParameter\n)\u0081.", "an object of torch.nn.parameter.Parameter")]
    [InlineData("}cargparse\nNamespace\n)\u0081)R.", "a call of an object of argparse.Namespace")]
    [InlineData("ccollections\nOrderedDict\n)\u0081.", "an object of collections.OrderedDict")]
    [InlineData("ctorch\nSize\n}b.", "the state of torch.Size")]
    [InlineData("]}b.", "the state of a plain value")]
    [InlineData("}]b.", "the state of a dictionary")]
    [InlineData("(ios\nsystem\n.", "os.system")]
    [InlineData("(X\u0005\0\0\0touchcos\nsystem\no.", "os.system")]
    [InlineData("(X\u0005\0\0\0touchX\u0001\0\0\0xo.", "an object")]
    [InlineData("\u0082\u0001.", "EXT")]
    [InlineData("\u0083\u0001\0.", "EXT")]
    [InlineData("\u0084\u0001\0\0\0.", "EXT")]
    [InlineData("X\u0001\0\0\0x)R.", "a call of a plain value")]
    [InlineData("\u0097.", "a buffer")]
    [InlineData("S'x'\n.", "protocol 0")]
    public void What_would_run_code_is_named_and_refused(string pickle, string expected)
    {
        var message = ErrorOf(pickle);
        Assert.Contains(expected, message);
        Assert.Contains("refused", message);
    }

    [Theory]
    [InlineData("", "ends before its last instruction")]
    [InlineData("}", "ends before its last instruction")]
    [InlineData(".", "leaves 0 values")]
    [InlineData("}}.", "leaves 2 values")]
    [InlineData("}(.", "in the middle of a collection")]
    [InlineData("h\u0007.", "recalls value 7")]
    [InlineData("j\u00ff\u00ff\u00ff\u00ff.", "recalls value 4294967295")]
    [InlineData("q\0.", "takes a value that is not there")]
    [InlineData("(q\0.", "takes a value that is not there")]
    [InlineData("t.", "never begun")]
    [InlineData("}K\u0001K\u0002a.", "appends to what is no list")]
    [InlineData("]K\u0001K\u0002s.", "no dictionary")]
    [InlineData("}(K\u0001u.", "a key without a value")]
    [InlineData("}]K\u0001s.", "a key that cannot be one")]
    [InlineData("X\u00ff\u00ff\u00ff\u007f", "is longer than")]
    [InlineData("X\0\u0001\0\0x", "the file is cut")]
    [InlineData("\u008d\u00ff\u00ff\u00ff\u00ff\u00ff\u00ff\u00ff\u00ff.", "is longer than")]
    [InlineData("\u008b\u00ff\u00ff\0\0.", "a number of 65535 bytes")]
    [InlineData("X\u0001\0\0\0\u00ff.", "no UTF-8")]
    [InlineData("\u0080\u0009.", "protocol 9")]
    [InlineData("\u00fe.", "unknown instruction 0xfe")]
    [InlineData("](K\u0001\u0090.", "adds 1 values to what is no set")]
    [InlineData("ctorch._tensor\n_rebuild_from_type_v2\nq\0(h\0ctorch\nTensor\n)NtR.", "wrong arguments")]
    [InlineData("K\u0001Q.", "no storage")]
    [InlineData("ctorch._utils\n_rebuild_tensor_v2\n)R.", "wrong arguments")]
    public void A_malformed_pickle_is_an_error_of_one_line(string pickle, string expected) => Assert.Contains(expected, ErrorOf(pickle));

    [Theory]
    [InlineData("K\0K\u0005\u0085K\u0001\u0085", "reaches beyond its storage of 16 bytes")]
    [InlineData("K\u0001K\u0004\u0085K\u0001\u0085", "reaches beyond its storage")]
    [InlineData("K\0K\u0002\u0085K\u0004\u0085", "reaches beyond its storage")]
    [InlineData("J\u00ff\u00ff\u00ff\u00ffK\u0001\u0085K\u0001\u0085", "without a proper size")]
    [InlineData("K\0J\u00ff\u00ff\u00ff\u00ff\u0085K\u0001\u0085", "without a proper size")]
    [InlineData("K\0K\u0001\u0085)", "without a proper size")]
    [InlineData("K\0\u008a\u0008\u00ff\u00ff\u00ff\u00ff\u00ff\u00ff\u00ff\u007f\u0085K\0\u0085", "impossible shape")]
    [InlineData("K\0K\u0002\u0085\u008a\u0008\u00ff\u00ff\u00ff\u00ff\u00ff\u00ff\u00ff\u007f\u0085", "impossible shape")]
    public void A_tensor_that_its_storage_cannot_hold_is_refused(string geometry, string expected) =>
        Assert.Contains(expected, ErrorOf($"}}X\u0001\0\0\0w{Storage}{geometry}{Rest}s."));

    [Fact]
    public void A_storage_of_another_size_is_refused() =>
        Assert.Contains("should have 32 bytes and has 16",
            ErrorOf($"}}X\u0001\0\0\0w{Storage.Replace("FloatStorage", "DoubleStorage")}K\0K\u0002\u0085K\u0001\u0085{Rest}s."));

    [Fact]
    public void A_storage_outside_the_file_is_refused() =>
        Assert.Contains("storage '../../etc' is missing",
            ErrorOf($"}}X\u0001\0\0\0w{Storage.Replace("X\u0001\0\0\00X\u0003", "X\u0009\0\0\0../../etcX\u0003")}K\0K\u0002\u0085K\u0001\u0085{Rest}s."));

    [Fact]
    public void Deep_nesting_costs_no_stack()
    {
        Assert.Contains("nested more than 1000 deep", ErrorOf(new string('(', 100_000)));
        Assert.Contains("no dictionary", ErrorOf(")" + new string('\u0085', 1_000_000) + "."));
        Assert.Contains("cannot be one", ErrorOf("}" + new string(']', 1) + "K\u0001s."));
    }

    [Fact]
    public void A_dictionary_that_holds_itself_is_searched_once() =>
        Assert.Contains("no tensors by name", ErrorOf("}q\0X\u0005\0\0\0modelh\0s."));

    [Fact]
    public void Objects_that_are_passed_over_keep_nothing()
    {
        var path = CheckpointFiles.WriteZip(folder.File("x.pth"), CheckpointFiles.Bytes(
            $"\u0080\u0002}}(X\u0004\0\0\0argscargparse\nNamespace\n)\u0081}}X\u0002\0\0\0lrK\u0001sbX\u0005\0\0\0model}}X\u0001\0\0\0w{Storage}K\0K\u0002\u0085K\u0001\u0085{Rest}su."));
        using var file = CheckpointReader.Open(path);
        Assert.Equal(["w"], file.Entries.Select(entry => entry.Name));
        Assert.Equal(["args"], file.OtherParts);
    }

    [Fact]
    public void Doubling_by_memo_costs_no_memory()
    {
        // Each tuple holds the one before twice: 2^100 leaves, if anyone counted them.
        var pickle = new StringBuilder("}X\u0005\0\0\0model)");
        for (int i = 0; i < 100; i++)
            pickle.Append("2\u0086");
        Assert.Contains("no tensors by name", ErrorOf(pickle.Append("s.").ToString()));
    }

    [Fact]
    public void An_endless_pickle_ends() => Assert.Contains("more than 10000000 instructions", ErrorOf("N" + string.Concat(Enumerable.Repeat("20", 6_000_000))));

    [Fact]
    public void Compressed_files_are_refused_before_they_unfold()
    {
        var path = CheckpointFiles.WriteZip(folder.File("bomb.pth"), new byte[10_000_000], CompressionLevel.SmallestSize);
        Assert.Contains("compressed", Assert.Throws<UserError>(() => CheckpointReader.Open(path)).Message);
    }
}
