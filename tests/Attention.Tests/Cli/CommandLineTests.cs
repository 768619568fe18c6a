using System.Text.Json;
using Attention.Cli;
using Attention.Engine.Runs;
using Attention.Tests.Runs;
using Xunit;

namespace Attention.Tests.Cli;

public class CommandLineTests
{
    private static (int code, string output, string error) Run(params string[] args)
    {
        var (output, error) = (new StringWriter(), new StringWriter());
        var code = CommandLine.Run(args, output, error);
        return (code, output.ToString(), error.ToString());
    }

    [Fact]
    public void Every_command_names_itself_and_shows_help()
    {
        Assert.NotEmpty(CliCommand.All());
        foreach (var command in CliCommand.All())
        {
            var (code, output, error) = Run([.. command.Group, command.Name, "--help"]);
            Assert.Equal((0, ""), (code, error));
            Assert.Contains(command.Description!, output);
            Assert.False(command.Description!.EndsWith('.'), $"the description of '{command.Name}' ends with a full stop");
        }
    }

    [Theory]
    [InlineData("config shwo", "error: unknown command 'shwo'\nhint: did you mean 'show'?\n")]
    [InlineData("config show", "error: required argument 'CONFIG' missing for command: 'show'\nhint: see: attention config show --help\n")]
    [InlineData("config show x.yaml --jsn", "error: unknown option '--jsn'\nhint: did you mean '--json'?\n")]
    [InlineData("config show x.yaml y.yaml", "error: unknown argument 'y.yaml'\nhint: see: attention config show --help\n")]
    [InlineData("runs nowhere", "error: there is no folder 'nowhere'\nhint: train something first, or name the folder of your runs\n")]
    public void A_mistake_of_the_users_is_two_lines_and_code_2(string line, string expected)
    {
        var (code, output, error) = Run(line.Split(' '));
        Assert.Equal((2, "", expected), (code, output, error.ReplaceLineEndings("\n")));
    }

    [Fact]
    public void A_fault_of_ours_is_code_1_and_traced_when_asked()
    {
        var (quiet, loud) = (new StringWriter(), new StringWriter());
        var fault = new InvalidOperationException("first line\nsecond line");
        Assert.Equal(1, new Terminal(TextWriter.Null, quiet, verbose: false).Report(fault));
        Assert.Equal("error: first line (InvalidOperationException)\nhint: run again with --verbose to see where it came from\n", quiet.ToString().ReplaceLineEndings("\n"));
        Assert.Equal(1, new Terminal(TextWriter.Null, loud, verbose: true).Report(fault));
        Assert.Contains("System.InvalidOperationException: first line", loud.ToString());
    }

    [Fact]
    public void A_users_mistake_inside_other_exceptions_is_still_one()
    {
        var error = new StringWriter();
        var wrapped = new System.Reflection.TargetInvocationException(new AggregateException(new UserError("wrong", "mend it")));
        Assert.Equal(2, new Terminal(TextWriter.Null, error, verbose: false).Report(wrapped));
        Assert.Equal("error: wrong\nhint: mend it\n", error.ToString().ReplaceLineEndings("\n"));
        Assert.Equal(130, new Terminal(TextWriter.Null, error, verbose: false).Report(new OperationCanceledException()));
    }

    [Fact]
    public void Config_show_prints_yaml_or_typed_json()
    {
        using var folder = new TemporaryFolder();
        var path = folder.Write("x.yaml", "model: vit_tiny_patch16_224\ndata: {name: shapes, path: x}\n");
        var (code, output, _) = Run("config", "show", path, "--set", "optimizer.lr=1e-4", "--set", "seed=3");
        Assert.Equal(0, code);
        Assert.Contains("\n  lr: 0.0001", output);
        Assert.Contains("# --set optimizer.lr=1e-4\n", output);

        var values = JsonDocument.Parse(Run("config", "show", path, "--json", "--set", "seed=3").output).RootElement.EnumerateArray()
            .ToDictionary(each => each.GetProperty("key").GetString()!);
        Assert.Equal(3, values["seed"].GetProperty("value").GetInt32());
        Assert.Equal("--set seed=3", values["seed"].GetProperty("from").GetString());
        Assert.Equal(0.9, values["optimizer.betas"].GetProperty("value")[0].GetDouble());
        Assert.Equal($"{path}:1", values["model.name"].GetProperty("from").GetString());
        Assert.Equal("default", values["model.num_classes"].GetProperty("from").GetString());
    }

