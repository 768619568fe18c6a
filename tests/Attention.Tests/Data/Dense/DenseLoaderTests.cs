using Attention.Data;
using Xunit;

namespace Attention.Tests.Data;

public class DenseLoaderTests
{
    private const string Everything =
        "mosaic(48, 56, p=0.3)|large_scale_jitter(48, 56, scale=(0.6, 1.6))|hflip|color_jitter(0.3, 0.3)|copy_paste(p=0.7)|random_crop(p=0.3)|resize((40, 64), max=80)";

    [Fact]
    public void Batches_do_not_depend_on_the_number_of_workers()
    {
        var options = new DenseLoaderOptions { BatchSize = 5, Shuffle = true, Seed = 3, Workers = 1 };
        var reference = Run(new PaintedObjects(33), options, Everything);
        Assert.Equal(7, reference.Count);
        foreach (int workers in new[] { 0, 3 })
            Assert.Equal(reference, Run(new PaintedObjects(33), options with { Workers = workers }, Everything));
        Assert.NotEqual(reference, Run(new PaintedObjects(33), options with { Seed = 4 }, Everything));
        Assert.NotEqual(reference, Run(new PaintedObjects(33), options, Everything, epoch: 1));
    }

    [Fact]
    public void An_epoch_can_start_in_its_middle()
    {
        var options = new DenseLoaderOptions { BatchSize = 4, Shuffle = true, Workers = 2, GroupByShape = true };
        var whole = Run(new PaintedObjects(30), options, Everything, epoch: 2);
        Assert.Equal(whole.Skip(3), Run(new PaintedObjects(30), options, Everything, epoch: 2, first: 3));
    }

