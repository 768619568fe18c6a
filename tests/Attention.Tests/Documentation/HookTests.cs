using System.Net;
using System.Text.Json;
using Attention.Engine.Configuration;
using Attention.Engine.Training;
using Attention.Examples;
using Attention.Tests.Engine.Checkpoints;
using Attention.Torch;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Attention.Tests.Documentation;

/// <summary>The hooks of docs/hooks.md, with something at the other end that listens.</summary>
public sealed class HookTests : IDisposable
{
    private readonly TemporaryFolder folder = new();

    public void Dispose() => folder.Dispose();

    /// <summary>One weight, one step an epoch, measured as half right.</summary>
    private sealed class Task : TrainingTask
    {
        private sealed class Nothing : IBatch
        {
            public int Samples => 1;

            public void Dispose()
            {
            }
        }

        private readonly TorchSharp.Modules.Linear model = nn.Linear(1, 1);

        public override nn.Module Model => model;
        public override int BatchesPerEpoch => 50;
        public override string PrimaryMetric => "top1";
        public override IEnumerable<IBatch> Batches(int epoch, int first) => Enumerable.Range(first, BatchesPerEpoch - first).Select(_ => new Nothing());
        public override Tensor Loss(IBatch batch, IDictionary<string, double> metrics) => model.weight.square().sum();
        public override IReadOnlyDictionary<string, double> Evaluate(Action<int, int>? progress, CancellationToken cancellation) => new Dictionary<string, double> { ["top1"] = 0.5 };
    }

    private static void Train(TrainingHook hook, CancellationToken cancellation = default)
    {
        using var task = new Task();
        using var optimizer = new FusedSGD(ParameterGroups.Of(task.Model, 0.1, 0, task.NoWeightDecay));
        new Trainer(task, optimizer, new Schedule(0.1, new ConstantConfig(), 2, 50), new TrainerOptions { Epochs = 2 }, [hook]).Run(cancellation);
    }

    [Fact]
    public void A_run_that_learns_nothing_is_given_up()
    {
        using var stop = new CancellationTokenSource();
        Assert.Throws<OperationCanceledException>(() => Train(new GiveUp(0.6, stop), stop.Token));
        using var other = new CancellationTokenSource();
        Train(new GiveUp(0.4, other), other.Token);
    }

    [Fact]
    public async System.Threading.Tasks.Task MLflow_gets_the_measurements_in_order()
    {
        using var server = new HttpListener();
        int port = Random.Shared.Next(20000, 60000);
        server.Prefixes.Add($"http://127.0.0.1:{port}/");
        server.Start();
        var requests = new List<(string Path, JsonElement Body)>();
        var listening = System.Threading.Tasks.Task.Run(() =>
        {
            while (requests.Count < 4)
            {
                var context = server.GetContext();
                requests.Add((context.Request.Url!.AbsolutePath, JsonDocument.Parse(context.Request.InputStream).RootElement));
                context.Response.ContentType = "application/json";
                using (context.Response.OutputStream)
                    context.Response.OutputStream.Write("""{"run": {"info": {"run_id": "r1"}}}"""u8);
            }
        });
        Train(new MlflowHook(new Uri($"http://127.0.0.1:{port}/"), "7"));
        await listening.WaitAsync(TimeSpan.FromSeconds(30));
        Assert.Equal(["create", "log-batch", "log-batch", "update"], requests.Select(request => request.Path.Split('/')[^1]));
        Assert.Equal("7", requests[0].Body.GetProperty("experiment_id").GetString());
        var metric = requests[2].Body.GetProperty("metrics")[0];
        Assert.Equal(("val/top1", 0.5, 100), (metric.GetProperty("key").GetString(), metric.GetProperty("value").GetDouble(), metric.GetProperty("step").GetInt32()));
        Assert.Equal("FINISHED", requests[3].Body.GetProperty("status").GetString());
    }

    [SkippableFact]
    public void Weights_and_Biases_gets_rows_by_its_client()
    {
        CheckpointFiles.RunPython("-c", "pass");
        folder.Write("wandb.py", """
            import os
            class Run:
                def __init__(self, project, config): self.lines = [f"{project} {config['train.epochs']}"]
                def log(self, metrics, step): self.lines.append(f"{step} {sorted(metrics)}")
                def finish(self): open(os.path.join(os.path.dirname(__file__), "rows.txt"), "w").write("\n".join(self.lines))
            def init(project, config): return Run(project, config)
            """);
        var before = Environment.GetEnvironmentVariable("PYTHONPATH");
        Environment.SetEnvironmentVariable("PYTHONPATH", folder.Path);
        try
        {
            Train(new WandbHook(ConfigLoader.Of(new ExperimentConfig { name = "mine", model = "vit_tiny_patch16_224", data = new ShapesConfig { path = "x" } })));
        }
        finally
        {
            Environment.SetEnvironmentVariable("PYTHONPATH", before);
        }
        Assert.Equal(["mine 100", "50 ['lr', 'train/loss']", "50 ['val/top1']", "100 ['lr', 'train/loss']", "100 ['val/top1']"], File.ReadAllLines(folder.File("rows.txt")));
    }
}