    [Fact]
    public void Config_check_reports_every_mistake_of_every_file()
    {
        using var folder = new TemporaryFolder();
        var good = folder.Write("good.yaml", "model: vit_tiny_patch16_224\ndata: {name: shapes, path: x}\n");
        var bad = folder.Write("bad.yaml", "base: good.yaml\nsed: 1\ntrain: {epochs: 0}\n");
        var (code, output, error) = Run("config", "check", good, bad);
        Assert.Equal(2, code);
        Assert.Equal($"{good}: no mistakes found", output.Trim());
        Assert.Equal($"""
            error: {bad}:2: unknown key 'sed'
            hint: did you mean 'seed'?
            error: {bad}:3: 'train.epochs' is 0, but must be at least 1
            hint: the default is 100

            """.ReplaceLineEndings("\n"), error.ReplaceLineEndings("\n"));

        var misspelt = folder.Write("misspelt.yaml", "base: good.yaml\nmodel:\n  num_clases: 10\n");
        Assert.Equal($"error: {misspelt}:3: unknown key 'num_clases' in 'model' (vit_tiny_patch16_224)\nhint: did you mean 'num_classes'?\n",
            Run("config", "check", misspelt).error.ReplaceLineEndings("\n"));

        // What binds, but does not fit together, is found without data.
        foreach (var (setting, problem) in new[]
        {
            ("data.transforms.train=random_crp(4)", "column 1: there is no transform 'random_crp'"),
            ("model.img_size=32", "data.image_size is 224, model.img_size is 32"),
            ("freeze=[blocs.*]", "freeze: nothing in the model is called 'blocs.*'"),
            ("lora={targets: [x]}", "lora.targets: no linear layer is called x"),
            ("optimizer.no_decay=[x]", "optimizer.no_decay: nothing in the model is called 'x'"),
            ("loss.class_weights=[1]", "loss.class_weights has 1 weights, the model 1000 classes"),
            ("distillation={teacher: {name: resnet18, num_classes: 2}, checkpoint: x}", "the student has 1000 classes, the teacher 2"),
            ("model.num_heads=5", "192"),
        })
        {
            var (failed, _, said) = Run("config", "check", good, "--set", setting);
            Assert.Equal(2, failed);
            Assert.StartsWith($"error: {good}: ", said);
            Assert.Contains(problem, said);
        }

        var problems = JsonDocument.Parse(Run("config", "check", bad, "--json").output).RootElement;
        Assert.Equal(2, problems.GetArrayLength());
        Assert.Equal("did you mean 'seed'?", problems[0].GetProperty("advice").GetString());
        Assert.Equal((0, "[]"), (Run("config", "check", good, "--json").code, Run("config", "check", good, "--json").output.Trim()));
    }

    [Fact]
    public void Runs_are_listed_as_a_table_or_as_json()
    {
        using var folder = new TemporaryFolder();
        var run = RunFolder.Create(folder.Path, "quickstart", "");
        RunFolderTests.Summary.Write(run.SummaryFile);
        var (code, output, _) = Run("runs", folder.Path);
        Assert.Equal(0, code);
        Assert.Contains("best top1", output);
        Assert.Contains("97.0 %", output);

        var row = JsonDocument.Parse(Run("runs", folder.Path, "--json").output).RootElement[0];
        Assert.Equal(run.Location, row.GetProperty("run").GetString());
        Assert.Equal(0.97, row.GetProperty("best_top1").GetDouble());
        Assert.Equal(20, row.GetProperty("epochs").GetInt32());
    }
}
