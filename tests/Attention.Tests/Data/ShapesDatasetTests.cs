using Attention.Data;
using Attention.Data.Samples;
using Attention.Torch;
using Xunit;

namespace Attention.Tests.Data;

public class ShapesDatasetTests : IDisposable
{
    private static readonly ShapesOptions Few = new() { TrainPerClass = 3, ValPerClass = 2 };
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void The_same_seed_gives_the_same_bytes()
    {
        var first = Contents(ShapesDataset.Ensure(_folder.File("a"), Few));
        var second = Contents(ShapesDataset.Ensure(_folder.File("b"), Few));
        Assert.Equal(10 * 5 + 1, first.Count);
        Assert.Equal(first, second);
        var other = Contents(ShapesDataset.Ensure(_folder.File("c"), Few with { Seed = 1 }));
        Assert.DoesNotContain(first.Where(f => f.Key.EndsWith(".jpg")), f => other[f.Key] == f.Value);
    }

    [Fact]
    public void Images_lie_in_class_folders()
    {
        string root = ShapesDataset.Ensure(_folder.File("shapes"), Few with { Size = 48 });
        Assert.Equal(_folder.File("shapes"), root);
        var train = new ImageFolder(Path.Combine(root, "train"));
        var held = new ImageFolder(Path.Combine(root, "val"), train.ClassNames);
        Assert.Equal((30, 20), (train.Count, held.Count));
        Assert.Equal(ShapesDataset.Classes, train.ClassNames);
        Assert.Equal(ShapesDataset.Classes.Order(StringComparer.Ordinal), ShapesDataset.Classes);
        Assert.Equal(48, train.Load(0, new ImageScratch(), ImageNeed.All).Width);
    }

    [Fact]
    public void A_second_call_writes_nothing()
    {
        string root = ShapesDataset.Ensure(_folder.File("shapes"), Few);
        string file = Path.Combine(root, "train", "ring", "00000.jpg");
        File.WriteAllText(file, "changed");
        int reports = 0;
        Assert.Equal(root, ShapesDataset.Ensure(root, Few, new Counter(() => reports++)));
        Assert.Equal(0, reports);
        Assert.Equal("changed", File.ReadAllText(file));
    }

    [Fact]
    public void Other_options_go_to_a_new_place_and_nothing_is_lost()
    {
        string root = ShapesDataset.Ensure(_folder.File("shapes"), Few);
        string other = ShapesDataset.Ensure(root, Few with { Seed = 9 });
        Assert.NotEqual(root, other);
        Assert.StartsWith(root + "-", other);
        Assert.Equal(other, ShapesDataset.Ensure(root, Few with { Seed = 9 }));
        Assert.Equal(root, ShapesDataset.Ensure(root, Few));

        _folder.Write("mine/thesis.txt", "mine");
        Assert.StartsWith(_folder.File("mine-"), ShapesDataset.Ensure(_folder.File("mine"), Few));
        Assert.Equal(["thesis.txt"], Directory.GetFileSystemEntries(_folder.File("mine")).Select(Path.GetFileName));
    }

    [Fact]
    public void An_interrupted_start_leaves_nothing_half_done()
    {
        using var cancel = new CancellationTokenSource();
        var stop = new Counter(() => cancel.Cancel());
        Assert.ThrowsAny<OperationCanceledException>(() => ShapesDataset.Ensure(_folder.File("shapes"), Few, stop, cancel.Token));
        Assert.False(Directory.Exists(_folder.File("shapes")));
        _folder.Write("shapes.partial/train/ring/stale.jpg", "");
        string root = ShapesDataset.Ensure(_folder.File("shapes"), Few);
        Assert.Equal(51, Contents(root).Count);
        Assert.False(Directory.Exists(_folder.File("shapes.partial")));
    }

    [Fact]
    public void Two_starts_at_once_make_it_once()
    {
        var roots = new string[4];
        var threads = roots.Select((_, i) => new Thread(() => roots[i] = ShapesDataset.Ensure(_folder.File("shapes"), Few))).ToList();
        threads.ForEach(thread => thread.Start());
        threads.ForEach(thread => thread.Join());
        Assert.All(roots, root => Assert.Equal(_folder.File("shapes"), root));
        Assert.Equal(51, Contents(_folder.File("shapes")).Count);
    }

    [Fact]
    public void A_linear_classifier_on_pixels_does_not_solve_it()
    {
        // Ridge regression onto one-hot labels in closed form, on the lightness of 16 x 16 blocks: all the pixels overfit more.
        var (x, labels) = Averages("train", 300);
        var (held, heldLabels) = Averages("val", 50);
        double accuracy = Accuracy(Ridge.Fit(x, labels, 10, ridge: 30), held, heldLabels);
        Assert.InRange(accuracy, 0.15, 0.60);
    }

    private static double Accuracy(float[][] weights, float[][] x, int[] labels)
    {
        int right = 0;
        for (int i = 0; i < x.Length; i++)
        {
            var scores = weights.Select(w => w.Zip(x[i], (a, b) => a * b).Sum()).ToArray();
            if (Array.IndexOf(scores, scores.Max()) == labels[i])
                right++;
        }
        return (double)right / x.Length;
    }

    /// <summary>The lightness of 16 x 16 blocks in [-0.5, 0.5], and a constant.</summary>
    private static (float[][] X, int[] Labels) Averages(string split, int perClass)
    {
        var x = new float[10 * perClass][];
        Parallel.For(0, x.Length, i =>
        {
            var image = ShapesDataset.Render(i / perClass, split, i % perClass, new ShapesOptions());
            var sums = new float[16 * 16 + 1];
            for (int y = 0; y < 64; y++)
                for (int column = 0; column < 64; column++)
                {
                    var rgb = image[column, y];
                    sums[y / 4 * 16 + column / 4] += ((0.299f * rgb[0] + 0.587f * rgb[1] + 0.114f * rgb[2]) / 255 - 0.5f) / 16;
                }
            sums[^1] = 1;
            x[i] = sums;
        });
        return (x, [.. Enumerable.Range(0, x.Length).Select(i => i / perClass)]);
    }

    private static SortedDictionary<string, string> Contents(string root) => new(
        Directory.GetFiles(root, "*", SearchOption.AllDirectories).ToDictionary(
            file => Path.GetRelativePath(root, file),
            file => Path.GetExtension(file) == ".jpg" ? Convert.ToHexString(System.Security.Cryptography.SHA256.HashData(File.ReadAllBytes(file))) : ""));

    private sealed class Counter(Action count) : IProgress<(int Done, int Total)>
    {
        public void Report((int Done, int Total) value)
        {
            lock (this)
                count();
        }
    }
}
