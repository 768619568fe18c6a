using System.Text;
using Attention.Engine.Checkpoints;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Attention.Tests.Engine;

public sealed class SafeTensorsTests : IDisposable
{
    private readonly string folder = Directory.CreateTempSubdirectory("attention-tests-").FullName;

    public void Dispose() => Directory.Delete(folder, recursive: true);

    private string FilePath(string name) => Path.Combine(folder, name);

    private string Saved(params (string, Tensor)[] tensors)
    {
        var path = FilePath("saved.safetensors");
        using var stream = File.Create(path);
        SafeTensors.Write(stream, tensors.Select(t => KeyValuePair.Create(t.Item1, t.Item2)), new Dictionary<string, string> { ["format"] = "pt" });
        return path;
    }

    [Theory]
    [InlineData(ScalarType.Float32)]
    [InlineData(ScalarType.Float64)]
    [InlineData(ScalarType.Float16)]
    [InlineData(ScalarType.BFloat16)]
    [InlineData(ScalarType.Int64)]
    [InlineData(ScalarType.Int32)]
    [InlineData(ScalarType.Int16)]
    [InlineData(ScalarType.Int8)]
    [InlineData(ScalarType.Byte)]
    [InlineData(ScalarType.Bool)]
    public void What_is_written_reads_back_to_the_same_bits(ScalarType type)
    {
        using var scope = NewDisposeScope();
        var values = (randn(3, 5) * 4).to(type);
        using var file = SafeTensors.Open(Saved(("a", values), ("transposed", values.t()), ("scalar", values[0, 0]), ("none", values[..0])));
        Assert.True(file.Read("a").equal(values).item<bool>());
        Assert.True(file.Read("transposed").equal(values.t()).item<bool>());
        Assert.Empty(file.Read("scalar").shape);
        Assert.Equal([0, 5], file.Read("none").shape);
        Assert.Equal("pt", file.Metadata["format"]);
    }

    [Theory]
    [InlineData("", "0 bytes are too few")]
    [InlineData("1234", "4 bytes are too few")]
    public void A_file_without_a_header_is_named(string content, string expected)
    {
        File.WriteAllText(FilePath("x"), content);
        Assert.Contains(expected, Assert.Throws<UserError>(() => SafeTensors.Open(FilePath("x"))).Message);
    }

    [Theory]
    [InlineData("not json", "no JSON")]
    [InlineData("[]", "no JSON object")]
    [InlineData("""{"a":{"dtype":"F31","shape":[1],"data_offsets":[0,4]}}""", "unknown dtype 'F31'")]
    [InlineData("""{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}}""", "needs 8 bytes, its offsets give 4")]
    [InlineData("""{"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}}""", "wrong shape")]
    [InlineData("""{"a":{"dtype":"F32","shape":[9223372036854775807,9],"data_offsets":[0,4]}}""", "malformed")]
    [InlineData("""{"a":{"dtype":"F32","shape":[1]}}""", "malformed")]
    [InlineData("""{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}""", "leaving a hole")]
    [InlineData("""{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"b":{"dtype":"F32","shape":[1],"data_offsets":[2,6]}}""", "inside the one before")]
    [InlineData("""{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}""", "its tensors end at byte 4, its data at 8")]
    public void Every_violation_of_the_format_is_named(string header, string expected)
    {
        var bytes = Encoding.UTF8.GetBytes(header);
        File.WriteAllBytes(FilePath("x"), [.. BitConverter.GetBytes((long)bytes.Length), .. bytes, .. new byte[8]]);
        Assert.Contains(expected, Assert.Throws<UserError>(() => SafeTensors.Open(FilePath("x"))).Message);
    }

    [Fact]
    public void A_cut_file_is_named()
    {
        var path = Saved(("a", ones(100)));
        using (var stream = File.OpenWrite(path))
            stream.SetLength(stream.Length - 1);
        Assert.Contains("its tensors end at byte 400, its data at 399", Assert.Throws<UserError>(() => SafeTensors.Open(path)).Message);
    }

    [Fact]
    public void A_header_longer_than_the_file_is_refused_before_it_is_read()
    {
        File.WriteAllBytes(FilePath("x"), [.. BitConverter.GetBytes(90_000_000L), 1, 2, 3]);
        Assert.Contains("the header says 90000000 bytes, the file has 3", Assert.Throws<UserError>(() => SafeTensors.Open(FilePath("x"))).Message);
    }
}
