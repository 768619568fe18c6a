using Attention.Data;
using Attention.Torch;

namespace Attention.Tests.Data;

public class SamplerTests
{
    [Fact]
    public void Ranks_share_an_epoch_without_overlap()
    {
        var parts = Enumerable.Range(0, 3).Select(rank => Loader(50, new LoaderOptions { BatchSize = 4, Shuffle = true, Rank = rank, Ranks = 3 })).ToArray();
        Assert.Equal([17, 17, 16], parts.Select(part => part.SamplesPerEpoch));
        Assert.Equal([5, 5, 4], parts.Select(part => part.StepsPerEpoch));
        Assert.Equal(Enumerable.Range(0, 50), parts.SelectMany(part => part.Order(2)).Order());
        var whole = Loader(50, new LoaderOptions { Shuffle = true }).Order(2);
        Assert.Equal(whole.Where((_, i) => i % 3 == 1), parts[1].Order(2));
    }

    [Theory]
    [InlineData(LastBatch.Drop, 4, 48)]
    [InlineData(LastBatch.Pad, 5, 60)]
    public void Ranks_have_equal_numbers_of_full_batches(LastBatch last, int steps, int samples)
    {
        var parts = Enumerable.Range(0, 3).Select(rank => Loader(50, new LoaderOptions { BatchSize = 4, Last = last, Rank = rank, Ranks = 3 })).ToArray();
        Assert.All(parts, part => Assert.Equal((steps, samples / 3), (part.StepsPerEpoch, part.SamplesPerEpoch)));
        Assert.Equal(Enumerable.Range(0, samples).Select(i => i % 50).Order(), parts.SelectMany(part => part.Order(0)).Order());
        Assert.All(parts[0].Epoch(0), batch => Assert.Equal(4, batch.Samples));
    }

    [Fact]
    public void Padding_goes_round_as_often_as_needed()
    {
        Assert.Equal([0, 1, 2, 0, 1, 2, 0, 1], Loader(3, new LoaderOptions { BatchSize = 8, Last = LastBatch.Pad }).Order(0));
        Assert.Equal(0, Loader(3, new LoaderOptions { BatchSize = 8, Last = LastBatch.Drop }).StepsPerEpoch);
    }

    [Fact]
    public void Repeated_images_come_in_a_row_augmented_each_time_anew()
    {
        var options = new LoaderOptions { BatchSize = 6, Sampler = new Repeated(30, 3), Workers = 0 };
        using var loader = Loader(30, options, "pad_crop(8, 4)");
        int[] order = loader.Order(1);
        Assert.Equal(30, order.Length);
        Assert.Equal(10, order.Distinct().Count());
        Assert.All(order.Chunk(3), chunk => Assert.Single(chunk.Distinct()));
        foreach (var batch in loader.Epoch(1))
            using (batch)
                Assert.True(Samples(batch).Distinct().Count() >= 5, "copies of one image are alike");
    }

    [Fact]
    public void The_copies_of_an_image_go_to_different_ranks()
    {
        var options = new LoaderOptions { BatchSize = 5, Sampler = new Repeated(30, 3), Ranks = 3 };
        int[][] orders = [.. Enumerable.Range(0, 3).Select(rank => Loader(30, options with { Rank = rank }).Order(0))];
        Assert.Equal(orders[0], orders[1]);
        Assert.Equal(10, orders[2].Distinct().Count());
        string Pixels(int rank) => Samples(Loader(30, options with { Rank = rank }, "pad_crop(8, 4)").Epoch(0).First())[0];
        Assert.NotEqual(Pixels(0), Pixels(1));
    }

    [Fact]
    public void Weights_decide_how_often_an_image_comes()
    {
        int[] order = new Weighted([0, 1, 0, 3, 0], count: 8000).Order(1, 0);
        Assert.Equal([1, 3], order.Distinct().Order());
        Assert.InRange(order.Count(i => i == 3) / 8000.0, 0.73, 0.77);
        Assert.Throws<UserError>(() => new Weighted([0, 0]));
        Assert.Contains("image 1 is -2", Assert.Throws<UserError>(() => new Weighted([1, -2])).Message);
    }

    [Fact]
    public void Classes_can_be_balanced()
    {
        var images = new Unequal(1000);
        double Share(double power) => Weighted.ByClass(images, power).Order(3, 0).Count(i => images.LabelOf(i) == 1) / 1000.0;
        Assert.InRange(Share(1), 0.45, 0.55);
        Assert.InRange(Share(0), 0.07, 0.13);
        Assert.InRange(Share(0.5), 0.2, 0.3); // 3 to 1
    }

    private static DataLoader Loader(int count, LoaderOptions options, string transforms = "") =>
        new(new Unequal(count), TransformPipeline.Parse(transforms), options);

    private static string[] Samples(ImageBatch batch)
    {
        var pixels = batch.Pixels.ToArray();
        return [.. pixels.Chunk(pixels.Length / batch.Samples).Select(values => string.Join(' ', values))];
    }

    /// <summary>Noise of 8 x 8 pixels; a tenth of the images has label 1, the others 0.</summary>
    private sealed class Unequal(int count) : IImageDataset
    {
        public int Count => count;

        public IReadOnlyList<string> ClassNames => ["often", "rare"];

        public int LabelOf(int index) => index % 10 == 0 ? 1 : 0;

        public string NameOf(int index) => $"number {index}";

        public Image Load(int index, ImageScratch scratch, NeedOf needOf)
        {
            scratch.Decoded.Reshape(8, 8);
            new Random(index).NextBytes(scratch.Decoded.Pixels);
            return scratch.Decoded;
        }
    }
}
