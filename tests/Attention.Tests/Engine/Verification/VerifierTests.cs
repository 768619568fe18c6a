using System.Text.Json.Nodes;
using Attention.Cli;
using Attention.Engine.Verification;
using Attention.Tests.Engine.Checkpoints;

namespace Attention.Tests.Engine.Verification;

public sealed class VerifierTests : IDisposable
{
    private static readonly string script = Path.Combine(AppContext.BaseDirectory, "record_reference.py");

    private static string? resnet;

    private readonly TemporaryFolder folder = new();

    public void Dispose() => folder.Dispose();

    private static (int Code, string Output) Verify(params string[] recordings)
    {
        var output = new StringWriter();
        int code = CommandLine.Run(["verify", .. recordings], output, output);
        return (code, output.ToString());
    }

    private string Recorded(string name, string factory, params string[] options)
    {
        CheckpointFiles.RunPython([script, factory, .. options, "--out", folder.File(name)]);
        return folder.File(name);
    }

    /// <summary>torchvision's resnet18, recorded once for all tests.</summary>
    private string ResNet()
    {
        resnet ??= File.ReadAllText(Recorded("x.json", "torchvision.models:resnet18", "--kwargs", """{"num_classes": 5}""", "--input", "2,3,32,48"));
        return folder.Write("x.json", resnet);
    }

    private static void Change(string path, Action<JsonNode> change)
    {
        var recording = JsonNode.Parse(File.ReadAllText(path))!;
        change(recording);
        File.WriteAllText(path, recording.ToJsonString());
    }

    [SkippableFact]
    public void A_model_agrees_with_what_the_script_records_of_the_same()
    {
        var result = Verifier.Run(ResNet());
        Assert.True(result.Agrees, string.Join("\n", result.Problems.Take(10)));
        Assert.Equal("resnet18", result.Model);
        Assert.InRange(result.LargestError, 1e-9, 1e-3);
        var (code, output) = Verify(folder.File("x.json"));
        Assert.Equal(0, code);
        Assert.StartsWith("agrees   resnet18", output);
    }

    [SkippableTheory]
    [InlineData("outputs", "samples", "output differs by")]
    [InlineData("features", "samples", "feature 'conv1' differs by")]
    [InlineData("backward/grads", "samples", "gradient of 'conv1.weight' differs by")]
    [InlineData("state", "shape", "'conv1.weight' is (64, 3, 7, 7), the reference has (65, 3, 7, 7)")]
    [InlineData("state", "name", "missing 'x' (64, 3, 7, 7)")]
    [InlineData("", "parameter_count", "11179077 parameters, the reference has 7")]
    public void Each_difference_is_named(string section, string field, string expected)
    {
        var path = ResNet();
        Change(path, recording =>
        {
            var entry = section.Split('/', StringSplitOptions.RemoveEmptyEntries).Aggregate(recording, (node, key) => node[key]!);
            entry = entry is JsonArray list ? list[0]! : entry;
            switch (field)
            {
                case "samples": entry[field]![0] = entry[field]![0]!.GetValue<double>() + 1; break;
                case "shape": entry[field]![0] = 65; break;
                case "name": entry[field] = "x"; break;
                default: entry[field] = 7; break;
            }
        });
        var (code, output) = Verify(path);
        Assert.Equal(1, code);
        Assert.StartsWith("differs  resnet18", output);
        Assert.Contains(expected, output);
    }

    [SkippableFact]
    public void The_script_names_what_it_cannot_record()
    {
        CheckpointFiles.RunPython("-c", """
            import subprocess, sys
            def error(*arguments):
                done = subprocess.run([sys.executable, sys.argv[1], *arguments, "--out", "/dev/null"], capture_output=True, text=True)
                assert done.returncode != 0 and "Traceback" not in done.stderr, done.stderr
                return done.stderr
            assert "is no factory" in error("torch")
            assert "No module named 'nowhere'" in error("nowhere:Model") and "--path" in error("nowhere:Model")
            assert "no attribute 'Nothing'" in error("torch.nn:Nothing")
            assert "--kwargs is no JSON" in error("torch.nn:Linear", "--kwargs", "{")
            assert "is not [NAME=]SHAPE" in error("torch.nn:Linear", "--input", "2,x")
            assert "no gradient reaches" in error("torch.nn:ReLU", "--input", "2,3")
            """, script);
    }

