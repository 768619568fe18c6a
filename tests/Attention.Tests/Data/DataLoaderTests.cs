using Attention.Data;
using Attention.Torch;
using Xunit;

namespace Attention.Tests.Data;

public class DataLoaderTests
{
    [Fact]
    public void Batches_do_not_depend_on_the_number_of_workers()
    {
        var reference = Run(new Numbered(103), new LoaderOptions { BatchSize = 10, Shuffle = true, Seed = 5, Workers = 1 });
        Assert.Equal(11, reference.Count);
        Assert.Equal(3, reference[^1].Indices.Length);
        foreach (int workers in new[] { 0, 3, 7 })
        {
            var other = Run(new Numbered(103), new LoaderOptions { BatchSize = 10, Shuffle = true, Seed = 5, Workers = workers, Prefetch = 2 });
            Assert.Equal(reference.Select(b => b.Indices), other.Select(b => b.Indices));
            Assert.Equal(reference.Select(b => b.Pixels), other.Select(b => b.Pixels));
        }
    }

    [Fact]
    public void Every_image_comes_once_in_an_order_of_the_epoch_and_the_seed()
    {
        var options = new LoaderOptions { BatchSize = 8, Shuffle = true, Seed = 1, Workers = 2 };
        int[] Order(LoaderOptions o, int epoch) => [.. Run(new Numbered(50), o, epoch).SelectMany(b => b.Indices)];
        int[] first = Order(options, 0);
        Assert.Equal(Enumerable.Range(0, 50), first.Order());
        Assert.Equal(first, Order(options, 0));
        Assert.NotEqual(first, Order(options, 1));
        Assert.NotEqual(first, Order(options with { Seed = 2 }, 0));
        Assert.Equal(Enumerable.Range(0, 50), Order(options with { Shuffle = false }, 3));
    }

    [Fact]
    public void Augmentation_changes_with_the_epoch_and_not_with_the_place_in_it()
    {
        var options = new LoaderOptions { BatchSize = 4, Workers = 1 };
        var sorted = Run(new Numbered(12), options, 0, "pad_crop(4, 2)");
        var shuffled = Run(new Numbered(12), options with { Shuffle = true }, 0, "pad_crop(4, 2)");
        var later = Run(new Numbered(12), options, 1, "pad_crop(4, 2)");
        float[] Of(List<Seen> batches, int index)
        {
            var batch = batches.Single(b => b.Indices.Contains(index));
            return [.. batch.Pixels.Skip(Array.IndexOf(batch.Indices, index) * 48).Take(48)];
        }
        Assert.All(Enumerable.Range(0, 12), i => Assert.Equal(Of(sorted, i), Of(shuffled, i)));
        Assert.Contains(Enumerable.Range(0, 12), i => !Of(sorted, i).SequenceEqual(Of(later, i)));
    }

    [Fact]
    public void An_epoch_can_start_in_its_middle_and_drop_its_rest()
    {
        var options = new LoaderOptions { BatchSize = 8, Shuffle = true, Last = LastBatch.Drop, Workers = 2 };
        var loader = new DataLoader(new Numbered(50), TransformPipeline.Parse(""), options);
        Assert.Equal(6, loader.StepsPerEpoch);
        var whole = Collect(loader.Epoch(2));
        var rest = Collect(loader.Epoch(2, firstBatch: 4));
        Assert.Equal(whole.Skip(4).Select(b => b.Indices), rest.Select(b => b.Indices));
        Assert.Equal(whole.Skip(4).Select(b => b.Pixels), rest.Select(b => b.Pixels));
    }

    [Fact]
    public void Values_are_normalised_planes_and_labels_follow()
    {
        var batch = Run(new Numbered(6), new LoaderOptions { BatchSize = 6 }, 0, "normalize(unit)").Single();
        for (int i = 0; i < 6; i++)
        {
            Assert.Equal(i / 255f, batch.Pixels[i * 48], 1e-6f);
            Assert.Equal((100 + i) / 255f, batch.Pixels[i * 48 + 16], 1e-6f);
            Assert.Equal(i % 3, batch.Labels[i]);
        }
    }

    [Fact]
    public void Tensors_hold_the_batch()
    {
        var loader = new DataLoader(new Numbered(3), TransformPipeline.Parse("normalize(unit)"), new LoaderOptions { BatchSize = 3 });
        using var batch = loader.Epoch(0).Single();
        Assert.Equal([3, 3, 4, 4], batch.images.shape);
        Assert.Equal(batch.Pixels.ToArray(), batch.images.data<float>().ToArray());
        Assert.Equal([0, 1, 2], batch.labels.data<long>().ToArray());
    }

    [Fact]
    public void Broken_images_are_replaced_named_once_and_counted()
    {
        var named = new List<string>();
        var loader = new DataLoader(
            new Numbered(40, broken: [3, 4, 39]), TransformPipeline.Parse(""), new LoaderOptions { BatchSize = 10, Workers = 3 }, named.Add);
        for (int epoch = 0; epoch < 2; epoch++)
        {
            int[] taken = [.. Collect(loader.Epoch(epoch)).SelectMany(b => b.Indices)];
            Assert.Equal(40, taken.Length);
            Assert.Equal([5, 5, 5], taken[3..6]);
            Assert.Equal(0, taken[39]);
        }
        Assert.Equal(3, loader.BrokenCount);
        Assert.Equal(["broken image 3: it is broken", "broken image 4: it is broken", "broken image 39: it is broken"], named);
    }

