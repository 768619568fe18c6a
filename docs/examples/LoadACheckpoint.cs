using Attention.Engine;
using Attention.Engine.Checkpoints;
using Attention.Engine.Configuration;
using Attention.Models;
using Attention.Models.Vision;
using TorchSharp;
using static TorchSharp.torch;

namespace Attention.Examples;

/// <summary>docs/checkpoints.md.</summary>
internal static class LoadACheckpoint
{
    public static void Run()
    {
        using var all = NewDisposeScope();
        using (var source = ModelRegistry.Create("resnet18"))
            SafeTensors.WriteFolder("weights", source.state_dict());
        Whole();
        Tensors();
        Other();
    }

    private static void Whole()
    {
        using var model = ModelRegistry.Create("resnet18");
        LoadReport report = WeightLoader.Load(model, "weights/model.safetensors");     // LoadError names what does not fit
        foreach (var line in report.Describe())
            Console.WriteLine(line);
    }

    private static void Tensors()
    {
        using var target = zeros(1000, 512);
        using var file = CheckpointReader.Open("weights/model.safetensors");
        foreach (var entry in file.Entries.Take(3))
            Console.WriteLine($"{entry.Name} {entry.TypeName} ({string.Join(", ", entry.Shape)})");
        using var weight = file.Read("fc.weight");                                     // views the mapped file, copies nothing
        file.CopyTo("fc.weight", target);                                              // straight from the file into a tensor
    }

    private static void Other()
    {
        // Ten classes in place of a thousand, and one channel in place of three.
        using var model = (ImageModel)ModelRegistry.Create<ResNetConfig>("resnet18", config => config with { num_classes = 10, in_chans = 1 });
        foreach (var line in WeightLoader.Load(model, "weights/model.safetensors").Describe())
            Console.WriteLine(line);

        // The same from a config's sections; what the checkpoint replaces gets no random values first.
        var (same, _) = ModelBuilder.Build(new NamedPart("resnet18", ("num_classes", 10)), new InitConfig { checkpoint = "weights/model.safetensors" });
        same.Dispose();
    }
}