    [Fact]
    public void Ranks_share_an_epoch()
    {
        var options = new DenseLoaderOptions { BatchSize = 3, Shuffle = true, Ranks = 2, Last = LastBatch.Pad };
        int[] Of(int rank)
        {
            using var loader = new DenseLoader(new PaintedObjects(20), DensePipeline.Parse(""), options with { Rank = rank });
            Assert.Equal(4, loader.StepsPerEpoch);
            return [.. loader.Epoch(0).SelectMany(batch => batch.Samples.Select(sample => sample.Index))];
        }
        Assert.Equal(Enumerable.Range(0, 20), Of(0).Concat(Of(1)).Distinct().Order());
        Assert.Equal(24, Of(0).Length + Of(1).Length);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public void Wide_images_share_batches_with_wide_ones(int ranks)
    {
        var images = new PaintedObjects(60);
        var options = new DenseLoaderOptions { BatchSize = 4, Shuffle = true, GroupByShape = true, Ranks = ranks };
        var indices = new List<int>();
        for (int rank = 0; rank < ranks; rank++)
        {
            using var loader = new DenseLoader(images, DensePipeline.Parse(""), options with { Rank = rank });
            int[] order = loader.Order(1);
            indices.AddRange(order);
            bool[] mixed = [.. order.Chunk(4).Select(batch => batch.Select(index => index % 3 == 0).Distinct().Count() > 1)];
            Assert.InRange(mixed.Count(each => each), 0, 1);
        }
        Assert.Equal(Enumerable.Range(0, 60), indices.Order());
    }

    [Fact]
    public void Images_are_padded_with_zeros_to_a_multiple_of_the_largest()
    {
        using var loader = new DenseLoader(new PaintedObjects(4), DensePipeline.Parse("normalize(unit)"), new DenseLoaderOptions { BatchSize = 4 });
        using var batch = loader.Epoch(0).Single();
        Assert.Equal((64, 64), (batch.Height, batch.Width));
        Assert.Equal([4, 3, 64, 64], batch.images.shape);
        Assert.Equal([(60, 40), (40, 48), (40, 52), (60, 40)], batch.Samples.Select(sample => (sample.Height, sample.Width)));
        var pixels = batch.images.data<float>().ToArray();
        var classes = batch.classes.data<long>().ToArray();
        for (int i = 0; i < 4; i++)
        {
            var sample = batch.Samples[i];
            Assert.Equal((sample.OriginalHeight, sample.OriginalWidth), (sample.Height, sample.Width));
            for (int y = 0; y < 64; y++)
                for (int x = 0; x < 64; x++)
                {
                    bool isInside = y < sample.Height && x < sample.Width;
                    var found = isInside ? sample.Objects.FirstOrDefault(each => each.Mask![y * sample.Width + x] != 0) : null;
                    for (int channel = 0; channel < 3; channel++)
                        Assert.Equal(found is null ? 0 : PaintedObjects.ColourOf(found.Id)[channel] / 255f, pixels[((i * 3 + channel) * 64 + y) * 64 + x], 1e-6f);
                    Assert.Equal(found?.Label ?? 255, classes[(i * 64 + y) * 64 + x]);
                }
        }
    }

    [Fact]
    public void Broken_images_are_replaced_and_never_mixed_in()
    {
        var named = new List<string>();
        var images = new PaintedObjects(12, broken: [2, 7, 8]);
        using var loader = new DenseLoader(images, DensePipeline.Parse("mosaic(32, 32)|copy_paste(p=1)"), new DenseLoaderOptions { BatchSize = 6, Workers = 2 }, named.Add);
        var samples = loader.Epoch(0).SelectMany(batch => batch.Samples).ToList();
        Assert.Equal([0, 1, 3, 3, 4, 5, 6, 9, 9, 9, 10, 11], samples.Select(sample => sample.Index));
        Assert.DoesNotContain(samples.SelectMany(sample => sample.Objects), each => each.Id / 10 is 2 or 7 or 8);
        Assert.Equal(3, loader.BrokenCount);
        Assert.Equal(["broken image 2: it is broken", "broken image 7: it is broken", "broken image 8: it is broken"], named.Order());
    }

    [Fact]
    public void Broken_images_are_left_out_of_evaluation()
    {
        using var loader = new DenseLoader(new PaintedObjects(8, broken: [1, 4, 5, 6, 7]), DensePipeline.Parse(""),
            new DenseLoaderOptions { BatchSize = 4, Workers = 2, Broken = BrokenImages.Skip });
        Assert.Equal([[0, 2, 3]], loader.Epoch(0).Select(batch => batch.Samples.Select(sample => sample.Index).ToArray()));
    }

    [Fact]
    public void Faults_of_a_data_set_reach_the_consumer()
    {
        var images = new PaintedObjects(20) { OnLoad = index => { if (index == 11) throw new InvalidOperationException("a bug"); } };
        using var loader = new DenseLoader(images, DensePipeline.Parse(""), new DenseLoaderOptions { BatchSize = 4, Workers = 2 });
        Assert.Equal("a bug", Assert.Throws<InvalidOperationException>(() => loader.Epoch(0).Count()).Message);
    }

    [Fact]
    public void Buffers_of_disposed_batches_are_used_again()
    {
        using var loader = new DenseLoader(new PaintedObjects(60), DensePipeline.Parse("large_scale_jitter(320, 320)"), new DenseLoaderOptions { BatchSize = 4, Workers = 0 });
        long Allocated(int epoch)
        {
            long before = GC.GetTotalAllocatedBytes(precise: true);
            foreach (var batch in loader.Epoch(epoch))
                batch.Dispose();
            return GC.GetTotalAllocatedBytes(precise: true) - before;
        }
        Allocated(0);
        // 15 batches share the buffers of one or two; masks and classes are made anew.
        Assert.InRange(Allocated(1), 0, 60L * 3 * 320 * 320 * sizeof(float) / 2);
    }

    private static List<string> Run(IDenseDataset images, DenseLoaderOptions options, string transforms, int epoch = 0, int first = 0)
    {
        using var loader = new DenseLoader(images, DensePipeline.Parse(transforms), options);
        var seen = new List<string>();
        foreach (var batch in loader.Epoch(epoch, first))
            using (batch)
                seen.Add(Said(batch));
        return seen;
    }

    private static string Said(DenseBatch batch)
    {
        var hash = new HashCode();
        foreach (float value in batch.Pixels)
            hash.Add(value);
        foreach (var each in batch.Samples.SelectMany(sample => sample.Objects))
        {
            hash.AddBytes(each.Mask);
            foreach (float value in each.Box.Concat(each.Keypoints!).Append(each.Area))
                hash.Add(value);
        }
        foreach (var sample in batch.Samples)
            hash.AddBytes(sample.Classes);
        var told = batch.Samples.Select(sample => $"{sample.Index}: {sample.Width} x {sample.Height}, {string.Join(' ', sample.Objects.Select(each => each.Id))}");
        return $"{batch.Width} x {batch.Height}: {string.Join("; ", told)}; {hash.ToHashCode()}";
    }
}
