using System.Globalization;
using System.Text.Json;
using Attention.Torch;

namespace Attention.Data.Samples;

/// <summary>What <see cref="ScenesDataset"/> renders.</summary>
public sealed record ScenesOptions
{
    /// <summary>Width of the images, in pixels.</summary>
    public int Width { get; init; } = 192;

    /// <summary>Height of the images, in pixels.</summary>
    public int Height { get; init; } = 160;

    public int TrainImages { get; init; } = 4000;

    public int ValImages { get; init; } = 500;

    /// <summary>Each scene has one object at least and this many at the most.</summary>
    public int MaxObjects { get; init; } = 6;

    /// <summary>The same seed gives the same bytes.</summary>
    public long Seed { get; init; }

    /// <summary>JPEG quality, 1 to 100.</summary>
    public int Quality { get; init; } = 92;
}

/// <summary>
/// Rendered scenes of several shapes and people, in COCO's layout and formats:
/// <code>
/// train/000000000001.jpg                      the images, and val/ likewise
/// annotations/instances_train.json            COCO instances: the ten shapes and "person"
/// annotations/person_keypoints_train.json     COCO keypoints: the people, with COCO's 17 points
/// segmentation/train/000000000001.png         the category of each pixel, 0 for the ground
/// </code>
/// The two parts have the same kinds of objects, but other patterns and hues of the ground and other debris. As in COCO, masks,
/// areas and boxes are of the visible part of an object. Here they are exact: a pixel belongs to the foremost object that covers
/// at least half of it, polygons run along pixels' borders, the area is the number of pixels, and the segmentation map shows the
/// same pixels. A keypoint that another object hides has visibility 1, one outside of the image 0.
/// </summary>
public static class ScenesDataset
{
    // Raise it whenever a change alters the files.
    private const int Version = 3;

    /// <summary>The names of the categories; ids count from 1.</summary>
    public static IReadOnlyList<string> Categories { get; } = [.. Outlines.Names, "person"];

    /// <summary>Renders the scenes unless the folder holds them already.</summary>
    /// <param name="folder">Where to. If it holds something else, that is left alone and a new folder is made beside it.</param>
    /// <param name="options">What to render.</param>
    /// <param name="progress">Told the number of images written and of all images.</param>
    /// <param name="cancel">Ends the rendering; a later call starts it again.</param>
    /// <returns>The folder that holds the data.</returns>
    /// <exception cref="UserError">The folder cannot be written.</exception>
    public static string Ensure(
        string folder, ScenesOptions? options = null, IProgress<(int Done, int Total)>? progress = null, CancellationToken cancel = default)
    {
        var chosen = options ?? new ScenesOptions();
        string recipe = JsonSerializer.Serialize(new { generator = "scenes", version = Version, options = chosen });
        return SampleFolder.Ensure(folder, recipe, partial => Write(partial, chosen, progress, cancel));
    }

    internal static Scene Render(string split, int index, ScenesOptions options)
    {
        var random = new SeededRandom(options.Seed, split == "train" ? 2 : 3, index);
        return new Scene(options.Width, options.Height, options.MaxObjects, split == "train" ? Clutter.Training : Clutter.HeldOut, ref random);
    }

    private static void Write(string folder, ScenesOptions options, IProgress<(int, int)>? progress, CancellationToken cancel)
    {
        Directory.CreateDirectory(Path.Combine(folder, "annotations"));
        int done = 0, total = options.TrainImages + options.ValImages;
        foreach (var (split, count) in new[] { ("train", options.TrainImages), ("val", options.ValImages) })
        {
            Directory.CreateDirectory(Path.Combine(folder, split));
            Directory.CreateDirectory(Path.Combine(folder, "segmentation", split));
            var records = new SceneRecord[count];
            Parallel.For(0, count, new ParallelOptions { CancellationToken = cancel, MaxDegreeOfParallelism = Environment.ProcessorCount }, i =>
            {
                var scene = Render(split, i, options);
                string name = FileName(i);
                File.WriteAllBytes(Path.Combine(folder, split, name + ".jpg"), ImageCodec.EncodeJpeg(scene.Image, options.Quality));
                byte[] map = [.. scene.Owner.Select(owner => (byte)(owner == 0 ? 0 : scene.Objects[owner - 1].Category))];
                File.WriteAllBytes(Path.Combine(folder, "segmentation", split, name + ".png"), ImageCodec.EncodePng(new LabelMap(scene.Width, scene.Height, map)));
                records[i] = SceneRecord.Of(scene, i + 1, name + ".jpg");
                progress?.Report((Interlocked.Increment(ref done), total));
            });
            CocoFile.WriteInstances(Path.Combine(folder, "annotations", $"instances_{split}.json"), records);
            CocoFile.WriteKeypoints(Path.Combine(folder, "annotations", $"person_keypoints_{split}.json"), records);
        }
    }

    private static string FileName(int index) => (index + 1).ToString("D12", CultureInfo.InvariantCulture);
}