    [Fact]
    public void Broken_images_are_left_out_of_evaluation()
    {
        var options = new LoaderOptions { BatchSize = 4, Workers = 2, Broken = BrokenImages.Skip };
        var batches = Run(new Numbered(12, broken: [1, 4, 5, 6, 7, 11]), options, 0, "");
        Assert.Equal([[0, 2, 3], [8, 9, 10]], batches.Select(b => b.Indices));
        Assert.Equal([8 % 3, 9 % 3, 10 % 3], batches[1].Labels);
        Assert.All(batches, b => Assert.All(b.Indices.Select((index, i) => (index, i)), p => Assert.Equal(Value(p.index), b.Pixels[p.i * 48], 1e-6f)));
    }

    [Fact]
    public void Many_broken_images_do_not_flood_the_log()
    {
        var named = new List<string>();
        var loader = new DataLoader(
            new Numbered(100, broken: [.. Enumerable.Range(0, 90)]), TransformPipeline.Parse(""), new LoaderOptions { Workers = 2 }, named.Add);
        Collect(loader.Epoch(0));
        Assert.Equal(90, loader.BrokenCount);
        Assert.InRange(named.Count, 1, 25);
    }

    [Fact]
    public void Only_broken_images_end_in_an_error()
    {
        var loader = new DataLoader(new Numbered(5, broken: [0, 1, 2, 3, 4]), TransformPipeline.Parse(""), new LoaderOptions());
        Assert.Contains("not one of 5 images", Assert.Throws<UserError>(() => Collect(loader.Epoch(0))).Message);
    }

