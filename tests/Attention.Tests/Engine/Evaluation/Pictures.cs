using Attention.Engine;
using Attention.Engine.Checkpoints;
using Attention.Engine.Configuration;
using Attention.Torch;
using TorchSharp;
using static TorchSharp.torch;

namespace Attention.Tests.Engine.Evaluation;

/// <summary>A folder of small pictures in two classes, and a small model's weights.</summary>
internal sealed class Pictures : IDisposable
{
    private static readonly string[] fields = ["img_size=32", "patch_size=8", "embed_dim=24", "depth=2", "num_heads=2"];

    private readonly TemporaryFolder folder = new();

    /// <param name="perClass">Pictures of each class.</param>
    public Pictures(int perClass = 4)
    {
        foreach (var (name, colour) in ((string, byte)[])[("dark", 40), ("light", 200)])
            for (int i = 0; i < perClass; i++)
            {
                var image = new Image(48, 40);
                for (int j = 0; j < image.Pixels.Length; j++)
                    image.Pixels[j] = (byte)(colour + (j * 7 + i * 13) % 30);
                Directory.CreateDirectory(Path.Combine(Images, name));
                File.WriteAllBytes(Path.Combine(Images, name, $"{i}.png"), ImageCodec.EncodePng(image));
            }
        using var scope = NewDisposeScope();
        manual_seed(3);
        using var model = ModelBuilder.Build(new NamedPart("vit_tiny_patch16_224", ("img_size", 32), ("patch_size", 8), ("embed_dim", 24), ("depth", 2), ("num_heads", 2), ("num_classes", 2)));
        using (no_grad())
            foreach (var parameter in model.parameters())
                nn.init.normal_(parameter, 0, 0.3);
        PyTorchFile.Write(Weights, model.state_dict());
    }

    public string Images => folder.File("images");
    public string Weights => folder.File("weights.pth");
    public string Place(string name) => folder.File(name);

    /// <summary>The arguments that name the model.</summary>
    public string[] Model => ["vit_tiny_patch16_224", "--checkpoint", Weights, .. fields.SelectMany(each => (string[])["--set", each])];

    public void Dispose() => folder.Dispose();
}
