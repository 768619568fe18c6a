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

    private string Written(string header, params byte[] data)
    {
        var bytes = Encoding.UTF8.GetBytes(header);
        File.WriteAllBytes(FilePath("x"), [.. BitConverter.GetBytes((long)bytes.Length), .. bytes, .. data]);
        return FilePath("x");
    }

    private string Written(string dtype, int count, params byte[] data) =>
        Written($$$"""{"a":{"dtype":"{{{dtype}}}","shape":[{{{count}}}],"data_offsets":[0,{{{data.Length}}}]}}""", data);

    [Theory]
    [InlineData("U16", ScalarType.Int32, "uint16", new byte[] { 1, 0, 255, 255 }, new[] { 1.0, 65535 })]
    [InlineData("U32", ScalarType.Int64, "uint32", new byte[] { 1, 0, 0, 0, 255, 255, 255, 255 }, new[] { 1.0, 4294967295 })]
    [InlineData("U64", ScalarType.Int64, "uint64", new byte[] { 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0 }, new[] { 1.0, 4294967296 })]
    // Values of Table 1 of the format's paper: largest, smallest normal, smallest.
    [InlineData("F8_E4M3", ScalarType.Float16, "float8_e4m3fn", new byte[] { 0x7e, 0x08, 0x01, 0x38, 0xb8, 0x7f }, new[] { 448, 0.015625, 0.001953125, 1, -1, double.NaN })]
    [InlineData("F8_E5M2", ScalarType.Float16, "float8_e5m2", new byte[] { 0x7b, 0x04, 0x01, 0x3c, 0xbc, 0x7c }, new[] { 57344, 6.103515625e-5, 1.52587890625e-5, 1, -1, double.PositiveInfinity })]
    [InlineData("F8_E8M0", ScalarType.Float32, "float8_e8m0fnu", new byte[] { 127, 128, 0, 255 }, new[] { 1, 2, 5.877471754111438e-39, double.NaN })]
    public void Types_that_tensors_lack_are_widened_exactly(string dtype, ScalarType type, string name, byte[] data, double[] expected)
    {
        using var scope = NewDisposeScope();
        using var file = SafeTensors.Open(Written(dtype, expected.Length, data));
        Assert.Equal((type, name, (long)data.Length), (file.Entry("a").Type, file.Entry("a").TypeName, file.Entry("a").Bytes));
        Assert.Equal(expected, file.Read("a").to(ScalarType.Float64).data<double>().ToArray());
        var target = zeros([expected.Length], ScalarType.Float64);
        file.CopyTo("a", target);
        Assert.Equal(expected, target.data<double>().ToArray());
    }

    [Fact]
    public void A_whole_number_beyond_int64_is_an_error_that_names_the_tensor()
    {
        using var file = SafeTensors.Open(Written("U64", 1, 0, 0, 0, 0, 0, 0, 0, 128));
        Assert.Contains("tensor 'a' of", Assert.Throws<UserError>(() => file.Read("a")).Message);
    }

    [Fact]
    public void Packed_types_are_named() =>
        Assert.Contains("tensor 'a' of", Assert.Throws<UserError>(() => SafeTensors.Open(Written("F4", 2, 0))).Message);

    [Fact]
    public void A_read_tensor_views_the_file_and_never_changes_it()
    {
        using var scope = NewDisposeScope();
        var path = Saved(("odd", ones([3], ScalarType.Byte)), ("a", arange(1000, ScalarType.Float32)));
        var before = File.ReadAllBytes(path);
        Tensor read;
        using (var file = SafeTensors.Open(path))
            read = file.Read("a");
        File.Delete(path);
        Assert.Equal(999, read[999].item<float>());
        read.add_(1);
        Assert.Equal(1000, read[999].item<float>());
        File.WriteAllBytes(path, before);
        using var again = SafeTensors.Open(path);
        Assert.Equal(999, again.Read("a")[999].item<float>());
    }

    [SkippableFact]
    public void Reading_takes_no_memory_before_the_values_are_looked_at()
    {
        Skip.IfNot(OperatingSystem.IsLinux(), "reads /proc/self/status");
        const long Bytes = 64 << 20;
        using var scope = NewDisposeScope();
        var path = Saved(("a", ones(Bytes / 4)));
        using var file = SafeTensors.Open(path);
        file.Read("a").sum().item<float>();
        long before = Private();
        var read = file.Read("a");
        // The file's pages are the system's: what is read of them is not this process's own.
        Assert.Equal(Bytes / 4, read.sum().item<float>());
        Assert.True(Private() - before < Bytes / 8, $"{Private() - before} bytes more");

        var target = zeros(Bytes / 4);
        target.fill_(2);
        before = Private();
        file.CopyTo("a", target);
        Assert.Equal(1, target[5].item<float>());
        Assert.True(Private() - before < Bytes / 8, $"{Private() - before} bytes more");
    }

    // Memory of this process alone, without what it maps of files.
    private static long Private() =>
        long.Parse(File.ReadLines("/proc/self/status").First(line => line.StartsWith("RssAnon:", StringComparison.Ordinal)).Split(' ', StringSplitOptions.RemoveEmptyEntries)[1]) * 1024;

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
    [InlineData("""{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}}""", "needs 8 bytes, its offsets give 0 to 4")]
    [InlineData("""{"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}}""", "wrong shape")]
    [InlineData("""{"a":{"dtype":"F32","shape":[9223372036854775807,9],"data_offsets":[0,4]}}""", "malformed")]
    [InlineData("""{"a":{"dtype":"F32","shape":[1]}}""", "malformed")]
    [InlineData("""{"a":{"dtype":7,"shape":[1],"data_offsets":[0,4]}}""", "malformed")]
    [InlineData("""{"a":{"dtype":"F32","shape":"1","data_offsets":[0,4]}}""", "malformed")]
    [InlineData("""{"a":{"dtype":"F32","shape":[1.5],"data_offsets":[0,4]}}""", "malformed")]
    [InlineData("""{"a":3}""", "malformed")]
    [InlineData("""{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4,8]}}""", "wrong offsets")]
    [InlineData("""{"a":{"dtype":"F32","shape":[1],"data_offsets":[8,4]}}""", "its offsets give 8 to 4")]
    [InlineData("""{"a":{"dtype":"F32","shape":[1],"data_offsets":[-4,0]}}""", "its offsets give -4 to 0")]
    [InlineData("""{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,9223372036854775807]}}""", "its offsets give 0 to")]
    [InlineData("""{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}""", "tensor 'a' is there twice")]
    [InlineData("""{"__metadata__":{"format":1},"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}""", "__metadata__ is not a map of text")]
    [InlineData(""" {"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}""", "does not begin with '{'")]
    [InlineData("", "no JSON")]
    [InlineData("""{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}""", "leaving a hole")]
    [InlineData("""{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"b":{"dtype":"F32","shape":[1],"data_offsets":[2,6]}}""", "inside the one before")]
    [InlineData("""{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}""", "its tensors end at byte 4, its data at 8")]
    public void Every_violation_of_the_format_is_named(string header, string expected)
    {
        Assert.Contains(expected, Assert.Throws<UserError>(() => SafeTensors.Open(Written(header, new byte[8]))).Message);
    }

    [Fact]
    public void A_header_that_is_no_UTF8_is_named()
    {
        File.WriteAllBytes(FilePath("x"), [.. BitConverter.GetBytes(6L), (byte)'{', (byte)'"', 0xff, (byte)'"', (byte)':', (byte)'}']);
        Assert.Contains("its header is no JSON", Assert.Throws<UserError>(() => SafeTensors.Open(FilePath("x"))).Message);
    }

    [Theory]
    [InlineData(100_000_001UL)]
    [InlineData(ulong.MaxValue)]
    public void A_huge_header_is_refused(ulong length)
    {
        File.WriteAllBytes(FilePath("x"), [.. BitConverter.GetBytes(length), .. new byte[8]]);
        Assert.Contains($"a header of {length} bytes is over the limit", Assert.Throws<UserError>(() => SafeTensors.Open(FilePath("x"))).Message);
    }

    [Fact]
    public void A_changed_byte_anywhere_is_an_error_of_one_line_or_harmless()
    {
        var whole = File.ReadAllBytes(Saved(("a", ones(2, 3)), ("b", ones([4], ScalarType.Bool))));
        for (int i = 0; i < whole.Length; i++)
        {
            var changed = (byte[])whole.Clone();
            changed[i] ^= (byte)(1 << i % 8);
            File.WriteAllBytes(FilePath("x"), changed);
            try
            {
                using var scope = NewDisposeScope();
                using var file = SafeTensors.Open(FilePath("x"));
                foreach (var entry in file.Entries)
                    file.Read(entry.Name);
            }
            catch (UserError error)
            {
                Assert.DoesNotContain('\n', error.Message);
            }
        }
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
