using Attention.Data.Samples;

namespace Attention.Examples;

/// <summary>
/// Runs every example, in about a minute, on rendered pictures, and leaves what they write in the current folder:
/// <c>cd SOMEWHERE; dotnet run --project .../docs/examples</c>.
/// </summary>
internal static class Program
{
    private static void Main()
    {
        ShapesDataset.Ensure("data/flowers", new ShapesOptions { Size = 32, TrainPerClass = 20, ValPerClass = 5 });
        File.WriteAllText("flowers.yaml", """
            model: {name: vit_tiny_patch16_224, img_size: 32, patch_size: 4, embed_dim: 48, depth: 3, num_heads: 3, num_classes: 10}
            data: {name: image_folder, path: data/flowers, image_size: 32, workers: 1}
            train: {epochs: 2, batch_size: 20}
            """);

        Say("make a model");
        Readme.Run();
        Say("train my own data");
        TrainMyData.Train();
        TrainMyData.Tune();
        Say("write a data set, and a loop over it");
        Checkerboards.Show();
        Checkerboards.Learn();
        Say("write a model");
        MlpMixer.Use();
        Say("write a hook");
        GiveUp.Use();
        Say("load a checkpoint");
        LoadACheckpoint.Run();
        Say("export");
        Export.Run();
        Say("read and draw objects");
        DenseBatches.Run();
        Say("score detections");
        Scoring.Run();
        Say("every command");
        Commands.Run();
    }

    private static void Say(string what) => Console.WriteLine($"\n--- {what}");
}
