using Attention.Engine.Checkpoints;
using Attention.Engine.Evaluation;

namespace Attention.Examples;

/// <summary>docs/export.md.</summary>
internal static class Export
{
    public static void Run()
    {
        string run = TrainMyData.Latest;
        using var classifier = ImageClassifier.Open(new ClassifierOptions { Model = run });
        classifier.Export("flowers-timm");                   // a folder that timm.create_model("local-dir:flowers-timm") loads
        classifier.Export("flowers.pth");                    // torch.load("flowers.pth", weights_only=True)
        classifier.Export("flowers.safetensors");            // safetensors.torch.load_file("flowers.safetensors")

        var weights = classifier.Model.state_dict();         // any tensors by name
        SafeTensors.WriteFolder("out", weights);             // model.safetensors, in shards where it is large
        PyTorchFile.Write("out/model.pth", weights);
        Console.WriteLine($"{weights.Count} tensors in {string.Join(", ", Directory.GetFiles("out"))}");
    }
}
