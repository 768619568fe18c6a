using System.Diagnostics;
using System.Net.Http.Json;
using System.Text.Json;
using Attention.Engine.Configuration;
using Attention.Engine.Reporting;
using Attention.Engine.Training;

namespace Attention.Examples;

/// <summary>Stops a run that has learnt nothing after its first epoch.</summary>
public sealed class GiveUp(double least, CancellationTokenSource stop) : TrainingHook
{
    public override void OnEpoch(Trainer trainer, EpochResult result)
    {
        if (result.Epoch == 0 && result.Evaluation["top1"] < least)
            stop.Cancel();
    }

    public static void Use()
    {
        using var stop = new CancellationTokenSource();
        var config = ExperimentConfig.Load("flowers.yaml", "name=flowers_hook", "train.epochs=1");
        Experiment.Train(config, new TextReporter(Console.Out), stop.Token, new GiveUp(0.01, stop));
    }
}

/// <summary>Sends metrics to Weights and Biases by its Python client.</summary>
public sealed class WandbHook(Config<ExperimentConfig> config) : TrainingHook
{
    private const string Client = """
        import json, sys, wandb
        run = wandb.init(project=sys.argv[1], config=json.loads(sys.argv[2]))
        for line in sys.stdin:
            row = json.loads(line)
            run.log(row["metrics"], step=row["step"])
        run.finish()
        """;

    private Process? client;

    public override void OnStart(Trainer trainer)
    {
        var values = config.Flatten().ToDictionary(value => value.Key, value => value.Value);
        client = Process.Start(new ProcessStartInfo("python3", ["-c", Client, config.Value.name, JsonSerializer.Serialize(values)])
        {
            RedirectStandardInput = true,
        })!;
    }

    public override void OnStep(Trainer trainer, StepResult result)
    {
        if (trainer.State.Step % 50 == 0)
            Send(trainer.State.Step, new() { ["train/loss"] = result.Loss, ["lr"] = result.LearningRate });
    }

    public override void OnEpoch(Trainer trainer, EpochResult result) =>
        Send(trainer.State.Step, result.Evaluation.ToDictionary(metric => $"val/{metric.Key}", metric => metric.Value));

    public override void OnEnd(Trainer trainer, Exception? failure)
    {
        client?.StandardInput.Close();
        client?.WaitForExit();
    }

    private void Send(long step, Dictionary<string, double> metrics) =>
        client?.StandardInput.WriteLine(JsonSerializer.Serialize(new { step, metrics }));
}

/// <summary>Sends metrics to an MLflow server.</summary>
public sealed class MlflowHook(Uri server, string experimentId) : TrainingHook
{
    private readonly HttpClient http = new() { BaseAddress = server };
    private string run = "";
    private Task sent = Task.CompletedTask;

    public override void OnStart(Trainer trainer)
    {
        var body = new { experiment_id = experimentId, start_time = DateTimeOffset.UtcNow.ToUnixTimeMilliseconds() };
        using var answer = http.PostAsJsonAsync("api/2.0/mlflow/runs/create", body).Result;
        run = answer.Content.ReadFromJsonAsync<JsonElement>().Result.GetProperty("run").GetProperty("info").GetProperty("run_id").GetString()!;
    }

    public override void OnEpoch(Trainer trainer, EpochResult result)
    {
        var (step, now) = (trainer.State.Step, DateTimeOffset.UtcNow.ToUnixTimeMilliseconds());
        var metrics = result.Evaluation.Select(metric => new { key = $"val/{metric.Key}", value = metric.Value, timestamp = now, step }).ToArray();
        Send("api/2.0/mlflow/runs/log-batch", new { run_id = run, metrics });
    }

    public override void OnEnd(Trainer trainer, Exception? failure)
    {
        Send("api/2.0/mlflow/runs/update", new { run_id = run, status = failure is null ? "FINISHED" : "FAILED" });
        sent.Wait();
        http.Dispose();
    }

    private void Send(string path, object body) => sent = sent.ContinueWith(_ => http.PostAsJsonAsync(path, body)).Unwrap();
}
