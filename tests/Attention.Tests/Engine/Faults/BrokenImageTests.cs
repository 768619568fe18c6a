using Attention.Engine.Configuration;
using Attention.Engine.Reporting;
using Attention.Engine.Runs;
using Attention.Engine.Training;
using Attention.Tests.Data;
using Attention.Torch;

namespace Attention.Tests.Engine.Faults;

/// <summary>A run whose data have every fault: it names and counts them, and goes through.</summary>
public sealed class BrokenImageTests : IDisposable
{
    private readonly TemporaryFolder folder = new();

    public void Dispose() => folder.Dispose();

    private void Write(string name, byte[] bytes)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(folder.File(name))!);
        File.WriteAllBytes(folder.File(name), bytes);
    }

    [Fact]
    public void A_run_survives_broken_images_and_its_log_counts_them()
    {
        var image = new Image(24, 24);
        new Random(0).NextBytes(image.Pixels);
        var jpeg = ImageCodec.EncodeJpeg(image);
        foreach (var part in new[] { "train", "val" })
        {
            for (int i = 0; i < 16; i++)
                Write($"{part}/{(i % 2 == 0 ? "cat" : "dog")}/{i}.jpg", jpeg);
            Write($"{part}/cat/truncated.jpg", jpeg[..(jpeg.Length / 2)]);
            Write($"{part}/cat/zero.jpg", []);
            Write($"{part}/dog/bomb.png", Sample.PngHuge);
            Directory.CreateDirectory(folder.File($"{part}/dog/folder.jpg"));
        }
        var config = ConfigLoader.Parse<ExperimentConfig>($$"""
            name: broken
            model: {name: vit_tiny_patch16_224, img_size: 16, patch_size: 8, embed_dim: 16, depth: 1, num_heads: 1, num_classes: 2}
            data: {name: image_folder, path: "{{folder.Path}}", image_size: 16, workers: 2}
            train: {epochs: 2, batch_size: 5}
            output: "{{folder.File("runs")}}"
            """);
        using var said = new StringWriter();
        var result = Experiment.Train(config, new TextReporter(said), CancellationToken.None);

        Assert.Equal("finished", result.Summary.status);
        foreach (var name in new[] { "truncated.jpg", "zero.jpg", "bomb.png", "folder.jpg" })
            foreach (var part in new[] { "train", "val" })
                Assert.Single(said.ToString().Split('\n'), line => line.StartsWith("warning: broken image", StringComparison.Ordinal) && line.Contains(Path.Combine(folder.Path, part)) && line.Contains(name));
        // The training images that were drawn and all that were measured.
        Assert.Equal(8, JsonLog.Read(result.Run.LogFile).Last(row => row.Metrics.ContainsKey("val/top1")).Metrics["broken"]);
    }
}
