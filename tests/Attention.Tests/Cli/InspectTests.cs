using System.Text.Json;
using Attention.Cli;
using Attention.Engine.Checkpoints;
using Attention.Tests.Engine.Checkpoints;
using TorchSharp;
using static TorchSharp.torch;

namespace Attention.Tests.Cli;

public sealed class InspectTests : IDisposable
{
    private readonly TemporaryFolder folder = new();

    public void Dispose() => folder.Dispose();

    private static (int Code, string Output) Inspect(params string[] arguments)
    {
        var output = new StringWriter();
        int code = CommandLine.Run(["inspect", .. arguments], output, output);
        return (code, output.ToString());
    }

    [Fact]
    public void Tensors_are_listed_with_a_summary()
    {
        using var scope = NewDisposeScope();
        SafeTensors.WriteFolder(folder.Path, new Dictionary<string, Tensor> { ["head.weight"] = rand(2, 3), ["step"] = zeros([1], ScalarType.Int64) });
        folder.Write("config.json", """{"architecture": "vit_tiny_patch16_224"}""");
        var (code, output) = Inspect(folder.Path);
        Assert.Equal(0, code);
        Assert.Matches(@"head\.weight +float32 +\(2, 3\) +6", output);
        Assert.Contains("safetensors: 2 tensors, 7 values, 0.0 MB", output);
        Assert.Contains("architecture: vit_tiny_patch16_224", output);
    }

    [Fact]
    public void Json_holds_the_same()
    {
        var (code, output) = Inspect(CheckpointFiles.Of("types-zip.pth"), "--json");
        Assert.Equal(0, code);
        using var json = JsonDocument.Parse(output);
        var first = json.RootElement[0];
        Assert.Equal(("float32", "(3, 4)", 12), (first.GetProperty("name").GetString(), first.GetProperty("shape").GetString(), first.GetProperty("parameters").GetInt32()));
        Assert.Equal(12, json.RootElement.GetArrayLength());
    }

    [Fact]
    public void The_part_of_a_nested_file_is_told_and_chosen()
    {
        Assert.Contains("part: model_ema", Inspect(CheckpointFiles.Of("nested.pth")).Output);
        Assert.Contains("also in the file: model_ema, optimizer", Inspect(CheckpointFiles.Of("nested.pth"), "--part", "model").Output);
    }

    [Fact]
    public void A_wrong_file_is_an_error_of_the_user()
    {
        var (code, output) = Inspect(folder.File("none.pth"));
        Assert.Equal(2, code);
        Assert.StartsWith("error: there is no checkpoint", output);
    }
}
