using Attention.Data;
using Attention.Engine.Configuration;
using Attention.Engine.Evaluation;
using Attention.Engine.Reporting;
using Attention.Engine.Training;
using Attention.Engine.Training.Hooks;
using Attention.Engine.Training.Losses;
using Attention.Models;
using Attention.Models.Vision;
using Attention.Torch;
using TorchSharp;
using static TorchSharp.torch;

namespace Attention.Examples;

/// <summary>docs/write-a-data-set.md: pictures that are drawn when they are asked for.</summary>
public sealed class Checkerboards(int count) : IImageDataset
{
    public int Count => count;
    public IReadOnlyList<string> ClassNames => ["coarse", "fine"];
    public int LabelOf(int index) => index % 2;
    public string NameOf(int index) => $"checkerboard {index}";

    public Image Load(int index, ImageScratch scratch, NeedOf needOf)
    {
        int cell = LabelOf(index) == 0 ? 16 : 4;
        scratch.Decoded.Reshape(64, 64);
        for (int y = 0; y < 64; y++)
            for (int x = 0; x < 64; x++)
                scratch.Decoded[x, y].Fill((byte)((x / cell + y / cell) % 2 * 255));
        return scratch.Decoded;
    }

    public static void Show()
    {
        using var loader = new DataLoader(new Checkerboards(100), TransformPipeline.Parse("random_resized_crop(32)|hflip|normalize(half)"),
            new LoaderOptions { BatchSize = 32, Shuffle = true, Seed = 1 });
        foreach (var batch in loader.Epoch(0))
            using (batch)
                Console.WriteLine($"{batch.images.shape[0]} images, labels {string.Join(' ', batch.Labels)}");
    }

    public static void Learn()
    {
        var model = (ImageModel)ModelRegistry.Create<VitConfig>("vit_tiny_patch16_224",
            config => config with { img_size = 32, patch_size = 4, embed_dim = 48, depth = 2, num_heads = 3, num_classes = 2 });
        var transforms = TransformPipeline.Parse("random_resized_crop(32, scale=(0.5, 1))|hflip|normalize(half)");
        var train = new DataLoader(new Checkerboards(200), transforms, new LoaderOptions { BatchSize = 20, Shuffle = true, Last = LastBatch.Drop, Workers = 1 });
        var held = new DataLoader(new Checkerboards(40), TransformPipeline.Parse("resize(32)|normalize(half)"), new LoaderOptions { BatchSize = 20, Workers = 1 });

        using var task = new ImageClassification(model, train, held, new CrossEntropyLoss(), CPU, transforms.Normalize);
        using var optimizer = new FusedAdamW(ParameterGroups.Of(model, 1e-3, 0.05, task.NoWeightDecay));
        var schedule = new Schedule(1e-3, new CosineConfig { warmup_epochs = 1 }, epochs: 3, stepsPerEpoch: task.BatchesPerEpoch);
        var trainer = new Trainer(task, optimizer, schedule, new TrainerOptions { Epochs = 3 }, [new ProgressHook(new TextReporter(Console.Out))]);
        trainer.Run(CancellationToken.None);
        Console.WriteLine($"best top-1: {trainer.State.Best:P1}");
    }
}
