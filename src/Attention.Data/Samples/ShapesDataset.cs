using System.Text.Json;
using Attention.Torch;

namespace Attention.Data.Samples;

/// <summary>What <see cref="ShapesDataset"/> renders.</summary>
public sealed record ShapesOptions
{
    /// <summary>Width and height of the images, in pixels.</summary>
    public int Size { get; init; } = 64;

    /// <summary>Training images of each class.</summary>
    public int TrainPerClass { get; init; } = 500;

    /// <summary>Held-out images of each class.</summary>
    public int ValPerClass { get; init; } = 100;

    /// <summary>The same seed gives the same bytes.</summary>
    public long Seed { get; init; }

    /// <summary>JPEG quality, 1 to 100.</summary>
    public int Quality { get; init; } = 90;
}

/// <summary>
/// Rendered images for classification: one shape of ten classes in each, of varied size, angle, place, colour and texture, before
/// a textured ground with clutter, under uneven light and noise. Written as JPEG files in class folders,
/// <c>train/circle/00000.jpg</c> and <c>val/circle/00000.jpg</c>.
/// </summary>
public static class ShapesDataset
{
    // Raise it whenever a change alters the images.
    private const int Version = 2;

    /// <summary>The names of the classes, sorted, which are the names of their folders.</summary>
    public static IReadOnlyList<string> Classes => Outlines.Names;

    /// <summary>Renders the images unless the folder holds them already.</summary>
    /// <param name="folder">Where to. If it holds something else, that is left alone and a new folder is made beside it.</param>
    /// <param name="options">What to render.</param>
    /// <param name="progress">Told the number of images written and of all images.</param>
    /// <param name="cancel">Ends the rendering; a later call starts it again.</param>
    /// <returns>The folder that holds <c>train</c> and <c>val</c>.</returns>
    /// <exception cref="UserError">The folder cannot be written.</exception>
    public static string Ensure(
        string folder, ShapesOptions? options = null, IProgress<(int Done, int Total)>? progress = null, CancellationToken cancel = default)
    {
        var chosen = options ?? new ShapesOptions();
        string recipe = JsonSerializer.Serialize(new { generator = "shapes", version = Version, options = chosen });
        return SampleFolder.Ensure(folder, recipe, partial => Write(partial, chosen, progress, cancel));
    }

    /// <summary>Renders one image, the same as that of <see cref="Ensure"/> before it was compressed.</summary>
    /// <param name="label">Which of <see cref="Classes"/>.</param>
    /// <param name="split">"train" or "val".</param>
    /// <param name="index">Which image of the class.</param>
    /// <param name="options">Its Size and Seed count.</param>
    public static Image Render(int label, string split, int index, ShapesOptions options)
    {
        var random = new SeededRandom(options.Seed, split == "train" ? 0 : 1, label, index);
        return ShapePainter.PaintSingle(Outlines.Names[label], options.Size, ref random);
    }

    private static void Write(string folder, ShapesOptions options, IProgress<(int, int)>? progress, CancellationToken cancel)
    {
        foreach (string name in Outlines.Names)
        {
            Directory.CreateDirectory(Path.Combine(folder, "train", name));
            Directory.CreateDirectory(Path.Combine(folder, "val", name));
        }
        int perClass = options.TrainPerClass + options.ValPerClass, total = perClass * Outlines.Names.Length, done = 0;
        Parallel.For(0, total, new ParallelOptions { CancellationToken = cancel, MaxDegreeOfParallelism = Environment.ProcessorCount }, i =>
        {
            int label = i / perClass, index = i % perClass;
            string split = index < options.TrainPerClass ? "train" : "val";
            if (split == "val")
                index -= options.TrainPerClass;
            var file = ImageCodec.EncodeJpeg(Render(label, split, index, options), options.Quality);
            File.WriteAllBytes(Path.Combine(folder, split, Outlines.Names[label], $"{index:D5}.jpg"), file);
            progress?.Report((Interlocked.Increment(ref done), total));
        });
    }
}
