using Attention.Data;
using Attention.Data.Samples;
using Attention.Torch;

namespace Attention.Examples;

/// <summary>docs/data.md: objects in batches, and drawn into a picture.</summary>
internal static class DenseBatches
{
    public static void Run()
    {
        string folder = ScenesDataset.Ensure("data/scenes", new ScenesOptions { TrainImages = 2, ValImages = 4 });

        var coco = new CocoObjects(new Coco(Path.Combine(folder, "val"), Path.Combine(folder, "annotations", "instances_val.json")));
        using var loader = new DenseLoader(coco, DensePipeline.Parse("hflip|resize(320)"), new DenseLoaderOptions { BatchSize = 4, Shuffle = true });
        foreach (var each in loader.Epoch(0))
        {
            using var batch = each;
            Console.WriteLine($"{batch.images.shape[2]} x {batch.images.shape[3]}: {batch.Samples.Sum(sample => sample.Objects.Count)} objects");
        }

        var image = coco.Load(0, new ImageScratch(), ImageNeed.All);
        var known = coco.AnnotationsOf(0, image.Height, image.Width).Objects;
        DetectionPainter.Draw(image, [.. known.Select(one => DrawnObject.Of(one, coco.ClassNames[one.Label]))]);
        File.WriteAllBytes("drawn.png", ImageCodec.EncodePng(image));
    }
}
