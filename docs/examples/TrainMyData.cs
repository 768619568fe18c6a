using System.Globalization;
using Attention.Data;
using Attention.Engine.Configuration;
using Attention.Engine.Evaluation;
using Attention.Engine.Reporting;
using Attention.Engine.Training;

namespace Attention.Examples;

/// <summary>docs/train-my-data.md.</summary>
internal static class TrainMyData
{
    public static void Train()
    {
        var config = ExperimentConfig.Load("flowers.yaml", "optimizer.lr=2e-3", "schedule.warmup_epochs=1");
        using var reporter = new TextReporter(Console.Out);
        var result = Experiment.Train(config, reporter, CancellationToken.None);
        Console.WriteLine($"{result.Summary.best["top1"]:P1}, see {result.Run.ReportFile}");

        using var classifier = ImageClassifier.Open(new ClassifierOptions { Model = result.Run.Location });
        foreach (var guess in classifier.Predict(new UnlabelledImages("data/flowers/val"), top: 1).Take(3))
            Console.WriteLine($"{guess.File}: {classifier.ClassNames![guess.Classes[0]]} ({guess.Probabilities[0]:P1})");
        Latest = result.Run.Location;
    }

    public static void Tune()
    {
        var config = ConfigLoader.Of(new ExperimentConfig
        {
            name = "flowers_lora",
            model = new NamedPart("vit_tiny_patch16_224", ("img_size", 32), ("patch_size", 4), ("embed_dim", 48), ("depth", 3), ("num_heads", 3), ("num_classes", 10)),
            init = new InitConfig { checkpoint = Path.Combine(Latest, "checkpoints", "best") },
            data = new ImageFolderConfig { path = "data/flowers", image_size = 32, workers = 1 },
            train = new TrainConfig { epochs = 1, batch_size = 20 },
            optimizer = new AdamWConfig { lr = 1e-3 },
            schedule = new CosineConfig { warmup_epochs = 0 },
            lora = new LoraConfig { rank = 4, targets = ["*.qkv", "*.proj"] },
        });
        var result = Experiment.Train(config, new TextReporter(Console.Out), CancellationToken.None);
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{result.Summary.best["top1"]:P1}"));
    }

    /// <summary>The run that the other examples go on from.</summary>
    public static string Latest { get; private set; } = "";
}