    [SkippableFact]
    public void The_script_fills_by_the_formula_and_names_shared_and_frozen_tensors()
    {
        folder.Write("model.py", """
            import torch
            class Tied(torch.nn.Module):
                def __init__(self, width):
                    super().__init__()
                    self.embed = torch.nn.Embedding(7, width)
                    self.head = torch.nn.Linear(width, 7)
                    self.head.weight = self.embed.weight
                    self.frozen = torch.nn.Parameter(torch.ones(width), requires_grad=False)
                    self.register_buffer("table", torch.arange(4))
                    self.register_buffer("mask", torch.ones(2), persistent=False)
                def forward(self, tokens):
                    return {"logits": self.head(self.embed(tokens) * self.frozen), "best": tokens}
            """);
        var path = Recorded("tied.json", "model:Tied", "--path", folder.Path, "--kwargs", """{"width": 3}""", "--input", "tokens=2,5:7");
        var recording = Recording.Load(path);
        Assert.Equal((7 * 3 + 7 + 3L, 1), (recording.parameter_count, recording.outputs.Count));
        Assert.Equal("output.logits", recording.outputs[0].name);
        Assert.Equal([2, 5, 7], recording.outputs[0].shape);
        Assert.Equal(("tokens", "int", 7L), (recording.inputs[0].name, recording.inputs[0].kind, recording.inputs[0].high));
        var state = recording.state.ToDictionary(entry => entry.name);
        Assert.Equal("embed.weight", state["head.weight"].alias_of);
        Assert.False(state["frozen"].requires_grad);
        Assert.Equal("computed", state["table"].fill);
        Assert.DoesNotContain("mask", state.Keys);
        Assert.Equal(["embed.weight", "head.bias"], recording.backward!.grads.Select(gradient => gradient.name));

        // The same by hand.
        using var scope = TorchSharp.torch.NewDisposeScope();
        var weight = FormulaFill.Parameter("embed.weight", [7, 3], "weight", 1);
        var tokens = FormulaFill.IntegerInput("tokens", [2, 5], 7);
        var logits = (weight[tokens] * FormulaFill.Parameter("frozen", [3], "shift", 1)).matmul(weight.t()) + FormulaFill.Parameter("head.bias", [7], "shift", 1);
        foreach (var (index, sample) in recording.outputs[0].indices.Zip(recording.outputs[0].samples))
            Assert.Equal(sample, logits.contiguous().view(-1)[index].item<float>(), 5);
    }

    [Fact]
    public void What_cannot_be_compared_is_skipped_in_one_line_and_the_others_go_on()
    {
        folder.Write("a.json", "{");
        folder.Write("b.json", """{"cases": []}""");
        folder.Write("c.json", """{"inputs": [], "state": [], "outputs": []}""");
        folder.Write("no_such_net.json", """
            {"factory": "mods:no_such_net", "inputs": [{"name": "input", "shape": [1]}],
             "state": [{"name": "w", "shape": [1], "kind": "param", "fill": "shift"}],
             "outputs": [{"name": "output", "shape": [1], "l2": 1, "max_abs": 1, "indices": [0], "samples": [0]}]}
            """);
        var (code, output) = Verify(folder.Path, folder.File("none.json"));
        Assert.Equal(2, code);
        var lines = output.Split('\n', StringSplitOptions.RemoveEmptyEntries);
        Assert.Equal(5, lines.Length);
        Assert.All(lines, line => Assert.StartsWith("skipped  ", line));
        Assert.Contains("is no recording of a model", lines[0]);
        Assert.Contains("it lacks 'inputs', 'state', 'outputs'", lines[1]);
        Assert.Contains("records no whole model", lines[2]);
        Assert.Contains("no model 'no_such_net' in the registry", lines[3]);
        Assert.Contains("there is no recording", lines[4]);
    }
}
