using Attention.Models;
using Attention.Models.Vision;
using TorchSharp;
using static TorchSharp.torch;

namespace Attention.Examples;

/// <summary>README.md.</summary>
internal static class Readme
{
    public static void Run()
    {
        using var model = (ImageModel)ModelRegistry.Create<VitConfig>("vit_tiny_patch16_224", c => c with { num_classes = 10 });
        using var scope = NewDisposeScope();
        var logits = model.call(randn(8, 3, 224, 224));
        Console.WriteLine($"logits ({string.Join(", ", logits.shape)})");
    }
}