    [Theory]
    [InlineData(BrokenImages.Replace)]
    [InlineData(BrokenImages.Skip)]
    public void Too_many_broken_images_end_the_run(BrokenImages policy)
    {
        var loader = new DataLoader(new Numbered(5000, broken: [.. Enumerable.Range(20, 4000)]), TransformPipeline.Parse("center_crop(4)"),
            new LoaderOptions { BatchSize = 8, Workers = 2, Broken = policy, MaxBroken = 50 });
        var error = Assert.Throws<UserError>(() => Collect(loader.Epoch(0)));
        Assert.StartsWith("51 of 5000 images are broken, more than the limit of 50; 70: ", error.Message);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    public void Cancellation_ends_the_waiting_and_the_workers(int workers)
    {
        using var stop = new CancellationTokenSource();
        using var gate = new ManualResetEventSlim();
        var images = new Numbered(1000) { OnLoad = index => { if (index >= 16) gate.Wait(); } };
        var loader = new DataLoader(images, TransformPipeline.Parse("center_crop(4)"), new LoaderOptions { BatchSize = 8, Workers = workers });
        using var batches = loader.Epoch(0, cancellation: stop.Token).GetEnumerator();
        Assert.True(batches.MoveNext());
        Assert.True(batches.MoveNext());
        using var timer = new Timer(_ => { stop.Cancel(); gate.Set(); }, null, 20, Timeout.Infinite);
        Assert.Throws<OperationCanceledException>(() => { while (batches.MoveNext()) { } });
        int loaded = images.Loaded;
        Thread.Sleep(30);
        Assert.Equal(loaded, images.Loaded);
    }

    [Fact]
    public void Faults_of_a_data_set_reach_the_consumer()
    {
        var images = new Numbered(100) { OnLoad = index => { if (index == 30) throw new InvalidOperationException("a bug"); } };
        var loader = new DataLoader(images, TransformPipeline.Parse("center_crop(4)"), new LoaderOptions { BatchSize = 8, Workers = 2 });
        Assert.Equal("a bug", Assert.Throws<InvalidOperationException>(() => Collect(loader.Epoch(0))).Message);
    }

    [Fact]
    public void A_cache_beyond_its_limit_changes_no_result()
    {
        using var folder = new TemporaryFolder();
        Directory.CreateDirectory(folder.File("a"));
        for (int i = 0; i < 12; i++)
        {
            var image = new Image(96, 80);
            new Random(i).NextBytes(image.Pixels);
            File.WriteAllBytes(folder.File($"a/{i:00}.jpg"), ImageCodec.EncodeJpeg(image));
        }
        var images = new ImageFolder(folder.Path);
        var options = new LoaderOptions { BatchSize = 4, Shuffle = true, Workers = 2 };
        const string line = "random_resized_crop(16, scale=(0.5, 1))";
        var all = Run(new CachedImages(images), options, 0, line);
        var some = Run(new CachedImages(images, maxBytes: 5 * 96 * 80 * 3), options, 0, line);
        Assert.Equal(all.Select(b => b.Pixels), some.Select(b => b.Pixels));
    }

    [Fact]
    public void Images_of_different_sizes_are_named()
    {
        var loader = new DataLoader(new Numbered(30, odd: 17), TransformPipeline.Parse("hflip"), new LoaderOptions { BatchSize = 8, Workers = 2 });
        var error = Assert.Throws<UserError>(() => Collect(loader.Epoch(0)));
        Assert.Contains("number 17 is 5 x 5, others are 4 x 4", error.Message);
        Assert.Contains("crop", error.Advice);
        Assert.Equal(30, Run(new Numbered(30, odd: 17), new LoaderOptions { BatchSize = 8 }, 0, "center_crop(4)").Sum(b => b.Indices.Length));
    }

    [Fact]
    public void Workers_end_when_the_consumer_leaves()
    {
        var images = new Numbered(100_000);
        var loader = new DataLoader(images, TransformPipeline.Parse(""), new LoaderOptions { BatchSize = 16, Workers = 3, Prefetch = 2 });
        foreach (var batch in loader.Epoch(0))
        {
            batch.Dispose();
            break;
        }
        int loaded = images.Loaded;
        Assert.InRange(loaded, 16, 16 * 5);
        Thread.Sleep(30);
        Assert.Equal(loaded, images.Loaded);
    }

    [Fact]
    public void Buffers_of_disposed_batches_are_used_again()
    {
        var loader = new DataLoader(new Numbered(800), TransformPipeline.Parse("squash(64, 64)"), new LoaderOptions { BatchSize = 8, Workers = 1, Prefetch = 2 });
        Collect(loader.Epoch(0));
        long before = GC.GetTotalAllocatedBytes(precise: true);
        foreach (var batch in loader.Epoch(1))
            batch.Dispose();
        long buffer = 8L * 3 * 64 * 64 * sizeof(float);
        Assert.InRange(GC.GetTotalAllocatedBytes(precise: true) - before, 0, 10 * buffer);
    }

    private sealed record Seen(int[] Indices, long[] Labels, float[] Pixels);

    [Theory]
    [InlineData(0)]
    [InlineData(2)]
    public void A_loader_stops_when_its_options_say_so(int workers)
    {
        using var stop = new CancellationTokenSource();
        using var loader = new DataLoader(new Numbered(100), TransformPipeline.Parse(""), new LoaderOptions { BatchSize = 5, Workers = workers, Cancellation = stop.Token });
        int batches = 0;
        Assert.Throws<OperationCanceledException>(() =>
        {
            foreach (var batch in loader.Epoch(0))
                using (batch)
                    if (++batches == 3)
                        stop.Cancel();
        });
        Assert.Equal(3, batches);
    }

    [SkippableFact]
    public void Page_locked_batches_hold_the_same()
    {
        Skip.IfNot(TorchSharp.torch.cuda.is_available(), "needs a CUDA device");
        var options = new LoaderOptions { BatchSize = 8, Shuffle = true, Workers = 2 };
        using var loader = new DataLoader(new Numbered(40), TransformPipeline.Parse(""), options with { PageLocked = true });
        foreach (var (plain, locked) in Collect(new DataLoader(new Numbered(40), TransformPipeline.Parse(""), options).Epoch(0)).Zip(Collect(loader.Epoch(0))))
            Assert.Equal(plain.Pixels, locked.Pixels);
        using var batch = loader.Epoch(1).First();
        Assert.True(batch.images.is_pinned());
    }

    private static List<Seen> Run(IImageDataset images, LoaderOptions options, int epoch = 0, string transforms = "pad_crop(4, 1)|hflip") =>
        Collect(new DataLoader(images, TransformPipeline.Parse(transforms), options).Epoch(epoch));

    private static List<Seen> Collect(IEnumerable<ImageBatch> batches)
    {
        var seen = new List<Seen>();
        foreach (var batch in batches)
            using (batch)
                seen.Add(new Seen(batch.Indices, batch.Labels, batch.Pixels.ToArray()));
        return seen;
    }

    private static float Value(int index) => (index / 255f - 0.485f) / 0.229f;

    /// <summary>Images of 4 x 4 pixels (one may be odd, of 5 x 5) whose colour tells their index; some are broken.</summary>
    private sealed class Numbered(int count, int[]? broken = null, int odd = -1) : IImageDataset
    {
        private int _loaded;

        public Action<int> OnLoad { get; init; } = _ => { };

        public int Loaded => Volatile.Read(ref _loaded);

        public int Count => count;

        public IReadOnlyList<string> ClassNames => ["a", "b", "c"];

        public int LabelOf(int index) => index % 3;

        public string NameOf(int index) => $"number {index}";

        public Image Load(int index, ImageScratch scratch, NeedOf needOf)
        {
            Interlocked.Increment(ref _loaded);
            OnLoad(index);
            if (broken?.Contains(index) == true)
                throw new ImageError($"{index}: it is broken");
            int size = index == odd ? 5 : 4;
            scratch.Decoded.Reshape(size, size);
            for (int y = 0; y < size; y++)
                for (int x = 0; x < size; x++)
                    (scratch.Decoded[x, y][0], scratch.Decoded[x, y][1], scratch.Decoded[x, y][2]) = ((byte)index, (byte)(100 + index), (byte)(16 * x + y));
            return scratch.Decoded;
        }
    }
}
